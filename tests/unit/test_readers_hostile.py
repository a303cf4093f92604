"""Files that are made to crash, hang or fill the memory of whoever reads them, and processes that end while they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.fuzz_readers import fuzz
from faults.fuzz_samples import FIRST, zipped

from index.articles import Found, Skipped
from index.readers import read, sandbox

ROOT = Path(__file__).parents[2]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    """Begin and end each test without a process that waits for files."""
    sandbox._close()
    yield
    sandbox._close()


def test_a_slice_of_the_fuzzing() -> None:
    outcome = fuzz(200, seed=7, bombs=False)
    assert outcome.is_good, outcome
    assert outcome.found > 0 < outcome.skipped
    assert sum(outcome.files.values()) == 200


class Scripted:
    """A program in the place of index/readers/worker.py, which does what each file's name says."""

    CODE = """
import json, os, signal, sys, time
def say(answer): print(json.dumps(answer), flush=True)
say({"ready": True})
for line in sys.stdin:
    request = json.loads(line)
    say({"asked": True})
    for number, name in enumerate(request["name"].removesuffix(".txt").split("-"), start=1):
        if number <= request["after"]: continue
        if "-" in request["name"]: say({"begun": number, "origin": request["origin"] + "/" + name})
        if name == "die": os.kill(os.getpid(), signal.SIGSEGV)
        if name == "full": os._exit(77)
        if name == "hang": time.sleep(60)
        if name == "garble": print("{", flush=True)
        if name == "lie": say({"key": "k", "article": {"id": 1}})
        if name == "good": say({"origin": name, "reason": "it is good"})
    say({"end": "last" in request["name"]})
"""

    def __init__(self) -> None:
        self.started = 0

    def __call__(self, arguments: list[str], **rest: object) -> subprocess.Popen[bytes]:
        self.started += 1
        return subprocess.Popen([sys.executable, "-c", self.CODE], **rest)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted()

    class Module:
        PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
        Popen = staticmethod(scripted)

    monkeypatch.setattr(sandbox, "subprocess", Module)
    monkeypatch.setattr(sandbox, "_PATIENCE", 0.5)
    return scripted


@pytest.mark.parametrize(
    ("name", "reasons", "started"),
    [
        pytest.param("good", ["it is good"], 1, id="good"),
        pytest.param("last", [], 1, id="asks-to-be-replaced"),
        pytest.param("die", ["ended (SIGSEGV)"], 2, id="dies"),
        pytest.param("hang", ["takes more than"], 2, id="hangs"),
        pytest.param("full", ["needs too much memory"], 2, id="out-of-memory"),
        pytest.param("garble", ["ended (SIGKILL)"], 2, id="answers-no-json"),
        pytest.param("lie", ["gave no article"], 1, id="answers-no-article"),
        pytest.param("good-die-good", ["it is good", "ended (SIGSEGV)", "it is good"], 2, id="archive-goes-on"),
        pytest.param(
            "die-die-die-good",
            ["ended (SIGSEGV)", "ended (SIGSEGV)", "ended (SIGSEGV)", "the rest of the archive is not read"],
            4,
            id="archive-is-given-up",
        ),
    ],
)
def test_the_process_ends(tmp_path: Path, program: Scripted, name: str, reasons: list[str], started: int) -> None:
    path = written(tmp_path / f"{name}.txt", b"x")
    entries = list(read([path]))
    assert len(entries) == len(reasons)
    for entry, reason in zip(entries, reasons, strict=True):
        assert isinstance(entry, Skipped)
        assert reason in entry.reason
    assert program.started == started
    again = list(read([written(tmp_path / "good.txt", b"x")]))
    assert again == [Skipped("good", "it is good")]


def test_one_process_for_many_files(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"{number}.txt", FIRST.encode())
    assert len(list(read([tmp_path]))) == 3
    (first,) = sandbox._idle
    assert len(list(read([tmp_path]))) == 3
    assert sandbox._idle == [first]


def test_a_reading_that_is_left_ends_its_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", zipped({f"{number}.txt": FIRST.encode() for number in range(500)}))
    entries = read([path])
    next(entries)
    entries.close()  # type: ignore[attr-defined]
    assert sandbox._idle == []
    assert len(list(read([path]))) == 500


def test_two_threads_have_processes_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", zipped({f"{number}.txt": FIRST.encode() for number in range(50)}))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(len(list(read([path]))))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [50, 50]
    assert len(sandbox._idle) == 1


def test_an_idle_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", FIRST.encode())
    list(read([path]))
    os.kill(sandbox._idle[0].pid, signal.SIGKILL)
    (entry,) = read([path])
    assert isinstance(entry, Found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_does_not_share_the_process(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", FIRST.encode())
    list(read([path]))
    assert len(sandbox._idle) == 1
    child = os.fork()
    if child == 0:
        os._exit(len(sandbox._idle))
    assert os.waitpid(child, 0)[1] == 0


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", FIRST.encode())
    code = (
        "import os, signal, sys; from index.readers import read, sandbox; list(read([sys.argv[1]]));"
        "print(sandbox._idle[0].pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, env=environment
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_is_bounded_and_light(tmp_path: Path) -> None:
    list(read([written(tmp_path / "a.txt", FIRST.encode())]))
    folder = Path("/proc", str(sandbox._idle[0].pid))
    limits = (folder / "limits").read_text().splitlines()
    assert next(line.split()[3] for line in limits if line.startswith("Max address space")) == "1000000000"
    assert next(line.split()[3] for line in limits if line.startswith("Max file size")) == "0"
    loaded = (folder / "maps").read_text()
    assert not any(f"/{name}/" in loaded for name in ("torch", "faiss", "llama_cpp", "gradio"))
