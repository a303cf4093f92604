"""One immutable segment of an index: some articles, their passages, vectors, words and sketches.

    articles.sqlite     the articles, in rows 0 … a - 1
    passages.npy        (p, 3) int32: row of the article, start, end
    facets.npy          (a,): what filters need, as numbers
    facets.json         the names behind these numbers
    sketches.npy        (a, w) uint32: by which copies are recognised (index/copies.py)
    vectors.faiss       row i is passage i
    lexical/            postings of the passages' words

Once it has its name, nothing of it changes: which of its articles still count is said by the
generation (index/generation.py). docs/index-format.md specifies each file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import arrays
from index.articles import Article
from index.copies import WIDTH, sketch
from index.lexical import LexicalIndex, tokens
from index.passages import Passage
from index.vectors import VectorIndex, Vectors

ARTICLES, PASSAGES, FACETS, NAMES, SKETCHES, VECTORS, LEXICAL = (
    "articles.sqlite", "passages.npy", "facets.npy", "facets.json", "sketches.npy", "vectors.faiss", "lexical",
)  # fmt: skip
Rows = NDArray[np.int32]
States = NDArray[np.uint8]
NO_DATE, NONE = 0, -1
_FACETS = np.dtype([("published", "<i4"), ("source", "<i4"), ("author", "<i4"), ("language", "<i4")])
_NAMED = ("source", "author", "language")
_BATCH = 512

# Nothing of a segment counts before it was synced whole; a sync for each article costs 15 ms.
_SCHEMA = """
PRAGMA synchronous = OFF;
PRAGMA journal_mode = MEMORY;
CREATE TABLE articles (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, key TEXT NOT NULL, added TEXT NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, source TEXT, url TEXT, published TEXT, author TEXT, language TEXT
);
CREATE INDEX articles_by_id ON articles (id);
CREATE INDEX articles_by_key ON articles (key);
"""
_ARTICLE = "id, title, text, source, url, published, author, language"
_VERSION = f"row, key, added, {_ARTICLE}"


class State(IntEnum):
    """What became of an article of a segment."""

    LIVE = 0
    SUPERSEDED = 1  # by a newer version; kept to be read, not searched
    REMOVED = 2  # gone at the next merge or compaction


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an article as it is stored: its `row`, the `key` of all its versions, and when it was added."""

    row: int
    key: str
    added: str
    article: Article


class Head(NamedTuple):
    """What a list of articles is sorted by: its `row`, id and title, and when it was added."""

    row: int
    id: str
    title: str
    added: str


