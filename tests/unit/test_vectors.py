"""FAISS against brute force."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

import index.vectors
from index.vectors import VectorIndex, Vectors

N, D = 60, 16
MANY = 4_000  # rows of an index with sketches, in these tests


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    drawn = np.random.default_rng(7).normal(size=(N, D)).astype(np.float32)
    drawn[10] = drawn[20] = drawn[30]  # ties
    return unit(drawn)


@pytest.fixture
def few_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sketches from 500 rows on, that choose few candidates; so that the tests need not many rows."""
    monkeypatch.setattr(index.vectors, "SKETCHED_ABOVE", 500)


@pytest.fixture(scope="module")
def clusters() -> Vectors:
    """40 clusters of 100; every third row of one is there twice."""
    chance = np.random.default_rng(11)
    drawn = np.repeat(chance.normal(size=(40, 64)), 100, axis=0) + 0.5 * chance.normal(size=(MANY, 64))
    drawn[1::3] = drawn[0:-1:3]
    return unit(drawn.astype(np.float32))


def unit(vectors: Vectors) -> Vectors:
    normed: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normed


def halves(vectors: Vectors) -> Vectors:
    """What is held of them."""
    return vectors.astype(np.float16).astype(np.float32)


def built(vectors: Vectors, batch: int = 25) -> VectorIndex:
    return VectorIndex.build((vectors[at : at + batch] for at in range(0, len(vectors), batch)), vectors.shape[1])


def check(
    index: VectorIndex, vectors: Vectors, query: Vectors, k: int, allowed: NDArray[np.bool_] | None = None
) -> None:
    """Of vectors that are tied exactly, the first comes first; sums of others may differ in the last place."""
    rows, scores = index.search(query, k, allowed)
    exact = halves(vectors) @ query
    may = np.flatnonzero(allowed) if allowed is not None else np.arange(len(vectors))
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    assert len(rows) == len(set(rows.tolist())) == min(k, len(may))
    assert set(rows.tolist()) <= set(may.tolist())
    assert list(zip(-scores, rows, strict=True)) == sorted(zip(-scores, rows, strict=True))
    np.testing.assert_allclose(scores, exact[rows], atol=1e-6)
    np.testing.assert_allclose(scores, np.sort(exact[may])[::-1][:k], atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, N, N + 40])
def test_search_is_brute_force(vectors: Vectors, k: int) -> None:
    index = built(vectors)
    assert len(index) == N
    assert index.dimensions == D
    for query in (vectors[0], vectors[20], -vectors[5]):  # the second is three times there, the last unlike all
        check(index, vectors, query, k)


@pytest.mark.parametrize("kept", [0, 1, 3, 10, N])
def test_as_many_as_are_allowed_come_back(vectors: Vectors, kept: int) -> None:
    allowed = np.zeros(N, dtype=bool)
    allowed[np.random.default_rng(kept).permutation(N)[:kept]] = True
    check(built(vectors), vectors, vectors[20], 10, allowed)


def test_none_are_there() -> None:
    index = VectorIndex.build([], D)
    assert (len(index), index.dimensions) == (0, D)
    assert index.rows(0, 0).shape == (0, D)
    assert index.search(np.ones(D, np.float32), 5)[0].tolist() == []
    assert index.search(np.ones(D, np.float32), 5, np.zeros(0, bool))[0].tolist() == []


@pytest.mark.parametrize("k", [1, 3, 7, 50])
def test_ties_come_in_the_order_of_their_rows(vectors: Vectors, k: int) -> None:
    """Also those for the last place: of 50 equal ones, the first k."""
    same = np.concatenate([vectors[:5], np.repeat(vectors[5:6], 50, axis=0), vectors[6:]])
    rows, scores = built(same).search(vectors[5], k)
    assert rows.tolist() == list(range(5, 5 + k))
    assert len(set(scores.tolist())) == 1
    odd = np.arange(len(same)) % 2 == 1
    assert built(same).search(vectors[5], 3, odd)[0].tolist() == [5, 7, 9]


