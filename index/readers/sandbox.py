"""Reading in another process: whatever a file does to it, this one goes on, with a reason instead of an article."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from errors import ArticleError
from index.articles import Article, Found, Skipped
from index.readers.formats import OUT_OF_MEMORY, skipped

_PATIENCE = 8.0  # seconds without an answer, after which a file has had its time
_LEAST = 4.0  # seconds that it has in any case, if the process that is to read it had to load first
_START = 120.0  # seconds for the process to load its libraries, from a slow disk
_IDLE = 60.0  # seconds that a process waits for another file
_MOST_ENDS = 3  # processes that the members of one archive may end
_ROOT = Path(__file__).parents[2]
_FIELDS = frozenset(Article.__dataclass_fields__)


class Worker:
    """One process of index/readers/worker.py, and the clock that ends it."""

    def __init__(self) -> None:
        paths = (str(_ROOT), os.environ.get("PYTHONPATH", ""))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "OPENBLAS_NUM_THREADS": "1",  # each thread would reserve address space
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "index.readers.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self.owner = os.getpid()
        self.is_over = False
        self.was_late = False
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + _START
        self._is_ready = False
        threading.Thread(target=self._watch, daemon=True, name="reader's clock").start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, request: dict[str, Any]) -> bool:
        """Send a request once the process has loaded; tell whether it has arrived."""
        assert self._process.stdin is not None
        self._is_ready = self._is_ready or self.answer(_START) == {"ready": True}
        if not self._is_ready:
            return False
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return self.answer() == {"asked": True}

    def answer(self, patience: float | None = None) -> dict[str, Any] | None:
        """Wait for the next answer; None if the process has ended, or had to be ended."""
        assert self._process.stdout is not None
        self.wait_until(time.monotonic() + (_PATIENCE if patience is None else patience))
        line = self._process.stdout.readline()
        self.wait_until(None)
        if not line.endswith(b"\n"):
            return None
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def wait_until(self, deadline: float | None) -> None:
        """End the process at `deadline`, on the clock of `time.monotonic`, unless told otherwise before."""
        with self._lock:
            self._deadline = float("inf") if deadline is None else deadline

    def borrowed(self) -> bool:
        """Stop the clock of an idle process; tell whether it can be asked."""
        self.wait_until(None)
        return not self.is_over and self._process.poll() is None and self.owner == os.getpid()

    def end(self) -> int:
        """End the process; return its exit status, negative for a signal."""
        self.is_over = True
        self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent any more
                    continue
        return status

    def _watch(self) -> None:
        while self._process.poll() is None:
            time.sleep(0.2)
            with self._lock:
                if time.monotonic() > self._deadline:
                    self.is_over = self.was_late = True
                    self._process.kill()


_idle: list[Worker] = []
_idle_lock = threading.Lock()


def _forget() -> None:
    """After a fork, the process belongs to the parent."""
    global _idle_lock
    _idle_lock = threading.Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _close() -> None:
    with _idle_lock:
        while _idle:
            _idle.pop().end()


atexit.register(_close)


class Desk:
    """Hands files to a process, and to another one where that has ended."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def read(self, path: Path, name: str, origin: str) -> Iterator[Found | Skipped]:
        """Yield what a file holds, as `formats.entries` does."""
        after, ends = 0, 0
        while True:
            request = {"path": os.fspath(path), "name": name, "origin": origin, "after": after}
            started = time.monotonic()
            worker = self._asked(request)
            place = origin
            answer = worker.answer(max(min(_LEAST, _PATIENCE), _PATIENCE - (time.monotonic() - started)))
            while answer is not None and "end" not in answer:
                if "begun" in answer:
                    after, place = after + 1, str(answer.get("origin"))
                    if isinstance(answer["begun"], int):
                        after = max(after, answer["begun"])
                else:
                    yield _entry(answer)
                answer = worker.answer()
            if answer is not None:
                if answer["end"]:
                    self.discard()
                return
            was_late, status = worker.was_late, self.discard()
            self._worker = Worker()  # which loads while whoever asked makes use of the answer
            ends += 1
            yield skipped(place, _ended(was_late, status))
            if place == origin:
                return
            if ends == _MOST_ENDS:
                yield skipped(origin, "the rest of the archive is not read, after too many members that cannot be")
                return

    def discard(self) -> int:
        """End the process at hand; return its exit status."""
        worker, self._worker = self._worker, None
        return worker.end() if worker else 0

    def leave(self) -> None:
        """Keep the process at hand for whoever reads next."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with _idle_lock:
            if not _idle and worker.owner == os.getpid():
                worker.wait_until(time.monotonic() + _IDLE)
                _idle.append(worker)
                return
        worker.end()

    def _asked(self, request: dict[str, Any]) -> Worker:
        for _ in range(3):
            if self._worker is None:
                self._worker = _kept() or Worker()
            if self._worker.ask(request):
                return self._worker
            self.discard()
        raise ArticleError("the process that reads files does not start; run `python -m index.readers.worker`")


@contextmanager
def desk() -> Iterator[Desk]:
    """Open a desk; its process is kept for the next one, or ended if a file was left half read."""
    opened = Desk()
    try:
        yield opened
    except BaseException:
        opened.discard()
        raise
    opened.leave()


def _kept() -> Worker | None:
    with _idle_lock:
        worker = _idle.pop() if _idle else None
    if worker is None or worker.borrowed():
        return worker
    worker.end()
    return None


def _entry(answer: dict[str, Any]) -> Found | Skipped:
    """Build what the process found; it has read a stranger's file, so it is not believed to keep the form."""
    if "reason" in answer:
        return skipped(str(answer.get("origin")), str(answer["reason"]))
    article = answer.get("article")
    if not isinstance(article, dict) or article.keys() != _FIELDS:
        return skipped(str(answer.get("key")), "the process that read it gave no article")
    values: dict[str, Any] = {name: None if value is None else str(value) for name, value in article.items()}
    if published := values["published"]:
        kind = datetime if "T" in published else date
        try:
            values["published"] = kind.fromisoformat(published)
        except ValueError:
            values["published"] = None
    return Found(str(answer.get("key")), Article(**values))


def _ended(was_late: bool, status: int) -> str:
    if was_late:
        return f"reading it takes more than {_PATIENCE:.0f} seconds; it may be damaged"
    if status == OUT_OF_MEMORY:
        return "it needs too much memory to read"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"status {status}"
    return f"the process that read it ended ({name}); it may be damaged, or need too much memory"
