"""The articles and the current generation → the next generation, switched to atomically."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import filelock
import numpy as np

from errors import ArchiveBusyError, ArchiveError, DamagedArchiveError, NoArchiveError
from index import generation, readers
from index.articles import Article, Found, Skipped
from index.embedder import Embedder
from index.passages import Passage, cut
from index.vectors import Vectors

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is: `stage` is "reading" (files), "embedding" (passages) or "writing"."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a rebuild did. `embedded` counts the passages whose vectors had to be computed."""

    added: int
    updated: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    articles: int
    passages: int
    embedded: int


def update(
    home: Path,
    paths: Sequence[Path],
    embedder: Embedder,
    *,
    passage_tokens: int,
    rebuild: bool = False,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Add or update the articles of files and folders; with `rebuild`, start over.

    A rebuild without paths makes the index again from the articles it holds (for another embedder,
    or other passages); with paths, the index holds those and nothing else. What was embedded before
    is not embedded again. Interrupted at any moment, the index stays as it was, and the embeddings
    made so far are kept.

    Raises ArchiveBusyError while another process writes, ArticleError for a path that does not
    exist, and what `generation.open_current` raises.
    """
    with (
        _only_writer(home),
        _building(home) as folder,
        closing(generation.ArticleStore.create(folder / generation.ARTICLES)) as store,
    ):
        if not (rebuild and paths):
            _carry_over(home, store, None if rebuild else embedder)
        counts = {"added": 0, "updated": 0, "unchanged": 0}
        skipped: list[Skipped] = []
        total = readers.count(paths)
        progress(Progress("reading", 0, total))
        seen: set[str] = set()
        for found in readers.read(paths):
            if isinstance(found, Skipped):
                skipped.append(found)
                seen.add(found.origin)
            else:
                counts[store.put(found)] += 1
                seen.add(found.key)
            progress(Progress("reading", min(len(seen), total), total))
        progress(Progress("reading", total, total))
        if not rebuild and not counts["added"] and not counts["updated"] and generation.current_name(home):
            _, manifest = generation.read_manifest(home)
            if manifest.passage_tokens == passage_tokens:
                return Report(
                    **counts, skipped=tuple(skipped), articles=manifest.articles, passages=manifest.passages, embedded=0
                )

        passages: list[Passage] = []
        with closing(EmbeddingCache(home, embedder)) as cache:
            articles = 0
            for article in store.articles():
                articles += 1
                passages.extend(cut(article, passage_tokens, embedder.count_tokens))
            if not passages:
                raise ArchiveError(_nothing(paths, skipped))
            vectors, embedded = cache.vectors(store, passages, progress)
        progress(Progress("writing", 0, 1))
        generation.write(
            folder,
            store,
            vectors,
            passages,
            {
                "embedder": embedder.name,
                "embedder_fingerprint": embedder.fingerprint,
                "dimensions": vectors.shape[1],
                "passage_tokens": passage_tokens,
                "articles": articles,
            },
        )
        generation.switch(home, folder)
        progress(Progress("writing", 1, 1))
        return Report(**counts, skipped=tuple(skipped), articles=articles, passages=len(passages), embedded=embedded)


def embed_articles(articles: Iterable[Article], embedder: Embedder, passage_tokens: int) -> generation.Generation:
    """Index articles in memory; nothing is written."""
    store = generation.ArticleStore.create()
    for article in articles:
        store.put(Found(article.id, article))
    passages: list[Passage] = []
    vectors: list[Vectors] = []
    for article in store.articles():
        own = cut(article, passage_tokens, embedder.count_tokens)
        if own:
            passages.extend(own)
            vectors.append(
                embedder.embed_passages([article.text[p.start : p.end] for p in own], [article.title] * len(own))
            )
    if not passages:
        raise ArchiveError("none of the articles holds any text")
    return generation.in_memory(store, passages, np.concatenate(vectors))


class EmbeddingCache:
    """Vectors by (embedder, text) in HOME/embeddings.sqlite, written batch by batch."""

    def __init__(self, home: Path, embedder: Embedder) -> None:
        self._embedder = embedder
        self._connection = sqlite3.connect(home / "embeddings.sqlite")
        self._connection.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS embeddings"
            " (embedder TEXT, text BLOB, vector BLOB NOT NULL, PRIMARY KEY (embedder, text)) WITHOUT ROWID;"
        )

    def close(self) -> None:
        self._connection.close()

    def vectors(
        self, store: generation.ArticleStore, passages: list[Passage], progress: Callable[[Progress], None]
    ) -> tuple[Vectors, int]:
        """Return the (n, d) vectors of the passages, and how many of them had to be computed."""
        vectors = np.empty((len(passages), self._embedder.dimensions), dtype=np.float32)
        missing: list[tuple[int, bytes]] = []
        for row, (title, text) in enumerate(_texts(store, passages)):
            digest = hashlib.sha256(f"{title}\0{text}".encode()).digest()
            stored = self._connection.execute(
                "SELECT vector FROM embeddings WHERE embedder = ? AND text = ?", (self._embedder.fingerprint, digest)
            ).fetchone()
            if stored:
                vectors[row] = np.frombuffer(stored[0], dtype=np.float32)
            else:
                missing.append((row, digest))
        progress(Progress("embedding", 0, len(missing)))
        for first in range(0, len(missing), _BATCH):
            batch = missing[first : first + _BATCH]
            titles, texts = zip(*_texts(store, [passages[row] for row, _ in batch]), strict=True)
            new = self._embedder.embed_passages(texts, titles)
            vectors[[row for row, _ in batch]] = new
            with self._connection:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)",
                    [
                        (self._embedder.fingerprint, digest, vector.tobytes())
                        for (_, digest), vector in zip(batch, new, strict=True)
                    ],
                )
            progress(Progress("embedding", first + len(batch), len(missing)))
        return vectors, len(missing)


def _texts(store: generation.ArticleStore, passages: Iterable[Passage]) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of each passage."""
    article: Article | None = None
    for passage in passages:
        if article is None or article.id != passage.article_id:
            article = store.article(passage.article_id)
        yield article.title, article.text[passage.start : passage.end]


def _carry_over(home: Path, store: generation.ArticleStore, embedder: Embedder | None) -> None:
    """Copy the current generation's articles, made by this embedder unless it is None."""
    try:
        name, manifest = generation.read_manifest(home)
    except NoArchiveError:
        return
    if embedder is not None:
        generation.check_embedder(home, manifest, embedder.fingerprint)
    with generation.open_articles(home, name) as current:
        current.copy_articles(store)


def _nothing(paths: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    if not paths:
        return "the index is empty; name files or folders of articles"
    reasons = "; ".join(f"{item.origin}: {item.reason}" for item in islice(skipped, 3))
    return f"no article found in {', '.join(map(str, paths))}" + (f" ({reasons})" if reasons else "")


@contextmanager
def _only_writer(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(home / "write.lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise ArchiveBusyError(f"another process is adding articles to {home}; wait until it has finished") from None
    except OSError as error:
        raise ArchiveError(f"{home} cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _building(home: Path) -> Iterator[Path]:
    """Yield a new folder beside the generations; what a killed process left of its own goes."""
    generations = home / "generations"
    try:
        generations.mkdir(exist_ok=True)
        for left in generations.glob("building-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="building-", dir=generations))
        yield folder
    except (OSError, sqlite3.OperationalError) as error:
        raise ArchiveError(f"{home} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedArchiveError(
            f"{home / 'embeddings.sqlite'} cannot be read ({error}); delete it, its passages will be embedded again"
        ) from error
    finally:
        for left in generations.glob("building-*"):
            shutil.rmtree(left, ignore_errors=True)
