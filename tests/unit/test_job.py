"""A change in the background: how far it is, when it is over, and how it is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from errors import ArchiveBusyError
from index.rebuild import Progress, Report
from page.job import Job, Seen, StoppedError

DONE = Report(2, 0, 0, (), 2, 5, 5)
LONG = 10  # seconds in which everything here is over


class Steps:
    """Work that tells one progress after another, when the test says so."""

    def __init__(self, *steps: Progress, last: Report | Exception = DONE) -> None:
        self._steps, self._last = steps, last
        self._go, self._told = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, progress: Callable[[Progress], None]) -> Report:
        for step in self._steps:
            assert self._go.acquire(timeout=LONG)
            progress(step)
            self._told.release()
        assert self._go.acquire(timeout=LONG)
        if isinstance(self._last, Exception):
            raise self._last
        return self._last

    def step(self) -> None:
        self._go.release()
        assert self._told.acquire(timeout=LONG)

    def end(self) -> None:
        self._go.release()


@pytest.fixture
def job() -> Iterator[Job]:
    job = Job()
    yield job
    assert job.wait(LONG), "a test has left its work behind"


def test_nothing_was_ever_started(job: Job) -> None:
    assert job.seen() == Seen(running=False)
    assert job.wait(0)
    job.stop()


def test_a_change_is_seen_from_its_start_to_its_report(job: Job) -> None:
    reading, writing = Progress("reading", 1, 2), Progress("writing", 0, 1)
    work = Steps(reading, writing)
    job.start(work)
    assert job.seen() == Seen(running=True)
    work.step()
    assert job.seen() == Seen(True, reading)
    work.step()
    assert job.seen() == Seen(True, writing)
    assert not job.wait(0)
    work.end()
    assert job.wait(LONG)
    assert job.seen() == Seen(False, writing, None, DONE)


def test_the_seconds_left_are_told_of_embedding_once_some_of_it_is_done(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("page.job.time.monotonic", lambda: now)
    work = Steps(
        Progress("reading", 1, 2),
        Progress("embedding", 0, 4),
        Progress("embedding", 1, 4),
        Progress("embedding", 4, 4),
        Progress("writing", 1, 2),
    )
    job.start(work)
    left = []
    for seconds in (5, 10, 20, 0, 0):
        now += seconds
        work.step()
        left.append(job.seen().left)
    # embedding began at 115; at 135, a quarter was done in 20 seconds
    assert left == [None, None, 60.0, None, None]
    work.end()


def test_a_second_change_is_refused_until_the_first_is_over(job: Job) -> None:
    work = Steps()
    job.start(work)
    with pytest.raises(ArchiveBusyError, match="already"):
        job.start(Steps())
    assert job.seen().running
    work.end()
    assert job.wait(LONG)
    job.start(lambda progress: Report(9, 0, 0, (), 9, 9, 9))
    assert job.wait(LONG)
    assert job.seen() == Seen(False, None, None, Report(9, 0, 0, (), 9, 9, 9))


def test_stopped_it_ends_at_its_next_step(job: Job) -> None:
    work = Steps(Progress("embedding", 0, 2), Progress("embedding", 1, 2))
    job.start(work)
    work.step()
    job.stop()
    assert not job.wait(0)
    work.end()  # lets it come to its next step
    assert job.wait(LONG)
    seen = job.seen()
    assert (seen.running, seen.progress, seen.report) == (False, Progress("embedding", 0, 2), None)
    assert isinstance(seen.error, StoppedError)


def test_a_stop_does_not_reach_the_next_change(job: Job) -> None:
    job.stop()
    work = Steps(Progress("reading", 0, 1))
    job.start(work)
    work.step()
    work.end()
    assert job.wait(LONG)
    assert job.seen().report == DONE


def test_an_error_is_kept_until_the_next_change(job: Job) -> None:
    error = OSError("no space left")
    work = Steps(last=error)
    job.start(work)
    work.end()
    assert job.wait(LONG)
    assert job.seen() == Seen(False, error=error)
    work = Steps()
    job.start(work)
    assert job.seen() == Seen(running=True)
    work.end()


class Panic(BaseException):
    """As a library in Rust raises it."""


def test_whatever_ends_a_change_the_next_can_begin(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda raised: told.set())

    def panics(progress: Callable[[Progress], None]) -> Report:
        raise Panic

    job.start(panics)
    assert job.wait(LONG)
    assert told.wait(LONG)
    job.start(lambda progress: DONE)
    assert job.wait(LONG)
    assert job.seen().report == DONE


def test_of_many_that_begin_at_once_one_is_let_in(job: Job) -> None:
    go, work = threading.Barrier(8), Steps()
    refused = []

    def begin() -> None:
        go.wait(LONG)
        try:
            job.start(work)
        except ArchiveBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    work.end()
    assert len(refused) == 7
