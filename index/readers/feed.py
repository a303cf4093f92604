"""Feeds, RSS and Atom, and the exports of sites that are written as one: each entry is an article."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

from errors import ArticleError
from index.articles import clean
from index.readers.fields import Row, make_draft
from index.readers.html import fragment_text

_LARGEST = 200_000_000  # bytes
_AT_ONCE = 500_000  # bytes of entries that are parsed together
_ENTRY = re.compile(rb"<(?:\w{1,20}:)?(item|entry)[\s>]")
_ROOT = re.compile(rb"<((?:\w{1,20}:)?(?:rss|feed|RDF))[\s>]")
_TAG = re.compile(r"<[a-zA-Z/!][^>]{0,2000}>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")


def read_feed(file: BinaryIO) -> Iterator[Row]:
    """Yield one row for each entry: its content, else its summary. Nothing is fetched.

    Raises ArticleError if the file is no feed.
    """
    import feedparser

    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ArticleError(f"it is larger than {_LARGEST // 1_000_000} MB; split it")
    number = 0
    for piece in _pieces(content):
        parsed = feedparser.parse(BytesIO(piece), sanitize_html=False, resolve_relative_uris=False)
        if not number and not parsed.version and not parsed.entries:
            raise ArticleError("it is XML of another kind than the feeds (RSS, Atom) that are read")
        for entry in parsed.entries:
            number += 1
            yield _row(f"entry {number}", entry, parsed.feed)
    if not number:
        raise ArticleError("the feed has no entries")


def _pieces(content: bytes) -> Iterator[bytes]:
    """Yield feeds that have the head of this one and some of its entries, as a parser takes many times their size."""
    root = _ROOT.search(content, 0, 1 << 16)
    first = _ENTRY.search(content)
    if len(content) <= _AT_ONCE or root is None or first is None:
        yield content
        return
    close = b"</" + first[0][1:-1] + b">"
    foot = b"</" + root[1] + b">"
    head = content[: first.start()]
    if len(head) > _AT_ONCE:
        raise ArticleError("the feed says more of itself than of its entries; it may be damaged")
    if re.search(rb"<channel[\s>]", head) and b"</channel>" not in head:
        foot = b"</channel>" + foot
    start = first.start()
    while start < len(content):
        end = content.find(close, start + _AT_ONCE)
        end = len(content) if end < 0 else end + len(close)
        yield head + content[start:end] + foot
        start = end


def _row(place: str, entry: Any, feed: Any) -> Row:
    contents = [part for part in entry.get("content", ()) if part.get("value", "").strip()]
    body = max(contents, key=lambda part: len(part["value"])) if contents else entry.get("summary_detail", {})
    text = _text(body)
    if not text:
        return Row(place, "it has no text, only a title" if entry.get("title") else "it has no text")
    fields = {
        "title": " ".join(_text(entry.get("title_detail", {})).split()),
        "date": entry.get("published") or entry.get("created") or entry.get("updated"),
        "source": (entry.get("source") or {}).get("title") or feed.get("title"),
        "url": entry.get("link"),
        "author": entry.get("author"),
        "language": body.get("language") or feed.get("language"),
        "id": entry.get("id"),
    }
    named = {field: clean(str(value)) for field, value in fields.items() if value}
    return Row(place, make_draft(named, title=_opening(text), text=text))


def _text(detail: Mapping[str, Any]) -> str:
    """Return a title or a content in words; many feeds call it plain text though it is HTML."""
    value = str(detail.get("value") or "")
    return fragment_text(value) if _TAG.search(value) else clean(value)


def _opening(text: str) -> str:
    return text.partition("\n")[0][:80]
