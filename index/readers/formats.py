"""Any file → its articles: tells its format, decodes it, reads it, cleans and identifies what it finds."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO, TextIO

from errors import ArticleError
from index.articles import Draft, Found, Skipped, clean, make_article
from index.readers.archives import Member, tar_members, zip_members
from index.readers.encoding import encoding_of
from index.readers.feed import read_feed
from index.readers.fields import Row
from index.readers.html import read_html
from index.readers.kinds import Kind, kind_of
from index.readers.mail import letters, read_mail
from index.readers.markdown import read_markdown
from index.readers.pdf import read_pdf
from index.readers.rows import read_json, read_json_lines, read_table
from index.readers.source import Source
from index.readers.text import read_text
from index.readers.word import read_word

STANDARD_INPUT = "-"
OUT_OF_MEMORY = 77  # exit status of the process that reads
_LARGEST = 50_000_000  # bytes, of a file that is one article
_LARGEST_PAGES = 200_000_000  # bytes, of one that holds pictures too
_REMEMBERED = 1 << 20  # addresses of one file, by which rows that share one are kept apart
_ONE: dict[Kind, Callable[[str, str], Draft]] = {"text": read_text, "markdown": read_markdown, "html": read_html}
_ONE_BINARY: dict[Kind, Callable[[BinaryIO, str], Draft]] = {"pdf": read_pdf, "word": read_word}
_MANY: dict[Kind, Callable[[TextIO], Iterator[Row]]] = {
    "json lines": read_json_lines,
    "json": read_json,
    "table": read_table,
}


@dataclass(frozen=True, slots=True)
class Begun:
    """A member is read from now on; if reading it ends the process, the file can be read on after `number`."""

    number: int
    origin: str


def entries(source: Source, origin: str, after: int = 0) -> Iterator[Found | Skipped | Begun]:
    """Yield what one file holds, or why it holds nothing. `origin` is its path, or "-" for standard input.

    The articles of a file of many, and the members of an archive, follow each other as they are read.
    Raises MemoryError, after which the process is not to be trusted with another file.
    """
    yield from _entries(source, origin, after, depth=0)


def skipped(origin: str, reason: str) -> Skipped:
    """Build a Skipped whose reason is one plain line."""
    return Skipped(origin, " ".join(clean(reason).split())[:300])


def why(error: Exception) -> str:
    """Say what a foreign error means for the file."""
    return f"it cannot be read: {error.strerror if isinstance(error, OSError) else f'{type(error).__name__} {error}'}"


def _entries(source: Source, origin: str, after: int, depth: int) -> Iterator[Found | Skipped | Begun]:
    try:
        if source.size == 0:
            raise ArticleError("it is empty")
        kind = kind_of(source)
        if kind in {"zip", "tar"}:
            yield from _members(source, kind, origin, after, depth)
            return
        seen = _Seen()
        for row in _rows(source, kind):
            yield _identify(origin, row, seen)
    except ArticleError as error:
        yield skipped(origin, str(error))
    except MemoryError:
        raise
    except Exception as error:  # whatever the libraries make of a stranger's file, the rest goes on
        yield skipped(origin, why(error))


def _members(source: Source, kind: Kind, origin: str, after: int, depth: int) -> Iterator[Found | Skipped | Begun]:
    if depth > 1:
        raise ArticleError("an archive in an archive in an archive is not read; unpack one of them")
    with source.open() as file:
        members: Iterator[Member] = zip_members(file, after) if kind == "zip" else tar_members(file, source.size, after)
        nothing = True
        for member in members:
            nothing = False
            place = f"{origin}/{member.name}"
            if depth == 0:
                yield Begun(member.number, place)
            if isinstance(member.content, str):
                yield skipped(place, member.content)
            else:
                yield from _entries(member.content, place, 0, depth + 1)
        if nothing and not after:
            raise ArticleError("the archive holds no files")


def _rows(source: Source, kind: Kind) -> Iterator[Row]:
    if kind in _ONE_BINARY:
        _bounded(source, _LARGEST_PAGES)
        with source.open() as file:
            yield Row("", _ONE_BINARY[kind](file, source.stem))
    elif kind == "feed":
        with source.open() as file:
            yield from read_feed(file)
    elif kind == "mail":
        _bounded(source, _LARGEST)
        with source.open() as file:
            yield Row("", read_mail(file.read(), source.stem))
    elif kind == "mailbox":
        yield from _letters(source)
    else:
        if kind in _ONE:
            _bounded(source, _LARGEST)
        yield from _text_rows(source, kind)


def _text_rows(source: Source, kind: Kind) -> Iterator[Row]:
    with source.open() as file:
        encoding = encoding_of(file)
    with TextIOWrapper(source.open(), encoding=encoding, errors="replace", newline="") as text:
        if kind in _MANY:
            yield from _MANY[kind](text)
            return
        content = text.read()
    if "\0" in content:
        raise ArticleError("it is binary, not text")
    yield Row("", _ONE[kind](content, source.stem))


def _letters(source: Source) -> Iterator[Row]:
    nothing = True
    with source.open() as file:
        for number, letter in enumerate(letters(file), start=1):
            nothing = False
            place = f"letter {number}"
            try:
                yield Row(place, "it is too large" if letter is None else read_mail(letter, source.stem))
            except ArticleError as error:
                yield Row(place, str(error))
            except MemoryError:
                raise
            except Exception as error:  # one letter that the library fails on leaves the others
                yield Row(place, why(error))
    if nothing:
        raise ArticleError('it is no mailbox: no line begins with "From "')


def _bounded(source: Source, largest: int) -> None:
    if source.size > largest:
        raise ArticleError(f"it is larger than {largest // 1_000_000} MB; split it, or make it JSON lines")


class _Seen:
    """Which address had which text, in a table that does not grow: far apart in a long file one may be forgotten."""

    def __init__(self) -> None:
        self._table: bytearray | None = None

    def another(self, url: str, text: str) -> bool:
        """Tell whether this address was seen with another text; remember it if it was not seen."""
        self._table = self._table or bytearray(16 * _REMEMBERED)
        address = hashlib.blake2b(url.encode("utf-8", "replace"), digest_size=8).digest()
        content = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
        place = 16 * (zlib.crc32(address) % _REMEMBERED)
        if self._table[place : place + 8] != address:
            self._table[place : place + 16] = address + content
            return False
        return self._table[place + 8 : place + 16] != content


def _identify(origin: str, row: Row, seen: _Seen) -> Found | Skipped:
    place = f"{origin}, {row.place}" if row.place else origin
    if isinstance(row.content, str):
        return skipped(place, row.content)
    article = make_article(row.content)
    if not article.text:
        return Skipped(place, "it holds no text")
    name = row.content.row or article.id
    if article.url:
        is_other = bool(row.place) and seen.another(article.url, article.text)
        return Found(f"{article.url}#{name}" if is_other else article.url, article)
    if not row.place and origin != STANDARD_INPUT:
        return Found(origin, article)
    return Found(f"{origin}#{name}", article)
