"""Text → sentence spans, French first.

sentencex (Wikimedia, rule-based, about 300 languages) finds the boundaries inside a line; a line
break always ends a sentence, since headings and list items carry no full stop. What sentencex cuts
although no newspaper would ("M. | Dupont", "le 3. | Mai") is joined again here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_LINE = re.compile(r"[^\n]+")
_LEADING = re.compile(r"[\s•▪◦‣·*–—-]*(?=\S)")

# Never the last word of a sentence.
_TITLE = re.compile(
    r"(?:^|[\s(«\"'’])(?:MM?|Mmes?|Mlles?|Mgr|Me|Dr|Drs|Pr|Prof|Ste?|Sts|Mr|Mrs|Ms|Hr|Fr|Frl|Sra?|Gén|Cdt|Cap|bd|av|bzw|ca|vgl|Nr)\.\s*$"
)
# Ends a sentence unless a number follows.
_BEFORE_NUMBER = re.compile(
    r"(?:^|[\s('’])(?:art|p|pp|no|nos|n°|vol|chap|fig|cf|env|h|janv|févr?|avr|juil|sept|oct|nov|déc|Jan|Feb|Aug|Sept?|Oct|Nov|Dec)\.\s*$",
    re.IGNORECASE,
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.\s*$")
_GERMAN_MONTH = re.compile(
    r"(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Jahrhundert)\b"
)
_ACRONYM_END = re.compile(r"(?:^|[\s(«\"'’.])\w\.$")
_ACRONYM_START = re.compile(r"\w\.")
_GERMAN_ABBREVIATION = re.compile(r"(?:^|\s)(?:z|d|u|v|i|o)\.\s*$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """The span `text[start:end]`, without white space or a bullet around it."""

    start: int
    end: int


def split(text: str, language: str | None = None) -> list[Sentence]:
    """Return the sentences of a cleaned text; starts strictly increase, spans never overlap."""
    from sentencex import get_sentence_boundaries

    sentences: list[Sentence] = []
    for line in _LINE.finditer(text):
        cuts = [0]
        boundaries = get_sentence_boundaries(language or "fr", line[0])
        for left, right in pairwise(boundaries):
            if not _joined(left["text"], right["text"], language):
                cuts.append(right["start_index"])
        cuts.append(len(line[0]))
        for start, end in pairwise(cuts):
            sentences.extend(_trimmed(text, line.start() + start, line.start() + end))
    return sentences


def _joined(left: str, right: str, language: str | None) -> bool:
    if _TITLE.search(left):
        return True
    if _BEFORE_NUMBER.search(left) and right[:1].isdigit():
        return True
    if language == "de" and (
        (_ORDINAL.search(left) and _GERMAN_MONTH.match(right)) or _GERMAN_ABBREVIATION.search(left)
    ):
        return True
    # "L'A.F.P.": one dotted acronym, cut without a space between
    return bool(_ACRONYM_END.search(left) and _ACRONYM_START.match(right))


def _trimmed(text: str, start: int, end: int) -> list[Sentence]:
    while end > start and text[end - 1].isspace():
        end -= 1
    leading = _LEADING.match(text, start, end)
    if leading:
        start = leading.end()
    if not any(character.isalnum() for character in text[start:end]):
        return []
    return [Sentence(start, end)]