class ArticleStore:
    """Articles in SQLite, on disk or in memory. Safe to read from several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path | None = None) -> ArticleStore:
        connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        connection.executescript(_SCHEMA)
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> ArticleStore:
        """Open for reading; the file is never written."""
        uri = path.absolute().as_uri() + "?mode=ro&immutable=1"
        store = cls(sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None))
        store._rows("SELECT row FROM articles LIMIT 1")  # a file that is no database says so here
        return store

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def put(self, versions: Iterable[Version]) -> None:
        rows = (
            (v.row, v.article.id, v.key, v.added, v.article.title, v.article.text, v.article.source, v.article.url,
             v.article.published.isoformat() if v.article.published else None, v.article.author, v.article.language)
            for v in versions
        )  # fmt: skip
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(f"INSERT INTO articles VALUES ({', '.join('?' * 11)})", rows)
            self._connection.execute("COMMIT")

    def article(self, row: int) -> Article:
        """Return the article of a row; raises KeyError for one that is not there."""
        return self.version(row).article

    def version(self, row: int) -> Version:
        """Return the version of a row; raises KeyError for one that is not there."""
        found = self._rows(f"SELECT {_VERSION} FROM articles WHERE row = ?", (row,))
        if not found:
            raise KeyError(row)
        return _version(found[0])

    def heads(self) -> Iterator[Head]:
        """Yield of all articles what lists are sorted by, in the order of their rows."""
        last = -1
        while found := self._rows(
            "SELECT row, id, title, added FROM articles WHERE row > ? ORDER BY row LIMIT 5000", (last,)
        ):
            last = found[-1][0]
            yield from map(Head._make, found)

    def versions(self) -> Iterator[Version]:
        """Yield all articles in the order of their rows."""
        last = -1
        while found := self._rows(f"SELECT {_VERSION} FROM articles WHERE row > ? ORDER BY row LIMIT 200", (last,)):
            last = found[-1][0]
            yield from map(_version, found)

    def with_id(self, identity: str) -> list[Version]:
        return self._versions("id", identity)

    def with_key(self, key: str) -> list[Version]:
        return self._versions("key", key)

    def rows_of(self, column: str, value: str) -> list[tuple[int, str]]:
        """Return (row, id) of the articles whose `column`, "id" or "key", is that value."""
        return self._rows(f"SELECT row, id FROM articles WHERE {column} = ? ORDER BY row", (value,))

    def key_of(self, row: int) -> str:
        """Return what all versions of the article of a row are known by."""
        return str(self._rows("SELECT key FROM articles WHERE row = ?", (row,))[0][0])

    def _versions(self, column: str, value: str) -> list[Version]:
        return [
            _version(found)
            for found in self._rows(f"SELECT {_VERSION} FROM articles WHERE {column} = ? ORDER BY row", (value,))
        ]

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def _version(row: tuple) -> Version:  # type: ignore[type-arg]
    return Version(row[0], row[1], row[2], _article(row[3:]))


def _article(row: tuple) -> Article:  # type: ignore[type-arg]
    identity, title, text, source, url, published, author, language = row
    return Article(identity, title, text, source, url, read_day(published), author, language)


def read_day(value: str | None) -> date | None:
    """Return the date, or the datetime, that an ISO 8601 text says."""
    if value is None:
        return None
    return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)


@dataclass(frozen=True, slots=True)
class Facets:
    """What filters need of a articles: `rows` is (a,), `names` what its numbers stand for.

    `published` counts days as `date.toordinal`, NO_DATE for none; the others are places in `names`,
    NONE for none.
    """

    rows: NDArray[np.void]
    names: dict[str, list[str]]

    @classmethod
    def of(cls, articles: Iterable[tuple[date | None, str | None, str | None, str | None]]) -> Facets:
        """Take (published, source, author, language) of each article."""
        numbers: dict[str, dict[str, int]] = {name: {} for name in _NAMED}
        rows = [
            (
                published.toordinal() if published else NO_DATE,
                *(
                    NONE if value is None else numbers[name].setdefault(value, len(numbers[name]))
                    for name, value in zip(_NAMED, values, strict=True)
                ),
            )
            for published, *values in articles
        ]
        return cls(np.array(rows, dtype=_FACETS), {name: list(found) for name, found in numbers.items()})

    def counts(self, name: str, kept: NDArray[np.bool_]) -> dict[str, int]:
        """Return {value: how many of the kept articles have it}; `kept` is (a,)."""
        numbers = self.rows[name][kept]
        counted = np.bincount(numbers[numbers != NONE], minlength=len(self.names[name]))
        return {value: int(count) for value, count in zip(self.names[name], counted, strict=True) if count}

    def matching(self, name: str, wanted: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Return (a,) bool, True where the value of that name is wanted."""
        numbers = [number for number, value in enumerate(self.names[name]) if wanted(value)]
        return np.isin(self.rows[name], np.array(numbers, dtype=np.int32))


@dataclass(frozen=True, slots=True)
class Segment:
    """An opened segment of a articles and p passages; the module's docstring says what each part is."""

    name: str
    store: ArticleStore
    passages: Rows
    facets: Facets
    sketches: NDArray[np.uint32]
    vectors: VectorIndex
    lexical: LexicalIndex

    def passage(self, row: int) -> tuple[Article, Passage]:
        article_row, start, end = map(int, self.passages[row])
        article = self.store.article(article_row)
        return article, Passage(article.id, start, end)

    def close(self) -> None:
        self.store.close()


class Entry(NamedTuple):
    """A version that goes into a segment, and the spans of its passages, none where it is not searched."""

    key: str
    added: str
    article: Article
    spans: Sequence[tuple[int, int]]


def build(
    folder: Path | None,
    entries: Iterable[Entry],
    vectors: Callable[[ArticleStore, Rows], Iterable[Vectors]],
    dimensions: int,
    name: str = "memory",
) -> Segment:
    """Make a segment of articles, in `folder`, which is there and empty, or in memory where it is None.

    `vectors` returns the vectors, in batches (m, dimensions), of the passages it is given as (p, 3)
    rows. Memory is that of the vectors (float16) and the postings.
    """
    store = ArticleStore.create(folder / ARTICLES if folder else None)
    spans: list[tuple[int, int, int]] = []
    sketches: list[NDArray[np.uint32]] = []
    facets: list[tuple[date | None, str | None, str | None, str | None]] = []

    def versions() -> Iterator[Version]:
        for row, entry in enumerate(entries):
            article = entry.article
            spans.extend((row, start, end) for start, end in entry.spans)
            sketches.append(sketch(article.text))
            facets.append((article.published, article.source, article.author, article.language))
            yield Version(row, entry.key, entry.added, article)

    store.put(versions())
    passages = np.array(spans, dtype=np.int32).reshape(-1, 3)
    made = Segment(
        name,
        store,
        passages,
        Facets.of(facets),
        np.array(sketches, dtype=np.uint32).reshape(-1, WIDTH),
        VectorIndex.build(vectors(store, passages), dimensions),
        LexicalIndex.build(_words(store, passages)),
    )
    if folder:
        _save(made, folder)
    return made


def texts(store: ArticleStore, passages: Rows) -> Iterator[tuple[Article, str]]:
    """Yield (article, text) of each passage of (p, 3) rows."""
    for row, group in groupby(passages.tolist(), key=lambda passage: passage[0]):
        article = store.article(row)
        for _, start, end in group:
            yield article, article.text[start:end]