def test_the_filter_is_as_long_as_the_index(vectors: Vectors) -> None:
    with pytest.raises(ValueError, match=r"\(59,\) rows .* of 60"):
        built(vectors).search(vectors[0], 3, np.ones(N - 1, dtype=bool))


def test_vectors_of_other_dimensions_are_refused(vectors: Vectors) -> None:
    with pytest.raises(ValueError, match=r"\(60, 16\), not \(m, 8\)"):
        VectorIndex.build([vectors], 8)


def test_saved_and_loaded_gives_the_same(vectors: Vectors, tmp_path: Path) -> None:
    built(vectors).save(tmp_path / "vectors.faiss")
    loaded = VectorIndex.load(tmp_path / "vectors.faiss")
    assert (len(loaded), loaded.dimensions) == (N, D)
    check(loaded, vectors, vectors[3], 10)
    check(loaded, vectors, vectors[3], 10, np.arange(N) % 2 == 0)


def test_similarities(vectors: Vectors, tmp_path: Path) -> None:
    index = built(vectors)
    index.save(tmp_path / "vectors.faiss")
    rows = np.array([59, 0, 20, 10])
    for either in (index, VectorIndex.load(tmp_path / "vectors.faiss")):
        found = either.similarities(vectors[20], rows)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, halves(vectors)[rows] @ vectors[20], atol=1e-6)
        assert either.similarities(vectors[20], rows[:0]).shape == (0,)
        alone = [float(either.similarities(vectors[20], rows[place : place + 1])[0]) for place in range(4)]
        assert found.tolist() == alone
        assert found[2] == found[3]


def test_every_float16_comes_back_bit_for_bit(tmp_path: Path) -> None:
    drawn = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = drawn[np.isfinite(drawn)].reshape(-1, D)
    first = VectorIndex.build([every.astype(np.float32)], D)
    assert (first.rows(0, len(every)).astype(np.float16).view(np.uint16) == every.view(np.uint16)).all()
    first.save(tmp_path / "first")
    second = VectorIndex.build((first.rows(row, row + 16) for row in range(0, len(every), 16)), D)
    second.save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_rows_are_within_the_index(vectors: Vectors) -> None:
    index = built(vectors)
    np.testing.assert_array_equal(index.rows(3, 7), halves(vectors)[3:7])
    for first, last in ((-1, 3), (0, N + 1), (5, 4)):
        with pytest.raises(IndexError):
            index.rows(first, last)


@pytest.fixture(scope="module")
def path(clusters: Vectors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with sketches."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.faiss"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.vectors, "SKETCHED_ABOVE", 500)
        built(clusters, 512).save(path)
    return path


