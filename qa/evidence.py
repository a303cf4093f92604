"""Hits → numbered evidence sentences, each with the probability that it answers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from index.articles import Article
from index.passages import Passage
from index.search import Hit, say_the_same
from index.sentences import Sentence, split
from qa.reader import Reader, Reading, Text

# Shares of the likelihood of the best. A sentence far less likely is one that the model copies in its place;
# two are read in any case, since the reader can be sure and wrong (docs/benchmarks.md: one, two, three).
_LEAST, _NEAR, _MOST = 2, 0.03, 4
_NEARLY, _MOST_SAID = 0.3, 2
# What a passage's fused score adds to the logits of its sentences: .67 → .69 of the first ones right on 200
# questions of PIAF that were kept aside for calibration, area under the curve .80 → .83.
_LIKENESS = 10.0
_LONGEST_HEADING = 90  # characters
_STOPS = tuple(".!?…:;,")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of an article, numbered from 1.

    `score` is the probability, 0 to 1, that this sentence is the one that answers, as the reader of
    question and passage sees it. `start` and `end` are offsets in `article.text`; so is `words`, the
    few words of the sentence that would answer most shortly. `passage` is the passage it was found in.
    """

    number: int
    article: Article
    passage: Passage
    start: int
    end: int
    score: float
    words: tuple[int, int] | None = None

    @property
    def article_id(self) -> str:
        return self.article.id

    @property
    def quote(self) -> str:
        """The sentence itself, always a slice of the stored article."""
        return self.article.text[self.start : self.end]

    @property
    def short(self) -> str:
        """The few words of the sentence that would answer; a slice of it."""
        start, end = self.words or (self.start, self.end)
        return self.article.text[start:end]


@dataclass(frozen=True, slots=True)
class Selection:
    """The sentences chosen, by their numbers, and `logits`: (n,) of all n that were read, greatest first.

    A logit is the log odds that a sentence answers, against that nothing read does: the reader's, less
    for the sentences of passages that were found less like the question than the first. `readings` are
    the reader's own, of each passage.
    """

    evidence: tuple[Evidence, ...] = ()
    logits: tuple[float, ...] = ()
    readings: tuple[Reading, ...] = ()


class _Read(NamedTuple):
    """A sentence and the words in it that would answer, in offsets of the article."""

    hit: Hit
    logit: float
    start: int
    end: int
    words_start: int
    words_end: int

    @property
    def quote(self) -> str:
        return self.hit.article.text[self.start : self.end]


def select(
    hits: Sequence[Hit],
    reader: Reader,
    question: str,
    *,
    count: int,
    known: Sequence[Reading] = (),
    kept: Sequence[Evidence] = (),
) -> Selection:
    """Read the passages of `hits` and return at most `count` of their sentences, the likeliest to answer.

    `known` are the readings of the first of them, which are not read again; `kept` are sentences of these
    that stay, under their numbers. The others come in the order of the passages, and within an article in
    that of its text, so that they read as a text; no two say the same.
    """
    texts = [
        Text(
            hit.article.title,
            hit.text,
            tuple(
                (sentence.start - hit.passage.start, sentence.end - hit.passage.start)
                for sentence in split(hit.article.text, hit.article.language)
                if hit.passage.start <= sentence.start
                and sentence.end <= hit.passage.end
                and not _is_heading(hit.article.text, sentence)
            ),
        )
        for hit in hits
    ]
    readings = (*known, *reader.read(question, texts[len(known) :]))
    found = [
        _Read(hit, logit + _LIKENESS * (hit.score - hits[0].score), *(hit.passage.start + at for at in (*span, *words)))
        for hit, text, reading in zip(hits, texts, readings, strict=True)
        for span, logit, words in zip(text.sentences, reading.logits, reading.words, strict=True)
    ]
    if not found:
        return Selection(readings=readings)
    found.sort(key=lambda one: -one.logit)  # equal ones stay in the order of the passages
    logits = np.array([one.logit for one in found])
    probabilities = np.exp(logits - np.logaddexp.reduce([*logits, 0.0]))

    numbers = {(item.passage, item.start): item.number for item in kept}
    chosen = [place for place, one in enumerate(found) if (one.hit.passage, one.start) in numbers]
    for place, one in enumerate(found):
        if len(chosen) >= count:
            break
        if not any(say_the_same(one.quote, found[other].quote) for other in chosen):
            chosen.append(place)
    articles = list(dict.fromkeys(hit.article.id for hit in hits))
    chosen.sort(key=lambda place: (articles.index(found[place].hit.article.id), found[place].start))
    free = (number for number in itertools.count(1) if number not in numbers.values())
    evidence = [
        Evidence(
            numbers.get((one.hit.passage, one.start)) or next(free),
            one.hit.article,
            one.hit.passage,
            one.start,
            one.end,
            probability,
            (one.words_start, one.words_end),
        )
        for one, probability in ((found[place], float(probabilities[place])) for place in chosen)
    ]
    evidence.sort(key=lambda item: item.number)
    return Selection(tuple(evidence), tuple(logits.tolist()), readings)


def likeliest(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return the sentences worth putting before the model: the best, and more that are not far less likely."""
    return _near(evidence, _MOST, _NEAR, _LEAST)


def to_be_said(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return what an answer may not leave out, likeliest first: the best sentence, and one nearly as likely."""
    return tuple(sorted(_near(evidence, _MOST_SAID, _NEARLY), key=lambda item: -item.score))


def _near(evidence: Sequence[Evidence], most: int, share: float, least: int = 1) -> tuple[Evidence, ...]:
    best = max(item.score for item in evidence)
    order = sorted(evidence, key=lambda item: -item.score)
    near = [item for item in order[:most] if item.score >= share * best]
    kept = {item.number for item in (*order[:least], *near)}
    return tuple(item for item in evidence if item.number in kept)


def _is_heading(text: str, sentence: Sentence) -> bool:
    """True for a short line without a full stop: it announces what a sentence below it says.

    What stands behind a bullet is no heading.
    """
    before, after = text[: sentence.start].rpartition("\n")[2], text[sentence.end :].partition("\n")[0]
    words = text[sentence.start : sentence.end].rstrip("\"'»”’) ")
    return not before.strip() and not after.strip() and len(words) <= _LONGEST_HEADING and not words.endswith(_STOPS)