def _words(store: ArticleStore, passages: Rows) -> Iterator[list[str]]:
    """Yield the stems of each passage and of its article's title."""
    article, title = None, list[str]()
    for owner, text in texts(store, passages):
        if owner is not article:
            article, title = owner, tokens(owner.title, owner.language)
        yield title + tokens(text, owner.language)


def merge(folder: Path, parts: Sequence[tuple[Segment, States]], dimensions: int) -> States:
    """Write one segment out of several into `folder`, and return the states of its articles.

    `parts` are the segments and the (a,) states of their articles. What is removed is left out;
    superseded versions keep no passages. Nothing is embedded, cut or tokenized again.
    """
    kept = [np.flatnonzero(states != State.REMOVED) for _, states in parts]
    firsts = np.cumsum([0, *map(len, kept)])
    searched = [states[segment.passages[:, 0]] == State.LIVE for segment, states in parts]
    store = ArticleStore.create(folder / ARTICLES)

    def versions() -> Iterator[Version]:
        row = 0
        for segment, states in parts:
            for version in segment.store.versions():
                if states[version.row] != State.REMOVED:
                    yield Version(row, version.key, version.added, version.article)
                    row += 1

    store.put(versions())
    passages = []
    for (segment, states), rows, first, live in zip(parts, kept, firsts, searched, strict=False):
        places = np.full(len(states), -1, dtype=np.int32)
        places[rows] = first + np.arange(len(rows), dtype=np.int32)
        own = np.array(segment.passages[live])
        own[:, 0] = places[own[:, 0]]
        passages.append(own)

    def vectors() -> Iterator[Vectors]:
        for (segment, _), live in zip(parts, searched, strict=True):
            for first in range(0, len(live), _BATCH):
                batch = live[first : first + _BATCH]
                if batch.any():
                    yield segment.vectors.rows(first, first + len(batch))[batch]

    made = Segment(
        folder.name,
        store,
        np.concatenate(passages) if passages else np.empty((0, 3), np.int32),
        Facets.of(_facets(parts, kept)),
        np.concatenate([segment.sketches[rows] for (segment, _), rows in zip(parts, kept, strict=True)]),
        VectorIndex.build(vectors(), dimensions),
        LexicalIndex.merged([(segment.lexical, live) for (segment, _), live in zip(parts, searched, strict=True)]),
    )
    _save(made, folder)
    store.close()
    return np.concatenate([states[rows] for (_, states), rows in zip(parts, kept, strict=True)])


def _facets(
    parts: Sequence[tuple[Segment, States]], kept: Sequence[NDArray[np.int64]]
) -> Iterator[tuple[date | None, str | None, str | None, str | None]]:
    for (segment, _), rows in zip(parts, kept, strict=True):
        names = segment.facets.names
        for published, source, author, language in segment.facets.rows[rows].tolist():
            yield (
                date.fromordinal(published) if published != NO_DATE else None,
                None if source == NONE else names["source"][source],
                None if author == NONE else names["author"][author],
                None if language == NONE else names["language"][language],
            )


def _save(segment: Segment, folder: Path) -> None:
    np.save(folder / PASSAGES, segment.passages)
    np.save(folder / FACETS, segment.facets.rows)
    (folder / NAMES).write_text(json.dumps(segment.facets.names, ensure_ascii=False), encoding="utf-8")
    np.save(folder / SKETCHES, segment.sketches)
    segment.vectors.save(folder / VECTORS)
    (folder / LEXICAL).mkdir()
    segment.lexical.save(folder / LEXICAL)


def load(folder: Path) -> Segment:
    """Open a segment, memory-mapped.

    Raises OSError, ValueError, KeyError, RuntimeError or sqlite3.DatabaseError where a file is not
    what it should be.
    """
    passages = arrays.load(folder / PASSAGES, np.dtype("<i4"))
    facets = arrays.load(folder / FACETS, _FACETS)
    sketches = arrays.load(folder / SKETCHES, np.dtype("<u4"))
    if passages.ndim != 2 or passages.shape[1] != 3 or facets.ndim != 1 or sketches.shape != (len(facets), WIDTH):
        raise ValueError(f"arrays of {passages.shape}, {facets.shape} and {sketches.shape}")
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    if any(name not in names or facets[name].max(initial=NONE) >= len(names[name]) for name in _NAMED):
        raise ValueError(f"{NAMES} does not name every number of {FACETS}")
    vectors = VectorIndex.load(folder / VECTORS)
    if len(vectors) != len(passages):
        raise ValueError(f"{len(vectors)} vectors, {len(passages)} passages")
    lexical = LexicalIndex.load(folder / LEXICAL, len(passages))
    store = ArticleStore.open(folder / ARTICLES)
    return Segment(folder.name, store, passages, Facets(facets, names), sketches, vectors, lexical)
