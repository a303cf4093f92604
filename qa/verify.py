"""What the model wrote → the text that is shown, with citations that exist.

The grammar leaves little to find, but another LanguageModel may not honour it, and a reply can be
cut off: what a model writes is untrusted input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.lexical import tokens
from qa.evidence import Evidence

# A sentence of an answer: words, its markers, and the full stop behind them.
_CITED = re.compile(r"(?P<words>[^\[\]\n]*[^\[\]\s])\s*(?P<markers>(?:\s?\[\d+\])+)[.!?]?", re.UNICODE)
_MARKER = re.compile(r"\[(\d+)\]")
_CLEARLY = 0.1  # of the words of a sentence


@dataclass(frozen=True, slots=True)
class Citation:
    """What a marker such as [2] points at.

    `positions` are the offsets in the answer's text at which the marker stands, strictly increasing.
    """

    marker: int
    evidence: Evidence
    positions: tuple[int, ...]


def cited_answer(reply: str, evidence: Sequence[Evidence], language: str) -> tuple[str, tuple[Citation, ...]]:
    """Return the sentences of a reply that cite evidence, as "Words [1].", and their citations.

    Left out: markers that point at nothing, sentences with no other, a sentence said before, and
    an end that was cut off before its marker. A sentence that cites another than the one it was
    taken from gets that one's marker. Citations are in the order of their first marker.
    """
    known = {item.number: item for item in evidence}
    sentences: dict[str, list[int]] = {}
    for match in _CITED.finditer(reply):
        words = match["words"].strip().rstrip(".").strip()
        markers = [int(number) for number in _MARKER.findall(match["markers"]) if int(number) in known]
        if words and markers:
            sentences.setdefault(words, _better(words, list(dict.fromkeys(markers)), known, language))

    text = ""
    positions: dict[int, list[int]] = {}
    for words, markers in sentences.items():
        text += f"{' ' if text else ''}{words} "
        for marker in markers:
            positions.setdefault(marker, []).append(len(text))
            text += f"[{marker}]"
        text += "" if words.endswith(("!", "?", "…")) else "."
    return text, tuple(Citation(marker, known[marker], tuple(places)) for marker, places in positions.items())


def _better(words: str, markers: list[int], known: dict[int, Evidence], language: str) -> list[int]:
    """Return the markers as they are, or the one whose sentence holds clearly more of the words.

    Only among sentences in the language of the answer: across languages, words say nothing.
    """
    comparable = {number: item for number, item in known.items() if item.article.language == language}
    if not comparable.keys() >= set(markers):
        return markers
    stems = set(tokens(words, language))

    def shared(number: int) -> float:
        return len(stems & set(tokens(comparable[number].quote, language))) / max(len(stems), 1)

    best = max(comparable, key=shared)
    return [best] if shared(best) > max(map(shared, markers)) + _CLEARLY else markers
