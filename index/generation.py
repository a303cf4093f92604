"""One immutable index: its format on disk, opened, verified; or the same in memory.

    HOME/
      current                    name of the generation in use; replaced by one rename
      generations/000007/
        manifest.json            format, embedder, counts, size and SHA-256 of each file
        articles.sqlite          articles and the spans of their passages
        vectors.faiss            row i is passage i
        lexical/                 bm25s: NumPy arrays and JSON
      embeddings.sqlite          vectors by (embedder, text), so that nothing is embedded twice
      write.lock

docs/index-format.md specifies each. A generation is never changed once it has its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import DamagedArchiveError, IncompatibleArchiveError, NoArchiveError
from index.articles import Article, Found
from index.lexical import LexicalIndex, tokens
from index.passages import Passage
from index.vectors import VectorIndex, Vectors

FORMAT = 1
ARTICLES, VECTORS, LEXICAL, MANIFEST = "articles.sqlite", "vectors.faiss", "lexical", "manifest.json"

# Nothing of a generation counts before `write` has synced it whole; a sync for each article costs 15 ms.
_SCHEMA = """
PRAGMA synchronous = OFF;
PRAGMA journal_mode = MEMORY;
CREATE TABLE articles (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL, source TEXT, url TEXT,
    published TEXT, author TEXT, language TEXT
) WITHOUT ROWID;
CREATE TABLE passages (row INTEGER PRIMARY KEY, article_id TEXT NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL);
"""
_ARTICLE_COLUMNS = "id, title, text, source, url, published, author, language"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself. `files` maps each relative path to [bytes, SHA-256]."""

    format: int
    created: str
    embedder: str
    embedder_fingerprint: str
    dimensions: int
    passage_tokens: int
    articles: int
    passages: int
    files: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Status:
    """What the index of a home holds; `size` is bytes on disk, of the current generation."""

    home: Path
    generation: str
    created: str
    articles: int
    passages: int
    oldest: date | None
    newest: date | None
    sources: dict[str, int]
    languages: dict[str, int]
    embedder: str
    dimensions: int
    size: int


class ArticleStore:
    """Articles and passage spans in SQLite, on disk or in memory. Safe to read from several threads."""

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
        return cls(sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def copy_articles(self, to: ArticleStore) -> None:
        rows = self._rows(f"SELECT key, {_ARTICLE_COLUMNS} FROM articles")
        with to._lock, to._connection:
            to._connection.executemany("INSERT INTO articles VALUES (?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", rows)

    def put(self, found: Found) -> str:
        """Add an article; one with the same key gives way. Returns added, updated or unchanged."""
        article = found.article
        with self._lock:
            cursor = self._connection
            replaced = cursor.execute(
                "DELETE FROM articles WHERE key = ? AND id <> ?", (found.key, article.id)
            ).rowcount
            if cursor.execute("SELECT 1 FROM articles WHERE id = ?", (article.id,)).fetchone():
                return "updated" if replaced else "unchanged"
            published = article.published.isoformat() if article.published else None
            cursor.execute(
                "INSERT INTO articles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (article.id, found.key, article.title, article.text, article.source, article.url, published,
                 article.author, article.language),
            )  # fmt: skip
        return "updated" if replaced else "added"

    def put_passages(self, passages: Iterable[Passage]) -> None:
        rows = ((row, p.article_id, p.start, p.end) for row, p in enumerate(passages))
        with self._lock:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def articles(self) -> Iterator[Article]:
        """Yield all articles in the order of their ids."""
        last = ""
        while True:
            rows = self._rows(f"SELECT {_ARTICLE_COLUMNS} FROM articles WHERE id > ? ORDER BY id LIMIT 200", (last,))
            if not rows:
                return
            last = rows[-1][0]
            yield from map(_article, rows)

    def article(self, article_id: str) -> Article:
        """Return one article; raises KeyError for an unknown id."""
        rows = self._rows(f"SELECT {_ARTICLE_COLUMNS} FROM articles WHERE id = ?", (article_id,))
        if not rows:
            raise KeyError(article_id)
        return _article(rows[0])

    def passages(self) -> list[Passage]:
        return [Passage(*row) for row in self._rows('SELECT article_id, start, "end" FROM passages ORDER BY row')]

    def facets(self) -> dict[str, tuple[str | None, str | None, str | None]]:
        """Return {article id: (published, source, language)}, what filters need."""
        return {row[0]: row[1:] for row in self._rows("SELECT id, published, source, language FROM articles")}

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(query, values).fetchall()


