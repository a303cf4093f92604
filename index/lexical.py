"""BM25 over stems, with Snowball and postings in NumPy arrays; and only here.

Each passage is tokenized in the language of its article, title included; a question in its own
language and in those of the archive, so that names and figures meet across languages.

An index holds what the passages of one segment contain, no scores: these are computed at the question
from the statistics of all segments together. Its files, all one-dimensional:

    terms.npy           uint8: the t distinct stems in UTF-8, one after the other, in the order of their bytes
    term_ends.npy       int64 (t,): where each ends in terms.npy
    posting_ends.npy    int64 (t,): where the postings of each end in the next two
    rows.npy            uint32: the passages that hold the stem, ascending
    frequencies.npy     uint16: how often each holds it, at most 65,535
    lengths.npy         uint32 (n,): the stems of each passage, repeated ones included
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import arrays

_WORD = re.compile(r"\w\w+|\d", re.UNICODE)
_DIGIT_GROUPS = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)")
_ACCENTS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "nb": "norwegian", "nn": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip


def _fold(text: str) -> str:
    """Put in lower case without the accents of Latin letters, which readers leave out and capitals lose."""
    lower = text.lower().replace("œ", "oe")
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", lower)))


@lru_cache(maxsize=64)
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(_SNOWBALL[language]) if language in _SNOWBALL else None


@lru_cache(maxsize=64)
def _stop_words(language: str) -> frozenset[str]:
    import stop_words

    name = language if language in stop_words.LANGUAGE_MAPPING else None
    words = stop_words.get_stop_words(name) if name else []
    # contracted words are cut at the apostrophe by _WORD, so their halves are looked up
    return frozenset(part for word in words for part in _WORD.findall(_fold(word)))


def tokens(text: str, language: str | None) -> list[str]:
    """Return the stems of a text without its stop words; with or without its accents, they are the same."""
    language = language or "fr"
    words = _WORD.findall(_fold(_DIGIT_GROUPS.sub(lambda group: re.sub(r"\D", "", group[0]), text)))
    stopped = _stop_words(language)
    kept = [word for word in words if word not in stopped]
    stemmer = _stemmer(language)
    return list(stemmer.stemWords(kept)) if stemmer else kept


def question_tokens(question: str, languages: Iterable[str]) -> list[str]:
    """Return the distinct stems of a question in each of the languages, in a stable order."""
    return list(dict.fromkeys(token for language in languages for token in tokens(question, language)))


_K1, _B = 1.2, 0.75
_CHUNK = 1 << 20  # stems counted at a time
_ARRAYS: dict[str, np.dtype[Any]] = {
    "terms": np.dtype(np.uint8), "term_ends": np.dtype(np.int64), "posting_ends": np.dtype(np.int64),
    "rows": np.dtype(np.uint32), "frequencies": np.dtype(np.uint16), "lengths": np.dtype(np.uint32),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Postings:
    """Postings of some passages, grouped by term: counts[i] of them belong to the term of number terms[i].

    `terms` and `counts` are (t,), no term is there twice; `rows` and `frequencies` are (p,), the rows
    of a term ascending.
    """

    terms: NDArray[np.int64]
    counts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    frequencies: NDArray[np.uint16]


class _Numbers(dict[str, int]):
    """Numbers words as they come, from 0 on."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


