"""What the model wrote → the statements that are shown, each borne out by what it cites.

The grammar leaves little to parse wrongly, but another LanguageModel may not honour it, and a reply can
be cut off: what a model writes is untrusted input. A sentence that its evidence does not bear out is
mended, in this order: cited to the evidence that does, written again, replaced by the evidence itself,
dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from index.lexical import tokens
from qa.check import QUOTATION_MARKS, Kind, Problem, problems
from qa.evidence import Evidence

Rewrite = Callable[[str, Sequence[Evidence]], str]

# A sentence of an answer: words, its markers, and the full stop behind them.
_CITED = re.compile(r"(?P<words>[^\[\]\n]*[^\[\]\s])\s*(?P<markers>(?:\s?\[\d+\])+)[.!?]?", re.UNICODE)
_MARKER = re.compile(r"\[(\d+)\]")
_MOST_MARKERS = 3
_MOST_REWRITTEN = 2  # sentences of an answer; each costs a second or more of the model
_CLEARLY = 0.1  # of the words of a sentence
_STOPS = ("!", "?", "…")
_ANY_MARKS = re.compile(r"«\s*|\s*»|[„“”\"]")


class Standing(StrEnum):
    """What became of a sentence that the model wrote."""

    WRITTEN = "written"
    RECITED = "recited"
    REWRITTEN = "rewritten"
    QUOTED = "quoted"
    DROPPED = "dropped"
    ADDED = "added"  # not by the model: what answers and was not said, or that articles disagree


@dataclass(frozen=True, slots=True)
class Citation:
    """What a marker such as [2] points at.

    `positions` are the offsets in the answer's text at which the marker stands, strictly increasing.
    """

    marker: int
    evidence: Evidence
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer, `text` as it is shown but for its markers.

    It stands at `start` to `end` of the answer's text, markers included; both are 0 if it was dropped.
    `problems` are what was wrong before it was mended; a sentence dropped as said before has none.
    """

    text: str
    start: int
    end: int
    markers: tuple[int, ...]
    standing: Standing
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Mended:
    words: str
    markers: tuple[int, ...]
    standing: Standing
    problems: tuple[Problem, ...] = ()


def verified(
    reply: str,
    evidence: Sequence[Evidence],
    language: str,
    question: str,
    rewrite: Rewrite | None = None,
    *,
    expected: Sequence[Evidence] = (),
    closing: tuple[str, tuple[int, ...]] | None = None,
) -> tuple[str, tuple[Citation, ...], tuple[Statement, ...]]:
    """Return the sentences of a reply as "Words [1].", their citations, and what became of each sentence.

    Left out: markers that point at nothing, sentences with no other, a sentence said before, and an end
    that was cut off before its marker. `rewrite` is given a sentence and what it cites, and returns
    another sentence without markers. `expected` is the evidence likely to answer, likeliest first: what of
    it nothing says is quoted. `closing` is a last sentence and what it cites.
    Citations are in the order of their first marker.
    """
    known = {item.number: item for item in evidence}
    made: list[_Mended] = []
    rewritten = 0
    for words, markers in _sentences(reply, known):
        mended = _kept(words, markers, known, language, question)
        if mended.standing is Standing.DROPPED and rewrite is not None and rewritten < _MOST_REWRITTEN:
            rewritten += 1
            mended = _written_anew(mended, markers, known, language, question, rewrite)
        made.append(mended)
    for place, mended in enumerate(made):
        if mended.standing is Standing.DROPPED:
            said = {marker for other in made for marker in other.markers if other.standing is not Standing.DROPPED}
            made[place] = _as_quotation(mended, said, known, language)
    for item in expected:
        _let_say(item, made, language)
    if closing:
        made.append(_Mended(*closing, Standing.ADDED))
    return _assembled(made, known)


