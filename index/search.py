"""Question → Hits: dense and lexical search fused, filtered, without repeats, copies folded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from index.articles import Article
from index.copies import WIDTH, copies
from index.embedder import Embedder
from index.generation import EVERYTHING, Filters, Generation, Part
from index.lexical import question_tokens
from index.passages import Passage
from index.segment import NO_DATE
from index.vectors import Vectors

# Each way of searching proposes this many passages, and more where most of them say the same; the
# fused order is exact among them.
CANDIDATES = 100
_LARGE = 10_000  # passages of a segment, from which on another thread is worth its start
_SAME = 0.6
_WORD = re.compile(r"\w+")
_FIGURE = re.compile(r"\d+")
_Owner = tuple[int, int]  # an article: the place of its part, and its row there


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question.

    `score` is the fused score, 0 to 1, higher is better; `dense` the cosine similarity, -1 to 1;
    `lexical` the BM25 score, 0 or more. `copies` are other articles that carry the same dispatch,
    among those found.
    """

    article: Article
    passage: Passage
    score: float
    dense: float
    lexical: float
    copies: tuple[Article, ...] = ()

    @property
    def text(self) -> str:
        return self.article.text[self.passage.start : self.passage.end]


@dataclass(frozen=True, slots=True)
class Recency:
    """How much newer articles are preferred: `weight` is added to the score of today's, half of it after
    `half_life` days, a quarter after twice as many; nothing without a date."""

    weight: float = 0.0
    half_life: float = 30.0

    def bonus(self, days: NDArray[np.int32], today: date) -> NDArray[np.float32]:
        """Return weight · 2^(-age / half_life) of each of the (n,) days, as `date.toordinal`; 0 for NO_DATE."""
        age = np.maximum(today.toordinal() - days, 0)
        return np.where(days == NO_DATE, 0, self.weight * np.exp2(-age / self.half_life)).astype(np.float32)


NO_PREFERENCE = Recency()


@dataclass(slots=True)
class _Group:
    """A hit in the making: the first that was found, and of its copies those that stood for all since."""

    hit: Hit
    owners: list[_Owner]


def search(
    generation: Generation,
    embedder: Embedder,
    question: str,
    language: str,
    *,
    results: int,
    lexical_weight: float,
    filters: Filters = EVERYTHING,
    recency: Recency = NO_PREFERENCE,
) -> list[Hit]:
    """Return at most `results` passages, best first, no two of which say the same.

    Filters are applied inside the search: `results` come back whenever so many exist. Equal scores
    are in the order of their articles' ids. Of articles that are copies of each other (index/copies.py), the
    best stands for all as far as they say the same.
    """
    masks = generation.allowed(filters)
    if not any(len(part.segment.passages) if mask is None else mask.any()
               for part, mask in zip(generation.parts, masks, strict=True)):  # fmt: skip
        return []
    vector = embedder.embed_question(question)
    width = max(CANDIDATES, results)
    nearest = _nearest(generation, vector, masks, width)  # which goes on beside
    stems = question_tokens(question, dict.fromkeys((language, *generation.languages)))
    lexical = generation.lexical_scores(stems)
    for scores, mask in zip(lexical, masks, strict=True):
        if mask is not None:
            scores *= mask
    words = np.concatenate(lexical)
    while True:
        found = _candidates(generation, vector, nearest, words, width)
        score = fuse(found.dense, found.lexical, lexical_weight)
        if recency.weight:
            score = score + recency.bonus(_days(generation, found.rows), filters.published_before or date.today())
        hits = _without_repeats(generation, found, score, results)
        if len(hits) == results or not found.more:
            return hits
        width *= 10
        nearest = _nearest(generation, vector, masks, width)


_Found = tuple[NDArray[np.int64], Vectors]


def _nearest(
    generation: Generation, vector: Vectors, masks: Sequence[NDArray[np.bool_] | None], width: int
) -> Iterable[_Found]:
    """Return the rows (m,) of each part's m ≤ `width` nearest passages, and their similarities (m,).

    Where several parts are large, they are searched on other threads, from now on.
    """

    def nearest_in(part: Part, mask: NDArray[np.bool_] | None) -> _Found:
        rows, similarities = part.segment.vectors.search(vector, width, mask)
        return part.first + rows, similarities

    large = sum(len(part.segment.passages) > _LARGE for part in generation.parts)
    each: Callable[..., Iterable[_Found]] = _threads().map if large > 1 else map
    return each(nearest_in, generation.parts, masks)


@cache
def _threads() -> ThreadPoolExecutor:
    """Return what searches several segments at once; FAISS needs no lock of Python's."""
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="sourcier-search")


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Rows (n,) with their similarities and BM25 scores; `more` is True if there may be others."""

    rows: NDArray[np.int64]
    dense: NDArray[np.float32]
    lexical: NDArray[np.float32]
    more: bool


def _candidates(
    generation: Generation,
    vector: Vectors,
    by_vectors: Iterable[_Found],
    words: NDArray[np.float32],
    width: int,
) -> _Candidates:
    """Return the `width` best rows by either way of searching, over all parts; `words` are the (n,) BM25 scores."""
    best_by_words = _best(words, width)
    rows, similarities = map(np.concatenate, zip(*by_vectors, strict=True))
    nearest = rows[np.argsort(-similarities, kind="stable")[:width]]
    chosen = np.union1d(nearest, best_by_words)
    dense = np.empty(len(chosen), dtype=np.float32)
    for part in generation.parts:
        own = (chosen >= part.first) & (chosen < part.first + len(part.segment.passages))
        if own.any():
            dense[own] = part.segment.vectors.similarities(vector, chosen[own] - part.first)
    return _Candidates(chosen, dense, words[chosen], len(nearest) == width)


def _owners(generation: Generation, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each of the (n,) rows the place of its part, (n,), and there the row of its article, (n,)."""
    firsts = np.array([part.first for part in generation.parts])
    places = np.searchsorted(firsts, rows, side="right") - 1
    articles = np.empty(len(rows), dtype=np.int64)
    for place, part in enumerate(generation.parts):
        own = places == place
        articles[own] = part.segment.passages[rows[own] - part.first, 0]
    return places, articles


