"""Files of many articles: JSON, JSON lines and tables, by the names of their columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from typing import TextIO

from errors import ArticleError
from index.readers.fields import Row, field_named, known_fields, make_draft

_LONGEST_FIELD = 50_000_000  # characters
_CHUNK = 1 << 16  # characters
_TITLE_FROM_TEXT = 80  # characters
_WHITE = re.compile(r"[ \t\n\r]*")


def read_json_lines(file: TextIO) -> Iterator[Row]:
    """Yield one row for each line that is not blank, reading the file as it goes."""
    number = 0
    while line := file.readline(_LONGEST_FIELD):
        number += 1
        place = f"line {number}"
        if len(line) == _LONGEST_FIELD and not line.endswith("\n"):
            while len(line) == _LONGEST_FIELD and not line.endswith("\n"):
                line = file.readline(_LONGEST_FIELD)
            yield Row(place, f"it is longer than {_LONGEST_FIELD // 1_000_000} million characters")
        elif line.strip():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(place, f"it is not JSON: {_fault(error)}")
            else:
                yield _row(place, values)


def read_json(file: TextIO) -> Iterator[Row]:
    """Yield one row for each object of a list, or of several that follow each other, or the only one.

    The file is read as it goes. Raises ArticleError if, or where, it is not JSON.
    """
    text = _Text(file)
    if text.next() == "[":
        text.take()
        if text.next() == "]":
            return
        number = 0
        while True:
            number += 1
            yield _row(f"item {number}", text.value())
            mark = text.next()
            text.take()
            if mark == "]":
                return
            if mark != ",":
                raise ArticleError(f"it is not JSON: Expecting ',' delimiter after item {number}")
    values = text.value()
    if not text.next():
        yield _row("", values)
        return
    yield _row("item 1", values)
    number = 1
    while text.next():
        number += 1
        yield _row(f"item {number}", text.value())


class _Text:
    """JSON read value by value: no more of the file is kept than the value at hand needs."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._buffer = ""
        self._place = 0
        self._ended = False
        self._decoder = json.JSONDecoder()

    def next(self) -> str:
        """Return the next character that is not white space; empty at the end."""
        while True:
            found = _WHITE.match(self._buffer, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._buffer) or not self._more(_CHUNK):
                return self._buffer[self._place : self._place + 1]

    def take(self) -> None:
        """Go on by one character."""
        self._place += 1

    def value(self) -> object:
        """Return the next value. Raises ArticleError if it is none, or too long."""
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._place)
            except (ValueError, RecursionError) as error:
                # it may only be cut off; read as much again as there is, so that each part is tried a few times
                if isinstance(error, RecursionError) or not self._more(max(_CHUNK, len(self._buffer) - self._place)):
                    raise ArticleError(f"it is not JSON: {_fault(error)}") from None
            else:
                if end < len(self._buffer) or not self._more(_CHUNK):  # a number may go on
                    self._place = end
                    return value

    def _more(self, length: int) -> bool:
        """Read on; tell whether there was more."""
        if self._ended:
            return False
        rest = self._buffer[self._place :]
        if len(rest) > _LONGEST_FIELD:
            raise ArticleError(f"an item is longer than {_LONGEST_FIELD // 1_000_000} million characters")
        read = self._file.read(length)
        self._ended = not read
        self._buffer, self._place = rest + read, 0
        return bool(read)


def read_table(file: TextIO) -> Iterator[Row]:
    """Yield one row for each record of a table separated by commas, semicolons or tabs.

    Raises ArticleError if the first line names no column of text.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    first = file.readline(_LONGEST_FIELD)
    delimiter = max(",;\t", key=lambda mark: _columns_known(first, mark))
    names = next(csv.reader([first], delimiter=delimiter), [])
    if "text" not in map(field_named, names):
        raise ArticleError(f"{_without_text(names)}; name them in the first line")
    records = csv.reader(file, delimiter=delimiter)
    line = 2
    while True:
        place = f"line {line}"
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(place, f"it cannot be read: {error}")
        else:
            if any(record):
                yield _row(place, dict(zip(names, record, strict=False)))
        line = records.line_num + 2


def _columns_known(first: str, delimiter: str) -> tuple[int, int]:
    names = next(csv.reader([first], delimiter=delimiter), [])
    return sum(field_named(name) is not None for name in names), len(names)


def _row(place: str, values: object) -> Row:
    if not isinstance(values, Mapping):
        return Row(place, "it is not an object with named values")
    fields = known_fields(values)
    text = str(fields.get("text", ""))
    if not text:
        return Row(place, _without_text(list(values)))
    opening = " ".join(text[: 4 * _TITLE_FROM_TEXT].split())
    title = opening if len(opening) <= _TITLE_FROM_TEXT else opening[:_TITLE_FROM_TEXT].rsplit(" ", 1)[0] + "…"
    return Row(place, make_draft(fields, title=title, text=text))


def _without_text(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:12]) or "none"
    return f"it has no text (columns found: {shown})"


def _fault(error: Exception) -> str:
    return str(error) if isinstance(error, json.JSONDecodeError) else "nested too deeply, or a number too long"