class LexicalIndex:
    """The postings of n tokenized passages; see the module's docstring for the arrays, and `scores`."""

    def __init__(
        self,
        terms: NDArray[np.uint8],
        term_ends: NDArray[np.int64],
        posting_ends: NDArray[np.int64],
        rows: NDArray[np.uint32],
        frequencies: NDArray[np.uint16],
        lengths: NDArray[np.uint32],
    ) -> None:
        """Raise ValueError where the arrays do not fit together."""
        if len(term_ends) != len(posting_ends):
            raise ValueError(f"{len(term_ends)} terms, {len(posting_ends)} lists of postings")
        if len(rows) != len(frequencies):
            raise ValueError(f"{len(rows)} rows of postings, {len(frequencies)} frequencies")
        for name, ends, size in (("terms", term_ends, len(terms)), ("rows", posting_ends, len(rows))):
            if (ends[-1] if len(ends) else 0) != size or (np.diff(ends, prepend=0) <= 0).any():
                raise ValueError(f"the ends in {name}, of {size}, do not ascend to it")
        self._terms, self._term_ends, self._posting_ends = terms, term_ends, posting_ends
        self._rows, self._frequencies, self._lengths = rows, frequencies, lengths
        self._total = int(lengths.sum(dtype=np.int64))

    @classmethod
    def build(cls, passages: Iterable[list[str]]) -> LexicalIndex:
        """Take the stems of each passage, one after the other; memory is that of the postings."""
        numbers = _Numbers()
        lengths, stems = array("I"), array("I")
        chunks: list[_Postings] = []
        first = 0  # the first passage whose stems are in `stems`
        for passage in passages:
            lengths.append(len(passage))
            stems.extend(map(numbers.__getitem__, passage))
            if len(stems) >= _CHUNK:
                chunks.append(_counted(stems, lengths, first))
                first, stems = len(lengths), array("I")
        chunks.append(_counted(stems, lengths, first))
        return cls._assembled(_encoded(numbers), chunks, np.array(lengths, dtype=np.uint32))

    @classmethod
    def merged(cls, parts: Sequence[tuple[LexicalIndex, NDArray[np.bool_] | None]]) -> LexicalIndex:
        """Return the index of the parts' passages one after the other, without those not kept.

        Of each part `kept` is (n,) bool, None for all. Equal to the index built of the same passages,
        array for array; raises ValueError if a part's rows are out of range.
        """
        numbers: dict[bytes, int] = {}
        chunks, lengths, first = [], [np.empty(0, dtype=np.uint32)], 0
        for part, kept in parts:
            mask = np.ones(len(part), dtype=bool) if kept is None else kept
            if mask.shape != (len(part),):
                raise ValueError(f"{mask.shape} passages are kept or not, of {len(part)}")
            part._check(part._rows)
            holds = mask[part._rows]
            ends = np.concatenate([[0], np.cumsum(holds)])[np.concatenate([[0], part._posting_ends])]
            counts = np.diff(ends)
            words = [part._term(place) for place in np.flatnonzero(counts).tolist()]
            places = np.cumsum(mask) - 1 + first
            chunks.append(
                _Postings(
                    np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64),
                    counts[counts > 0],
                    places[part._rows[holds]].astype(np.uint32),
                    part._frequencies[holds],
                )
            )
            lengths.append(part._lengths[mask])
            first += len(lengths[-1])
        return cls._assembled(list(numbers), chunks, np.concatenate(lengths))

    @classmethod
    def _assembled(cls, words: list[bytes], chunks: list[_Postings], lengths: NDArray[np.uint32]) -> LexicalIndex:
        """Put the postings of each term together, in the order of the chunks; `chunks` is emptied meanwhile.

        The terms of the chunks are places in `words`, every one of which has postings.
        """
        order = sorted(range(len(words)), key=words.__getitem__)
        ranks = np.empty(len(words), dtype=np.int64)
        ranks[order] = np.arange(len(words))
        counts = np.zeros(len(words), dtype=np.int64)
        for chunk in chunks:
            counts[ranks[chunk.terms]] += chunk.counts
        ends = np.cumsum(counts)
        free = ends - counts  # where the next posting of each term goes
        rows = np.empty(int(counts.sum()), dtype=np.uint32)
        frequencies = np.empty(len(rows), dtype=np.uint16)
        for chunk in _taken(chunks):
            owners = ranks[chunk.terms]
            begins = np.cumsum(chunk.counts) - chunk.counts
            places = np.arange(len(chunk.rows)) + np.repeat(free[owners] - begins, chunk.counts)
            rows[places] = chunk.rows
            frequencies[places] = chunk.frequencies
            free[owners] += chunk.counts
        sizes = np.array([len(words[place]) for place in order], dtype=np.int64)
        terms = np.frombuffer(b"".join(words[place] for place in order), dtype=np.uint8)
        return cls(terms, np.cumsum(sizes), ends, rows, frequencies, lengths)

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`, which is made if it is not there."""
        folder.mkdir(exist_ok=True)
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, f"_{name}"), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        """Open an index of `size` passages, memory-mapped.

        Raises ValueError if an array is not what it should be, OSError if there is none. The rows of
        postings are checked when they are used.
        """
        loaded = {name: arrays.load(folder / f"{name}.npy", dtype) for name, dtype in _ARRAYS.items()}
        if any(array.ndim != 1 for array in loaded.values()) or len(loaded["lengths"]) != size:
            raise ValueError(f"words of {loaded['lengths'].shape} passages, not {size}")
        return cls(**loaded)

    def __len__(self) -> int:
        return len(self._lengths)

    def _term(self, place: int) -> bytes:
        first = self._term_ends[place - 1] if place else 0
        return self._terms[first : self._term_ends[place]].tobytes()

    def _postings(self, stem: bytes) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return the rows (p,) of the passages that hold a stem, and how often each does; p is 0 if none does."""
        place = bisect_left(range(len(self._term_ends)), stem, key=self._term)
        if place == len(self._term_ends) or self._term(place) != stem:
            return self._rows[:0], self._frequencies[:0]
        held = slice(self._posting_ends[place - 1] if place else 0, self._posting_ends[place])
        self._check(self._rows[held])
        return self._rows[held], self._frequencies[held]

    def _counts(self, live: NDArray[np.bool_] | None) -> tuple[int, int]:
        """Return how many passages there are, and of how many stems together."""
        if live is None:
            return len(self), self._total
        return int(np.count_nonzero(live)), int(self._lengths[live].sum(dtype=np.int64))

    def _check(self, rows: NDArray[np.uint32]) -> None:
        if len(rows) and rows.max() >= len(self):
            raise ValueError(f"postings of passage {rows.max()}, of {len(self)}")


def scores(
    parts: Sequence[LexicalIndex], query: Sequence[str], live: Sequence[NDArray[np.bool_] | None] | None = None
) -> list[NDArray[np.float32]]:
    """Return the BM25 scores of the n passages of each part, (n,) each, 0 where no word is shared.

    The sum over the stems of idf · tf / (tf + k1 (1 - b + b length / mean length)), with
    idf = ln(1 + (N - df + 0.5) / (df + 0.5)), k1 = 1.2 and b = 0.75: BM25 (Robertson and Zaragoza
    2009) as Lucene computes it. N, mean length and df are those of all parts together, so that a
    passage scores the same, bit for bit, however the passages are divided. `live` is for each part
    (n,) bool, True for the passages that count in these, None for all; unlike in Lucene, those that
    are no longer searched need not count until they are merged away.

    Raises ValueError if a part is damaged.
    """
    masks = live or [None] * len(parts)
    counted = [part._counts(mask) for part, mask in zip(parts, masks, strict=True)]
    size, total = sum(size for size, _ in counted), sum(total for _, total in counted)
    stems = _encoded(query)
    found = [[part._postings(stem) for stem in stems] for part in parts]
    holding = [
        sum(
            len(postings[place][0]) if mask is None else int(np.count_nonzero(mask[postings[place][0]]))
            for postings, mask in zip(found, masks, strict=True)
        )
        for place in range(len(stems))
    ]
    weights = [log(1 + (size - df + 0.5) / (df + 0.5)) for df in holding]
    return [
        _scored(part, postings, weights, total / size if size else 0.0)
        for part, postings in zip(parts, found, strict=True)
    ]


def _scored(
    part: LexicalIndex,
    postings: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint16]]],
    weights: Sequence[float],
    mean: float,
) -> NDArray[np.float32]:
    """Add up in float64, for each passage in the order of the stems."""
    if not any(len(rows) for rows, _ in postings):
        return np.zeros(len(part), dtype=np.float32)
    rows = np.concatenate([rows for rows, _ in postings]).astype(np.int64)
    shares = np.concatenate([frequencies for _, frequencies in postings]).astype(np.float64)
    shares /= shares + (_K1 * (1 - _B + _B * (part._lengths / mean)))[rows]
    shares *= np.repeat(weights, [len(own) for own, _ in postings])
    return np.bincount(rows, weights=shares, minlength=len(part)).astype(np.float32)


def _counted(stems: array[int], lengths: array[int], first: int) -> _Postings:
    """Count the stems of the passages from row `first` on; `stems` are numbers of terms, `lengths` of all passages."""
    sizes = np.array(lengths[first:], dtype=np.int64)
    rows = np.repeat(np.arange(first, len(lengths), dtype=np.int64), sizes)
    keys, frequencies = np.unique(np.array(stems, dtype=np.int64) << 32 | rows, return_counts=True)
    terms, counts = np.unique(keys >> 32, return_counts=True)
    most = np.iinfo(np.uint16).max
    return _Postings(
        terms, counts, (keys & 0xFFFFFFFF).astype(np.uint32), np.minimum(frequencies, most).astype(np.uint16)
    )


def _encoded(words: Iterable[str]) -> list[bytes]:
    return [word.encode(errors="surrogatepass") for word in words]


def _taken(chunks: list[_Postings]) -> Iterable[_Postings]:
    """Yield the first chunk and forget it, until there is none."""
    while chunks:
        yield chunks.pop(0)
