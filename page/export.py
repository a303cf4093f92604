"""Conversations as files to take along: Markdown, a page of HTML on its own, questions for an evaluation.

What comes from a reader, an article or a model is text in all of them: `escaped` leaves Markdown nothing
to read as markup or as an address, the page is filled by Jinja with escaping on, and the only links that
leave a file are http and https addresses of articles.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

from page.conversations import Rating
from page.record import Excerpt, Exchange, Quote, Reference, State
from page.render import confidence_level, is_web, narrowed, problem_of
from page.words import Texts, count, day
from qa.verify import Standing, Statement

_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_SPACES = re.compile("[ \t\n\f\r\x85\u2028\u2029]+")  # not the no-break space of « … »
_LEAST_IN_A_SENTENCE = 4  # words, by which a note names a sentence

# ASCII punctuation that is markup wherever it stands, in CommonMark or in what is built upon it.
_MARKUP = re.compile(r"[\\`*_\[\]{}<>&~|$@^=#]")
# What makes a name of a host, an address or an emoji of a text.
_ADDRESS = re.compile(r"(?<!\d):(?=\w)|:(?=/)|(?<!\d)\.(?=\w)|\.(?=[^\W\d])")
# What begins a list, or a line beneath a heading.
_FIRST = re.compile(r"^(\d*)([-+:.)])")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text, and the number of the quote that it is, or whose marker; `first` of that number."""

    text: str
    number: int | None = None
    first: bool = False


@dataclass(frozen=True, slots=True)
class _Passage:
    """A passage: where it is from, `pieces` of its text, and the quotes in it as (number, text)."""

    article: Reference
    about: tuple[str, ...]
    url: str
    pieces: tuple[_Piece, ...]
    quotes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    """One exchange as it is written: `changed` and `dropped` are (sentence, why)."""

    place: int
    exchange: Exchange
    about: tuple[str, ...]
    short: str
    short_number: int | None
    answer: tuple[_Piece, ...]
    over: str
    confidence: str
    changed: tuple[tuple[str, str], ...]
    dropped: tuple[tuple[str, str], ...]
    heading: str
    passages: tuple[_Passage, ...]
    marked: frozenset[int]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.answer)


def markdown(name: str, exchanges: Sequence[Exchange], words: Texts) -> str:
    """Return a conversation as Markdown (CommonMark): each question with its answer, and what it cites under it."""
    blocks = [f"# {escaped(name)}"]
    for told in _all_told(exchanges, words):
        blocks.append(f"## {escaped(told.exchange.question)}")
        blocks += [escaped(said) for said in told.about]
        if told.short:
            marker = escaped(f" [{told.short_number}]") if told.short_number is not None else ""
            blocks.append(f"**{escaped(told.short)}**" + f" {marker}".rstrip())
        blocks += [escaped(line) for line in (*told.text.split("\n"), told.over, told.confidence)]
        for heading, lines in (
            (words["export_changed"], told.changed),
            (count("dropped", len(told.dropped), words), told.dropped),
        ):
            if lines:
                blocks.append(f"### {escaped(heading)}")
                blocks.append("\n".join(f"- {_quotation(text, words)} {escaped(why)}" for text, why in lines))
        if told.passages:
            blocks.append(f"### {escaped(told.heading)}")
        numbered = sorted((*one, passage) for passage in told.passages for one in passage.quotes)
        for number, text, passage in numbered:
            blocks.append(f"- {escaped(f'[{number}]')} {_quotation(text, words)}")
            blocks.append(f"  {_where(passage, words)}")
        if not numbered:
            blocks.append("\n".join(f"- {_where(passage, words)}" for passage in told.passages))
    return "\n\n".join(filter(None, blocks)) + "\n"


