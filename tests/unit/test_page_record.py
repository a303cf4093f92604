"""An exchange as plain values: what it takes from an answer, and that it comes back from disk as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import Article
from index.passages import Passage
from index.search import Hit
from page.record import (
    EVERYTHING,
    Excerpt,
    Exchange,
    Narrowing,
    Quote,
    Reference,
    State,
    as_json,
    finished,
    found,
    from_json,
    reference,
)
from qa import Answer, Citation, Evidence, EvidenceFound, Timings
from qa.check import Kind, Problem
from qa.verify import Standing, Statement

TEXT = "Le pont a rouvert. Il a coûté 4 millions. La mairie est ravie."
SPANS = [(0, 18), (19, 41), (42, 62)]
BRIDGE = Article("a", "Le pont", TEXT, "La Gazette", "https://example.invalid/a", date(2024, 3, 1), "Zoé", "fr")
ABOUT_BRIDGE = Reference("a", "Le pont", "La Gazette", "https://example.invalid/a", date(2024, 3, 1), "fr")
SCHOOL = replace(BRIDGE, id="b", title="L’école")
COPY = replace(BRIDGE, id="c", title="Copie", text="Une copie.")


def evidence_of(
    number: int,
    sentence: int,
    passage: tuple[int, int] = (0, 62),
    article: Article = BRIDGE,
    words: tuple[int, int] | None = None,
) -> Evidence:
    return Evidence(number, article, Passage(article.id, *passage), *SPANS[sentence], 0.9, words)


def hit_of(article: Article = BRIDGE, passage: tuple[int, int] = (0, 62), copies: tuple[Article, ...] = ()) -> Hit:
    return Hit(article, Passage(article.id, *passage), 0.9, 0.9, 1.0, copies)


def answer_of(
    text: str, evidence: Sequence[Evidence] = (), cited: dict[int, tuple[int, ...]] | None = None, **more: Any
) -> Answer:
    """An answer; `cited` are the positions of each marker, by its number."""
    by_number = {one.number: one for one in evidence}
    return Answer(
        **{
            "question": "Combien ?",
            "text": text,
            "short": None,
            "citations": tuple(Citation(*one) for one in ((n, by_number[n], at) for n, at in (cited or {}).items())),
            "statements": (),
            "refused": not cited,
            "confidence": 0.9,
            "language": "fr",
            "evidence": tuple(evidence),
            "nearest": tuple(hit_of(one.article) for one in evidence),
            "timings": Timings(0.1, 0.2, 0.3, 1.25),
            **more,
        }
    )


ASKED = Exchange("Combien ?", Narrowing("2024-01-01"), State.SEARCHING, "2024-05-01T10:00:00+00:00")


def test_a_question_waits_from_the_line_until_it_is_over() -> None:
    waits = {state: Exchange("?", state=state).waiting for state in State}
    assert [state for state in State if waits[state]] == [State.QUEUED, State.SEARCHING, State.WRITING]
    assert [state for state in State if Exchange("?", state=state).answered] == [State.ANSWERED]


@pytest.mark.parametrize("narrowing", [Narrowing("2024-01-01"), Narrowing(sources=("G",)), Narrowing(languages=("",))])
def test_a_narrowing_is_one_where_anything_is_left_out(narrowing: Narrowing) -> None:
    assert narrowing
    assert not EVERYTHING


def test_a_narrowing_becomes_the_options_of_a_question() -> None:
    assert Narrowing("2024-01-01", "", ("G",), ("fr", "de")).options() == {
        "published_after": "2024-01-01",
        "published_before": None,
        "sources": ("G",),
        "languages": ("fr", "de"),
    }
    assert EVERYTHING.options() == {
        "published_after": None, "published_before": None, "sources": (), "languages": ()
    }  # fmt: skip


def test_what_is_found_is_shown_with_its_passages_while_the_answer_is_written() -> None:
    evidence = (evidence_of(1, 1), evidence_of(2, 2, (42, 62)))
    seen = found(ASKED, EvidenceFound("Combien ?", evidence, (hit_of(copies=(COPY,)), hit_of(SCHOOL))))
    copies = (Reference("c", "Copie", "La Gazette", "https://example.invalid/a", date(2024, 3, 1), "fr"),)
    assert seen == replace(
        ASKED,
        state=State.WRITING,
        quotes=(
            Quote(1, 19, 41, Excerpt(ABOUT_BRIDGE, 0, TEXT, True, True, copies)),
            Quote(2, 42, 62, Excerpt(ABOUT_BRIDGE, 42, "La mairie est ravie.", False, True, copies)),
        ),
    )
    assert [quote.text for quote in seen.quotes] == ["Il a coûté 4 millions.", "La mairie est ravie."]


def test_where_nothing_answers_the_best_passage_of_each_article_is_nearest() -> None:
    hits = (hit_of(passage=(19, 41), copies=(COPY,)), hit_of(SCHOOL, (0, 18)), hit_of(passage=(0, 62)))
    seen = found(ASKED, EvidenceFound("Combien ?", (), hits))
    assert (seen.state, seen.quotes) == (State.WRITING, ())
    assert [(one.article.id, one.start, one.text) for one in seen.nearest] == [
        ("a", 19, "Il a coûté 4 millions."),
        ("b", 0, "Le pont a rouvert."),
    ]
    assert [one.id for one in seen.nearest[0].copies] == ["c"]
    assert [(one.opens, one.closes) for one in seen.nearest] == [(False, False), (True, False)]


def test_what_is_found_before_all_is_read_stands_there_while_searching() -> None:
    early = EvidenceFound("Combien ?", (evidence_of(1, 1),), (hit_of(),), whole=False, enough=False)
    seen = found(ASKED, early)
    assert (seen.state, len(seen.quotes)) == (State.SEARCHING, 1)
    assert found(seen, replace(early, enough=True)).state == State.WRITING


def test_what_is_found_behind_the_writing_leaves_what_is_written() -> None:
    early = EvidenceFound("Combien ?", (evidence_of(1, 1),), (hit_of(),), whole=False)
    writing = replace(found(ASKED, early), text="Il a coûté 4 mill")
    seen = found(writing, EvidenceFound("Combien ?", (evidence_of(1, 1), evidence_of(2, 0)), (hit_of(),)))
    assert (seen.state, seen.text) == (State.WRITING, writing.text)
    assert [quote.number for quote in seen.quotes] == [1, 2]


def test_an_answer_takes_the_place_of_what_was_found() -> None:
    evidence = (evidence_of(1, 1, words=(30, 40)), evidence_of(2, 0), evidence_of(3, 2, (42, 62)))
    text = "Il rouvre [2] [1]. Il a coûté 4 millions [2]."
    statements = (Statement("Il rouvre.", 0, 18, (2, 1), Standing.RECITED, (Problem(Kind.NAME, "Zoé"),)),)
    answer = answer_of(
        text, evidence, {2: (10, 41), 1: (14,)},
        short="4 millions", statements=statements, nearest=(hit_of(copies=(COPY,)),),
    )  # fmt: skip
    done = finished(found(ASKED, EvidenceFound("Combien ?", evidence, ())), answer)
    whole = Excerpt(ABOUT_BRIDGE, 0, TEXT, True, True, (reference(COPY),))
    assert done == replace(
        ASKED,
        state=State.ANSWERED,
        quotes=(Quote(1, 19, 41, whole), Quote(2, 0, 18, whole)),
        others=(Excerpt(ABOUT_BRIDGE, 42, "La mairie est ravie.", False, True, (reference(COPY),)),),
        text=text,
        marks=((10, 2), (14, 1), (41, 2)),
        short="4 millions",
        short_number=1,
        statements=statements,
        confidence=0.9,
        language="fr",
        seconds=1.25,
    )
    assert done.quotes[0].excerpt is done.quotes[1].excerpt


@pytest.mark.parametrize(
    ("passage", "start", "text"),
    [((25, 30), 19, "Il a coûté 4 millions."), ((10, 30), 10, "rouvert. Il a coûté 4 millions."),
     ((30, 50), 19, "Il a coûté 4 millions. La mairi"), ((0, 62), 0, TEXT)],
    ids=["at both ends", "at its end", "at its start", "nowhere"],
)  # fmt: skip
def test_a_sentence_that_sticks_out_of_its_passage_is_whole(passage: tuple[int, int], start: int, text: str) -> None:
    done = finished(ASKED, answer_of("Oui [1].", [evidence_of(1, 1, passage)], {1: (4,)}))
    (quote,) = done.quotes
    assert (quote.start, quote.end, quote.text) == (19, 41, "Il a coûté 4 millions.")
    assert (quote.excerpt.start, quote.excerpt.text) == (start, text)
    assert (quote.excerpt.opens, quote.excerpt.closes) == (start == 0, text == TEXT)


def test_a_refusal_cites_nothing_and_leads_to_the_nearest() -> None:
    before = found(ASKED, EvidenceFound("Combien ?", (evidence_of(1, 1),), (hit_of(),)))
    hits = (hit_of(SCHOOL), hit_of())
    done = finished(before, answer_of("Rien.", [evidence_of(1, 1)], nearest=hits, confidence=0.12))
    assert (done.refused, done.answered, done.text, done.confidence) == (True, True, "Rien.", 0.12)
    assert (done.quotes, done.others, done.marks, done.short, done.short_number) == ((), (), (), "", None)
    assert [one.article.title for one in done.nearest] == ["L’école", "Le pont"]


def test_an_answer_with_sources_has_no_nearest() -> None:
    before = found(ASKED, EvidenceFound("Combien ?", (), (hit_of(SCHOOL),)))
    assert before.nearest
    assert finished(before, answer_of("Oui [1].", [evidence_of(1, 1)], {1: (4,)})).nearest == ()


def test_without_evidence_nothing_is_likely_or_unlikely() -> None:
    assert finished(ASKED, answer_of("Rien.", confidence=0.0)).confidence is None


@pytest.mark.parametrize(
    ("question", "understood"),
    [("Combien ?", ""), ("  Combien\n ? ", ""), ("Et lui ?", "Combien ?")],
    ids=["same", "other spaces", "completed"],
)
def test_a_question_is_understood_otherwise_where_it_was_completed(question: str, understood: str) -> None:
    assert finished(replace(ASKED, question=question), answer_of("Rien.")).understood == understood


@pytest.mark.parametrize(
    ("short", "number"),
    [("4 millions", 2), ("Le pont", None), (None, None)],
    ids=["of a cited sentence", "of none", "no short answer"],
)
def test_the_short_answer_belongs_to_the_cited_sentence_that_holds_it(short: str | None, number: int | None) -> None:
    evidence = [evidence_of(1, 0), evidence_of(2, 1, words=(30, 40)), evidence_of(3, 0, words=(0, 7))]
    done = finished(ASKED, answer_of("Oui [1] [2].", evidence, {1: (4,), 2: (8,)}, short=short))
    assert (done.short, done.short_number) == (short or "", number)


@pytest.mark.parametrize(
    ("published", "day"),
    [
        (datetime(2024, 3, 1, 23, 59, tzinfo=UTC), date(2024, 3, 1)),
        (date(2024, 3, 1), date(2024, 3, 1)),
        (None, None),
    ],
    ids=["hour", "day", "none"],
)
def test_the_day_of_an_article_is_a_day_even_where_its_hour_is_known(published: date | None, day: date | None) -> None:
    about = reference(replace(BRIDGE, published=published))
    assert (about.published, type(about.published)) == (day, type(day))


def held(value: Any) -> set[type]:
    """The types of all that a value holds."""
    inner = [getattr(value, one.name) for one in fields(value)] if is_dataclass(value) else ()
    return {type(value)}.union(*map(held, inner or (value if isinstance(value, tuple) else ())))


def test_an_exchange_holds_nothing_of_the_archive() -> None:
    article = replace(BRIDGE, published=datetime(2024, 3, 1, 8))
    evidence = [evidence_of(1, 1, article=article), evidence_of(2, 2, (42, 62), article)]
    seen = found(ASKED, EvidenceFound("Combien ?", tuple(evidence), (hit_of(article, copies=(COPY,)),)))
    nearest = finished(ASKED, answer_of("Rien.", nearest=(hit_of(article, copies=(COPY,)),)))
    done = finished(seen, answer_of("Oui [1].", evidence, {1: (4,)}))
    ours = {Exchange, Narrowing, State, Quote, Excerpt, Reference, str, int, float, bool, tuple, date, type(None)}
    assert held(seen) | held(nearest) | held(done) == ours
    assert "Zoé" not in as_json(done).decode()  # its author


REFERENCES = st.builds(
    Reference, st.text(), st.text(), *[st.none() | st.text()] * 2, st.none() | st.dates(), st.none() | st.text()
)
EXCERPTS = st.builds(
    Excerpt, REFERENCES, st.integers(0, 10**9), st.text(), st.booleans(), st.booleans(),
    st.lists(REFERENCES, max_size=2).map(tuple),
)  # fmt: skip
NUMBERS = st.integers(0, 10**9)
STATEMENTS = st.builds(
    Statement, st.text(), NUMBERS, NUMBERS, st.lists(NUMBERS, max_size=2).map(tuple), st.sampled_from(Standing),
    st.lists(st.builds(Problem, st.sampled_from(Kind), st.text()), max_size=2).map(tuple),
)  # fmt: skip
NAMES = st.lists(st.text(), max_size=2).map(tuple)
EXCHANGES = st.builds(
    Exchange,
    question=st.text(),
    narrowing=st.builds(Narrowing, st.text(), st.text(), NAMES, NAMES),
    state=st.sampled_from(State),
    asked=st.text(),
    before=NUMBERS,
    understood=st.text(),
    quotes=st.lists(st.builds(Quote, NUMBERS, NUMBERS, NUMBERS, EXCERPTS), max_size=2).map(tuple),
    others=st.lists(EXCERPTS, max_size=1).map(tuple),
    nearest=st.lists(EXCERPTS, max_size=1).map(tuple),
    text=st.text(),
    marks=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=2).map(tuple),
    short=st.text(),
    short_number=st.none() | NUMBERS,
    statements=st.lists(STATEMENTS, max_size=2).map(tuple),
    refused=st.booleans(),
    confidence=st.none() | st.floats(0, 1),
    language=st.text(),
    seconds=st.none() | st.floats(0, 1e6),
    error=st.text(),
)


@settings(deadline=None)
@given(EXCHANGES)
def test_an_exchange_comes_back_from_its_json_as_it_was(exchange: Exchange) -> None:
    back = from_json(as_json(exchange))
    assert back == exchange
    assert held(back) == held(exchange)


STORED = as_json(finished(ASKED, answer_of("Oui [1].", [evidence_of(1, 1)], {1: (4,)})))


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(STORED) | values).encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        STORED[:-1],
        STORED + b"}",
        STORED.replace(b"Combien", b"\xff"),
        changed(state="thinking"),
        changed(question=None),
        changed(marks=[[1]]),
        changed(quotes=[{"number": 1}]),
        changed(statements=[["x"]]),
        changed(before="many"),
        b'{"question":' * 5000,
    ],
    ids=[
        "nothing", "null", "a list", "no question", "cut off", "more behind", "no UTF-8", "unknown state", "no text",
        "half a mark", "half a quote", "half a statement", "no number", "deep",
    ],
)  # fmt: skip
def test_what_is_damaged_is_not_read(stored: bytes) -> None:
    assert from_json(STORED).question == "Combien ?"
    with pytest.raises(ValueError, match="validation error"):
        from_json(stored)


def test_what_an_older_version_kept_can_be_read() -> None:
    assert from_json('{"question": "Combien ?"}') == Exchange("Combien ?")