def quoted(evidence: Evidence, language: str) -> str:
    """Return an evidence sentence as a quotation, in the quotation marks of a language: « … ».

    Where the sentence has such marks itself, others stand around it. Square brackets become round ones,
    so that nothing in an article looks like a marker.
    """
    words = " ".join(evidence.quote.split()).rstrip(".").translate({ord("["): "(", ord("]"): ")"})
    pairs = [QUOTATION_MARKS.get(language, QUOTATION_MARKS["en"]), *QUOTATION_MARKS.values()]
    free = (pair for pair in pairs if not any(mark.strip() in words for mark in pair))
    left, right = next(free, pairs[0])
    return f"{left}{words}{right}"


def _let_say(item: Evidence, made: list[_Mended], language: str) -> None:
    """Quote the evidence unless a sentence that is left says its words that answer, or cites it where it has none.

    A sentence that cites it and says something else in their place is replaced.
    """
    kept = [place for place, mended in enumerate(made) if mended.standing is not Standing.DROPPED]
    cites = [place for place in kept if item.number in made[place].markers]
    wanted = set(tokens(item.short, language)) if item.words and item.article.language == language else set()
    if cites and not wanted:
        return
    said = {stem for place in kept for stem in tokens(made[place].words, language)}
    if wanted and len(wanted & said) > len(wanted) / 2:
        return
    quotation = _Mended(quoted(item, language), (item.number,), Standing.ADDED)
    alone = [place for place in cites if made[place].markers == (item.number,)]
    if alone:
        first = made[alone[0]]
        problem = Problem(Kind.ANSWER, item.short)
        quotation = replace(quotation, standing=Standing.QUOTED, problems=(*first.problems, problem))
        made[alone[0]] = quotation
    elif not any(made[place].words == quotation.words for place in kept):
        made.append(quotation)


def _sentences(reply: str, known: dict[int, Evidence]) -> list[tuple[str, tuple[int, ...]]]:
    """Return each sentence once, with those of its markers that exist."""
    found: dict[str, tuple[int, ...]] = {}
    for match in _CITED.finditer(reply):
        words = match["words"].strip().rstrip(".").strip()
        markers = [int(number) for number in _MARKER.findall(match["markers"]) if int(number) in known]
        # markup and control tokens, which only come from an article, have no place in an answer
        if words and markers and not set("<>") & set(words):
            found.setdefault(words, tuple(dict.fromkeys(markers))[:_MOST_MARKERS])
    return list(found.items())


def _kept(words: str, markers: tuple[int, ...], known: dict[int, Evidence], language: str, question: str) -> _Mended:
    """Return the sentence as it is, cited anew, without its quotation marks, or as one to drop."""

    def wrong(said: str, numbers: Sequence[int]) -> tuple[Problem, ...]:
        return problems(said, [known[number] for number in numbers], language, question)

    found = wrong(words, markers)
    better = _better(words, markers, known, language)
    if better != markers and not wrong(words, better):
        return _Mended(words, better, Standing.RECITED, found)
    if not found:
        return _Mended(words, markers, Standing.WRITTEN)
    for numbers in _others(words, markers, known, language, found):
        if not wrong(words, numbers):
            return _Mended(words, numbers, Standing.RECITED, found)
    if all(problem.kind is Kind.QUOTATION for problem in found):
        bare = " ".join(_ANY_MARKS.sub("", words).split())
        if bare and not wrong(bare, markers):
            return _Mended(bare, markers, Standing.REWRITTEN, found)
    return _Mended(words, markers, Standing.DROPPED, found)


def _share(words: str, items: Sequence[Evidence], language: str) -> float:
    """Return the share of the words of a sentence that some evidence has."""
    stems = set(tokens(words, language))
    held = {stem for item in items for stem in tokens(item.quote, language)}
    return len(stems & held) / max(len(stems), 1)


def _better(words: str, markers: tuple[int, ...], known: dict[int, Evidence], language: str) -> tuple[int, ...]:
    """Return the markers as they are, or the one whose sentence holds clearly more of the words.

    Only among sentences in the language of the answer: across languages, words say nothing.
    """
    comparable = {number: item for number, item in known.items() if item.article.language == language}
    if not comparable.keys() >= set(markers):
        return markers
    cited = _share(words, [known[marker] for marker in markers], language)
    best = max(comparable, key=lambda number: _share(words, [comparable[number]], language))
    return (best,) if _share(words, [comparable[best]], language) > cited + _CLEARLY else markers


