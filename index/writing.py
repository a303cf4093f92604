"""The next generation: made beside the current one, synced, switched to by one rename. One writer at a time.

Whatever ends a writer, the index is the one before; what it left behind is removed by the next.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock
import numpy as np

from errors import ArchiveBusyError, ArchiveError, DamagedArchiveError, NoArchiveError
from index.embeddings import EmbeddingCache
from index.generation import (
    FORMAT,
    MANIFEST,
    POINTER,
    Generation,
    Manifest,
    as_json,
    manifest_of,
    opened,
    pointer_to,
    read_manifest,
    sha256_of,
    states_file,
)
from index.segment import State, States, load, merge

_BUILDING = "building-"
# Segments of about the same size are merged once there are so many of them, as in a log-structured merge
# tree (O'Neil et al. 1996), but none grows beyond what is merged in a few seconds and held in 100 MB.
_FAN = 4
_SMALLEST = 64  # passages
LARGEST = 65_536  # passages


@dataclass(frozen=True, slots=True)
class Made:
    """How the passages of a generation were made."""

    embedder: str
    embedder_fingerprint: str
    dimensions: int
    passage_tokens: int


class Writer:
    """What the one process that writes to a home may do; see `writing`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._reserved = 0

    def current(self) -> tuple[str, Manifest] | None:
        """Return the current generation's name and manifest, None where there is none yet.

        Raises IncompatibleArchiveError, DamagedArchiveError.
        """
        try:
            return read_manifest(self.home)
        except NoArchiveError:
            return None

    def staging(self) -> Path:
        """Return a new, empty folder for what this writer needs while it works."""
        return self._folder("generations", f"{_BUILDING}staging")

    def new_segment(self) -> Path:
        """Return a new, empty folder under the name of a segment that does not exist yet."""
        self._reserved = max(self._reserved, *_numbers(self.home / "segments"), 0) + 1
        return self._folder("segments", f"{self._reserved:06d}")

    def commit(
        self,
        made: Made,
        held: Sequence[tuple[str, States]],
        *,
        previous: tuple[str, str] | None,
        known: Manifest | None = None,
    ) -> str:
        """Make the generation of these segments, with the states of their articles, the current one; return its name.

        Segments of which the manifest `known` has the checksums are not read again, the others are synced.
        `previous` is the generation that a rollback restores; it stays, all others go.
        """
        name = f"{max((*_numbers(self.home / 'generations'), 0)) + 1:06d}"
        building = self._folder("generations", f"{_BUILDING}{name}")
        files: dict[str, tuple[int, str]] = {}
        articles = passages = 0
        for segment_name, states in held:
            folder = self.home / "segments" / segment_name
            prefix = f"segments/{segment_name}/"
            kept = {file: told for file, told in (known.files if known else {}).items() if file.startswith(prefix)}
            files |= kept or self._synced(folder)
            path = building / Path(states_file(name, segment_name)).name
            np.save(path, states)
            _fsync(path)
            files[states_file(name, segment_name)] = (path.stat().st_size, sha256_of(path))
            counted = load(folder)
            articles += int((states == State.LIVE).sum())
            passages += int((states[counted.passages[:, 0]] == State.LIVE).sum())
            counted.close()
        manifest = Manifest(
            format=FORMAT,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            embedder=made.embedder,
            embedder_fingerprint=made.embedder_fingerprint,
            dimensions=made.dimensions,
            passage_tokens=made.passage_tokens,
            articles=articles,
            passages=passages,
            segments=tuple(segment_name for segment_name, _ in held),
            previous=previous,
            files=files,
        )
        (building / MANIFEST).write_text(as_json(manifest), encoding="utf-8")
        digest = sha256_of(building / MANIFEST)
        for path in (building / MANIFEST, building, self.home / "segments"):
            _fsync(path)
        os.replace(building, self.home / "generations" / name)
        _fsync(self.home / "generations")
        self._point_to(name, digest)
        self._clear(manifest, {name, *([previous[0]] if previous else [])})
        return name

    def pointer_of(self, name: str) -> tuple[str, str]:
        """Return the name of a generation with its manifest's SHA-256."""
        return name, sha256_of(self.home / "generations" / name / MANIFEST)

    def tidy(self) -> bool:
        """Merge segments of about the same size where there are many; the content stays. False if nothing was to do."""
        current = self.current()
        if current is None:
            return False
        name, manifest = current
        generation = opened(self.home, name, manifest)
        try:
            sizes = [_live(generation, place) for place in range(len(generation.parts))]
            groups = [[place] for place, size in enumerate(sizes) if _mostly_dead(generation, place, size)]
            if not groups and (chosen := to_merge(sizes)):
                groups = [chosen]
            if not groups:
                return False
            self._merge(generation, manifest, groups, previous=manifest.previous)
        finally:
            generation.close()
        return True

    def compact(self) -> None:
        """Write every segment again that holds what was removed, and keep nothing to go back to."""
        current = self.current()
        if current is None:
            raise NoArchiveError(f"no index in {self.home} yet; add articles with: sourcier index PATH")
        name, manifest = current
        generation = opened(self.home, name, manifest)
        try:
            groups = _packed(
                [
                    (place, _live(generation, place))
                    for place, part in enumerate(generation.parts)
                    if (part.states != State.LIVE).any() or _live(generation, place) < LARGEST // _FAN
                ]
            )
            groups = [
                group
                for group in groups
                if len(group) > 1 or (generation.parts[group[0]].states == State.REMOVED).any()
            ]
            self._merge(generation, manifest, groups, previous=None)
        finally:
            generation.close()

    def _merge(
        self, generation: Generation, manifest: Manifest, groups: list[list[int]], previous: tuple[str, str] | None
    ) -> None:
        """Make one segment of each group of places, and a generation of them and of the others."""
        merged = {place for group in groups for place in group}
        held = [(part.segment.name, part.states) for place, part in enumerate(generation.parts) if place not in merged]
        for group in groups:
            folder = self.new_segment()
            parts = [(generation.parts[place].segment, generation.parts[place].states) for place in group]
            states = merge(folder, parts, manifest.dimensions)
            if len(states):
                held.append((folder.name, states))
        self.commit(made_of(manifest), held, previous=previous, known=manifest)

    def _synced(self, folder: Path) -> dict[str, tuple[int, str]]:
        """Sync the files of a folder, and return {path relative to the home: (bytes, SHA-256)}."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files[path.relative_to(self.home).as_posix()] = (path.stat().st_size, sha256_of(path))
            _fsync(path)
        _fsync(folder)
        return files

    def _folder(self, room: str, name: str) -> Path:
        folder = self.home / room / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _clear(self, manifest: Manifest, kept: set[str]) -> None:
        """Remove generations and segments that are not needed any more, and what killed writers left.

        A reader that has one open keeps its files; where the system forbids to remove them, they go next time.
        """
        segments = set(manifest.segments)
        if manifest.previous:
            try:
                segments |= set(manifest_of(self.home, *manifest.previous).segments)
            except ArchiveError:  # damaged; what it was made of stays until it is not needed any more
                return
        for room, names in (("generations", kept), ("segments", segments)):
            for path in (self.home / room).iterdir():
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)

    def find_again(self) -> None:
        """Point to the newest whole generation where nothing says which one is in use.

        The file that says so was lost, or the process that made the first index was killed before its last rename.
        """
        if (self.home / POINTER).exists():
            return
        for number in sorted(_numbers(self.home / "generations"), reverse=True):
            with suppress(ArchiveError, OSError):
                name, digest = self.pointer_of(f"{number:06d}")
                opened(self.home, name, manifest_of(self.home, name, digest)).close()
                self._point_to(name, digest)
                return

    def _point_to(self, name: str, digest: str) -> None:
        pointer = self.home / f"{POINTER}.new"
        pointer.write_text(pointer_to(name, digest), encoding="utf-8")
        _fsync(pointer)
        os.replace(pointer, self.home / POINTER)
        _fsync(self.home)

    def clean(self) -> None:
        """Remove what this writer built and did not commit; where nothing is committed, its empty rooms too."""
        for room in ("generations", "segments"):
            for left in (self.home / room).glob(f"{_BUILDING}*"):
                shutil.rmtree(left, ignore_errors=True)
        with suppress(ArchiveError, OSError):
            current = self.current()
            if current is not None:
                self._clear(current[1], {current[0], *([current[1].previous[0]] if current[1].previous else [])})
            elif not _numbers(self.home / "generations"):
                for left in (self.home / "segments").iterdir():
                    shutil.rmtree(left, ignore_errors=True)


def made_of(manifest: Manifest) -> Made:
    return Made(manifest.embedder, manifest.embedder_fingerprint, manifest.dimensions, manifest.passage_tokens)


def to_merge(sizes: Sequence[int]) -> list[int]:
    """Return the places of segments to merge into one, [] if it is well as it is; `sizes` are in passages.

    The level of a segment is how often _SMALLEST must be multiplied by _FAN to reach it; _FAN of one
    level are merged, with what is smaller, as far as the sum stays below LARGEST.
    """
    levels: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        level, reach = 0, _SMALLEST
        while size > reach:
            level, reach = level + 1, reach * _FAN
        levels.setdefault(level, []).append(place)
    for level in sorted(levels, reverse=True):
        if len(levels[level]) < _FAN:
            continue
        group: list[int] = []
        total = 0
        for place in sorted(
            (place for below in levels if below <= level for place in levels[below]), key=lambda place: sizes[place]
        ):
            if total + sizes[place] > LARGEST:
                break
            group.append(place)
            total += sizes[place]
        if len(group) >= _FAN:
            return sorted(group)
    return []


def _packed(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Group (place, passages) in their order, each group of at most LARGEST passages where that is possible."""
    groups: list[list[int]] = []
    total = LARGEST + 1
    for place, size in sizes:
        if total + size > LARGEST:
            groups.append([])
            total = 0
        groups[-1].append(place)
        total += size
    return groups


