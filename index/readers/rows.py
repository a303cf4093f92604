"""Files of many articles: JSON, JSON lines and tables, by the names of their columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import TextIO

from errors import ArticleError
from index.readers.fields import Row, field_named, known_fields, make_draft

_LONGEST_FIELD = 50_000_000  # characters
_TITLE_FROM_TEXT = 80  # characters


def read_json_lines(file: TextIO) -> Iterator[Row]:
    """Yield one row for each line that is not blank, reading the file as it goes."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            place = f"line {number}"
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(place, f"it is not JSON: {_fault(error)}")
            else:
                yield _row(place, values)


def read_json(file: TextIO) -> Iterator[Row]:
    """Yield one row for each object of a list, or the only one.

    Raises ArticleError if the file is not JSON.
    """
    try:
        values = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ArticleError(f"it is not JSON: {_fault(error)}") from None
    if isinstance(values, list):
        for number, item in enumerate(values, start=1):
            yield _row(f"item {number}", item)
    else:
        yield _row("", values)


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