def _days(generation: Generation, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    places, articles = _owners(generation, rows)
    days = np.empty(len(rows), dtype=np.int32)
    for place, part in enumerate(generation.parts):
        own = places == place
        days[own] = part.segment.facets.rows["published"][articles[own]]
    return days


def _without_repeats(generation: Generation, found: _Candidates, score: NDArray[np.float32], results: int) -> list[Hit]:
    owners = list(zip(*(numbers.tolist() for numbers in _owners(generation, found.rows)), strict=True))
    distinct = list(dict.fromkeys(owners))
    sketches = np.empty((len(distinct), WIDTH), dtype=np.uint32)
    for number, (place, row) in enumerate(distinct):
        sketches[number] = generation.parts[place].segment.sketches[row]

    groups: list[_Group] = []
    alike: dict[_Owner, set[_Owner]] = {}
    for place, article, passage in _in_order(generation, found.rows, score):
        owner = owners[place]
        hit = Hit(article, passage, float(score[place]), float(found.dense[place]), float(found.lexical[place]))
        if any(_folds(group, hit, owner, alike) for group in groups):
            continue
        if len(groups) == results:
            break
        if owner not in alike:
            same = copies(sketches[distinct.index(owner)], sketches)
            alike[owner] = {other for other, copied in zip(distinct, same, strict=True) if copied} - {owner}
        groups.append(_Group(hit, [owner]))
    return [replace(group.hit, copies=_copies(group, alike, generation)) for group in groups]


def _in_order(
    generation: Generation, rows: NDArray[np.int64], score: NDArray[np.float32]
) -> Iterator[tuple[int, Article, Passage]]:
    """Yield the places of the (n,) rows with their passages, the best first.

    Those of equal score come by their article's id, since merging segments changes the order of rows.
    """
    order = np.argsort(-score, kind="stable").tolist()
    for _, tied in groupby(order, key=lambda place: float(score[place])):
        passages = ((place, *generation.passage(int(rows[place]))) for place in tied)
        yield from sorted(passages, key=lambda one: (one[1].id, one[2].start))


def _folds(group: _Group, hit: Hit, owner: _Owner, alike: dict[_Owner, set[_Owner]]) -> bool:
    """True if a hit says what the group says already; the fuller of two copies then stands for both."""
    if owner not in alike[group.owners[0]]:
        return say_the_same(hit.text, group.hit.text)
    if not _is_told_in(hit.text, group.hit.article.text):
        if not _is_told_in(group.hit.text, hit.text):
            return False
        group.hit = replace(group.hit, article=hit.article, passage=hit.passage)  # of the score of the better one
        group.owners.append(owner)
    return True


def _copies(group: _Group, alike: dict[_Owner, set[_Owner]], generation: Generation) -> tuple[Article, ...]:
    """Return the articles that are copies of a group's first, but for the one that stands for them."""
    others = ({group.owners[0]} | alike[group.owners[0]]) - {group.owners[-1]}
    return tuple(generation.parts[place].segment.store.article(row) for place, row in sorted(others))


def fuse(dense: NDArray[np.float32], lexical: NDArray[np.float32], lexical_weight: float) -> NDArray[np.float32]:
    """Return (dense + w · lexical / max(lexical)) / (1 + w), clipped to 0 and more; all are (n,).

    A convex combination of scores (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid
    Retrieval"), the cosine kept as it is and BM25 relative to the best passage: against min-max of
    both it needs no bottom of a candidate list, and measured better (docs/benchmarks.md).
    """
    relative = lexical / max(float(lexical.max(initial=0.0)), 1e-9)
    fused = np.maximum(dense + lexical_weight * relative, 0) / (1 + lexical_weight)
    return fused.astype(np.float32)


def say_the_same(one: str, other: str) -> bool:
    """True for texts that share most pairs of words and name the same figures.

    Wire copy is cut and retouched, so not equality; but "120 morts" and "150 morts" differ, however
    alike the rest is.
    """
    (figures, pairs), (other_figures, other_pairs) = _gist(one), _gist(other)
    return figures == other_figures and len(pairs & other_pairs) >= _SAME * len(pairs | other_pairs)


def _is_told_in(passage: str, article: str) -> bool:
    """True if a copy's passage says nothing that the article does not say: most pairs of words, every figure."""
    (figures, pairs), (other_figures, other_pairs) = _gist(passage), _gist(article)
    return figures <= other_figures and len(pairs & other_pairs) >= _SAME * len(pairs)


@lru_cache(maxsize=1024)
def _gist(text: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Return the figures of a text and its pairs of neighbouring words."""
    words = ["", *_WORD.findall(text.lower()), ""]
    return frozenset(_FIGURE.findall(text)), frozenset(pairwise(words))


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the rows of the k greatest positive scores, in no order."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) <= k:
        return positive
    return positive[np.argpartition(-scores[positive], k)[:k]]