def html_page(name: str, exchanges: Sequence[Exchange], words: Texts) -> str:
    """Return a conversation as one HTML page without script that asks nothing of any host."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _CONTROL.sub("", value) if type(value) is str else value,  # not Markup: of a macro
    )
    every = _all_told(exchanges, words)
    dropped = [count("dropped", len(told.dropped), words) for told in every]
    return pages.get_template("export.html").render(name=name, every=zip(every, dropped, strict=True), words=words)


def evaluation_set(rated: Iterable[tuple[str, Exchange, Rating]]) -> str:
    """Return what ratings prove as questions.jsonl, for a folder beside articles/ that `sourcier eval` reads.

    Good answer: each sentence that it cites answers the question, and so do the few words of the short answer.
    Good refusal: nothing answers; left out where it was put to some articles only, since others may.
    Bad: the answer was wrong, which does not say what is right. It becomes a question only where the
    note repeats a whole sentence of a passage that was shown: that sentence answers. `unsettled` has the rest.

    A question that was completed from those before it stands as it was completed.
    """
    return _lines(row for row in map(_row, rated) if row["answerable"] is not None)


def unsettled(rated: Iterable[tuple[str, Exchange, Rating]]) -> str:
    """Return the questions whose rating does not prove what answers them, in the same form, to be completed.

    `answerable` is null and `said` is what was answered: fill in `answerable`, and where it is true the
    `sentence` of an article that answers; then the line belongs with those of `evaluation_set`.
    """
    return _lines(row | {"sentence": None} for row in map(_row, rated) if row["answerable"] is None)


def escaped(text: str) -> str:
    """Return text on one line such that Markdown renders it as itself, wherever on a line it is put."""
    line = _SPACES.sub(" ", _CONTROL.sub("", text)).strip()
    line = _ADDRESS.sub(r"\\\g<0>", _MARKUP.sub(r"\\\g<0>", line))
    return _FIRST.sub(r"\1\\\2", line)


def _all_told(exchanges: Sequence[Exchange], words: Texts) -> list[_Told]:
    return [_told(place, exchange, words) for place, exchange in enumerate(exchanges, 1)]


def _told(place: int, exchange: Exchange, words: Texts) -> _Told:
    refused = exchange.answered and exchange.refused
    text = exchange.text or (words["refused"] if exchange.answered else "")
    answer = _with_markers(text, exchange)
    over = words["stopped"] if exchange.state == State.STOPPED else exchange.error
    known = {quote.number for quote in exchange.quotes}
    if exchange.nearest or refused:
        heading, passages = words["sources_nearest"], [_passage(one, (), words) for one in exchange.nearest]
    else:
        heading = words["sources" if exchange.answered else "sources_found"]
        together: dict[Excerpt, list[Quote]] = {}
        for quote in sorted(exchange.quotes, key=lambda one: one.number):
            together.setdefault(quote.excerpt, []).append(quote)
        passages = [_passage(excerpt, quotes, words) for excerpt, quotes in together.items()]
    return _Told(
        place,
        exchange,
        tuple(filter(None, _about_question(exchange, words))),
        " ".join(exchange.short.split()),
        exchange.short_number if exchange.short_number in known else None,
        answer,
        over,
        words[f"confidence_{confidence_level(exchange.confidence)}"] + "."
        if exchange.answered and not refused and exchange.confidence is not None
        else "",
        tuple(
            (one.text, _why(one, words, words[f"why_{one.standing}"]))
            for one in exchange.statements
            if one.standing not in (Standing.WRITTEN, Standing.DROPPED)
        ),
        # one without a problem was only said before
        tuple(
            (one.text, _why(one, words))
            for one in exchange.statements
            if one.standing is Standing.DROPPED and one.problems
        ),
        heading,
        tuple(passages),
        frozenset(piece.number for piece in answer if piece.number is not None),
    )


def _about_question(exchange: Exchange, words: Texts) -> Iterator[str]:
    """Say when it was asked, how it was understood, and of which articles."""
    try:
        moment = datetime.fromisoformat(exchange.asked)
        yield words["export_asked"].format(day=day((moment.astimezone() if moment.tzinfo else moment).date(), words))
    except (ValueError, OverflowError):
        pass  # it was not noted
    if exchange.understood:
        yield words["understood"].format(question=exchange.understood)
    if exchange.narrowing:
        yield words["only"].format(what=narrowed(exchange.narrowing, words))


def _why(statement: Statement, words: Texts, *said: str) -> str:
    return " ".join([*said, *(problem_of(one, words) for one in statement.problems)])


def _with_markers(text: str, exchange: Exchange) -> tuple[_Piece, ...]:
    """Take an answer apart at the markers that lead to a quote."""
    known = {quote.number for quote in exchange.quotes}
    pieces, done = [], 0
    seen: set[int] = set()
    for position, number in sorted(exchange.marks):
        marker = f"[{number}]"
        if number in known and position >= done and text.startswith(marker, position):
            pieces += [_Piece(text[done:position]), _Piece(marker, number, number not in seen)]
            done = position + len(marker)
            seen.add(number)
    return (*pieces, _Piece(text[done:]))


def _passage(excerpt: Excerpt, quotes: Sequence[Quote], words: Texts) -> _Passage:
    about = excerpt.article
    text, pieces, done = excerpt.text, [_Piece("" if excerpt.opens else "… ")], 0
    for quote in sorted(quotes, key=lambda one: (one.start, one.end)):
        start, end = (max(done, offset - excerpt.start) for offset in (quote.start, quote.end))
        pieces += [_Piece(text[done:start]), _Piece(text[start:end], quote.number)]
        done = end
    return _Passage(
        about,
        tuple(filter(None, (about.source, day(about.published, words) if about.published else words["undated"]))),
        _address(about.url),
        (*pieces, _Piece(text[done:] + ("" if excerpt.closes else " …"))),
        tuple((quote.number, quote.text) for quote in quotes),
    )


def _address(url: str | None) -> str:
    """Return the address of an article where it is one of the web, with nothing in it that ends a link; else ""."""
    address = _CONTROL.sub("", url or "").strip()
    return percent_encoded(address, safe=":/?#[]@!$&'()*+,;=%-._~") if is_web(address) else ""


def _where(passage: _Passage, words: Texts) -> str:
    """The title of an article, where and when it was published, and the link to it, as Markdown."""
    title = escaped(passage.article.title)
    parts = [f"**{title}**" if title else "", *map(escaped, passage.about)]
    if passage.url:
        address = passage.url.replace("&", "\\&")  # else &copy; in it would be a sign
        parts.append(f"[{escaped(words['original'])}](<{address}>)")
    return " · ".join(filter(None, parts))


def _quotation(text: str, words: Texts) -> str:
    return escaped(words["quotation"].format(words=" ".join(text.split())))


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    unique = {row["id"]: row for row in rows}
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in unique.values())


def _row(rated: tuple[str, Exchange, Rating]) -> dict[str, Any]:
    """Return a rated question with what is known of its answer; `answerable` is None where that is nothing."""
    talk, exchange, rating = rated
    exchange = replace(exchange, question=_CONTROL.sub("", exchange.understood or exchange.question))
    sentences, answer, answerable = [], None, None
    if not rating.good:
        sentences = _named(rating.note, exchange)
    elif exchange.answered and not exchange.refused:
        sentences = [quote.text for quote in exchange.quotes if quote.text.strip()]
        answer = exchange.short or None
    elif exchange.answered and not exchange.narrowing:
        answerable = False
    if sentences:
        answerable = True
    row: dict[str, Any] = {
        "id": "rated-" + hashlib.sha256(f"{talk}\0{exchange.asked}\0{exchange.question}".encode()).hexdigest()[:12],
        "question": exchange.question,
        "language": exchange.language or None,
        "kind": "good" if rating.good else "bad",
        "answerable": answerable,
    }
    if sentences:
        row |= {"sentence": sentences[0], "answer": answer, "also": sentences[1:]}
    return row | {"said": exchange.text, "note": rating.note}


def _named(note: str, exchange: Exchange) -> list[str]:
    """Return the sentences of the passages shown that a note repeats."""
    from index.sentences import split

    told = " ".join(note.split())
    shown = dict.fromkeys([*(quote.excerpt for quote in exchange.quotes), *exchange.others, *exchange.nearest])
    sentences = (
        excerpt.text[one.start : one.end]
        for excerpt in (shown if told else ())
        for one in split(excerpt.text, excerpt.article.language)
    )
    return list(
        dict.fromkeys(
            sentence
            for sentence in sentences
            if len(sentence.split()) >= _LEAST_IN_A_SENTENCE and " ".join(sentence.split()) in told
        )
    )
