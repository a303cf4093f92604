"""Articles in files → the next generation: only what is new is cut, embedded and written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from errors import ArchiveError, NothingFoundError
from index import readers
from index.articles import Article, Found, Skipped
from index.embedder import Embedder
from index.embeddings import EmbeddingCache, digest_of
from index.generation import Generation, Manifest, check_embedder, opened, read_manifest
from index.passages import cut
from index.segment import ArticleStore, Entry, Rows, State, States, Version, build, texts
from index.vectors import Vectors
from index.writing import LARGEST, Made, Writer, writing

_BATCH = 32  # passages embedded, and kept, at once
_WINDOW = 512  # passages sorted by length before they are batched, so that little is padded
_READ = 256  # vectors read at once


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is: `stage` is "reading" (files), "embedding" (passages) or "writing" (segments)."""

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
    paths: Sequence[Path | str],
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
    with writing(home) as writer:
        current = None if rebuild and paths else writer.current()
        if current and not rebuild:
            check_embedder(home, current[1], embedder.fingerprint)
        generation = opened(home, *current) if current else None
        # other passages: everything is cut again
        anew = rebuild or (current is not None and current[1].passage_tokens != passage_tokens)
        try:
            with (
                closing(EmbeddingCache(home, embedder)) as cache,
                closing(_Staging(writer.staging() / "staging.sqlite", embedder, passage_tokens, cache)) as staging,
            ):
                base = None if anew else generation
                if generation and anew:
                    staging.carry_over(generation)
                counts, skipped = _read(staging, base, paths, progress)
                if base:
                    known = staging.settle(base)
                    counts["updated"] -= known
                    counts["unchanged"] += known
                if current and not anew and not staging.superseded and not staging.count:
                    _, manifest = current
                    return Report(**counts, skipped=skipped, articles=manifest.articles, passages=manifest.passages,
                                  embedded=0)  # fmt: skip
                if not staging.count and not (base and base.passage_count):
                    raise NothingFoundError(_nothing(paths, skipped))
                embedded = staging.embed(progress)
                made = Made(embedder.name, embedder.fingerprint, embedder.dimensions, passage_tokens)
                held = [(part.segment.name, part.states.copy()) for part in base.parts] if base else []
                for place, row in staging.superseded:
                    held[place][1][row] = State.SUPERSEDED
                held += staging.segments(writer, made, progress)
        finally:
            if generation:
                generation.close()
        before = _readable(writer)
        writer.commit(
            made,
            held,
            previous=writer.pointer_of(before[0]) if before else None,
            known=before[1] if before else None,
        )
        while writer.tidy():
            pass
        _, manifest = read_manifest(home)
        return Report(**counts, skipped=skipped, articles=manifest.articles, passages=manifest.passages,
                      embedded=embedded)  # fmt: skip


def _readable(writer: Writer) -> tuple[str, Manifest] | None:
    try:
        return writer.current()
    except ArchiveError:  # what a rebuild replaces may be past reading
        return None


def _read(
    staging: _Staging,
    base: Generation | None,
    paths: Sequence[Path | str],
    progress: Callable[[Progress], None],
) -> tuple[dict[str, int], tuple[Skipped, ...]]:
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
            counts[staging.put(found, base)] += 1
            seen.add(found.key)
        progress(Progress("reading", min(len(seen), total), total))
    progress(Progress("reading", total, total))
    return counts, tuple(skipped)


