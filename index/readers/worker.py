"""The process that opens strangers' files: asked and answering in lines of JSON, bounded in memory, writing nothing.

Run as `python -m index.readers.worker` by index/readers/sandbox.py, which sets the time limit.

    asked        {"path": …, "name": …, "origin": …, "after": 0}
    at once      {"asked": true}
    answered     {"begun": number, "origin": …} | {"key": …, "article": {…}} | {"origin": …, "reason": …}
    at the end   {"end": true}, where true says that the process should be replaced
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from index.readers.formats import OUT_OF_MEMORY, Begun, entries, skipped, why
from index.readers.source import of_file

MEMORY = 1_000_000_000  # bytes of address space, the program itself included
_WORN = 500_000_000  # bytes, that are still held after a file is read


def main() -> None:
    """Load all that a file may need, close the doors, and answer until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for who asks; the end of its pipe is the end of this process
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints does not spoil an answer
    _load()
    _limit()
    _say(answers, {"ready": True})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _say(answers, {"asked": True})
        try:
            for answer in _answers(request):
                _say(answers, answer)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        worn = _memory() > _WORN
        _say(answers, {"end": worn})
        if worn:
            return


def _answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        source = of_file(Path(request["path"]), request["name"])
    except OSError as error:
        yield asdict(skipped(request["origin"], why(error)))
        return
    for entry in entries(source, request["origin"], request["after"]):
        if isinstance(entry, Begun):
            yield {"begun": entry.number, "origin": entry.origin}
        else:
            yield asdict(entry)


def _say(answers: BinaryIO, answer: dict[str, Any]) -> None:
    line = json.dumps(answer, ensure_ascii=False, default=_written)
    answers.write(line.encode("utf-8", "replace") + b"\n")
    answers.flush()


def _written(value: object) -> str:
    assert isinstance(value, date)
    return value.isoformat()


def _load() -> None:
    """Import the libraries and models now, so that the time limit of a file is its own."""
    import docx  # noqa: F401
    import feedparser  # noqa: F401
    import pypdfium2  # noqa: F401
    import trafilatura.settings  # noqa: F401

    from index.language import detect
    from index.readers.dates import read_date

    for text in ("La ville de Valmorin a voté.", "oui"):  # the second is too short for the first model
        detect(text)
    read_date("12 mars 2024")


def _limit() -> None:
    """Bound the memory, and refuse to write files; where the system has no such limits, time is the only one."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):  # macOS knows some of them by name only
            continue


def _memory() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
