"""One generation of an index: which segments it is made of, opened, filtered, verified.

    HOME/
      current                    name of the generation in use and its manifest's SHA-256
      generations/000007/
        manifest.json            format, embedder, counts, segments, size and SHA-256 of each file
        states-000003.npy        what became of each article of segment 000003
      segments/000003/           index/segment.py; shared by generations, never changed
      embeddings.sqlite          index/embeddings.py
      write.lock

index/writing.py makes the next one and switches to it by one rename. docs/index-format.md specifies
each file.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import DamagedArchiveError, IncompatibleArchiveError, NoArchiveError
from index import arrays, lexical
from index.articles import Article
from index.embeddings import EmbeddingCache
from index.passages import Passage
from index.segment import NO_DATE, Segment, State, States, Version, load
from index.vectors import Vectors

FORMAT = 2
MANIFEST, POINTER = "manifest.json", "current"
_VERIFY = "sourcier verify names the file, sourcier rollback may restore it"
_TRIES = 5  # a reader that comes while the index is switched looks again


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself.

    `files` maps the path of each of its files, relative to the home, to [bytes, SHA-256]; `previous`
    is the generation to go back to, and its manifest's SHA-256.
    """

    format: int
    created: str
    embedder: str
    embedder_fingerprint: str
    dimensions: int
    passage_tokens: int
    articles: int
    passages: int
    segments: tuple[str, ...]
    previous: tuple[str, str] | None
    files: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Filters:
    """What an article must be to be found; empty ones let all pass.

    Both dates are included; an article without a date passes no date filter. `authors` are looked
    for inside the byline, in lower or upper case. `leave_out` are ids of articles.
    """

    published_after: date | None = None
    published_before: date | None = None
    sources: Sequence[str] = ()
    languages: Sequence[str] = ()
    authors: Sequence[str] = ()
    leave_out: Collection[str] = ()


EVERYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Status:
    """What the index of a home holds; `size` is bytes on disk, of the current generation.

    `articles` are those that are searched, `older` the older versions of some that can still be read,
    `before` the generation that a rollback restores.
    """

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
    older: int = 0
    segments: int = 1
    before: str | None = None


class Part(NamedTuple):
    """A segment as a generation holds it: the states (a,) of its articles, and its passages' first row overall.

    `live` is (p,) bool, True for the passages that are searched, None where all are.
    """

    segment: Segment
    states: States
    first: int
    live: NDArray[np.bool_] | None


