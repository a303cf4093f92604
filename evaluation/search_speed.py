"""How good and how quick is search over many passages? python -m evaluation.search_speed --passages 200000

Vectors and words are made up, of the shape that those of an archive have, and told as such: clusters
of unequal size, in which the ten nearest of a question are at a cosine of about .6 to .9, but whose
members differ in all dimensions alike, which is harder for sketches than what an embedder makes; and
stems that are as frequent as Zipf's law says. Each question is searched in one index of all passages,
and in four of a quarter each. Times are those of the processor, of one thread: what else the machine
does hardly changes them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from index.lexical import LexicalIndex, scores
from index.vectors import VectorIndex, Vectors

DIMENSIONS = 768
CLUSTERS = 2_000
VOCABULARY = 300_000  # stems
STEMS = 60  # of a passage, on average
QUESTION_STEMS = 10
NEAREST = 100  # what search asks for
SHARES = (0.5, 0.1, 0.02)  # of the passages that a filter leaves
_BATCH = 512

Masks = Sequence[NDArray[np.bool_] | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what a filter leaves, in how many parts the index is, and what was measured.

    `recall_10` is the share of the exact ten that are among the first ten returned, `recall_100` of the
    exact hundred among the hundred; times are in milliseconds.
    """

    filter: str
    parts: int
    recall_10: float
    recall_100: float
    vectors_p50: float
    vectors_p99: float
    words_p50: float
    words_p99: float


@dataclass(frozen=True, slots=True)
class Archive:
    """n made-up passages: `vectors` (n, d), `cluster` (n,) of each, `words` and `ends` of each in them."""

    vectors: Vectors
    cluster: NDArray[np.int64]
    words: NDArray[np.int64]
    ends: NDArray[np.int64]

    def batches(self, first: int, last: int) -> Iterator[Vectors]:
        for start in range(first, last, _BATCH):
            yield self.vectors[start : min(start + _BATCH, last)]

    def stems(self, first: int, last: int) -> Iterator[list[str]]:
        for row in range(first, last):
            yield [f"s{number}" for number in self.words[self.ends[row] : self.ends[row + 1]].tolist()]


def make_archive(passages: int, questions: int, seed: int) -> tuple[Archive, Vectors, list[list[str]]]:
    """Make an archive up, and questions of it: vectors (q, d), and stems of which some are frequent."""
    chance = np.random.default_rng(seed)
    sizes = 1 / np.arange(1, CLUSTERS + 1) ** 0.8
    sizes /= sizes.sum()
    centres = _unit(chance.standard_normal((CLUSTERS, DIMENSIONS), dtype=np.float32))
    common = np.float32(0.6) * _unit(chance.standard_normal((1, DIMENSIONS), dtype=np.float32))
    spread = chance.uniform(0.35, 0.8, CLUSTERS).astype(np.float32) / np.float32(np.sqrt(DIMENSIONS))

    def around(clusters: NDArray[np.int64]) -> Vectors:
        drawn = chance.standard_normal((len(clusters), DIMENSIONS), dtype=np.float32)
        return _unit(common + centres[clusters] + spread[clusters, None] * drawn)

    cluster = chance.choice(CLUSTERS, passages, p=sizes)
    vectors = np.empty((passages, DIMENSIONS), dtype=np.float32)
    for first in range(0, passages, _BATCH):
        vectors[first : first + _BATCH] = around(cluster[first : first + _BATCH])
    asked = around(chance.choice(CLUSTERS, questions, p=sizes))

    frequency = 1 / (np.arange(VOCABULARY) + 10)  # the most frequent words are stop words, and gone
    frequency /= frequency.sum()
    ends = np.concatenate([[0], np.cumsum(chance.poisson(STEMS, passages))])
    words = chance.choice(VOCABULARY, int(ends[-1]), p=frequency)
    stems = [
        [f"s{number}" for number in dict.fromkeys(words[chance.integers(len(words), size=QUESTION_STEMS)].tolist())]
        for _ in range(questions)
    ]
    return Archive(vectors, cluster, words, ends), asked, stems


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def masks_of(archive: Archive, seed: int) -> dict[str, NDArray[np.bool_] | None]:
    """Return {what a filter leaves: (n,) True where a passage passes}: shares by chance, and of the clusters."""
    chance = np.random.default_rng(seed)
    masks: dict[str, NDArray[np.bool_] | None] = {"all": None}
    for share in SHARES:
        masks[f"{share:.0%} by chance"] = chance.random(len(archive.cluster)) < share
        masks[f"{share:.0%} of the clusters"] = (chance.random(CLUSTERS) < share)[archive.cluster]
    return masks


def nearest(parts: Sequence[VectorIndex], firsts: Sequence[int], query: Vectors, masks: Masks) -> NDArray[np.int64]:
    """Return the rows of the NEAREST over all parts, best first."""
    found = [part.search(query, NEAREST, mask) for part, mask in zip(parts, masks, strict=True)]
    rows = np.concatenate([first + rows for first, (rows, _) in zip(firsts, found, strict=True)])
    return rows[np.argsort(-np.concatenate([similarities for _, similarities in found]), kind="stable")[:NEAREST]]