class _Staging:
    """New articles, cut into passages, in a file of their own until they are embedded and become segments.

    `superseded` are (part, row) of the versions in the current generation that they replace.
    """

    def __init__(self, path: Path, embedder: Embedder, passage_tokens: int, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._tokens = passage_tokens
        self._cache = cache
        self._now = datetime.now(UTC).isoformat(timespec="seconds")
        self._store = ArticleStore.create(path)
        self._spans = sqlite3.connect(path.with_name("passages.sqlite"), isolation_level=None)
        self._spans.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; CREATE TABLE passages"
            ' (article INTEGER, start INTEGER, "end" INTEGER, digest BLOB, tokens INTEGER);'
            "CREATE INDEX passages_by_article ON passages (article); CREATE TABLE states"
            " (row INTEGER PRIMARY KEY, key TEXT, id TEXT, state INTEGER);"
            "CREATE INDEX states_by_key ON states (key); CREATE INDEX states_by_id ON states (id);"
        )
        self.count = 0
        self.superseded: set[tuple[int, int]] = set()

    def close(self) -> None:
        self._spans.close()
        self._store.close()

    def carry_over(self, generation: Generation) -> None:
        """Take all versions of a generation, to be cut again."""
        for state in (State.SUPERSEDED, State.LIVE):
            for version in generation.versions(state):
                self._add(version.key, version.added, version.article, state)

    def put(self, found: Found, base: Generation | None) -> str:
        """Add an article; its older version is superseded. Returns added, updated or unchanged."""
        identity = found.article.id
        staged = self._spans.execute(
            "SELECT row, id FROM states WHERE key = ? AND state = ?", (found.key, State.LIVE)
        ).fetchone()
        before = None
        if staged:
            if staged[1] == identity:
                return "unchanged"
        elif base and (before := base.live_row("key", found.key)) and before[:2] not in self.superseded:
            if before[2] == identity:
                return "unchanged"
        else:
            before = None
        if staged:
            self._spans.execute("UPDATE states SET state = ? WHERE row = ?", (State.SUPERSEDED, staged[0]))
        elif before:
            self.superseded.add(before[:2])
        replaced = bool(staged or before)
        if not self._is_live(identity, base):
            self._add(found.key, self._now, found.article, State.LIVE)
            return "updated" if replaced else "added"
        return "updated" if replaced else "unchanged"

    def settle(self, base: Generation) -> int:
        """Leave out what the index knows already, and return how many versions that are.

        Two files of one folder may be two versions of one article: each time they are read, the first
        seems to replace the second, and the second the first.
        """
        known = []
        for row, key, identity in self._spans.execute(
            "SELECT row, key, id FROM states WHERE state = ?", (State.SUPERSEDED,)
        ).fetchall():
            if base.holds(key, identity):
                known.append(row)
        for place, row in tuple(self.superseded):
            store = base.parts[place].segment.store
            staged = self._spans.execute(
                "SELECT row FROM states WHERE key = ? AND id = ? AND state = ?",
                (store.key_of(row), store.article(row).id, State.LIVE),
            ).fetchone()
            if staged:
                known.append(staged[0])
                self.superseded.discard((place, row))
        self._spans.executemany(f"UPDATE states SET state = {int(State.REMOVED)} WHERE row = ?", [(k,) for k in known])
        self.count -= len(known)
        return len(known)

    def _is_live(self, identity: str, base: Generation | None) -> bool:
        if self._spans.execute("SELECT 1 FROM states WHERE id = ? AND state = ?", (identity, State.LIVE)).fetchone():
            return True
        held = base.live_row("id", identity) if base else None
        return held is not None and held[:2] not in self.superseded

    def _add(self, key: str, added: str, article: Article, state: State) -> None:
        row = self.count
        self.count += 1
        self._store.put([Version(row, key, added, article)])
        self._spans.execute("INSERT INTO states VALUES (?, ?, ?, ?)", (row, key, article.id, state))
        if state != State.LIVE:
            return
        passages = cut(article, self._tokens, self._embedder.count_tokens)
        self._spans.executemany(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
            [
                (row, p.start, p.end, digest_of(article.title, article.text[p.start : p.end]), p.end - p.start)
                for p in passages
            ],
        )

    def embed(self, progress: Callable[[Progress], None]) -> int:
        """Embed the passages whose vectors are not kept yet; return how many there were."""
        missing = np.fromiter(
            (place for place, digest in self._distinct() if digest not in self._cache), dtype=np.int64
        )
        progress(Progress("embedding", 0, len(missing)))
        done = 0
        for first in range(0, len(missing), _WINDOW):
            window = missing[first : first + _WINDOW].tolist()
            places = ", ".join(map(str, window))
            rows = self._spans.execute(
                f'SELECT article, start, "end", digest FROM passages WHERE rowid IN ({places}) ORDER BY tokens'
            ).fetchall()
            for start in range(0, len(rows), _BATCH):
                batch = rows[start : start + _BATCH]
                articles = [self._store.article(row) for row, *_ in batch]
                self._cache.embed(
                    [digest for *_, digest in batch],
                    [article.title for article in articles],
                    [article.text[left:right] for article, (_, left, right, _) in zip(articles, batch, strict=True)],
                )
                done += len(batch)
                progress(Progress("embedding", done, len(missing)))
        return len(missing)

    def _distinct(self) -> Iterator[tuple[int, bytes]]:
        """Yield (rowid, digest) of the passages to be searched, each digest once."""
        return iter(
            self._spans.execute(
                "SELECT MIN(passages.rowid), digest FROM passages JOIN states ON states.row = passages.article"
                " WHERE state = ? GROUP BY digest ORDER BY 1",
                (State.LIVE,),
            )
        )

    def segments(self, writer: Writer, made: Made, progress: Callable[[Progress], None]) -> list[tuple[str, States]]:
        """Write what is staged as segments of at most LARGEST passages; return each one's name and states."""
        counts = self._spans.execute(
            "SELECT states.row, state, (SELECT COUNT(*) FROM passages WHERE article = states.row) FROM states"
            " WHERE state <> ? ORDER BY states.row",
            (State.REMOVED,),
        ).fetchall()
        groups: list[list[tuple[int, int]]] = []
        total = LARGEST + 1
        for row, state, passages in counts:
            passages = passages if state == State.LIVE else 0
            if total + passages > LARGEST:
                groups.append([])
                total = 0
            groups[-1].append((row, state))
            total += passages
        written = []
        progress(Progress("writing", 0, max(len(groups), 1)))
        for number, group in enumerate(groups, 1):
            folder = writer.new_segment()
            build(folder, self._entries(group), self._vectors, made.dimensions, folder.name).close()
            written.append((folder.name, np.array([state for _, state in group], dtype=np.uint8)))
            progress(Progress("writing", number, len(groups)))
        if not groups:
            progress(Progress("writing", 1, 1))
        return written

    def _entries(self, group: Sequence[tuple[int, int]]) -> Iterator[Entry]:
        wanted = dict(group)
        for version in self._store.versions():
            if (state := wanted.get(version.row)) is not None:
                spans = self._spans.execute(
                    'SELECT start, "end" FROM passages WHERE article = ? ORDER BY start', (version.row,)
                ).fetchall()
                yield Entry(version.key, version.added, version.article, spans if state == State.LIVE else ())

    def _vectors(self, store: ArticleStore, passages: Rows) -> Iterator[Vectors]:
        digests = (digest_of(article.title, text) for article, text in texts(store, passages))
        while batch := list(islice(digests, _READ)):
            yield self._cache.vectors(batch)


