"""Which articles are copies of one dispatch: cut, reordered, lightly rewritten, signed; an update is none.

An article's text is sketched once, in WIDTH numbers; two sketches tell how much of the shorter text
stands in the longer one, without the texts. A sketch holds the least hashes of what it samples, so
that two of them sample the same things (bottom-k: Broder 1997, "On the resemblance and containment
of documents"; Cohen and Kaplan 2007). Sketches lie on disk: whatever changes one changes the format
of the index. Therefore the hash is xxHash, whose values are specified, and no library's MinHash.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh32_intdigest

Sketches = NDArray[np.uint32]

# Where in a row what is sampled lies; each part in ascending order, filled up with _NOTHING.
_LENGTH, _DIGEST = 0, 1  # in words; of all words
_SHINGLES = slice(2, 142)
_LEAD = slice(142, 166)  # shingles of the lead, all of them
_VALUES = slice(166, 226)  # figures
_FRAMES = slice(226, 256)  # figures with the words around them
WIDTH = 256  # numbers, of 4 bytes
_NOTHING = 0xFFFFFFFF

_SHINGLE = 3  # words
_LEAD_WORDS = 16, 26  # of the lead, at least and at most
_LEAST_WORDS = 20  # below, only equal texts are copies
_LEAST_SHINGLES = 4  # shared, of those sampled
_AROUND, _FIGURE = 0xFFFFFC00, 0x3FF  # bits of a frame: of the words around a figure, and of the figure
_END = "."

# Measured by evaluation/copies.py
LEAST_SHARE = 0.5  # of the shorter text's shingles
_LEAD_SHARE = 0.4  # of a lead's shingles
_LEAD_LEAST = 4  # shingles of both leads, fewer tell nothing

_ACCENTS = re.compile(r"[\u0300-\u036f]+")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o"})
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[ .,'’]\d{3})+(?!\d)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_TOKEN = re.compile(
    r"\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d\d)(?!\d)|\d{1,2} ?[h:] ?\d\d(?!\d)"  # a date, an hour
    r"|\d+(?:\.\d+)?|[^\W\d_]+|[.!?]+|\n"
)
_HOUR = re.compile(r" ?[h:] ?")
_SPELLED = {
    word: str(value)
    for words in (
        "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn",
        "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis",
    )
    for value, word in enumerate(words.split(), 2)
} | {
    word: str(value)
    for words in (
        "vingt trente quarante cinquante soixante",
        "twenty thirty forty fifty sixty",
        "zwanzig dreissig vierzig fünfzig sechzig",
        "veinte treinta cuarenta cincuenta sesenta",
    )
    for value, word in zip(range(20, 70, 10), words.split(), strict=True)
}
_MONTHS = frozenset(
    month
    for months in (
        "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
        "january february march april may june july august september october november december",
        "januar februar marz april mai juni juli august september oktober november dezember",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
    for month in months.split()
)


def sketch(text: str) -> Sketches:
    """Return what a text is compared by, (WIDTH,): a sample of its shingles, of its lead's, and of its figures.

    Lower and upper case, accents, punctuation, and ways of writing a figure ("10 000", "10.000") are one.
    """
    tokens = _tokens(text)
    words = [token for token in tokens if token != _END]
    row = np.full(WIDTH, _NOTHING, dtype=np.uint32)
    row[_LENGTH] = min(len(words), _NOTHING)
    row[_DIGEST] = _hash(" ".join(words))
    shingles = [_hash(" ".join(words[start : start + _SHINGLE])) for start in range(len(words) - _SHINGLE + 1)]
    _keep(row, _SHINGLES, shingles)
    _keep(row, _LEAD, shingles[: _lead_words(tokens) - _SHINGLE + 1])
    values, frames = _figures(tokens)
    _keep(row, _VALUES, values)
    _keep(row, _FRAMES, frames)
    return row


def copies(row: Sketches, rows: Sketches) -> NDArray[np.bool_]:
    """Return which of the (m, WIDTH) rows are copies of the one (WIDTH,); symmetric.

    Texts of fewer than 20 words must be equal.
    """
    return shares(row, rows) >= LEAST_SHARE


def shares(row: Sketches, rows: Sketches) -> NDArray[np.float32]:
    """Return how much of the shorter of two texts stands in the longer one, 0 to 1, (m,); 0 where it is no copy.

    It is none where each text has figures of its own, where another figure stands in the same words,
    and where neither text's lead stands in the other. It is 1 where the words are equal.
    """
    found = np.zeros(len(rows), dtype=np.float32)
    near = np.flatnonzero(_perhaps(row, rows) & (np.minimum(row[_LENGTH], rows[:, _LENGTH]) >= _LEAST_WORDS))
    if len(near):
        others = rows[near]
        shared, smaller = _in_common(row[_SHINGLES], others[:, _SHINGLES])
        copied = (shared >= _LEAST_SHINGLES) & ~_differ(row, others) & _lead_told(row, others)
        found[near] = np.where(copied, shared / np.maximum(smaller, 1), 0)
    found[(rows[:, _DIGEST] == row[_DIGEST]) & (rows[:, _LENGTH] == row[_LENGTH])] = 1
    return found


def _perhaps(row: Sketches, rows: Sketches) -> NDArray[np.bool_]:
    """Return which rows may share enough shingles, by 16 bits of each: that is fast and passes over none."""
    own = np.zeros(1 << 16, dtype=np.bool_)
    own[row[_SHINGLES].astype(np.uint16)] = True
    own[_NOTHING & 0xFFFF] = bool(row[_SHINGLES][-1] != _NOTHING)
    perhaps: NDArray[np.bool_] = np.count_nonzero(own[rows[:, _SHINGLES].astype(np.uint16)], axis=1) >= _LEAST_SHINGLES
    return perhaps


def _in_common(one: Sketches, others: Sketches) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many hashes two sets share, (m,), and how many the smaller has, (m,), of what both samples tell.

    The samples are (k,) and (m, k). Up to the lesser of their last hashes both hold all there is.
    """
    bound = np.minimum(one[-1], others[:, -1])[:, None]
    smaller = np.minimum(_up_to(bound, one[None, :]), _up_to(bound, others))
    return np.count_nonzero(_among(others, one), axis=1), smaller


