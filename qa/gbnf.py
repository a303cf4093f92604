"""A GBNF grammar and a text → the beginning of the text that the grammar allows.

Our grammars have no rule that contains itself, so that each is one regular expression; the package
`regex` says of a text whether it is one, or can become one. The format: grammars/README.md in llama.cpp's
repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import regex

from errors import ModelError

_SECONDS = 1.0  # for one look at one text
_CODE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|(.)", re.DOTALL)
_NAMED = {"n": "\n", "r": "\r", "t": "\t"}
_PART = re.compile(
    r"""
    (?P<nothing> \s+ | \#[^\n]* )
  | (?P<rule> [a-zA-Z][\w-]* ) \s* ::=
  | (?P<name> [a-zA-Z][\w-]* )
  | "(?P<words> (?: [^"\\\n] | \\. )* )"
  | \[ (?P<not> \^? ) (?P<set> (?: [^\]\\\n] | \\. )* ) \]
  | (?P<times> [*+?] | \{ \d+ (?: , \d* )? \} )
  | (?P<sign> [()|.] )
    """,
    re.VERBOSE,
)


def allowed(text: str, grammar: str, known: int = 0) -> str:
    """Return the longest beginning of a text that a reply under the grammar (GBNF, rule `root`) can begin with.

    It is already known of the first `known` characters. Raises ModelError for a grammar that does not parse,
    or of which a rule contains itself.
    """
    pattern = _compiled(grammar)
    if _can_begin(pattern, text):
        return text
    low, high = known, len(text)  # the first can begin a reply, the second cannot
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _can_begin(pattern, text[:middle]) else (low, middle)
    return text[:low]


def _can_begin(pattern: regex.Pattern[str], text: str) -> bool:
    try:
        return pattern.fullmatch(text, partial=True, timeout=_SECONDS) is not None
    except TimeoutError:
        return False


@lru_cache(maxsize=64)
def _compiled(grammar: str) -> regex.Pattern[str]:
    rules: dict[str, list[tuple[str, str]]] = {}
    for kind, part in _parts(grammar):
        if kind == "rule":
            rules[part] = []
        elif not rules:
            raise ModelError(f"the grammar does not parse: {grammar[:200]!r}")
        else:
            rules[next(reversed(rules))].append((kind, part))

    def whole(name: str, within: tuple[str, ...]) -> str:
        if name not in rules or name in within:
            fault = "contains itself" if name in within else "is not there"
            raise ModelError(f"the grammar's rule {name} {fault}: {grammar[:200]!r}")
        parts = (whole(part, (*within, name)) if kind == "name" else part for kind, part in rules[name])
        return f"(?:{''.join(parts)})"

    try:
        return regex.compile(whole("root", ()))
    except regex.error as error:
        raise ModelError(f"the grammar does not parse ({error}): {grammar[:200]!r}") from None


def _parts(grammar: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a grammar: ("rule" or "name", its name), or ("pattern", a regular expression)."""
    place = 0
    while place < len(grammar):
        found = _PART.match(grammar, place)
        if found is None:
            raise ModelError(f"the grammar does not parse at {grammar[place : place + 40]!r}")
        place = found.end()
        kind = found.lastgroup
        if kind in ("rule", "name"):
            yield kind, found[kind]
        elif kind == "words":
            yield "pattern", f"(?:{''.join(map(regex.escape, _characters(found['words'])))})"
        elif kind == "set":
            # a hyphen that is not escaped makes a range, and comes out as it went in
            inside = "".join(one if one == "-" else regex.escape(one) for one in _characters(found["set"]))
            yield "pattern", f"[{found['not']}{inside}]"
        elif kind != "nothing":
            yield "pattern", r"[\s\S]" if found[0] == "." else "(?:" if found[0] == "(" else found[0]


def _characters(written: str) -> Iterator[str]:
    for two, four, eight, named, plain in _CODE.findall(written):
        yield chr(int(two or four or eight, 16)) if two or four or eight else _NAMED.get(named, named) or plain