class Generation:
    """What search reads. A row, counted over all segments, stands for one passage; some may not be searched."""

    def __init__(self, name: str, held: Sequence[tuple[Segment, States]]) -> None:
        self.name = name
        parts = []
        first = 0
        for segment, states in held:
            live = states[segment.passages[:, 0]] == State.LIVE
            parts.append(Part(segment, states, first, None if live.all() else live))
            first += len(live)
        self.parts = tuple(parts)
        self.rows = first
        self.passage_count = sum(
            len(part.segment.passages) if part.live is None else int(part.live.sum()) for part in parts
        )
        self.languages = self._names("language")
        self.sources = self._names("source")

    def _names(self, facet: str) -> tuple[str, ...]:
        return tuple(
            sorted(
                {name for part in self.parts for name in part.segment.facets.counts(facet, part.states == State.LIVE)}
            )
        )

    def close(self) -> None:
        for part in self.parts:
            part.segment.close()

    def part_of(self, row: int) -> Part:
        return next(part for part in reversed(self.parts) if row >= part.first)

    def passage(self, row: int) -> tuple[Article, Passage]:
        """Return the article and the passage of a row."""
        part = self.part_of(row)
        return part.segment.passage(row - part.first)

    def versions(self, state: State = State.LIVE) -> Iterator[Version]:
        """Yield the articles of that state, segment by segment."""
        for part in self.parts:
            yield from (version for version in part.segment.store.versions() if part.states[version.row] == state)

    def articles(self) -> Iterator[Article]:
        """Yield the articles that are searched."""
        return (version.article for version in self.versions())

    def history(self, name: str) -> list[tuple[State, Version]]:
        """Return all versions of the article of that id or key (URL or file), oldest first; [] if there is none."""
        found: list[tuple[State, Version]] = []
        keys = {
            version.key
            for part in self.parts
            for version in part.segment.store.with_id(name)
            if part.states[version.row] != State.REMOVED
        } or {name}
        for key in sorted(keys):
            for part in self.parts:
                for version in part.segment.store.with_key(key):
                    if (state := State(part.states[version.row])) != State.REMOVED:
                        found.append((state, version))
        return sorted(found, key=lambda one: (one[1].key, one[0] == State.LIVE, one[1].added))

    def holds(self, key: str, identity: str) -> bool:
        """True if a version of that key and id can be read, whether it is searched or not."""
        return any(
            part.states[row] != State.REMOVED
            for part in self.parts
            for row, known in part.segment.store.rows_of("key", key)
            if known == identity
        )

    def live_row(self, column: str, value: str) -> tuple[int, int, str] | None:
        """Return (place in `parts`, row, id) of the article that is searched and whose id or key that is."""
        for place in reversed(range(len(self.parts))):
            part = self.parts[place]
            for row, identity in part.segment.store.rows_of(column, value):
                if part.states[row] == State.LIVE:
                    return place, row, identity
        return None

    def owners(self) -> NDArray[np.str_]:
        """Return the (n,) ids of the articles of all n rows."""
        ids = [""] * self.rows
        for part in self.parts:
            own = {version.row: version.article.id for version in part.segment.store.versions()}
            for place, article_row in enumerate(part.segment.passages[:, 0].tolist()):
                ids[part.first + place] = own[article_row]
        return np.array(ids)

    def similarities(self, query: Vectors) -> Vectors:
        """Return the (n,) cosine similarities of all n rows, -1 where one is not searched."""
        found = np.full(self.rows, -1, dtype=np.float32)
        for part in self.parts:
            rows = np.arange(len(part.segment.passages)) if part.live is None else np.flatnonzero(part.live)
            found[part.first + rows] = part.segment.vectors.similarities(query, rows)
        return found

    def lexical_scores(self, stems: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the BM25 scores of each part, (p,) each."""
        try:
            return lexical.scores(
                [part.segment.lexical for part in self.parts], stems, [part.live for part in self.parts]
            )
        except ValueError as error:  # found only now
            raise DamagedArchiveError(f"the words of generation {self.name} are damaged: {error}; {_VERIFY}") from None

    def allowed_articles(self, filters: Filters) -> list[NDArray[np.bool_] | None]:
        """Return for each part (a,) bool, True where an article passes the filters; None without a filter."""
        return [self._allowed(part, filters) for part in self.parts]

    def allowed(self, filters: Filters) -> list[NDArray[np.bool_] | None]:
        """Return for each part (p,) bool, True where a passage is searched; None where all are."""
        masks: list[NDArray[np.bool_] | None] = []
        for part, articles in zip(self.parts, self.allowed_articles(filters), strict=True):
            mask = part.live
            if articles is not None:
                passes = articles[part.segment.passages[:, 0]]
                mask = passes if mask is None else mask & passes
            masks.append(mask)
        return masks

    def _allowed(self, part: Part, filters: Filters) -> NDArray[np.bool_] | None:
        if not any((filters.published_after, filters.published_before, filters.sources, filters.languages,
                    filters.authors, filters.leave_out)):  # fmt: skip
            return None
        facets = part.segment.facets
        published = facets.rows["published"]
        mask = np.ones(len(published), dtype=bool)
        if filters.published_after or filters.published_before:
            mask &= published != NO_DATE
        if filters.published_after:
            mask &= published >= filters.published_after.toordinal()
        if filters.published_before:
            mask &= published <= filters.published_before.toordinal()
        if filters.sources:
            mask &= facets.matching("source", set(filters.sources).__contains__)
        if filters.languages:
            mask &= facets.matching("language", set(filters.languages).__contains__)
        if filters.authors:
            wanted = [author.casefold() for author in filters.authors]
            mask &= facets.matching("author", lambda name: any(author in name.casefold() for author in wanted))
        for identity in filters.leave_out:
            mask[[row for row, _ in part.segment.store.rows_of("id", identity)]] = False
        return mask


def open_current(home: Path, embedder_fingerprint: str) -> Generation:
    """Open the current generation of a home, for an embedder.

    Raises NoArchiveError, IncompatibleArchiveError or DamagedArchiveError.
    """
    return _open(home, embedder_fingerprint)


def open_any(home: Path) -> Generation:
    """Open the current generation, whatever embedder it was made with: its articles can be read.

    Raises as `open_current`, but for the embedder.
    """
    return _open(home, None)


def _open(home: Path, fingerprint: str | None) -> Generation:
    for left in reversed(range(_TRIES)):
        name, manifest = read_manifest(home)
        if fingerprint is not None:
            check_embedder(home, manifest, fingerprint)
        try:
            return opened(home, name, manifest)
        except DamagedArchiveError:
            # between the manifest and its files a writer may have switched to the next and cleared this one
            if not left or _if_current(home, name):
                raise
    raise AssertionError


def opened(home: Path, name: str, manifest: Manifest) -> Generation:
    """Open the generation of a manifest. Raises DamagedArchiveError naming the file that is not right."""
    for file, (size, _) in manifest.files.items():
        path = home / file
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            raise DamagedArchiveError(
                f"{path} has {found if found is not None else 'no'} bytes, its manifest says {size}; run: sourcier"
                f" {'rollback' if manifest.previous else 'index --rebuild PATH'}"
            )
    held: list[tuple[Segment, States]] = []
    for segment_name in manifest.segments:
        folder = home / "segments" / segment_name
        try:
            segment = load(folder)
            states = arrays.load(home / states_file(name, segment_name), np.dtype(np.uint8), mapped=False)
            held.append((segment, states))
            if states.shape != segment.facets.rows.shape:
                raise ValueError(f"{states.shape} states of {segment.facets.rows.shape} articles")
        except (OSError, sqlite3.DatabaseError, RuntimeError, ValueError, KeyError, TypeError) as error:
            for segment, _ in held:
                segment.close()
            raise DamagedArchiveError(
                f"{folder} cannot be opened ({error}); run: sourcier"
                f" {'rollback' if manifest.previous else 'index --rebuild PATH'}"
            ) from error
    return Generation(name, held)


def states_file(generation: str, segment: str) -> str:
    """Return the path, relative to the home, of the states that a generation gives a segment's articles."""
    return f"generations/{generation}/states-{segment}.npy"


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
    for left in reversed(range(_TRIES)):
        pointer = _pointer(home)
        if pointer is None:
            raise NoArchiveError(f"no index in {home} yet; add articles with: sourcier index PATH")
        name, digest = pointer
        try:
            return name, manifest_of(home, name, digest)
        except DamagedArchiveError:
            if not left or _pointer(home) == pointer:
                raise
    raise AssertionError


def manifest_of(home: Path, name: str, digest: str) -> Manifest:
    """Read the manifest of a generation, whose SHA-256 is known.

    Raises IncompatibleArchiveError for another format, DamagedArchiveError if it is not what it was.
    """
    path = home / "generations" / name / MANIFEST
    try:
        content = path.read_bytes()
        stored = json.loads(content)
        if stored["format"] != FORMAT:
            newer = stored["format"] > FORMAT
            raise IncompatibleArchiveError(
                f"the index in {home} has format {stored['format']}, this version of Sourcier reads format {FORMAT};"
                f" {'update Sourcier' if newer else 'add the articles again: sourcier index --rebuild PATH'}"
            )
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("its checksum is another one")
        stored["files"] = {file: (int(size), str(held)) for file, (size, held) in stored["files"].items()}
        stored["segments"] = tuple(map(str, stored["segments"]))
        stored["previous"] = tuple(stored["previous"]) if stored["previous"] else None
        return Manifest(**stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedArchiveError(f"{path} cannot be read ({error}); run: sourcier index --rebuild PATH") from None


def current_name(home: Path) -> str:
    """Return the name of the generation in use, '' where there is none; cheap enough for every question."""
    pointer = _pointer(home)
    return pointer[0] if pointer else ""


def status(home: Path) -> Status:
    """Say what the index of a home holds; raises NoArchiveError, IncompatibleArchiveError, DamagedArchiveError."""
    name, manifest = read_manifest(home)
    with closing(open_any(home)) as generation:
        days = np.concatenate(
            [np.empty(0, np.int32)]
            + [part.segment.facets.rows["published"][part.states == State.LIVE] for part in generation.parts]
        )
        days = days[days != NO_DATE]
        return Status(
            home=home,
            generation=name,
            created=manifest.created,
            articles=manifest.articles,
            older=sum(int((part.states == State.SUPERSEDED).sum()) for part in generation.parts),
            passages=manifest.passages,
            segments=len(manifest.segments),
            oldest=date.fromordinal(int(days.min())) if len(days) else None,
            newest=date.fromordinal(int(days.max())) if len(days) else None,
            sources=counted(generation, "source"),
            languages=counted(generation, "language"),
            embedder=manifest.embedder,
            dimensions=manifest.dimensions,
            size=sum(size for size, _ in manifest.files.values()),
            before=manifest.previous[0] if manifest.previous else None,
        )


def counted(generation: Generation, facet: str) -> dict[str, int]:
    """Return {value: how many articles that are searched have it} of "source", "author" or "language", most first."""
    counts: dict[str, int] = {}
    for part in generation.parts:
        for name, count in part.segment.facets.counts(facet, part.states == State.LIVE).items():
            counts[name] = counts.get(name, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def verify(home: Path) -> Iterator[str]:
    """Yield one line for each file of the index that is not what it was when it was written, naming it.

    Every byte is read: of the current generation, of the one before it, and of the kept embeddings.
    Raises NoArchiveError.
    """
    try:
        pointer = _pointer(home)
        if pointer is None:
            raise NoArchiveError(f"no index in {home} yet; add articles with: sourcier index PATH")
        seen: set[str] = set()
        following: tuple[str, str] | None = pointer
        while following and following[0] not in seen:
            name, digest = following
            manifest = manifest_of(home, name, digest)
            for file, (size, expected) in manifest.files.items():
                if file not in seen and (fault := _fault(home / file, size, expected)):
                    yield f"{home / file} {fault}"
                seen.add(file)
            seen.add(name)
            # only the one before the current one is kept
            following = manifest.previous if following == pointer else None
    except (DamagedArchiveError, IncompatibleArchiveError) as error:
        yield str(error)
    yield from EmbeddingCache.faults(home)


def _fault(path: Path, size: int, expected: str) -> str:
    try:
        found = path.stat().st_size
        if found != size:
            return f"has {found} bytes, its manifest says {size}"
        return "" if sha256_of(path) == expected else "is not what it was: its checksum is another one"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _pointer(home: Path) -> tuple[str, str] | None:
    try:
        content = (home / POINTER).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedArchiveError(
            f"{home / POINTER} cannot be read ({error}); run: sourcier index --rebuild PATH"
        ) from None
    name, *rest = content.removesuffix("\n").split(" ")
    if name.isdecimal() and not rest:
        raise IncompatibleArchiveError(
            f"the index in {home} was made by an older version of Sourcier; add the articles again:"
            " sourcier index --rebuild PATH"
        )
    if len(rest) != 2 or content != pointer_to(name, rest[0]):
        raise DamagedArchiveError(
            f"{home / POINTER} names no generation: {content[:40]!r}; run: sourcier index --rebuild PATH"
        )
    return name, rest[0]


def pointer_to(name: str, digest: str) -> str:
    """Return what the file `current` holds: a generation, its manifest's SHA-256, and the CRC-32 of both."""
    line = f"{name} {digest}"
    return f"{line} {zlib.crc32(line.encode()):08x}\n"


def _if_current(home: Path, name: str) -> bool:
    pointer = _pointer(home)
    return pointer is not None and pointer[0] == name


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_json(manifest: Manifest) -> str:
    """Return what manifest.json holds."""
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"