def _others(
    words: str, markers: tuple[int, ...], known: dict[int, Evidence], language: str, found: Sequence[Problem]
) -> list[tuple[int, ...]]:
    """Return what the sentence may cite instead, that which shares most words first: one sentence, then two.

    What shares fewer words than it cites now does not count: that a sentence has no number to disagree
    with does not make it bear anything out. A sentence in the wrong language stays so whatever it cites.
    """
    if any(problem.kind is Kind.LANGUAGE for problem in found):
        return []
    # without words to compare, only what says the missing number, date or name can be it
    missing = all(problem.kind in (Kind.NUMBER, Kind.DATE, Kind.NAME, Kind.QUOTATION) for problem in found)
    usable = [number for number in known if missing or known[number].article.language == language]
    least = _share(words, [known[marker] for marker in markers], language)

    def shared(numbers: tuple[int, ...]) -> float:
        return _share(words, [known[number] for number in numbers], language)

    single = [(number,) for number in usable if (number,) != markers]
    pairs = [pair for pair in combinations(usable, 2) if set(pair) != set(markers)]
    found_singles = sorted((one for one in single if shared(one) >= least), key=shared, reverse=True)
    found_pairs = sorted((pair for pair in pairs if shared(pair) >= least), key=shared, reverse=True)
    return [*found_singles, *found_pairs]


def _written_anew(
    mended: _Mended,
    markers: tuple[int, ...],
    known: dict[int, Evidence],
    language: str,
    question: str,
    rewrite: Rewrite,
) -> _Mended:
    cited = [known[marker] for marker in markers]
    words = " ".join(_MARKER.sub("", rewrite(mended.words, cited)).split()).rstrip(". ").strip()
    if not words or "[" in words or "]" in words or problems(words, cited, language, question):
        return mended
    better = _better(words, markers, known, language)
    if problems(words, [known[marker] for marker in better], language, question):
        better = markers
    return replace(mended, words=words, markers=better, standing=Standing.REWRITTEN)


def _as_quotation(mended: _Mended, said: set[int], known: dict[int, Evidence], language: str) -> _Mended:
    """Return the cited sentence that shares most words, in quotation marks, unless it is cited already."""
    # a bracket in an article could pass for a marker, and without it the quotation is not verbatim
    free = [
        known[marker] for marker in mended.markers if marker not in said and not set("[]") & set(known[marker].quote)
    ]
    if not free:
        return mended
    best = max(free, key=lambda item: (_share(mended.words, [item], language), item.score))
    return replace(mended, words=quoted(best, language), markers=(best.number,), standing=Standing.QUOTED)


def _assembled(
    made: Sequence[_Mended], known: dict[int, Evidence]
) -> tuple[str, tuple[Citation, ...], tuple[Statement, ...]]:
    text = ""
    positions: dict[int, list[int]] = {}
    statements = []
    shown: set[str] = set()
    for mended in made:
        stop = "" if mended.words.endswith(_STOPS) else "."
        if mended.standing is Standing.DROPPED or mended.words in shown:
            # said before: nothing is wrong with it
            wrong = mended.problems if mended.standing is Standing.DROPPED else ()
            statements.append(Statement(mended.words + stop, 0, 0, (), Standing.DROPPED, wrong))
            continue
        shown.add(mended.words)
        text += " " if text else ""
        start = len(text)
        text += f"{mended.words} "
        for marker in mended.markers:
            positions.setdefault(marker, []).append(len(text))
            text += f"[{marker}]"
        text += stop
        statements.append(
            Statement(mended.words + stop, start, len(text), mended.markers, mended.standing, mended.problems)
        )
    citations = tuple(Citation(marker, known[marker], tuple(places)) for marker, places in positions.items())
    return text, citations, tuple(statements)