def measure(passages: int, questions: int, seed: int, folder: Path) -> tuple[dict[str, float], list[Row]]:
    """Return what building and opening took, and a row for each filter and number of parts."""
    archive, asked, stems = make_archive(passages, questions, seed)
    exact = asked @ archive.vectors.T
    rows: list[Row] = []
    told: dict[str, float] = {}
    for count in (1, 4):
        bounds = [passages * place // count for place in range(count + 1)]
        spans = list(pairwise(bounds))
        vectors_seconds = words_seconds = 0.0
        for place, (first, last) in enumerate(spans):
            start = time.thread_time()
            VectorIndex.build(archive.batches(first, last), DIMENSIONS).save(folder / f"{count}-{place}.faiss")
            vectors_seconds += time.thread_time() - start
            listed = list(archive.stems(first, last))
            start = time.thread_time()
            LexicalIndex.build(listed).save(folder / f"{count}-{place}")
            words_seconds += time.thread_time() - start
        start = time.perf_counter()
        vectors = [VectorIndex.load(folder / f"{count}-{place}.faiss") for place in range(count)]
        opened = time.perf_counter()
        words = [
            LexicalIndex.load(folder / f"{count}-{place}", last - first) for place, (first, last) in enumerate(spans)
        ]
        told |= {
            f"vectors: build, in {count}, s": vectors_seconds,
            f"words: build, in {count}, s": words_seconds,
            f"vectors: open, in {count}, ms": 1e3 * (opened - start),
            f"words: open, in {count}, ms": 1e3 * (time.perf_counter() - opened),
            f"vectors: bytes a passage, in {count}": _bytes(folder.glob(f"{count}-*.faiss")) / passages,
            f"words: bytes a passage, in {count}": _bytes(folder.glob(f"{count}-*/*.npy")) / passages,
        }
        if count > 1:
            start = time.thread_time()
            LexicalIndex.merged([(part, None) for part in words])
            told["words: merge 4 into 1, s"] = time.thread_time() - start
        for name, mask in masks_of(archive, seed).items():
            masks = [mask[first:last] if mask is not None else None for first, last in spans]
            rows.append(_row(name, exact, asked, stems, vectors, words, bounds[:-1], mask, masks))
    return told, rows


def _row(
    name: str,
    exact: Vectors,
    asked: Vectors,
    stems: Sequence[Sequence[str]],
    vectors: Sequence[VectorIndex],
    words: Sequence[LexicalIndex],
    firsts: Sequence[int],
    mask: NDArray[np.bool_] | None,
    masks: Masks,
) -> Row:
    """Measure all questions; `exact` is (q, n), their similarities with all passages."""
    recall: dict[int, list[float]] = {10: [], NEAREST: []}
    by_vectors, by_words = [], []
    for query, question, similarities in zip(asked, stems, exact, strict=True):
        start = time.thread_time()
        found = nearest(vectors, firsts, query, masks)
        by_vectors.append(1e3 * (time.thread_time() - start))
        start = time.thread_time()
        scores(words, question)
        by_words.append(1e3 * (time.thread_time() - start))
        left = similarities if mask is None else np.where(mask, similarities, -2)
        best = np.argpartition(-left, NEAREST)[:NEAREST]
        best = best[np.argsort(-left[best], kind="stable")]
        for width, shares in recall.items():
            shares.append(float(np.isin(best[:width], found[:width]).mean()))
    return Row(
        name,
        len(vectors),
        *(round(float(np.mean(shares)), 4) for shares in recall.values()),
        *(round(float(np.percentile(times, q)), 2) for times in (by_vectors, by_words) for q in (50, 99)),
    )


def _bytes(files: Iterator[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def as_markdown(told: dict[str, float], rows: Sequence[Row]) -> str:
    """Return two tables, with what the columns mean in their heads."""
    lines = [
        "| filter leaves | parts | recall@10 | recall@100 | vectors p50, ms | p99 | words p50, ms | p99 |",
        "|---|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(str(value) for value in asdict(row).values())} |" for row in rows),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value:.1f} |" for name, value in told.items()),
    ]
    return "\n".join(lines)


@click.command()
@click.option("--passages", type=click.IntRange(min=1_000), default=200_000, show_default=True)
@click.option("--questions", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of all that is made up.")
def main(passages: int, questions: int, seed: int) -> None:
    """Print what was measured as JSON and as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        told, rows = measure(passages, questions, seed, Path(folder))
    described = {"passages": passages, "questions": questions, "seed": seed, "dimensions": DIMENSIONS}
    print(json.dumps({**described, "built": told, "rows": [asdict(row) for row in rows]}, indent=1))
    print()
    print(as_markdown(told, rows))


if __name__ == "__main__":
    main()