def _live(generation: Generation, place: int) -> int:
    part = generation.parts[place]
    return len(part.segment.passages) if part.live is None else int(part.live.sum())


def _mostly_dead(generation: Generation, place: int, live: int) -> bool:
    stored = len(generation.parts[place].segment.passages)
    return stored > _SMALLEST and 2 * live < stored


def _numbers(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []


@contextmanager
def writing(home: Path) -> Iterator[Writer]:
    """Be the one process that writes to a home.

    Raises ArchiveBusyError while another does, and ArchiveError where the home cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(home / "write.lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise ArchiveBusyError(f"another process is writing to {home}; wait until it has finished") from None
    except OSError as error:
        raise ArchiveError(f"{home} cannot be written: {error.strerror or error}") from None
    writer = Writer(home)
    try:
        for room in ("generations", "segments"):
            (home / room).mkdir(exist_ok=True)
        writer.find_again()
        writer.clean()
        yield writer
    except (OSError, sqlite3.OperationalError) as error:
        raise ArchiveError(f"{home} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    except sqlite3.DatabaseError as error:
        faults = list(EmbeddingCache.faults(home))
        raise DamagedArchiveError(
            faults[0] if faults else f"a file of {home} cannot be read ({error}); sourcier verify names it"
        ) from error
    finally:
        with suppress(OSError):
            writer.clean()
        lock.release()


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle for a folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
