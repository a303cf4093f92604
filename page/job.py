"""A change of the archive in the background: one at a time, with its progress, stopped on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from errors import ArchiveBusyError

if TYPE_CHECKING:
    from index.rebuild import Progress, Report

Work = Callable[[Callable[["Progress"], None]], "Report"]


class StoppedError(Exception):
    """The change was given up on demand; the archive is as it was."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a change is: `left` are seconds, None while that cannot be told yet.

    Once `running` is False there is a `report`, or an `error`.
    """

    running: bool
    progress: Progress | None = None
    left: float | None = None
    report: Report | None = None
    error: Exception | None = None


class Job:
    """Runs one change at a time in a thread of its own. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._progress: Progress | None = None
        self._since = 0.0
        self._report: Report | None = None
        self._error: Exception | None = None

    def start(self, work: Work) -> None:
        """Begin; raises ArchiveBusyError while another change goes on."""
        with self._lock:
            if not self._ended.is_set():
                raise ArchiveBusyError("articles are being added already; wait until that is done, or stop it")
            self._ended.clear()
            self._stop.clear()
            self._progress = self._report = self._error = None
        threading.Thread(target=self._run, args=(work,), name="sourcier-add", daemon=True).start()

    def stop(self) -> None:
        """Give up what is running, if anything: it ends at its next step."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; return whether it has ended."""
        return self._ended.wait(seconds)

    def seen(self) -> Seen:
        """Return how far it is; of what ended last where nothing runs."""
        with self._lock:
            progress = self._progress
            left = None
            if progress is not None and progress.stage == "embedding" and 0 < progress.done < progress.total:
                left = (time.monotonic() - self._since) * (progress.total - progress.done) / progress.done
            return Seen(not self._ended.is_set(), progress, left, self._report, self._error)

    def _run(self, work: Work) -> None:
        report, error = None, None
        try:
            report = work(self._told)
        except Exception as raised:
            error = raised
        finally:  # of a panic in Rust too, else the next one would never be let in
            with self._lock:
                self._report, self._error = report, error
                self._ended.set()

    def _told(self, progress: Progress) -> None:
        if self._stop.is_set():
            raise StoppedError
        with self._lock:
            if self._progress is None or self._progress.stage != progress.stage:
                self._since = time.monotonic()
            self._progress = progress