def _differ(row: Sketches, rows: Sketches) -> NDArray[np.bool_]:
    """Return which rows tell other figures: each text has its own, or another stands in the same words."""
    shared, smaller = _in_common(row[_VALUES], rows[:, _VALUES])
    one, others = row[_FRAMES], rows[:, _FRAMES]
    around = np.uint32(_AROUND)
    another = _among(others & around, one & around) & ~_among(others, one) & (others != _NOTHING)
    differ: NDArray[np.bool_] = (shared < smaller) | another.any(axis=1)
    return differ


def _lead_told(row: Sketches, rows: Sketches) -> NDArray[np.bool_]:
    """Return for which rows either text's lead stands in the other one, or too little of them is known."""
    one, others = row[_SHINGLES], rows[:, _SHINGLES]
    own, own_of = np.count_nonzero(_among(others, row[_LEAD]), axis=1), _up_to(others[:, -1:], row[_LEAD][None, :])
    their, their_of = np.count_nonzero(_among(rows[:, _LEAD], one), axis=1), _up_to(one[-1], rows[:, _LEAD])
    told: NDArray[np.bool_] = (own >= _LEAD_SHARE * own_of) | (their >= _LEAD_SHARE * their_of)
    return told | (own_of + their_of < _LEAD_LEAST)


def _up_to(bound: Sketches | np.uint32, hashes: Sketches) -> NDArray[np.intp]:
    number: NDArray[np.intp] = np.count_nonzero((hashes <= bound) & (hashes != _NOTHING), axis=1)
    return number


def _among(hashes: Sketches, sample: Sketches) -> NDArray[np.bool_]:
    """Return which hashes are in the sample, which is in ascending order; _NOTHING never is."""
    places = np.searchsorted(sample, hashes.ravel()).reshape(hashes.shape)
    among: NDArray[np.bool_] = (sample[np.minimum(places, len(sample) - 1)] == hashes) & (hashes != _NOTHING)
    return among


def _keep(row: Sketches, part: slice, hashes: Iterable[int]) -> None:
    """Write the least of the hashes into a part of a row."""
    least = sorted(set(hashes) - {_NOTHING})[: part.stop - part.start]
    row[part.start : part.start + len(least)] = least


def _tokens(text: str) -> list[str]:
    """Return the words and figures of a text, each written one way, and _END where a sentence may end."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = _GROUPED.sub(lambda group: re.sub(r"\D", "", group[0]), plain)
    return [_as_written(token) for token in _TOKEN.findall(_DECIMAL_COMMA.sub(".", plain))]


def _as_written(token: str) -> str:
    if token[0] in ".!?\n":
        return _END
    if token[0].isdigit():
        return _HOUR.sub("h", token)
    if token in _SPELLED:
        return _SPELLED[token]
    if token.isascii():
        return token
    return _ACCENTS.sub("", unicodedata.normalize("NFD", token)).translate(_LIGATURES)


def _lead_words(tokens: Sequence[str]) -> int:
    """Return how many words the first sentence has, with those after it that it takes to be a lead."""
    least, most = _LEAD_WORDS
    words = 0
    for token in tokens:
        words += token != _END
        if words == most or (token == _END and words >= least):
            break
    return words


def _figures(tokens: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return hashes of the figures of a text, and of each with the two words on either side of it.

    A figure that occurs again has another hash: of a cut text the figures are some of those of the
    whole, of an update they are not. Dates and hours, which a paper adds as it signs, count only with
    the words around them, and not where a text begins with one. Words around more than one figure are
    left out, since a cut may keep either.
    """
    times: Counter[str] = Counter()
    framed: dict[int, int | None] = {}
    padded = ["", "", *tokens, _END, _END]
    for place, token in enumerate(padded):
        if not token[:1].isdigit():
            continue
        first, second, third, fourth = padded[place - 2], padded[place - 1], padded[place + 1], padded[place + 2]
        first, fourth = _END if second == _END else first, _END if third == _END else fourth
        if token.replace(".", "", 1).isdigit() and second not in _MONTHS and third not in _MONTHS:
            times[token] += 1
        elif not first or second == _END:  # "VALMORIN, 3 mai – …"
            continue
        around, figure = _hash(f"{first} {second} _ {third} {fourth}") & _AROUND, _hash(token) & _FIGURE
        framed[around] = figure if framed.get(around, figure) == figure else None
    values = [_hash(f"{token} {time}") for token, last in times.items() for time in range(last)]
    frames = [around | figure for around, figure in framed.items() if figure is not None and around != _AROUND]
    return values, frames


def _hash(text: str) -> int:
    return xxh32_intdigest(text.encode())
