"""FAISS against brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.vectors import VectorIndex, Vectors

N, D = 60, 16


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    drawn = np.random.default_rng(7).normal(size=(N, D)).astype(np.float32)
    drawn[10] = drawn[20] = drawn[30]  # ties
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def check(
    index: VectorIndex, vectors: Vectors, query: Vectors, k: int, allowed: NDArray[np.bool_] | None = None
) -> None:
    rows, scores = index.search(query, k, allowed)
    exact = vectors @ query
    may = np.flatnonzero(allowed) if allowed is not None else np.arange(N)
    assert len(rows) == len(set(rows.tolist())) == min(k, len(may))
    assert set(rows.tolist()) <= set(may.tolist())
    np.testing.assert_allclose(scores, exact[rows], atol=1e-6)
    np.testing.assert_allclose(scores, np.sort(exact[may])[::-1][:k], atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, N, N + 40])
def test_search_is_brute_force(vectors: Vectors, k: int) -> None:
    index = VectorIndex.build(vectors)
    assert len(index) == N
    for query in (vectors[0], vectors[20], -vectors[5]):  # the second is three times there, the last unlike all
        check(index, vectors, query, k)


@pytest.mark.parametrize("kept", [0, 1, 3, 10, N])
def test_as_many_as_are_allowed_come_back(vectors: Vectors, kept: int) -> None:
    index = VectorIndex.build(vectors)
    allowed = np.zeros(N, dtype=bool)
    allowed[np.random.default_rng(kept).permutation(N)[:kept]] = True
    check(index, vectors, vectors[20], 10, allowed)


def test_saved_and_loaded_gives_the_same(vectors: Vectors, tmp_path: Path) -> None:
    VectorIndex.build(vectors).save(tmp_path / "vectors.faiss")
    loaded = VectorIndex.load(tmp_path / "vectors.faiss")
    assert len(loaded) == N
    check(loaded, vectors, vectors[3], 10)
    check(loaded, vectors, vectors[3], 10, np.arange(N) % 2 == 0)


def test_similarities(vectors: Vectors, tmp_path: Path) -> None:
    index = VectorIndex.build(vectors)
    index.save(tmp_path / "vectors.faiss")
    rows = np.array([59, 0, 20, 10])
    for either in (index, VectorIndex.load(tmp_path / "vectors.faiss")):
        found = either.similarities(vectors[20], rows)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, vectors[rows] @ vectors[20], atol=1e-6)
        assert either.similarities(vectors[20], rows[:0]).shape == (0,)