def embed_articles(articles: Iterable[Article], embedder: Embedder, passage_tokens: int) -> Generation:
    """Index articles in memory; nothing is written. Raises ArchiveError if none of them holds text."""
    entries = []
    for article in {article.id: article for article in articles}.values():
        spans = [(passage.start, passage.end) for passage in cut(article, passage_tokens, embedder.count_tokens)]
        entries.append(Entry(article.id, "", article, spans))
    if not any(entry.spans for entry in entries):
        raise ArchiveError("none of the articles holds any text")

    def vectors(store: ArticleStore, passages: Rows) -> Iterator[Vectors]:
        for _, group in groupby(texts(store, passages), key=lambda passage: passage[0].id):
            owners, own = zip(*group, strict=True)
            yield embedder.embed_passages(own, [owner.title for owner in owners])

    segment = build(None, entries, vectors, embedder.dimensions)
    return Generation("memory", [(segment, np.zeros(len(entries), dtype=np.uint8))])


def _nothing(paths: Sequence[Path | str], skipped: Sequence[Skipped]) -> str:
    if not paths:
        return "the index is empty; name files or folders of articles"
    reasons = "; ".join(f"{item.origin}: {item.reason}" for item in islice(skipped, 3))
    return f"no article found in {', '.join(map(str, paths))}" + (f" ({reasons})" if reasons else "")
