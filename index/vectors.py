"""Vectors in FAISS; and only here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# Up to so many rows, all are compared; it takes less than half a millisecond, 4 ms where they lie scattered.
SKETCHED_ABOVE = 10_000
# Candidates that the sketches choose: so many for each row asked for, and at least one in so many of the rows
# they choose among. evaluation/search_speed.py measures what that finds.
_CANDIDATES_FOR_EACH, _ONE_IN = 16, 64
_QUERY_BITS = 4  # to a component of a query that is compared with sketches
_MORE = 16  # rows looked at beyond those asked for, to see whether the last is tied with others
_BATCH = 4096  # rows made float32 at a time

# After what FAISS writes: mark, bytes before it, rows, dimensions, CRC-32 of all but the vectors and sketches.
# FAISS ends the process on some files that are cut or foreign, so that it is given none that was not checked.
_TRAILER = struct.Struct("<8sQQII")
_MARK = b"SOURCIER"
_AROUND = 4096  # bytes that hold what FAISS writes before its first and after its last codes


class VectorIndex:
    """Inner product over n unit vectors of d dimensions, which is their cosine similarity.

    They are held as float16. Above SKETCHED_ABOVE rows there is a sketch of one bit a dimension for
    each as well (RaBitQ, Gao and Long 2024), which chooses the candidates that are then compared by
    their float16 vectors. One thread does it all: with two, a search took no less time on the clock
    and three times as much of the processors, for OpenMP waits actively. Safe to search from several
    threads.
    """

    def __init__(self, halves: Any, sketches: Any | None, owner: Any = None) -> None:
        self._halves = halves
        self._sketches = sketches
        self._owner = owner  # what the two are parts of, if it was read from a file

    @classmethod
    def build(cls, batches: Iterable[Vectors], dimensions: int) -> VectorIndex:
        """Take the vectors in batches (m, dimensions), one after the other; only their float16 is held."""
        import faiss

        halves = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        for batch in batches:
            if batch.ndim != 2 or batch.shape[1] != dimensions:
                raise ValueError(f"vectors of shape {batch.shape}, not (m, {dimensions})")
            # FAISS rounds some of those half-way otherwise than IEEE 754 says
            halves.add_sa_codes(np.ascontiguousarray(batch, dtype=np.float16).view(np.uint8))
        with _one_thread():
            return cls(halves, _sketched(halves) if halves.ntotal > SKETCHED_ABOVE else None)

    def save(self, path: Path) -> None:
        import faiss

        index = self._halves
        if self._sketches is not None:
            index = faiss.IndexRefine(self._sketches, self._halves)
        faiss.write_index(index, str(path))
        with path.open("r+b") as file:
            length = file.seek(0, 2)
            checksum = _checksum(file, length, len(self), self.dimensions)
            file.seek(length)
            file.write(_TRAILER.pack(_MARK, length, len(self), self.dimensions, checksum))

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        """Open an index; vectors and sketches are memory-mapped, so that opening does not read them.

        Raises RuntimeError if the file is not one that `save` wrote, or is not whole; OSError if it
        is not there. Bytes of a vector that changed are not noticed.
        """
        import faiss

        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - _TRAILER.size, 0))
            trailer = file.read()
            if len(trailer) != _TRAILER.size:
                raise RuntimeError(f"{path} is cut: it has {size} bytes")
            mark, length, rows, dimensions, checksum = _TRAILER.unpack(trailer)
            if mark != _MARK or length != size - _TRAILER.size or 2 * rows * dimensions > length:
                raise RuntimeError(f"{path} is cut, or is not an index of vectors")
            if checksum != _checksum(file, length, rows, dimensions):
                raise RuntimeError(f"{path} is damaged: its checksum is another one")
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        if isinstance(index, faiss.IndexRefine):
            return cls(faiss.downcast_index(index.refine_index), faiss.downcast_index(index.base_index), index)
        return cls(index, None)

    def __len__(self) -> int:
        return int(self._halves.ntotal)

    @property
    def dimensions(self) -> int:
        return int(self._halves.d)

    def search(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Vectors]:
        """Return the rows (m,) and cosine similarities (m,) of the best m ≤ k allowed vectors, best first.

        `query` is (d,), unit length; `allowed` is (n,), True where a row may be returned. The filter
        is applied inside the search: k rows come back whenever k are allowed. Of equal similarities
        the first row comes first. Among at most SKETCHED_ABOVE allowed rows the search is exact.
        """
        import faiss

        if allowed is not None and allowed.shape != (len(self),):
            raise ValueError(f"{allowed.shape} rows may be returned or not, of {len(self)}")
        left = len(self) if allowed is None else int(np.count_nonzero(allowed))
        width = max(_CANDIDATES_FOR_EACH * k, left // _ONE_IN)
        with _one_thread():
            if self._sketches is not None and left > max(SKETCHED_ABOVE, width):
                rows, _ = _found(self._sketches, query, width, allowed, faiss.RaBitQSearchParameters, qb=_QUERY_BITS)
                allowed = np.zeros(len(self), dtype=bool)
                allowed[rows] = True
                left = int(np.count_nonzero(allowed))
            return self._exact(query, min(k, left), allowed, left)

    def _exact(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_] | None, left: int
    ) -> tuple[NDArray[np.int64], Vectors]:
        """Search by float16 vectors; `left` rows are allowed, of which k ≤ left are returned."""
        import faiss

        if k <= 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        width = k
        while True:
            # FAISS leaves open which rows it returns of those tied for the last place
            width = min(width + _MORE, left)
            rows, scores = _found(self._halves, query, width, allowed, faiss.SearchParameters)
            if width == left or len(rows) < width or scores[k - 1] > scores[-1]:
                best = np.lexsort((rows, -scores))[:k]
                return rows[best], scores[best]
            width *= 2

    def similarities(self, query: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """Return the cosine similarities (m,) of the query (d,) with the vectors of the given rows (m,).

        That of a vector does not depend on which others are asked for.
        """
        found = np.empty(len(rows), dtype=np.float32)
        with _one_thread():
            for first in range(0, len(rows), _BATCH):
                batch = np.ascontiguousarray(rows[first : first + _BATCH], dtype=np.int64)
                # not @, whose sums depend on a row's place among the others
                found[first : first + _BATCH] = np.einsum("ij,j->i", self._halves.reconstruct_batch(batch), query)
        return found

    def rows(self, first: int, last: int) -> Vectors:
        """Return the vectors (last - first, d) of the rows from `first` to before `last`.

        They are float16 in all but their type: an index built of them holds the same bits.
        """
        if not 0 <= first <= last <= len(self):
            raise IndexError(f"rows {first} to {last} of {len(self)}")
        if first == last:
            return np.empty((0, self.dimensions), dtype=np.float32)
        with _one_thread():
            return np.asarray(self._halves.reconstruct_n(first, last - first))


def _sketched(halves: Any) -> Any:
    """Sketch all vectors of an index, relative to their mean."""
    import faiss

    batches = [(first, min(_BATCH, halves.ntotal - first)) for first in range(0, halves.ntotal, _BATCH)]
    total = np.zeros(halves.d)
    for first, count in batches:
        total += halves.reconstruct_n(first, count).sum(axis=0, dtype=np.float64)
    sketches = faiss.IndexRaBitQ(halves.d, faiss.METRIC_INNER_PRODUCT)
    sketches.train((total / halves.ntotal).astype(np.float32)[None, :])  # all it learns is the mean
    for first, count in batches:
        sketches.add(halves.reconstruct_n(first, count))
    return sketches


def _checksum(file: BinaryIO, length: int, rows: int, dimensions: int) -> int:
    """Return the CRC-32 of what FAISS wrote before, between and after the sketches and the vectors.

    The vectors are last but for a few bytes, the mean that the sketches are relative to is before
    them; some of the first and last sketches and vectors are in it too.
    """
    found = zlib.crc32(struct.pack("<QQI", length, rows, dimensions))
    vectors = max(length - 2 * rows * dimensions, 0)
    between = vectors - 4 * dimensions - _AROUND
    for first, last in ((0, _AROUND), (between, vectors), (length - _AROUND, length)):
        first, last = max(first, 0), min(last, length)
        file.seek(first)
        found = zlib.crc32(file.read(max(last - first, 0)), found)
    return found


def _found(
    index: Any, query: Vectors, k: int, allowed: NDArray[np.bool_] | None, parameters: Any, **settings: Any
) -> tuple[NDArray[np.int64], Vectors]:
    """Search one of FAISS's indexes among the allowed rows; return rows (m,) and similarities (m,), m ≤ k."""
    import faiss

    if allowed is not None:
        bits = np.packbits(allowed, bitorder="little")  # the selector points into it
        settings["sel"] = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
    scores, rows = index.search(
        np.ascontiguousarray(query[None, :], dtype=np.float32), k, params=parameters(**settings)
    )
    found = rows[0] >= 0  # FAISS pads missing results with -1
    return rows[0][found], scores[0][found]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let FAISS use this thread alone; OpenMP keeps that number for each thread that calls."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
