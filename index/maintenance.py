"""What is done to an index as a whole: articles removed, room won back, the generation before restored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import ArchiveError, NoArchiveError, QuestionError
from index.articles import Article
from index.embeddings import EmbeddingCache, digest_of
from index.generation import EVERYTHING, Filters, Generation, Manifest, manifest_of, open_any, opened
from index.lexical import question_tokens
from index.segment import State, States, texts
from index.writing import Writer, made_of, writing


@dataclass(frozen=True, slots=True)
class Selected:
    """Which articles are meant: those that match all that is given. `names` are ids or keys (URL or file).

    `words` must all stand in the title or the text, as search sees words.
    """

    names: Sequence[str] = ()
    filters: Filters = EVERYTHING
    words: str = ""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction won: bytes on disk of the whole home before and after, and embeddings forgotten."""

    before: int
    after: int
    forgotten: int


def remove(home: Path, selected: Selected, *, dry_run: bool = False) -> list[Article]:
    """Remove the articles that are meant, with their older versions; return them.

    They are found no more from then on; their bytes go with `compact`. With `dry_run` nothing changes.
    Raises ArchiveError for a name that no article has, and if nothing is asked for; and as `writing`.
    """
    if not (selected.names or selected.words or selected.filters != EVERYTHING):
        raise ArchiveError("say which articles: by id, URL or file, source, dates, author, language or words")
    if dry_run:
        with closing(open_any(home)) as generation:
            return _articles(generation, meant(generation, selected))
    with writing(home) as writer:
        name, manifest = _current(writer)
        with closing(opened(home, name, manifest)) as generation:
            chosen = meant(generation, selected)
            removed = _articles(generation, chosen)
            if not removed:
                return []
            states = [part.states.copy() for part in generation.parts]
            for place, row in _with_versions(generation, chosen):
                states[place][row] = State.REMOVED
            held = [(part.segment.name, own) for part, own in zip(generation.parts, states, strict=True)]
        writer.commit(made_of(manifest), held, previous=writer.pointer_of(name), known=manifest)
    return removed


def compact(home: Path) -> Compacted:
    """Make what was removed vanish from every file, and merge small segments.

    There is nothing to roll back to afterwards. Vectors are kept only of what is searched.
    """
    with writing(home) as writer:
        before = _size(home)
        writer.compact()
        name, manifest = _current(writer)
        kept: set[bytes] = set()
        with closing(opened(home, name, manifest)) as generation:
            for part in generation.parts:
                passages = part.segment.passages if part.live is None else part.segment.passages[part.live]
                kept.update(digest_of(article.title, text) for article, text in texts(part.segment.store, passages))
        forgotten = EmbeddingCache.forget(home, kept.__contains__)
        return Compacted(before, _size(home), forgotten)


def rollback(home: Path) -> tuple[str, str]:
    """Make the generation before the current one again; return the names of both.

    It gets a new name, and the current one stays behind it: a second rollback undoes the first.
    Raises ArchiveError where there is nothing to go back to.
    """
    with writing(home) as writer:
        name, manifest = _current(writer)
        if manifest.previous is None:
            raise ArchiveError(f"the index in {home} has no generation before {name} to go back to")
        before = manifest_of(home, *manifest.previous)
        with closing(opened(home, manifest.previous[0], before)) as generation:
            held: list[tuple[str, States]] = [(part.segment.name, part.states) for part in generation.parts]
        return name, writer.commit(made_of(before), held, previous=writer.pointer_of(name), known=before)


@dataclass(frozen=True, slots=True)
class Shown:
    """A version of an article, when it was added, and whether it is the one that is searched."""

    article: Article
    added: str
    live: bool

    def as_json(self) -> dict[str, object]:
        published = self.article.published
        return asdict(self.article) | {
            "published": published.isoformat() if published else None,
            "added": self.added,
            "searched": self.live,
        }


def versions(home: Path, name: str) -> list[Shown]:
    """Return all versions of the article of that id, URL or file, the one that is searched last.

    Raises ArchiveError where there is none, and as `open_any`.
    """
    with closing(open_any(home)) as generation:
        return versions_in(generation, name)


