"""Named values, as files give them under many names → a Draft."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from index.articles import Draft, clean
from index.language import detect
from index.readers.dates import dateline, read_date

_LONGEST_TITLE = 250  # characters
_SYNONYMS = {
    "title": "title titre headline titel titulo",
    "text": "text texte body content contenu article articlebody fulltext inhalt",
    "date": "date datepublished datedepublication datepublication published publishedat publishedon publie publiele "
    "pubdate publicationdate publishdate datum veroffentlicht veroffentlichtam fecha",
    "source": "source journal publisher site sitename newspaper quelle zeitung",
    "url": "url link lien href permalink canonical adresse",
    "author": "author authors auteur auteurs byline par by autor autorin von",
    "language": "language langue lang sprache idioma inlanguage",
    "id": "id identifier identifiant guid",
}
_FIELDS = {name: (rank, field) for field, names in _SYNONYMS.items() for rank, name in enumerate(names.split())}
_LANGUAGES = {
    "fr": "francais french franzosisch fra fre",
    "en": "anglais english englisch eng",
    "de": "allemand german deutsch deu ger",
    "es": "espagnol spanish espanol spa",
    "it": "italien italian italiano ita",
}
_LANGUAGE_CODES = {name: code for code, names in _LANGUAGES.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class Row:
    """One article of a file of many: its draft, or the reason why there is none.

    `place` says where it stands, such as "line 12"; it is empty if the file is one article.
    """

    place: str
    content: Draft | str


def field_named(name: str) -> str | None:
    """Return the field that a column or header means, such as "date" for "published_at"."""
    return _FIELDS[key][1] if (key := _plain(name)) in _FIELDS else None


def known_fields(values: Mapping[str, object]) -> dict[str, object]:
    """Keep the values that mean something, by field: of synonyms, the more usual that is filled."""
    best: dict[str, tuple[int, object]] = {}
    for name, value in values.items():
        rank, field = _FIELDS.get(_plain(name), (0, None))
        if field is None or (filled := _filled(value, "\n\n" if field == "text" else ", ")) is None:
            continue
        if field not in best or rank < best[field][0]:
            best[field] = rank, filled
    return {field: value for field, (_, value) in best.items()}


def make_draft(fields: Mapping[str, object], title: str, text: str) -> Draft:
    """Build a draft from `known_fields`; `title` is used where they name none.

    Where they name none that is understood, the language is detected in the text, and the date is
    that of its dateline.
    """
    language = _language(fields.get("language")) or (detect(text) if text.strip() else None)
    identifier = fields.get("id")
    return Draft(
        title=(clean(str(fields.get("title", ""))) or title)[:_LONGEST_TITLE],
        text=text,
        source=_text(fields.get("source")),
        url=_web_address(fields.get("url")),
        published=read_date(fields.get("date"), language) or dateline(text),
        author=_text(fields.get("author")),
        language=language,
        row=clean(str(identifier)) or None if identifier is not None else None,
    )


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]|[^\x00-\x7f]", "", letters)


def _filled(value: object, between: str) -> object:
    """Return a value that can be written in words, a list of words joined; else None."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = between.join(value)
    if isinstance(value, str):
        return value if value.strip() else None
    return value if isinstance(value, int | date) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _web_address(value: object) -> str | None:
    address = str(value or "").strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and parts.netloc and " " not in address else None


def _language(value: object) -> str | None:
    name = str(value or "").strip()
    if code := re.match(r"[a-zA-Z]{2}(?![^\W_])", name):
        return code[0].lower()
    return _LANGUAGE_CODES.get(_plain(name))
