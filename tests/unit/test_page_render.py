"""The page's HTML: what it shows, where its links lead, and that text stays text."""

from __future__ import annotations

import string
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.articles import Article, Skipped
from index.generation import Status
from index.passages import Passage
from index.rebuild import Progress, Report
from index.search import Hit
from page import render
from page.render import Exchange
from qa import Answer, Citation, Evidence, EvidenceFound, Timings

FRENCH, ENGLISH = render.texts("fr"), render.texts("en")
TEXT = "Le pont a rouvert. Il a coûté 4 millions. La mairie est ravie."
SPANS = [(0, 18), (19, 41), (42, 62)]


def article_of(**fields: Any) -> Article:
    return Article(**{"id": "a", "title": "Le pont", "text": TEXT, "language": "fr", **fields})


def evidence_of(article: Article, number: int, sentence: int, passage: tuple[int, int] = (0, 62)) -> Evidence:
    return Evidence(number, article, Passage(article.id, *passage), *SPANS[sentence], 0.9)


def answered(text: str, evidence: tuple[Evidence, ...], cited: dict[int, tuple[int, ...]], **fields: Any) -> Exchange:
    hits = tuple(Hit(one.article, one.passage, 0.9, 0.9, 1.0) for one in evidence)
    by_number = {one.number: one for one in evidence}
    citations = tuple(Citation(marker, by_number[marker], positions) for marker, positions in cited.items())
    answer = Answer(
        **{
            "question": "Combien ?",
            "text": text,
            "citations": citations,
            "refused": False,
            "confidence": 0.9,
            "language": "fr",
            "evidence": evidence,
            "nearest": hits,
            "timings": Timings(),
            **fields,
        }
    )
    return Exchange("Combien ?", EvidenceFound("Combien ?", evidence, hits), text, answer)