def versions_in(generation: Generation, name: str) -> list[Shown]:
    """Return what `versions` does, of an opened generation. Raises ArchiveError where there is none."""
    for known in (name, os.path.abspath(name)):
        if found := generation.history(known):
            return [Shown(version.article, version.added, state == State.LIVE) for state, version in found]
    raise ArchiveError(_unknown(name))


def _known_as(name: str) -> list[tuple[str, str]]:
    return [("id", name), ("key", name), ("key", os.path.abspath(name))]


def _unknown(name: str) -> str:
    return f"no article has the id, URL or file {name}; sourcier ask --json shows the ids of what it finds"


def _current(writer: Writer) -> tuple[str, Manifest]:
    current = writer.current()
    if current is None:
        raise NoArchiveError(f"no index in {writer.home} yet; add articles with: sourcier index PATH")
    return current


def meant(generation: Generation, selected: Selected) -> list[NDArray[np.bool_]]:
    """Return for each part (a,) bool, True for the articles that are searched and meant."""
    masks = [part.states == State.LIVE for part in generation.parts]
    for mask, allowed in zip(masks, generation.allowed_articles(selected.filters), strict=True):
        if allowed is not None:
            mask &= allowed
    if selected.names:
        named = [np.zeros(len(mask), dtype=bool) for mask in masks]
        for name in selected.names:
            found = next((row for known in _known_as(name) if (row := generation.live_row(*known))), None)
            if found is None:
                raise ArchiveError(_unknown(name))
            named[found[0]][found[1]] = True
        for mask, own in zip(masks, named, strict=True):
            mask &= own
    if selected.words:
        keep_with_words(generation, masks, selected.words)
        if not all(question_tokens(selected.words, [language]) for language in generation.languages):
            raise QuestionError(f"{selected.words!r} would select every article: name a word that says more")
    return masks


def keep_with_words(generation: Generation, masks: list[NDArray[np.bool_]], words: str) -> None:
    """Keep in each part's (a,) mask the articles that hold all the words, each in the article's own language.

    Raises QuestionError where there is no word in them.
    """
    if not any(character.isalnum() for character in words):
        raise QuestionError(f"there is no word in {words!r}")
    stems = {language: question_tokens(words, [language]) for language in generation.languages}
    holding = {stem: _holding(generation, stem) for stem in dict.fromkeys(chain(*stems.values()))}
    for place, part in enumerate(generation.parts):
        kept = np.zeros(len(part.states), dtype=bool)
        for language, own_stems in stems.items():
            own = part.segment.facets.matching("language", language.__eq__)
            for stem in own_stems:
                own &= holding[stem][place]
            kept |= own
        masks[place] &= kept


def _holding(generation: Generation, stem: str) -> list[NDArray[np.bool_]]:
    """Return for each part (a,) bool, True for the articles that hold a stem."""
    masks = []
    for part, scores in zip(generation.parts, generation.lexical_scores([stem]), strict=True):
        mask = np.zeros(len(part.states), dtype=bool)
        mask[part.segment.passages[scores > 0, 0]] = True
        masks.append(mask)
    return masks


def _articles(generation: Generation, masks: Sequence[NDArray[np.bool_]]) -> list[Article]:
    return [
        part.segment.store.article(int(row))
        for part, mask in zip(generation.parts, masks, strict=True)
        for row in np.flatnonzero(mask)
    ]


def _with_versions(generation: Generation, masks: Sequence[NDArray[np.bool_]]) -> list[tuple[int, int]]:
    """Return (place, row) of the articles and of all their older versions."""
    keys = {
        part.segment.store.key_of(int(row))
        for part, mask in zip(generation.parts, masks, strict=True)
        for row in np.flatnonzero(mask)
    }
    return [
        (place, row)
        for key in keys
        for place, part in enumerate(generation.parts)
        for row, _ in part.segment.store.rows_of("key", key)
    ]


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
