"""The words of the page in each of its languages, and how numbers, days and counts are written in them."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

LANGUAGES = ("de", "en", "es", "fr")
Texts = dict[str, str]


@cache
def texts(language: str) -> Texts:
    """Return every word of the page in `language`, one of LANGUAGES."""
    found: Texts = tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8"))
    return {"language": language, **found}


def language_of(accept_language: str | None) -> str:
    """Return the language of the page for a browser whose first language is one of LANGUAGES, else "en"."""
    first = re.match(r"\s*([a-z]{2,3})\b", accept_language or "", re.IGNORECASE)
    return first[1].lower() if first and first[1].lower() in LANGUAGES else "en"


def day(value: date, words: Texts) -> str:
    """Write a day out."""
    written: str = format_date(value, "long", locale=words["locale"])
    return written.replace("1", words["first_day"], 1) if value.day == 1 else written


def number(value: float, words: Texts) -> str:
    """Write a number with the separators of the language."""
    return str(format_decimal(value, locale=words["locale"]))


def percent(share: float, words: Texts) -> str:
    """Write a share, 0 to 1, as a percentage."""
    return str(format_percent(share, locale=words["locale"]))


def count(what: str, counted: int, words: Texts) -> str:
    """Write `{what}_one` or `{what}_many` with a count in it."""
    one = counted == 1 or (counted == 0 and words["language"] == "fr")
    return words[f"{what}_one" if one else f"{what}_many"].format(count=number(counted, words))


def language_name(code: str, words: Texts) -> str:
    """Return what a language is called in the language of the page; the code itself where none is known."""
    return str(Locale.parse(words["locale"]).languages.get(code.lower(), code))


def own_name(language: str) -> str:
    """Return what a language of the page calls itself."""
    return str(Locale.parse(language).get_display_name(language)).capitalize()


def size(bytes_: float, words: Texts) -> str:
    """Write a size on disk in megabytes, or gigabytes from one on."""
    unit, divisor = ("gigabytes", 1e9) if bytes_ >= 1e9 else ("megabytes", 1e6)
    written = format_decimal(bytes_ / divisor, format="#,##0.0", locale=words["locale"])
    return words[unit].format(number=written)


def duration(seconds: float, words: Texts) -> str:
    """Write how long something lasts, rounded to seconds below a minute, to minutes above."""
    if seconds < 59.5:
        return count("second", max(1, round(seconds)), words)
    return (
        count("minute", round(seconds / 60), words) if seconds < 5400 else count("hour", round(seconds / 3600), words)
    )