def _article(row: tuple) -> Article:  # type: ignore[type-arg]
    identity, title, text, source, url, published, author, language = row
    return Article(identity, title, text, source, url, _date(published), author, language)


def _date(value: str | None) -> date | None:
    if value is None:
        return None
    return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)


class Generation:
    """What search reads: n passages, their vectors, their words, and when and where they appeared."""

    def __init__(self, name: str, store: ArticleStore, vectors: VectorIndex, lexical: LexicalIndex) -> None:
        self.name = name
        self.store = store
        self.vectors = vectors
        self.lexical = lexical
        self.passages = store.passages()
        facets = store.facets()
        self._published = np.array([facets[p.article_id][0] or "" for p in self.passages], dtype="U10")
        self._sources = np.array([facets[p.article_id][1] or "" for p in self.passages])
        self.languages = tuple(sorted({language for _, _, language in facets.values() if language}))
        self.sources = tuple(sorted({source for _, source, _ in facets.values() if source}))

    def allowed(
        self,
        published_after: date | None,
        published_before: date | None,
        sources: Sequence[str],
        leave_out: Collection[str] = (),
    ) -> NDArray[np.bool_] | None:
        """Return (n,) bool, True where a passage passes; None without a filter.

        Both dates are included. An article without a date passes no date filter. `leave_out` are ids
        of articles.
        """
        if not (published_after or published_before or sources or leave_out):
            return None
        mask = np.ones(len(self.passages), dtype=bool)
        if published_after or published_before:
            mask &= self._published != ""
        if published_after:
            mask &= self._published >= published_after.isoformat()[:10]
        if published_before:
            mask &= self._published <= published_before.isoformat()[:10]
        if sources:
            mask &= np.isin(self._sources, list(sources))
        if leave_out:
            mask &= np.array([passage.article_id not in leave_out for passage in self.passages])
        return mask


def index_passages(store: ArticleStore, passages: list[Passage]) -> LexicalIndex:
    """Index the words of the passages and of their articles' titles (once a passage)."""
    words: list[list[str]] = []
    article: Article | None = None
    for passage in passages:
        if article is None or article.id != passage.article_id:
            article = store.article(passage.article_id)
            title = tokens(article.title, article.language)
        words.append(title + tokens(article.text[passage.start : passage.end], article.language))
    return LexicalIndex.build(words)


def in_memory(store: ArticleStore, passages: list[Passage], vectors: Vectors) -> Generation:
    """Return a generation that was never on disk; `vectors` is (len(passages), d)."""
    store.put_passages(passages)
    return Generation("memory", store, VectorIndex.build(vectors), index_passages(store, passages))


def write(
    folder: Path, store: ArticleStore, vectors: Vectors, passages: list[Passage], about: dict[str, object]
) -> None:
    """Complete the generation in `folder`, where `store` already is: files, manifest, all fsynced."""
    store.put_passages(passages)
    lexical = index_passages(store, passages)
    store.close()
    VectorIndex.build(vectors).save(folder / VECTORS)
    lexical.save(folder / LEXICAL)
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        files[path.relative_to(folder).as_posix()] = (path.stat().st_size, _sha256(path))
        _fsync(path)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(format=FORMAT, created=created, passages=len(passages), files=files, **about)  # type: ignore[arg-type]
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, ensure_ascii=False), encoding="utf-8")
    for path in (folder / MANIFEST, folder / LEXICAL, folder):
        _fsync(path)


def switch(home: Path, folder: Path) -> str:
    """Give a finished folder its name and make it the current generation; both are renames.

    The generation before it stays, for a rollback; older ones go.
    """
    generations = home / "generations"
    names = sorted(path.name for path in generations.iterdir() if path.name.isdigit())
    before = None
    with suppress(DamagedArchiveError):  # the pointer, which is replaced
        before = _current_name(home)
    name = f"{int(names[-1]) + 1 if names else 1:06d}"
    os.replace(folder, generations / name)
    _fsync(generations)
    pointer = home / "current.new"
    pointer.write_text(name + "\n", encoding="utf-8")
    _fsync(pointer)
    os.replace(pointer, home / "current")
    _fsync(home)
    for old in names:
        if old != before:
            # a reader that has it open keeps its files; where the system forbids, it goes next time
            shutil.rmtree(generations / old, ignore_errors=True)
    return name


