"""The articles of a home as a list: searched, filtered, sorted, a page at a time, for those who look around."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.articles import Article
from index.copies import copies
from index.generation import EVERYTHING, Filters, Generation, current_name, open_any
from index.lexical import question_tokens
from index.maintenance import Selected, Shown, keep_with_words, meant, versions_in
from index.segment import NO_DATE, Head, Segment, State, Version

Numbers = NDArray[np.int32]

_LETTERS = {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i"}
_ACCENT_OR_LETTER = re.compile(f"[\u0300-\u036f{''.join(_LETTERS)}]")
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e\u3001-\u303f]+")
_FEW = 500  # articles that are sorted by titles read for it, rather than by all titles
_WINDOW = 8  # times as many of the newest articles are looked at as are wanted


class Order(StrEnum):
    """What a list is sorted by, equal ones by title, then id.

    Articles without a date or a source come last. ADDED begins with those that came last, RELEVANCE
    with the best for the words, and is NEWEST without words.
    """

    NEWEST = "newest"
    OLDEST = "oldest"
    TITLE = "title"
    SOURCE = "source"
    ADDED = "added"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Listed:
    """An article in a list, without its text.

    `added` is when this version came, ISO 8601 in UTC; `older` are its older versions that can be read.
    """

    id: str
    title: str
    source: str | None
    url: str | None
    published: date | None
    author: str | None
    language: str | None
    added: str
    passages: int
    older: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list of `total` articles: its `rows`, of which the first is number `first`, from 0 on."""

    rows: tuple[Listed, ...]
    total: int
    first: int