class Reader(HTMLParser):
    """Reads HTML as a browser would: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes.get(attribute) for name, attributes in self.tags if name == tag]


def test_both_languages_hold_the_same_words_with_the_same_fields() -> None:
    def fields(words: dict[str, str]) -> dict[str, list[str]]:
        return {
            key: sorted(name for _, name, _, _ in string.Formatter().parse(text) if name) for key, text in words.items()
        }

    assert fields(FRENCH) == fields(ENGLISH)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr", "fr"),
        ("fr-CA,en;q=0.8", "fr"),
        ("FR-fr", "fr"),
        ("en-GB,fr;q=0.9", "en"),
        ("de,fr;q=0.9", "en"),
        ("fry", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_first_language_of_the_browser_decides(header: str | None, language: str) -> None:
    assert render.language_of(header) == language


def test_a_marker_is_a_link_only_where_the_answer_says_it_stands() -> None:
    evidence = (evidence_of(article_of(), 1, 1),)
    text = "Le prix [1] cite [1]. Un tableau [2]."
    read = Reader(render.conversation([answered(text, evidence, {1: (17, 30)})], FRENCH))
    assert read.all("a", "href") == ["#source-1-1"]
    assert read.all("a", "aria-label") == ["Source 1"]
    assert text in read.text


def test_markers_of_growing_text_lead_to_the_evidence_and_half_a_marker_is_not_shown() -> None:
    evidence = (evidence_of(article_of(), 1, 1), evidence_of(article_of(), 2, 0))
    exchange = Exchange("Combien ?", EvidenceFound("Combien ?", evidence, ()), "Quatre millions [2]. Et [7]. Puis [1")
    read = Reader(render.conversation([exchange], FRENCH))
    assert read.all("a", "href") == ["#source-1-2"]
    assert read.text.endswith("Quatre millions [2]. Et [7]. Puis ")


def test_sentences_of_one_passage_share_a_card_and_each_is_marked() -> None:
    article = article_of(published=date(2024, 3, 1), source="La Gazette", url="https://example.invalid/pont")
    evidence = (evidence_of(article, 1, 1), evidence_of(article, 2, 0), evidence_of(article, 3, 2, (42, 62)))
    html = render.sources([answered("Oui [1] non [2].", evidence, {1: (4,), 2: (12,)})], FRENCH)
    assert '<mark id="source-1-2"><b class="number">2</b>Le pont a rouvert.</mark> <mark id="source-1-1">' in html
    assert '<mark id="source-1-1"><b class="number">1</b>Il a coûté 4 millions.</mark> La mairie est ravie.' in html
    read = Reader(html)
    assert read.all("mark", "id") == ["source-1-2", "source-1-1"]
    assert len(read.all("h3", "lang")) == 2  # the card of both, and the passage that was not cited
    assert "La Gazette · 1er mars 2024 · Lire l’original" in read.text
    assert "https://example.invalid/pont" in read.all("a", "href")


def test_a_passage_grows_to_hold_the_whole_of_a_cited_sentence() -> None:
    evidence = (evidence_of(article_of(), 1, 1, (25, 30)),)
    read = Reader(render.sources([answered("Oui [1].", evidence, {1: (4,)})], FRENCH))
    assert "… 1Il a coûté 4 millions. …" in read.text


def test_the_same_sentence_under_two_numbers_has_both_anchors() -> None:
    evidence = (evidence_of(article_of(), 1, 1), evidence_of(article_of(), 2, 1))
    read = Reader(render.sources([answered("Oui [1] [2].", evidence, {1: (4,), 2: (8,)})], FRENCH))
    assert read.all("mark", "id") == ["source-1-1", "source-1-2"]
    assert read.text.count("Il a coûté 4 millions.") == 1


def test_a_refusal_links_each_nearest_article_once() -> None:
    evidence = (evidence_of(article_of(), 1, 0), evidence_of(article_of(), 2, 2, (42, 62)))
    exchange = answered("Les articles ne le disent pas.", evidence, {}, refused=True)
    assert Reader(render.conversation([exchange], FRENCH)).all("a", "href") == ["#nearest-1-1"]
    assert "nearest-1-1" in Reader(render.sources([exchange], FRENCH)).all("article", "id")
    assert "<mark" not in render.sources([exchange], FRENCH)


def test_earlier_sources_are_folded_below_the_last() -> None:
    exchange = answered("Oui [1].", (evidence_of(article_of(), 1, 1),), {1: (4,)})
    html = render.sources([exchange, exchange], FRENCH)
    assert html.index('id="source-2-1"') < html.index("<details") < html.index('id="source-1-1"')


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        pytest.param(Exchange("Q ?"), "Searching the archive…", id="searching"),
        pytest.param(
            Exchange("Q ?", EvidenceFound("Q ?", (), ())), "0 sentences found. Writing the answer…", id="found"
        ),
        pytest.param(Exchange("Q ?", error="no archive"), "no archive", id="error"),
        pytest.param(Exchange("Q ?", stopped=True), "Answer stopped.", id="stopped"),
        pytest.param(answered("Yes [1].", (evidence_of(article_of(), 1, 1),), {1: (4,)}), "Yes.", id="answered"),
    ],
)
def test_what_a_screen_reader_says(exchange: Exchange, said: str) -> None:
    assert Reader(render.announcement([exchange], ENGLISH)).text == said


def test_a_follow_up_shows_how_it_was_understood() -> None:
    exchange = answered("Oui.", (), {}, question="Combien en 2019 ?")
    assert "Combien en 2019 ?" in Reader(render.conversation([exchange], FRENCH)).text
    assert "understood" not in render.conversation([answered("Oui.", (), {})], FRENCH)


@pytest.mark.parametrize(
    ("oldest", "newest", "shown"),
    [
        (
            date(2023, 3, 14),
            datetime(2024, 3, 1, 8),
            "1\u202f200 articles · du 14 mars 2023 au 1er mars 2024 · 1 source",
        ),
        (date(2024, 3, 1), date(2024, 3, 1), "1\u202f200 articles · 1er mars 2024 · 1 source"),
        (None, None, "1\u202f200 articles · 1 source"),
    ],
    ids=["period", "day", "undated"],
)
def test_the_masthead_says_what_the_archive_holds(oldest: date | None, newest: date | None, shown: str) -> None:
    status = Status(Path(), "1", "", 1200, 9, oldest, newest, {"G": 1200}, {"fr": 1200}, "e", 768, 1)
    assert Reader(render.masthead(status, FRENCH)).text.endswith(shown)


@pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])
def test_the_demos_questions_are_shown_over_the_demo_only(words: render.Texts) -> None:
    def buttons(source: str) -> list[str | None]:
        status = Status(Path(), "1", "", 1, 1, None, None, {source: 1}, {}, "e", 768, 1)
        return Reader(render.conversation([], words, status)).all("button", "data-question")

    assert len(buttons(words["demo_source"])) == 3
    assert all(buttons(words["demo_source"]))
    assert buttons("Le Monde") == []


def test_progress_and_report() -> None:
    read = Reader(render.progress(Progress("embedding", 1500, 3000), ENGLISH))
    assert read.text == "Computing the vectors: 1,500 of 3,000"
    assert read.all("progress", "value") == ["1500"]
    assert Reader(render.progress(Progress("writing", 0, 0), ENGLISH)).all("progress", "max") == ["1"]
    made = Report(2, 1, 0, (Skipped("x.bin", "a binary file"),), 3, 9, 9)
    assert Reader(render.report(made, ENGLISH)).text == (
        "The archive is up to date.Added2Updated1Unchanged0Skipped1x.bin: a binary file"
    )


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//x/y",
        "http://",
        "https://[x",
        "",
    ],
)
def test_only_web_addresses_become_links(url: str) -> None:
    evidence = (evidence_of(article_of(url=url), 1, 1),)
    read = Reader(render.sources([answered("Oui [1].", evidence, {1: (4,)})], FRENCH))
    assert [href for href in read.all("a", "href") if not str(href).startswith("#")] == []


HOSTILE = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onfocus='alert(1)",
        "</mark></article><h1>x</h1>",
        "[x](javascript:alert(1)) ![x](https://example.invalid/x.png)",
        "{0} {words} {question.__class__} %s",
        "&lt;b&gt; &amp; &#60;",
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_is_written_adds_no_tag_and_no_attribute(title: str, text: str, question: str) -> None:
    def tags(title: str, text: str, question: str) -> list[tuple[str, list[str]]]:
        article = Article(
            "a", title, text, source=title, url=f"https://example.invalid/{title}", author=text, language=title
        )
        evidence = (Evidence(1, article, Passage("a", 0, len(text)), 0, len(text), 0.9),)
        exchange = answered(f"{text} [1].", evidence, {1: (len(text) + 1,)}, question="Q", language=title)
        exchange = Exchange(question, exchange.found, exchange.text, exchange.answer)
        status: Any = SimpleNamespace(articles=1, oldest=None, newest=None, sources={title: 1})
        html = (
            render.conversation([exchange, Exchange(question, error=text)], FRENCH)
            + render.sources([exchange, exchange], FRENCH)
            + render.announcement([exchange], FRENCH)
            + render.masthead(status, FRENCH)
            + render.report(Report(0, 0, 0, (Skipped(title, text),), 0, 0, 0), FRENCH)
            + render.problem(text)
        )
        return [(tag, sorted(attributes)) for tag, attributes in Reader(html).tags]

    assert tags(title or "x", text, question) == tags("x", "x", "x")
