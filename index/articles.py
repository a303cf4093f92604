"""Articles: what is read from files, cleaned once, and identified by its content."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import date

_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]+")
_LIGATURES = re.compile("[\ufb00-\ufb06]")
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")  # and halves of UTF-16 pairs


@dataclass(frozen=True, slots=True)
class Article:
    """One article, cleaned. Offsets anywhere in Sourcier count characters of `text`.

    `published` is a `datetime` (which is a `date`) where the hour is known.
    `language` is an ISO 639-1 code.
    """

    id: str
    title: str
    text: str
    source: str | None = None
    url: str | None = None
    published: date | None = None
    author: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reader finds in a file, before it is cleaned and identified.

    `row` is the identifier that the file itself gives to this article, if any.
    """

    title: str
    text: str
    source: str | None = None
    url: str | None = None
    published: date | None = None
    author: str | None = None
    language: str | None = None
    row: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An article and the `key` under which a later version of it will be recognised."""

    key: str
    article: Article


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a row of one (`origin`), that gave no article, and why."""

    origin: str
    reason: str


def clean(text: str) -> str:
    """Return `text` in NFC without invisible characters, ligatures ("ﬁ"), odd spaces and trailing blanks.

    Paragraphs stay apart by one empty line; other white space is one space.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = _LIGATURES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), _INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text))
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def make_article(draft: Draft, language: str | None = None) -> Article:
    """Clean a draft and give it its identity: the SHA-256 of its cleaned content, 32 hex digits.

    `language` is used where the draft names none. The text may come out empty: whoever calls
    decides what that means.
    """
    fields = {
        "title": " ".join(clean(draft.title).split()),
        "text": clean(draft.text),
        "source": _one_line(draft.source),
        "url": _one_line(draft.url),
        "published": draft.published.isoformat() if draft.published else None,
        "author": _one_line(draft.author),
        "language": draft.language or language,
    }
    content = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
    fields["published"] = draft.published  # type: ignore[assignment]
    return Article(id=hashlib.sha256(content).hexdigest()[:32], **fields)  # type: ignore[arg-type]


def _one_line(value: str | None) -> str | None:
    return " ".join(clean(value).split()) or None if value else None
