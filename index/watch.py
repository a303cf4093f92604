"""A folder watched: what arrives in it is added to the index."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from errors import ArchiveBusyError, ArticleError, NothingFoundError
from index.articles import Skipped
from index.embedder import Embedder
from index.rebuild import Report, update

_QUIET = 1600  # milliseconds
_RETRY = 5.0  # seconds to wait while another process writes


def watched(
    home: Path,
    folder: Path,
    embedder: Embedder,
    passage_tokens: int,
    stop: threading.Event | None = None,
    quiet: int = _QUIET,
) -> Iterator[Report]:
    """Yield a report of the whole folder, then one each time that files have come or changed, until `stop` is set.

    What came is read once nothing has changed for `quiet` milliseconds, or for four times as long at
    most. Files that are deleted stay in the index. What cannot be read yet, since it is still being
    written, is read at its next change. Raises what `update` raises but ArchiveBusyError: then it waits.
    """
    from watchfiles import Change, watch

    ended = stop or threading.Event()
    changes = watch(folder, debounce=quiet * 4, step=quiet, stop_event=ended, yield_on_timeout=True,
                    rust_timeout=min(quiet, 1000), raise_interrupt=True)  # fmt: skip
    next(changes)  # watched from here on, so that nothing is missed while the folder is read
    yield from _added(home, [folder], embedder, passage_tokens, ended)
    for seen in changes:
        paths = sorted({Path(path) for change, path in seen if change != Change.deleted})
        # a link below a folder is not followed, hidden files and folders are not read: as when a folder is named
        paths = [path for path in paths if path.is_file() and not _hidden(path, folder)]
        if paths:
            yield from _added(home, paths, embedder, passage_tokens, ended)


def _added(
    home: Path, paths: list[Path], embedder: Embedder, passage_tokens: int, ended: threading.Event
) -> Iterator[Report]:
    while not ended.is_set():
        try:
            report = update(home, paths, embedder, passage_tokens=passage_tokens)
        except ArchiveBusyError:
            time.sleep(_RETRY)
            continue
        except ArticleError:  # gone again before it was read; the others are there
            paths = [path for path in paths if path.exists()]
            if not paths:
                return
            continue
        except NothingFoundError as error:
            told = () if all(path.is_dir() for path in paths) else (Skipped(str(paths[0]), str(error)),)
            report = Report(0, 0, 0, told, 0, 0, 0)
        yield report
        return


def _hidden(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path
    return path.is_symlink() or any(part.startswith(".") for part in inside.parts)
