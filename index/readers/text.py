"""Plain text: a title, perhaps lines such as « Date : 12 mars 2024 », and the article."""

from __future__ import annotations

import re

from index.articles import Draft, clean
from index.readers.fields import field_named, known_fields, make_draft

_LONGEST_TITLE = 250  # characters
_LONGEST_FAREWELL = 120  # characters
_HEADER = re.compile(r"([^\W\d][\w '\u2019]{1,30}?)\s*:\s*(\S.{0,250})")
_HEADERS = frozenset({"title", "date", "source", "url", "author", "language"})

# What sites leave under an article. Each must match a whole short line at the very end.
_FAREWELLS = re.compile(
    r"""
    (?:si\ vous\ (?:souhaitez|voulez)|pour\ (?:lire|accéder|continuer|poursuivre|ne\ rien\ manquer))\b.*\b
        (?:abonnez-vous|inscrivez-vous).*
    | (?:abonnez-vous|s'abonner|je\ m'abonne|déjà\ abonné)\b.*
    | (?:à\ )?lire\ (?:aussi|également|la\ suite)\b.*
    | (?:inscrivez-vous|recevez)\b.*\b(?:newsletter|lettre\ d'information)\b.*
    | (?:plus|en\ savoir\ plus|partager|partager\ cet\ article|newsletter)
    | (?:subscribe|sign\ up)\b.*\b(?:now|here|today|newsletter|access|read|articles)\b.*
    | (?:to|if\ you\ (?:want|wish|would\ like)\ to)\ (?:read|access|continue)\b.*\bsubscribe\b.*
    | (?:more|read\ more|read\ also|see\ also|subscribe|share\ this\ article)(?::.*)?
    | (?:jetzt\ abonnieren|abonnieren\ sie|newsletter\ abonnieren|melden\ sie\ sich)\b.*
    | (?:lesen\ sie\ auch|auch\ interessant|mehr\ zum\ thema)\b.*
    | (?:mehr|mehr\ lesen|weiterlesen|artikel\ teilen)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def read_text(content: str, name: str) -> Draft:
    """Read one article; `name`, the file's own, is the title where the text shows none."""
    content = clean(content)
    lines = content.split("\n")
    headers = _take_headers(lines)
    if "title" not in headers:
        lines, headers = content.split("\n"), {}
        if _opens_with_title(lines):
            name = lines.pop(0)
            headers = _take_headers(lines)
    return make_draft(headers, title=name, text="\n".join(_without_farewell(lines)))


def _take_headers(lines: list[str]) -> dict[str, object]:
    """Remove the header lines, and the empty ones among them, from the front of `lines`."""
    named: dict[str, str] = {}
    while lines and (not lines[0] or _is_header(lines[0])):
        if line := lines.pop(0):
            label, _, value = line.partition(":")
            named[label.strip()] = value.strip()
    return known_fields(named)


def _is_header(line: str) -> bool:
    found = _HEADER.fullmatch(line)
    return found is not None and field_named(found[1]) in _HEADERS


def _opens_with_title(lines: list[str]) -> bool:
    if len(lines) < 2 or len(lines[0]) > _LONGEST_TITLE:
        return False
    return not lines[0].endswith((",", ";")) and not lines[1][:1].islower()  # else a wrapped paragraph


def _without_farewell(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1] or _is_farewell(lines[end - 1])):
        end -= 1
    return lines[:end]


def _is_farewell(line: str) -> bool:
    return len(line) <= _LONGEST_FAREWELL and bool(
        _FAREWELLS.fullmatch(line.replace("\u2019", "'").strip(" .!…:>»→[]()"))
    )
