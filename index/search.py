"""Question → Hits: dense and lexical search fused, filtered, without repeats."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from index.articles import Article
from index.embedder import Embedder
from index.generation import Generation
from index.lexical import question_tokens
from index.passages import Passage

# Each way of searching proposes this many passages, and more where most of them say the same; the
# fused order is exact among them.
CANDIDATES = 100
_SAME = 0.6
_WORD = re.compile(r"\w+")
_FIGURE = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question.

    `score` is the fused score, 0 to 1, higher is better; `dense` the cosine similarity, -1 to 1;
    `lexical` the BM25 score, 0 or more.
    """

    article: Article
    passage: Passage
    score: float
    dense: float
    lexical: float

    @property
    def text(self) -> str:
        return self.article.text[self.passage.start : self.passage.end]


def search(
    generation: Generation,
    embedder: Embedder,
    question: str,
    language: str,
    *,
    results: int,
    lexical_weight: float,
    published_after: date | None = None,
    published_before: date | None = None,
    sources: Sequence[str] = (),
    leave_out: Collection[str] = (),
) -> list[Hit]:
    """Return at most `results` passages, best first, no two of which say the same.

    Filters are applied inside the search. Equal scores are in the order of the index.
    """
    allowed = generation.allowed(published_after, published_before, sources, leave_out)
    if not generation.passages or (allowed is not None and not allowed.any()):
        return []
    vector = embedder.embed_question(question)
    languages = dict.fromkeys((language, *generation.languages))
    lexical = generation.lexical.scores(question_tokens(question, languages))
    if allowed is not None:
        lexical = np.where(allowed, lexical, 0)
    width = max(CANDIDATES, results)
    while True:
        rows, _ = generation.vectors.search(vector, width, allowed)
        candidates = np.union1d(rows, _best(lexical, width))
        dense = generation.vectors.similarities(vector, candidates)
        fused = fuse(dense, lexical[candidates], lexical_weight)

        hits: list[Hit] = []
        for place in np.argsort(-fused, kind="stable"):
            row = candidates[place]
            passage = generation.passages[row]
            article = generation.store.article(passage.article_id)
            hit = Hit(article, passage, float(fused[place]), float(dense[place]), float(lexical[row]))
            if not any(say_the_same(hit.text, other.text) for other in hits):
                hits.append(hit)
            if len(hits) == results:
                return hits
        if len(rows) < width:  # there are no more
            return hits
        width *= 10


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