def open_current(home: Path, embedder_fingerprint: str) -> Generation:
    """Open the current generation of a home, for an embedder.

    Raises NoArchiveError, IncompatibleArchiveError or DamagedArchiveError.
    """
    name, manifest = read_manifest(home)
    check_embedder(home, manifest, embedder_fingerprint)
    folder = home / "generations" / name
    for file, (size, _) in manifest.files.items():
        path = folder / file
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            raise DamagedArchiveError(
                f"{path} is {'missing' if found is None else f'{found} bytes long'}, the manifest says {size} bytes;"
                " run: sourcier index --rebuild"
            )
    try:
        return Generation(
            name,
            ArticleStore.open(folder / ARTICLES),
            VectorIndex.load(folder / VECTORS),
            LexicalIndex.load(folder / LEXICAL, manifest.passages),
        )
    except (sqlite3.DatabaseError, RuntimeError, ValueError, KeyError) as error:
        raise DamagedArchiveError(f"{folder} cannot be opened ({error}); run: sourcier index --rebuild") from None


@contextmanager
def open_articles(home: Path, name: str) -> Iterator[ArticleStore]:
    """Open the articles of a generation; raises DamagedArchiveError once they cannot be read."""
    path = home / "generations" / name / ARTICLES
    try:
        with closing(ArticleStore.open(path)) as store:
            yield store
    except sqlite3.DatabaseError as error:
        raise DamagedArchiveError(f"{path} cannot be read ({error}); run: sourcier index --rebuild PATH") from None


def check_embedder(home: Path, manifest: Manifest, fingerprint: str) -> None:
    """Raise IncompatibleArchiveError unless the index was made by the embedder of that fingerprint."""
    if manifest.embedder_fingerprint != fingerprint:
        raise IncompatibleArchiveError(
            f"the index in {home} was made by {manifest.embedder} ({manifest.embedder_fingerprint[:12]}), the embedding"
            f" model now set is another one ({fingerprint[:12]}); set embedding_model back, or run:"
            " sourcier index --rebuild"
        )


def read_manifest(home: Path) -> tuple[str, Manifest]:
    """Return the current generation's name and manifest; raises as `open_current`, but for the embedder."""
    name = _current_name(home)
    if name is None:
        raise NoArchiveError(f"no index in {home} yet; add articles with: sourcier index PATH")
    path = home / "generations" / name / MANIFEST
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] > FORMAT:
            raise IncompatibleArchiveError(
                f"the index in {home} has format {stored['format']}, this version of Sourcier reads up to {FORMAT};"
                " update Sourcier"
            )
        return name, Manifest(**stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedArchiveError(f"{path} cannot be read ({error}); run: sourcier index --rebuild PATH") from None


def current_name(home: Path) -> str:
    """Return the name of the generation in use, '' where there is none; cheap enough for every question."""
    return _current_name(home) or ""


def status(home: Path) -> Status:
    """Say what the index of a home holds; raises NoArchiveError, IncompatibleArchiveError, DamagedArchiveError."""
    name, manifest = read_manifest(home)
    with open_articles(home, name) as store:
        facets = store.facets().values()
    dates = sorted(published for published, _, _ in facets if published)
    return Status(
        home=home,
        generation=name,
        created=manifest.created,
        articles=manifest.articles,
        passages=manifest.passages,
        oldest=_date(dates[0]) if dates else None,
        newest=_date(dates[-1]) if dates else None,
        sources=_counted(source for _, source, _ in facets),
        languages=_counted(language for _, _, language in facets),
        embedder=manifest.embedder,
        dimensions=manifest.dimensions,
        size=sum(size for size, _ in manifest.files.values()),
    )


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        if value:
            counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _current_name(home: Path) -> str | None:
    try:
        name = (home / "current").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedArchiveError(
            f"{home / 'current'} cannot be read ({error}); run: sourcier index --rebuild PATH"
        ) from None
    if not name.isdigit():
        raise DamagedArchiveError(
            f"{home / 'current'} names no generation: {name[:40]!r}; run: sourcier index --rebuild PATH"
        )
    return name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle for a folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
