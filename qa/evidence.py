"""Hits → numbered evidence sentences; is there enough of it to answer?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index.articles import Article
from index.embedder import Embedder
from index.lexical import LexicalIndex, question_tokens, tokens
from index.passages import Passage
from index.search import Hit, fuse, say_the_same
from index.sentences import Sentence, split

# Only the sentences of the best passages are embedded, since each costs about 100 ms on two cores.
PASSAGES_READ = 4
_LONGEST_HEADING = 90  # characters
_STOPS = tuple(".!?…:;,")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence of an article, numbered from 1; `score` is its likeness to the question, 0 to 1.

    `start` and `end` are offsets in `article.text`; `passage` is the passage it was found in.
    """

    number: int
    article: Article
    passage: Passage
    start: int
    end: int
    score: float

    @property
    def article_id(self) -> str:
        return self.article.id

    @property
    def quote(self) -> str:
        """The sentence itself, always a slice of the stored article."""
        return self.article.text[self.start : self.end]


def select(
    hits: Sequence[Hit], embedder: Embedder, question: str, language: str, *, count: int, lexical_weight: float
) -> tuple[Evidence, ...]:
    """Return at most `count` sentences of the best passages, those most like the question.

    They come in the order of the passages, and within an article in that of its text, so that they
    read as a text; no two say the same.
    """
    found = [
        (hit, sentence.start, sentence.end)
        for hit in hits[:PASSAGES_READ]
        for sentence in split(hit.article.text, hit.article.language)
        if hit.passage.start <= sentence.start
        and sentence.end <= hit.passage.end
        and not _is_heading(hit.article.text, sentence)
    ]
    if not found:
        return ()
    quotes = [hit.article.text[start:end] for hit, start, end in found]
    dense = embedder.embed_passages(quotes, [hit.article.title for hit, _, _ in found]) @ embedder.embed_question(
        question
    )
    languages = dict.fromkeys((language, *(hit.article.language or language for hit, _, _ in found)))
    words = [tokens(quote, hit.article.language) for quote, (hit, _, _) in zip(quotes, found, strict=True)]
    lexical = LexicalIndex.build(words).scores(question_tokens(question, languages))
    scores = fuse(dense, lexical, lexical_weight)

    chosen: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        if not any(say_the_same(quotes[place], quotes[other]) for other in chosen):
            chosen.append(int(place))
        if len(chosen) == count:
            break
    articles = list(dict.fromkeys(hit.article.id for hit, _, _ in found))
    chosen.sort(key=lambda place: (articles.index(found[place][0].article.id), found[place][1]))
    return tuple(
        Evidence(number, hit.article, hit.passage, start, end, float(scores[place]))
        for number, place in enumerate(chosen, 1)
        for hit, start, end in (found[place],)
    )


def _is_heading(text: str, sentence: Sentence) -> bool:
    """True for a short line without a full stop: it announces what a sentence below it says.

    What stands behind a bullet is no heading.
    """
    before, after = text[: sentence.start].rpartition("\n")[2], text[sentence.end :].partition("\n")[0]
    words = text[sentence.start : sentence.end].rstrip("\"'»”’) ")
    return not before.strip() and not after.strip() and len(words) <= _LONGEST_HEADING and not words.endswith(_STOPS)


# Logistic regression of "something answers" on `signals`, fitted by evaluation/confidence.py on the
# first half of PIAF v1.0 (300 questions, seed 0, each with and without its paragraph), 2026-11-22.
_INTERCEPT = -3.53
_WEIGHTS = (4.40, 7.34, 4.65)


def signals(hits: Sequence[Hit], evidence: Sequence[Evidence]) -> tuple[float, float, float]:
    """Return what confidence is judged from.

    The likeness of the best sentence; how far it stands above the mean of those chosen; how far the
    best passage stands above the second, 0 where there is one. No word is looked at, so that they
    mean the same when question and article are in two languages.
    """
    scores = [item.score for item in evidence]
    gap = hits[0].score - hits[1].score if len(hits) > 1 else 0.0
    return max(scores), max(scores) - sum(scores) / len(scores), gap


def confidence(hits: Sequence[Hit], evidence: Sequence[Evidence]) -> float:
    """Return the probability, 0 to 1, that the evidence answers the question; 0 without any."""
    if not evidence:
        return 0.0
    logit = _INTERCEPT + sum(weight * signal for weight, signal in zip(_WEIGHTS, signals(hits, evidence), strict=True))
    return 1 / (1 + math.exp(-logit))
