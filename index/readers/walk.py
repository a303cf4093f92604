"""Files and folders → articles: finds the files, decodes them, cleans and identifies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from errors import ArticleError
from index.articles import Draft, Found, Skipped, clean, make_article
from index.readers.encoding import encoding_of
from index.readers.fields import Row
from index.readers.html import read_html
from index.readers.markdown import read_markdown
from index.readers.rows import read_json, read_json_lines, read_table
from index.readers.text import read_text

_LARGEST = 50_000_000  # bytes, of a file that is one article
_LARGEST_JSON = 500_000_000  # bytes, of a file of many that cannot be read line by line
_ONE: dict[str, Callable[[str, str], Draft]] = {
    **dict.fromkeys((".txt", ".text"), read_text),
    **dict.fromkeys((".md", ".markdown"), read_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
}
_MANY: dict[str, Callable[[TextIO], Iterator[Row]]] = {
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    **dict.fromkeys((".csv", ".tsv"), read_table),
    ".json": read_json,
}


def accepted_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the files that can be read, sorted, such as ".csv"."""
    return tuple(sorted((*_ONE, *_MANY)))


def count(paths: Iterable[Path]) -> int:
    """Count the files that `read` would look at. Raises ArticleError as `read` does."""
    return sum(isinstance(found, Path) for found in _walk(_existing(paths)))


def read(paths: Iterable[Path]) -> Iterator[Found | Skipped]:
    """Read files, and all files below folders, in the order of their names.

    Hidden files and links below a folder are left out. What cannot be read is Skipped, with the
    reason, and the rest goes on. Every article found has text, is clean and has a language.

    Raises ArticleError at once if one of the paths does not exist.
    """
    return _read_all(_existing(paths))


def _existing(paths: Iterable[Path]) -> list[Path]:
    absolute = [Path(os.path.abspath(path)) for path in paths]
    for path in absolute:
        if not path.exists():
            raise ArticleError(f"{_shown(path)} does not exist; give a file or a folder of articles")
    return absolute


def _read_all(paths: list[Path]) -> Iterator[Found | Skipped]:
    for found in _walk(paths):
        if isinstance(found, Path):
            yield from _read_file(found)
        else:
            yield found


def _walk(paths: list[Path]) -> Iterator[Path | Skipped]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        refused: list[OSError] = []
        for folder, folders, files in os.walk(path, onerror=refused.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from (
                file
                for name in sorted(files)
                if not name.startswith(".") and not (file := Path(folder, name)).is_symlink()
            )
        yield from (_skipped(_shown(Path(error.filename)), _why(error)) for error in refused)


def _read_file(path: Path) -> Iterator[Found | Skipped]:
    origin = _shown(path)
    try:
        for row in _rows(path):
            yield _identify(origin, row)
    except ArticleError as error:
        yield _skipped(origin, str(error))
    except Exception as error:  # whatever the libraries make of a stranger's file, the rest goes on
        yield _skipped(origin, _why(error))


def _rows(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix not in _ONE and suffix not in _MANY:
        raise ArticleError(f"files of this kind cannot be read; convert it to one of {' '.join(accepted_suffixes())}")
    if not path.is_file():
        raise ArticleError("it is not a file")
    size = path.stat().st_size
    largest = _LARGEST if suffix in _ONE else _LARGEST_JSON if suffix == ".json" else size
    if size == 0:
        raise ArticleError("it is empty")
    if size > largest:
        raise ArticleError(f"it is larger than {largest // 1_000_000} MB; split it, or make it JSON lines")
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        if suffix in _MANY:
            yield from _MANY[suffix](file)
            return
        content = file.read()
    if "\0" in content:
        raise ArticleError("it is binary, not text")
    yield Row("", _ONE[suffix](content, path.stem))


def _identify(origin: str, row: Row) -> Found | Skipped:
    place = f"{origin}, {row.place}" if row.place else origin
    if isinstance(row.content, str):
        return _skipped(place, row.content)
    article = make_article(row.content)
    if not article.text:
        return Skipped(place, "it holds no text")
    if article.url:
        return Found(article.url, article)
    if not row.place:
        return Found(origin, article)
    return Found(f"{origin}#{row.content.row or article.id}", article)


def _skipped(origin: str, reason: str) -> Skipped:
    return Skipped(origin, " ".join(clean(reason).split())[:300])


def _why(error: Exception) -> str:
    return f"it cannot be read: {error.strerror if isinstance(error, OSError) else f'{type(error).__name__} {error}'}"


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
