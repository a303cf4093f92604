"""Dates as people and programs write them → `date`, or `datetime` where the hour is known."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

import dateparser

_LONGEST = 64  # characters
_EARLIEST = date(1600, 1, 1)
_INTRODUCTION = re.compile(r"^\D{0,40}?(?:\b(?:le|du|on|am|vom|el)\s+|:\s*)", re.IGNORECASE)
_MAIL = re.compile(r"(?:[A-Za-z]{3}, ?)?\d{1,2} [A-Za-z]{3} \d{4} \d{1,2}:\d{2}(?::\d{2})? \S.*")  # RFC 2822
_DATELINE = re.compile(
    r"^(?:[^\W\d]{2,9},? )?(\d{1,2}(?:er|st|nd|rd|th)?\.? [^\W\d]{3,10}\.? \d{4}|[^\W\d]{3,10}\.? \d{1,2}, \d{4})"
    r"(?=(?:, [^\W\d][\w' -]{1,30})?\.?\s*[-\u2013\u2014]|\.\s|\.?$)",
    re.MULTILINE,
)


def read_date(value: object, language: str | None = None) -> date | None:
    """Return the date that a metadata field holds; None if it cannot be read or cannot be true.

    ISO 8601 first, then the form of mail and feeds, then French, English, German and Spanish;
    03/04/2024 is a day in April unless `language` is "en". Relative dates, dates without a day,
    before 1600 or over two days ahead are None. A time zone is kept; midnight without a time zone
    counts as no hour.
    """
    if value is not None and not isinstance(value, date):
        text = " ".join(str(value).split())
        if len(text) > _LONGEST:
            return None
        value = _iso(text) or _mail(text) or _written(text, month_first=language == "en")
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        value = value.date()
    if value is None:
        return None
    day = value.date() if isinstance(value, datetime) else value
    return value if _EARLIEST <= day <= date.today() + timedelta(days=2) else None


def dateline(text: str) -> date | None:
    """Return the date that one of the first lines opens with, as in « 22 mai 2012. - … »."""
    found = _DATELINE.search(text[:1000])
    return read_date(found[1]) if found else None


def _iso(text: str) -> date | None:
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return None


def _mail(text: str) -> datetime | None:
    if not _MAIL.fullmatch(text):
        return None
    try:
        found = parsedate_to_datetime(text)
        found.utcoffset()
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo or text.endswith("-0000") else None  # "CET" is for who knows more zones


@lru_cache(maxsize=1024)
def _written(text: str, month_first: bool) -> datetime | None:
    settings = {
        "PARSERS": ["absolute-time"],
        "REQUIRE_PARTS": ["day", "month", "year"],
        "DATE_ORDER": "MDY" if month_first else "DMY",
    }
    for words in dict.fromkeys((text, _INTRODUCTION.sub("", text))):
        try:
            found: datetime | None = dateparser.parse(words, languages=["fr", "en", "de", "es"], settings=settings)
        except Exception:  # whatever the library makes of a stranger's words, the article is kept
            found = None
        if found is not None:
            return found
    return None