@pytest.mark.usefixtures("few_are_exact")
class TestSketches:
    def test_find_what_brute_force_finds(self, clusters: Vectors, path: Path) -> None:
        held = halves(clusters)
        shared = []
        for loaded in (VectorIndex.load(path), built(clusters, 300)):
            for query in clusters[::200]:
                rows, scores = loaded.search(query, 10)
                np.testing.assert_allclose(scores, held[rows] @ query, atol=1e-6)
                assert list(zip(-scores, rows, strict=True)) == sorted(zip(-scores, rows, strict=True))
                shared.append(np.mean(scores >= np.sort(held @ query)[-10] - 1e-6))
        assert np.mean(shared) > 0.97

    @pytest.mark.parametrize("kept", [0, 7, 100, 499, 501, 700, 3_999])
    @pytest.mark.parametrize("k", [1, 30, 100])
    def test_as_many_as_are_allowed_come_back(self, clusters: Vectors, path: Path, kept: int, k: int) -> None:
        allowed = np.zeros(MANY, dtype=bool)
        allowed[np.random.default_rng(kept).permutation(MANY)[:kept]] = True
        rows, _ = VectorIndex.load(path).search(clusters[5], k, allowed)
        assert len(set(rows.tolist())) == len(rows) == min(k, kept)
        assert allowed[rows].all()

    def test_few_allowed_are_compared_exactly(self, clusters: Vectors, path: Path) -> None:
        allowed = np.arange(MANY) % 10 == 3  # 400, of all clusters
        loaded = VectorIndex.load(path)
        for query in clusters[::500]:
            check(loaded, clusters, query, 40, allowed)

    def test_all_can_be_asked_for(self, clusters: Vectors, path: Path) -> None:
        check(VectorIndex.load(path), clusters, clusters[9], MANY + 5)

    def test_merged_holds_the_same_bits(self, clusters: Vectors, path: Path, tmp_path: Path) -> None:
        loaded = VectorIndex.load(path)
        parts = (loaded.rows(row, min(row + 700, MANY)) for row in range(0, MANY, 700))
        VectorIndex.build(parts, 64).save(tmp_path / "merged")
        assert (tmp_path / "merged").read_bytes() == path.read_bytes()

    def test_threads_do_not_disturb_each_other(self, clusters: Vectors, path: Path) -> None:
        loaded = VectorIndex.load(path)
        queries, odd = clusters[::50], np.arange(MANY) % 2 == 1

        def rows(query: Vectors) -> list[list[int]]:
            return [loaded.search(query, 20, allowed)[0].tolist() for allowed in (None, odd)]

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(rows, queries)) == [rows(query) for query in queries]

    def test_the_threads_of_others_are_left_as_they_were(self, clusters: Vectors, path: Path) -> None:
        before = faiss.omp_get_max_threads()
        VectorIndex.load(path).search(clusters[0], 3)
        assert faiss.omp_get_max_threads() == before


class TestDamage:
    @pytest.mark.parametrize("left", [0, 1, 4, 30, 60, 100, 500, 1_000, -1])
    @pytest.mark.usefixtures("few_are_exact")
    def test_a_file_that_is_cut(self, vectors: Vectors, clusters: Vectors, tmp_path: Path, left: int) -> None:
        for held in (vectors, clusters):
            path = tmp_path / f"{len(held)}.faiss"
            built(held).save(path)
            path.write_bytes(path.read_bytes()[:left])
            with pytest.raises(RuntimeError):
                VectorIndex.load(path)

    @pytest.mark.parametrize("kind", ["Flat", "SQfp16", "HNSW8", "SQ8,RFlat"])
    def test_another_index_of_faiss(self, vectors: Vectors, tmp_path: Path, kind: str) -> None:
        foreign = faiss.index_factory(D, kind, faiss.METRIC_INNER_PRODUCT)
        foreign.train(vectors)
        foreign.add(vectors)
        faiss.write_index(foreign, str(tmp_path / "foreign"))
        with pytest.raises(RuntimeError, match="is cut, or is not an index of vectors"):
            VectorIndex.load(tmp_path / "foreign")

    def test_no_index_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "other").write_bytes(b"\x80\x04" + bytes(2000))
        with pytest.raises(RuntimeError, match="is not an index of vectors"):
            VectorIndex.load(tmp_path / "other")
        with pytest.raises(FileNotFoundError):
            VectorIndex.load(tmp_path / "missing")

    def test_what_is_between_is_in_the_checksum(self, clusters: Vectors, path: Path, tmp_path: Path) -> None:
        """Any byte that is neither of a sketch nor of a vector: before, between and after them."""
        whole = path.read_bytes()
        sketched: Any = faiss.read_index(str(path))
        parts: list[Any] = [faiss.downcast_index(sketched.base_index), faiss.downcast_index(sketched.refine_index)]
        sketches, vectors = (faiss.vector_to_array(part.codes).tobytes() for part in parts)
        one, other = whole.index(sketches), whole.index(vectors)
        structure = [*range(one), *range(one + len(sketches), other), *range(other + len(vectors), len(whole))]
        assert len(structure) < 1_000
        for place in structure:
            changed = bytearray(whole)
            changed[place] ^= 128
            (tmp_path / "changed").write_bytes(changed)
            with pytest.raises(RuntimeError):
                VectorIndex.load(tmp_path / "changed")
