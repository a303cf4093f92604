"""A question and what came of it, as plain values: what the page shows, keeps and exports.

Nothing here points into the archive: an exchange that was kept can be read when its articles have
been replaced or removed. `as_json` and `from_json` are the form on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from qa.verify import Statement

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from index.articles import Article
    from index.passages import Passage
    from index.search import Hit
    from qa import Answer, Evidence, EvidenceFound


class State(StrEnum):
    """How far an exchange is."""

    QUEUED = "queued"
    SEARCHING = "searching"
    WRITING = "writing"
    ANSWERED = "answered"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which articles a question is put to; both dates are included, as ISO 8601. Empty ones let all pass."""

    published_after: str = ""
    published_before: str = ""
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Narrowing()

    def options(self) -> dict[str, Any]:
        """Return it as the options of `qa.stream`."""
        return {
            "published_after": self.published_after or None,
            "published_before": self.published_before or None,
            "sources": self.sources,
            "languages": self.languages,
        }


EVERYTHING = Narrowing()


@dataclass(frozen=True, slots=True)
class Reference:
    """What tells an article from others, without its text."""

    id: str
    title: str
    source: str | None = None
    url: str | None = None
    published: date | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage, `start` characters from the beginning of its article's text.

    `opens` and `closes` say whether the article begins and ends with it; `copies` carry the same.
    """

    article: Reference
    start: int
    text: str
    opens: bool
    closes: bool
    copies: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """A numbered sentence, from `start` to `end` in its article's text; it lies in its excerpt whole."""

    number: int
    start: int
    end: int
    excerpt: Excerpt

    @property
    def text(self) -> str:
        return self.excerpt.text[self.start - self.excerpt.start : self.end - self.excerpt.start]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, and what has come of it so far.

    `asked` is when, ISO 8601; `before` counts the questions served first while it is queued;
    `understood` is the question as it was completed, empty where it was not. `quotes` are the
    sentences found, and once answered those cited; `others` the passages found beside them;
    `nearest` those to show where nothing answers. `marks` are (offset in `text`, number) of the
    markers that lead somewhere; `short` may come from the quote `short_number`.
    """

    question: str
    narrowing: Narrowing = EVERYTHING
    state: State = State.SEARCHING
    asked: str = ""
    before: int = 0
    understood: str = ""
    quotes: tuple[Quote, ...] = ()
    others: tuple[Excerpt, ...] = ()
    nearest: tuple[Excerpt, ...] = ()
    text: str = ""
    marks: tuple[tuple[int, int], ...] = ()
    short: str = ""
    short_number: int | None = None
    statements: tuple[Statement, ...] = ()
    refused: bool = False
    confidence: float | None = None
    language: str = ""
    seconds: float | None = None
    error: str = ""

    @property
    def waiting(self) -> bool:
        return self.state in (State.QUEUED, State.SEARCHING, State.WRITING)

    @property
    def answered(self) -> bool:
        return self.state == State.ANSWERED


def found(exchange: Exchange, event: EvidenceFound) -> Exchange:
    """Add the evidence that an answer will be written from."""
    nearest = () if event.evidence else _best_of_each(event.nearest)
    quotes = _quotes([(one.number, one) for one in event.evidence], event.nearest)
    return replace(exchange, state=State.WRITING if event.enough else exchange.state, quotes=quotes, nearest=nearest)


def finished(exchange: Exchange, answer: Answer) -> Exchange:
    """Put the answer in the place of what was seen of it before."""
    cited = sorted({citation.marker: citation.evidence for citation in answer.citations}.items())
    shown = {evidence.passage for _, evidence in cited}
    rest = {one.passage: one.article for one in answer.evidence if one.passage not in shown}
    copies = _copies(answer.nearest)
    short_number = next((number for number, one in cited if one.short == answer.short), None)
    return replace(
        exchange,
        state=State.ANSWERED,
        understood="" if answer.question == " ".join(exchange.question.split()) else answer.question,
        quotes=_quotes(cited, answer.nearest),
        others=()
        if answer.refused
        else tuple(
            _excerpt(article, passage.start, passage.end, copies.get(article.id, ()))
            for passage, article in rest.items()
        ),
        nearest=_best_of_each(answer.nearest) if answer.refused else (),
        text=answer.text,
        marks=tuple(
            sorted((position, citation.marker) for citation in answer.citations for position in citation.positions)
        ),
        short=answer.short or "",
        short_number=short_number if answer.short else None,
        statements=answer.statements,
        refused=answer.refused,
        confidence=answer.confidence if answer.evidence else None,
        language=answer.language,
        seconds=answer.timings.total,
    )


def as_json(exchange: Exchange) -> bytes:
    """Return the exchange as JSON."""
    return _adapter().dump_json(exchange)


def from_json(stored: bytes | str) -> Exchange:
    """Return the exchange that `as_json` wrote; raises ValueError for anything else."""
    return _adapter().validate_json(stored)


@cache
def _adapter() -> TypeAdapter[Exchange]:
    from pydantic import TypeAdapter

    return TypeAdapter(Exchange)


def reference(article: Article) -> Reference:
    """Return what the page says of an article beside its text."""
    day = article.published
    return Reference(
        article.id,
        article.title,
        article.source,
        article.url,
        date(day.year, day.month, day.day) if day else None,
        article.language,
    )


def _quotes(numbered: Sequence[tuple[int, Evidence]], hits: Iterable[Hit]) -> tuple[Quote, ...]:
    """Return the numbered sentences, those of one passage with the same excerpt, which cuts none of them."""
    together: dict[Passage, list[Evidence]] = {}
    for _, evidence in numbered:
        together.setdefault(evidence.passage, []).append(evidence)
    copies = _copies(hits)
    excerpts = {
        passage: _excerpt(
            group[0].article,
            min([passage.start, *(one.start for one in group)]),
            max([passage.end, *(one.end for one in group)]),
            copies.get(passage.article_id, ()),
        )
        for passage, group in together.items()
    }
    return tuple(
        Quote(number, evidence.start, evidence.end, excerpts[evidence.passage]) for number, evidence in numbered
    )


def _excerpt(article: Article, start: int, end: int, copies: Sequence[Article]) -> Excerpt:
    return Excerpt(
        reference(article),
        start,
        article.text[start:end],
        start == 0,
        end >= len(article.text),
        tuple(map(reference, copies)),
    )


def _copies(hits: Iterable[Hit]) -> Mapping[str, Sequence[Article]]:
    return {hit.article.id: hit.copies for hit in hits}


def _best_of_each(hits: Iterable[Hit]) -> tuple[Excerpt, ...]:
    """Return the best passage of each article, best first."""
    best: dict[str, Excerpt] = {}
    for hit in hits:
        if hit.article.id not in best:
            best[hit.article.id] = _excerpt(hit.article, hit.passage.start, hit.passage.end, hit.copies)
    return tuple(best.values())
