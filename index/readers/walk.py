"""Files, folders, patterns and standard input → articles: finds the files, and has each read in a process apart."""

from __future__ import annotations

import fnmatch
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from errors import ArticleError
from index.articles import Found, Skipped
from index.readers.formats import STANDARD_INPUT, skipped, why
from index.readers.sandbox import Desk, desk


def count(paths: Iterable[Path | str]) -> int:
    """Count the files that `read` would look at. Raises ArticleError as `read` does."""
    return sum(not isinstance(found, Skipped) for found in _walk(_existing(paths)))


def read(paths: Iterable[Path | str]) -> Iterator[Found | Skipped]:
    """Read files, and all files below folders, in the order of their names.

    A path that is not there but has `*`, `?` or `[…]` in it is a pattern, where `**` is any depth of
    folders; "-" is standard input. Hidden files, and links below a folder or that a pattern meets,
    are left out. What cannot be read is Skipped, with the reason, and the rest goes on. Every
    article found has text, is clean and has a language.

    Raises ArticleError at once if one of the paths does not exist, or a pattern fits none.
    """
    return _read_all(_existing(paths))


def _existing(paths: Iterable[Path | str]) -> list[Path | str]:
    """Return absolute paths, patterns as strings, and "-"."""
    known: list[Path | str] = []
    for given in paths:
        if os.fspath(given) == STANDARD_INPUT:
            known.append(STANDARD_INPUT)
            continue
        path = Path(os.path.abspath(given))
        if os.path.exists(path):  # which a name too long for the system does not make raise
            known.append(path)
        elif not glob.has_magic(os.fspath(given)):
            raise ArticleError(f"{_shown(path)} does not exist; give a file or a folder of articles")
        elif next(_matching(path), None) is None:
            raise ArticleError(f"no file fits {_shown(path)}; give a file, a folder or a pattern of articles")
        else:
            known.append(os.fspath(path))
    return known


def _read_all(paths: list[Path | str]) -> Iterator[Found | Skipped]:
    with desk() as opened:
        for found in _walk(paths):
            if isinstance(found, Skipped):
                yield found
            elif isinstance(found, Path):
                yield from _read_file(opened, found)
            else:
                yield from _read_standard_input(opened)


def _read_file(opened: Desk, path: Path) -> Iterator[Found | Skipped]:
    origin = _shown(path)
    try:
        is_file = path.is_file()
    except OSError as error:
        yield skipped(origin, why(error))
        return
    if is_file:
        yield from opened.read(path, _shown(Path(path.name)), origin)
    else:
        yield skipped(origin, "it is not a file")


def _read_standard_input(opened: Desk) -> Iterator[Found | Skipped]:
    """Read one stream to its end, which may be longer than memory, and then as a file without a name."""
    with tempfile.TemporaryDirectory(prefix="sourcier-") as folder:
        path = Path(folder, "input")
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        except (OSError, ValueError) as error:
            yield skipped(STANDARD_INPUT, why(error))
            return
        yield from opened.read(path, "", STANDARD_INPUT)


def _walk(paths: list[Path | str]) -> Iterator[Path | str | Skipped]:
    for path in paths:
        if isinstance(path, Path):
            yield from _below(path)
        elif path == STANDARD_INPUT:
            yield path
        else:
            for match in _matching(Path(path)):
                yield from _below(match)


def _below(path: Path) -> Iterator[Path | Skipped]:
    if not path.is_dir():
        yield path
        return
    refused: list[OSError] = []
    for folder, folders, files in os.walk(path, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            file for name in sorted(files) if not name.startswith(".") and not (file := Path(folder, name)).is_symlink()
        )
    yield from (skipped(_shown(Path(error.filename)), why(error)) for error in refused)


def _matching(pattern: Path) -> Iterator[Path]:
    """Yield the files and folders that fit a pattern, sorted folder by folder, without hidden ones and links."""
    fixed = Path(pattern.anchor)
    parts = list(pattern.parts[1:])
    while parts and not glob.has_magic(parts[0]):
        fixed /= parts.pop(0)
    yield from _fitting(fixed, parts)


def _fitting(folder: Path, parts: list[str]) -> Iterator[Path]:
    while parts[:2] == ["**", "**"]:
        parts = parts[1:]
    if parts[0] == "**" and parts[1:]:
        yield from _fitting(folder, parts[1:])
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # no folder, or none that may be looked into
        return
    for entry in found:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        path, is_folder = folder / entry.name, entry.is_dir(follow_symlinks=False)
        if parts[0] == "**":
            if is_folder:
                yield from _fitting(path, parts)
            elif not parts[1:]:
                yield path
        elif fnmatch.fnmatch(entry.name, parts[0]):
            if not parts[1:]:
                yield path
            elif is_folder:
                yield from _fitting(path, parts[1:])


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