class Catalogue:
    """The articles of a home that are searched, as a list. Safe to use from several threads.

    The generation that is read stays open until the home has another one; who still reads the one before keeps
    it. Everything raises what `open_any` raises. What is kept to sort by are 16 bytes an article, and 8 more once
    a list of many was sorted by titles or by when they came: 2.4 MB for 100,000 articles.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def page(
        self,
        *,
        words: str = "",
        filters: Filters = EVERYTHING,
        order: Order = Order.NEWEST,
        first: int = 0,
        count: int = 50,
    ) -> Listing:
        """Return `count` articles from number `first` on, of those that pass the filters and hold all the words.

        Words are those of title and text, as search sees them; an article is also found by its id or its URL
        among them. Pages put together hold each article once. Raises QuestionError for words without a word.
        """
        opened, words = self._current(), words.strip()
        numbers = opened.matching(words, filters)
        chosen = opened.window(numbers, opened.keys(order, words)[numbers], max(first, 0), count)
        return Listing(tuple(map(opened.listed, chosen.tolist())), len(numbers), max(first, 0))

    def read(self, name: str) -> list[Shown]:
        """Return all versions of the article of that id, URL or file, the one that is searched last.

        Raises ArchiveError where there is none.
        """
        return versions_in(self._current().generation, name)

    def recent(self, count: int) -> list[Article]:
        """Return `count` of the newest articles, newest first, all there are if they are fewer.

        Among eight times as many, those of other sources are preferred, and those that repeat no title and are
        copies of none.
        """
        opened = self._current()
        newest = opened.window(opened.matching("", EVERYTHING), opened.keys(Order.NEWEST), 0, _WINDOW * count).tolist()
        sketches = np.array([opened.sketch(number) for number in newest])
        articles = [opened.version(number).article for number in newest]
        titles: set[str] = set()
        of_source: dict[str | None, int] = {}
        ranks: list[tuple[bool, int, int]] = []
        for place, article in enumerate(articles):
            title = collated(article.title)
            repeats = title in titles or bool(copies(sketches[place], sketches[:place]).any())
            before = of_source.get(article.source, 0)
            ranks.append((repeats, before, place))
            titles.add(title)
            of_source[article.source] = before + (not repeats)
        return [articles[place] for place in sorted(place for *_, place in sorted(ranks)[:count])]

    def _current(self) -> _Opened:
        with self._lock:
            if self._opened is None or self._opened.generation.name != current_name(self._home):
                self._opened = _Opened(open_any(self._home))
            return self._opened


class _Opened:
    """A generation, and what its n articles that are searched are sorted by; they have numbers over all its parts."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self._live = [np.flatnonzero(part.states == State.LIVE).astype(np.int32) for part in generation.parts]
        self._firsts = np.cumsum([0, *map(len, self._live)])
        segments = [part.segment for part in generation.parts]
        sources = {name: rank for rank, name in enumerate(sorted(generation.sources, key=_name_key))}
        ranks = [  # by their number in the facets; NONE, -1, stands for the last
            np.array([*(sources.get(name, 0) for name in segment.facets.names["source"]), len(sources)], dtype=np.int32)
            for segment in segments
        ]
        self._days = self._of_live([segment.facets.rows["published"] for segment in segments])
        self._sources = self._of_live(
            [own[segment.facets.rows["source"]] for own, segment in zip(ranks, segments, strict=True)]
        )
        self._passages = self._of_live(
            [
                np.bincount(part.segment.passages[:, 0], minlength=len(part.states)).astype(np.int32)
                for part in generation.parts
            ]
        )
        self._with_older = [part for part in generation.parts if (part.states == State.SUPERSEDED).any()]
        self._lock = threading.Lock()
        self._ranks: tuple[Numbers, Numbers] | None = None

    def version(self, number: int) -> Version:
        segment, row = self._found(number)
        return segment.store.version(row)

    def sketch(self, number: int) -> NDArray[np.uint32]:
        segment, row = self._found(number)
        sketch: NDArray[np.uint32] = segment.sketches[row]
        return sketch

    def _found(self, number: int) -> tuple[Segment, int]:
        """Return the segment and the row of an article."""
        place = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return self.generation.parts[place].segment, int(self._live[place][number - self._firsts[place]])

    def listed(self, number: int) -> Listed:
        version = self.version(number)
        article = version.article
        older = sum(
            part.states[row] == State.SUPERSEDED
            for part in self._with_older
            for row, _ in part.segment.store.rows_of("key", version.key)
        )
        return Listed(
            article.id, article.title, article.source, article.url, article.published, article.author,
            article.language, version.added, int(self._passages[number]), int(older),
        )  # fmt: skip

    def matching(self, words: str, filters: Filters) -> Numbers:
        """Return the numbers of the articles, ascending, that pass the filters and hold the words, if any."""
        masks = meant(self.generation, Selected(filters=filters))
        if words:
            named = [(place, row) for place, row in self._named(words) if masks[place][row]]
            keep_with_words(self.generation, masks, words)
            for place, row in named:
                masks[place][row] = True
        return np.flatnonzero(self._of_live(masks)).astype(np.int32)

    def keys(self, order: Order, words: str = "") -> NDArray[Any]:
        """Return what the order sorts by, (n,), the least first."""
        match order:
            case Order.OLDEST:
                return np.where(self._days == NO_DATE, np.iinfo(np.int32).max, self._days)
            case Order.TITLE:
                return self._ranked()[0]
            case Order.SOURCE:
                return self._sources
            case Order.ADDED:
                return -self._ranked()[1]
            case Order.RELEVANCE if words:
                return -self._relevance(words)
            case _:
                return -self._days  # of which NO_DATE, 0, is the greatest

    def window(self, numbers: Numbers, keys: NDArray[Any], first: int, count: int) -> Numbers:
        """Return `count` of the (m,) numbers from place `first` on, in the order of their (m,) keys, then by title."""
        if first >= len(numbers) or count < 1:
            return numbers[:0]
        order = np.argsort(keys)
        keys = keys[order]
        last = min(first + count, len(numbers)) - 1
        begin, end = np.searchsorted(keys, keys[first]), np.searchsorted(keys, keys[last], side="right")
        tied = numbers[order[begin:end]]  # all that may stand on the page
        by_title = tied[np.lexsort((self._by_title(tied), keys[begin:end]))]
        return by_title[first - begin : last + 1 - begin]

    def _by_title(self, numbers: Numbers) -> Numbers:
        """Return the places of the (m,) numbers among each other by title, (m,), least first."""
        if self._ranks is None and len(numbers) <= _FEW:
            return _ranks([_title_key(self.version(number).article) for number in numbers.tolist()])
        return self._ranked()[0][numbers]

    def _ranked(self) -> tuple[Numbers, Numbers]:
        """Return the places of all articles by title, (n,), and by when they came, (n,), equal for the same moment."""
        with self._lock:
            if self._ranks is None:
                titles, added = list[str](), list[str]()
                for part in self.generation.parts:
                    live = (part.states == State.LIVE).tolist()
                    for head in part.segment.store.heads():
                        if live[head.row]:
                            titles.append(_title_key(head))
                            added.append(head.added)
                moments = {moment: rank for rank, moment in enumerate(sorted(set(added)))}
                self._ranks = _ranks(titles), np.array([moments[moment] for moment in added], dtype=np.int32)
            return self._ranks

    def _relevance(self, words: str) -> NDArray[np.float32]:
        """Return the BM25 score of each article's best passage, (n,); infinite for one that is named."""
        stems = question_tokens(words, self.generation.languages)
        best = [np.zeros(len(part.states), dtype=np.float32) for part in self.generation.parts]
        for part, own, scores in zip(self.generation.parts, best, self.generation.lexical_scores(stems), strict=True):
            np.maximum.at(own, part.segment.passages[:, 0], scores)
        for place, row in self._named(words):
            best[place][row] = np.inf
        return self._of_live(best)

    def _named(self, words: str) -> list[tuple[int, int]]:
        """Return (place of the part, row) of the articles of which a word is the id or the URL."""
        find = self.generation.live_row
        found = [find("id", word) or find("key", word) for word in words.split()]
        return [one[:2] for one in found if one]

    def _of_live(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return (n,) of what each part holds of all its articles, (a,)."""
        own = [held[rows] for held, rows in zip(parts, self._live, strict=True)]
        return np.concatenate(own) if own else np.empty(0, dtype=np.int32)


def collated(text: str) -> str:
    """Return what a text is sorted by: words alone, whatever their case, accents and what stands between them."""
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = _ACCENT_OR_LETTER.sub(lambda found: _LETTERS.get(found[0], ""), plain)
    return " ".join(_WORD.findall(plain))


def _name_key(name: str) -> tuple[str, str]:
    return collated(name), name


def _title_key(article: Article | Head) -> str:
    return f"{collated(article.title)}\0{article.title}\0{article.id}"


def _ranks(keys: Sequence[str]) -> Numbers:
    ranks = np.empty(len(keys), dtype=np.int32)
    ranks[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys), dtype=np.int32)
    return ranks
