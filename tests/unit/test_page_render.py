"""The page's HTML: what it shows, where its links lead, and that text stays text."""

from __future__ import annotations

import string
from dataclasses import replace
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
from qa.check import Kind, Problem
from qa.verify import Standing, Statement

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
            "short": None,
            "citations": citations,
            "statements": (),
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
        self.pieces: list[tuple[str, str]] = []  # (class or else name of the tag that opened last, text behind it)
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.pieces.append((dict(attributes).get("class") or tag, ""))

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.pieces:
            self.pieces[-1] = (self.pieces[-1][0], self.pieces[-1][1] + data)

    def after(self, opened: str) -> list[str]:
        """The texts behind each opening tag of this class, else name, up to the next opening tag."""
        return [text for name, text in self.pieces if name == opened]

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


def test_the_short_answer_stands_first_in_its_own_language_and_leads_to_its_sentence() -> None:
    article = article_of(language="de")
    said = Evidence(2, article, Passage("a", 0, 62), 19, 41, 0.9, (28, 38))
    evidence = (evidence_of(article, 1, 0), said)
    exchange = answered("Il a coûté 4 millions [2].", evidence, {2: (22,)}, short=said.short)
    read = Reader(render.conversation([exchange], FRENCH))
    assert read.text == "Combien ?é 4 millio [2]Il a coûté 4 millions [2].Confiance élevée." + PROBABILITY
    assert [attributes["lang"] for _, attributes in read.tags if attributes.get("class") == "short"] == ["de"]
    assert read.all("a", "href") == ["#source-1-2", "#source-1-2"]
    assert Reader(render.announcement([exchange], FRENCH)).text == "é 4 millio. Il a coûté 4 millions."


def test_a_short_answer_that_no_cited_sentence_holds_has_no_marker() -> None:
    read = Reader(
        render.conversation([answered("Oui [1].", (evidence_of(article_of(), 1, 1),), {}, short="4")], FRENCH)
    )
    assert read.after("short") == ["4"]
    assert read.all("a", "href") == []


def test_without_a_short_answer_the_text_stands_first() -> None:
    assert 'class="short"' not in render.conversation([answered("Oui.", (), {})], FRENCH)


PROBABILITY = " Probabilité que les archives répondent à la question : 90\xa0%"


@pytest.mark.parametrize(
    ("confidence", "said", "percentage"),
    [
        (1.0, "Confiance élevée", "99"),
        (0.8, "Confiance élevée", "80"),
        (0.7999, "Confiance moyenne", "79"),
        (0.6, "Confiance moyenne", "60"),
        (0.5999, "Confiance faible", "59"),
        (0.0, "Confiance faible", "1"),
    ],
)
def test_confidence_is_said_in_words_with_its_percentage_in_the_title(
    confidence: float, said: str, percentage: str
) -> None:
    evidence = (evidence_of(article_of(), 1, 1),)
    exchange = answered("Oui [1].", evidence, {1: (4,)}, confidence=confidence)
    read = Reader(render.conversation([exchange], FRENCH))
    assert f"{said}. Probabilité" in read.text
    (title,) = [one for one in read.all("p", "title") if one]
    assert title == f"Probabilité que les archives répondent à la question : {percentage}\xa0%"


def test_confidence_in_english() -> None:
    exchange = answered("Yes [1].", (evidence_of(article_of(), 1, 1),), {1: (4,)}, confidence=0.65)
    read = Reader(render.conversation([exchange], ENGLISH))
    assert read.text.endswith("Medium confidence. Probability that the archive answers the question: 65%")


def test_a_refusal_is_called_neither_sure_nor_unsure_but_gives_the_probability() -> None:
    exchange = answered("Non.", (evidence_of(article_of(), 1, 1),), {}, refused=True, confidence=0.12)
    read = Reader(render.conversation([exchange], FRENCH))
    assert "Probabilité que les archives répondent à la question : 12\xa0%" in read.text
    assert "Confiance" not in read.text
    assert "Probabilité" not in render.conversation([answered("Non.", (), {}, refused=True, confidence=0.0)], FRENCH)


NUMBER = Problem(Kind.NUMBER, "17 400")


@pytest.mark.parametrize(
    ("standing", "problems", "mark", "why"),
    [
        (
            Standing.RECITED,
            (NUMBER,),
            "source corrigée",
            "Cette phrase citait d’abord une autre source, qui la prouvait moins bien."
            " Ce qu’elle citait ne confirme pas le nombre «\xa017 400\xa0».",
        ),
        (
            Standing.REWRITTEN,
            (Problem(Kind.DATE, "le 3 mai"), Problem(Kind.NAME, "Zoé Ferrandeau")),
            "réécrite",
            "Cette phrase a été réécrite : rien ne prouvait la première version."
            " Ce qu’elle citait ne confirme pas la date «\xa0le 3 mai\xa0»."
            " Ce qu’elle citait ne confirme pas le nom «\xa0Zoé Ferrandeau\xa0».",
        ),
        (
            Standing.QUOTED,
            (Problem(Kind.LANGUAGE, "The bridge has opened."),),
            "remplacée par l’article",
            "Cette phrase de l’article en remplace une que rien ne prouvait."
            " Elle n’était pas dans la langue de la question.",
        ),
        (
            Standing.ADDED,
            (),
            "ajoutée",
            "Cette phrase n’est pas du modèle : le programme l’a tirée des articles.",
        ),
    ],
    ids=["recited", "rewritten", "quoted", "added"],
)
def test_a_mended_sentence_looks_different_and_a_note_says_why(
    standing: Standing, problems: tuple[Problem, ...], mark: str, why: str
) -> None:
    text = "Oui [1]. Il a coûté 4 millions [1]. Non [1]."
    statements = (
        Statement("Oui.", 0, 8, (1,), Standing.WRITTEN, ()),
        Statement("Il a coûté 4 millions.", 9, 35, (1,), standing, problems),
        Statement("Non.", 36, 44, (1,), Standing.WRITTEN, ()),
    )
    exchange = answered(text, (evidence_of(article_of(), 1, 1),), {1: (4, 31, 40)}, statements=statements)
    html = render.conversation([exchange], FRENCH)
    read = Reader(html)
    assert read.after("mended") == ["Il a coûté 4 millions "]
    assert read.after("summary") == [f"{mark} "]
    assert f"Oui [1]. Il a coûté 4 millions [1].{mark} {why} Non [1]." in read.text
    assert [attributes.get("open", "closed") for tag, attributes in read.tags if tag == "details"] == ["closed"]
    assert read.all("a", "href") == ["#source-1-1"] * 3


@pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])
def test_every_standing_and_every_kind_of_problem_has_its_words(words: render.Texts) -> None:
    mended = [one for one in Standing if one not in (Standing.WRITTEN, Standing.DROPPED)]
    assert all(words[key] for one in mended for key in (f"note_{one}", f"why_{one}"))
    assert all(words[f"problem_{kind}"].endswith(".") for kind in Kind)


@pytest.mark.parametrize(
    "spans",
    [[(-3, 4)], [(4, 4)], [(4, 99)], [(0, 8), (5, 12)], [(9, 13), (0, 99)]],
    ids=["before", "empty", "behind", "overlapping", "later first"],
)
def test_a_statement_that_does_not_stand_in_the_text_changes_nothing_of_it(spans: list[tuple[int, int]]) -> None:
    text = "Oui [1]. Non."
    statements = tuple(Statement("x", *span, (), Standing.ADDED, ()) for span in spans)
    note = FRENCH["note_added"] + " " + FRENCH["why_added"]
    read = Reader(render.conversation([answered(text, (), {}, statements=statements)], FRENCH))
    assert read.text.replace(note, "") == "Combien ?" + text


def test_dropped_sentences_are_counted_and_folded_with_what_was_wrong() -> None:
    statements = (
        Statement("Il a coûté 17 400 euros.", 0, 0, (), Standing.DROPPED, (NUMBER,)),
        Statement("Non.", 0, 0, (), Standing.DROPPED, (Problem(Kind.NEGATION, "non"),)),
        Statement("Oui.", 0, 0, (), Standing.DROPPED, ()),  # it was said before
        Statement("Oui.", 0, 8, (1,), Standing.WRITTEN, ()),
    )

    def folded(*statements: Statement) -> str:
        read = Reader(render.conversation([answered("Oui [1].", (), {}, statements=statements)], FRENCH))
        assert [attributes.get("open", "closed") for tag, attributes in read.tags if tag == "details"] == ["closed"]
        return read.text.partition("Oui [1].")[2]

    assert folded(*statements) == (
        "2 phrases retirées, que rien ne prouve"
        "Il a coûté 17 400 euros. Ce qu’elle citait ne confirme pas le nombre «\xa017 400\xa0»."
        "Non. Elle niait ce qui est affirmé, ou l’inverse : «\xa0non\xa0»."
    )
    assert folded(statements[0]).startswith("1 phrase retirée, que rien ne prouve")
    assert "<details" not in render.conversation([answered("Oui.", (), {}, statements=statements[2:3])], FRENCH)


def test_a_refusal_after_all_was_dropped_shows_what_was_dropped() -> None:
    statements = (Statement("Il a coûté 17 400 euros.", 0, 0, (), Standing.DROPPED, (NUMBER,)),)
    exchange = answered("Les articles ne le disent pas.", (), {}, refused=True, statements=statements)
    assert "Il a coûté 17 400 euros." in Reader(render.conversation([exchange], FRENCH)).text


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


def test_the_other_articles_with_the_same_dispatch_are_listed() -> None:
    evidence = (evidence_of(article_of(), 1, 1),)
    exchange = answered("Quatre millions [1].", evidence, {1: (16,)})
    assert exchange.found is not None
    copy = replace(article_of(), id="other", title="<b>Copie</b>", source="Le Relais", published=date(2024, 5, 3))
    hits = tuple(replace(hit, copies=(copy,)) for hit in exchange.found.nearest)
    exchange = replace(exchange, found=replace(exchange.found, nearest=hits))
    for words, one in ((FRENCH, "La même dépêche dans 1 autre article"), (ENGLISH, "The same dispatch in 1 other")):
        read = Reader(str(render.sources([exchange], words)))
        assert one in read.text
        assert "<b>Copie</b>, Le Relais" in read.text
        assert "b" not in [tag for tag, attributes in read.tags if "class" not in attributes]


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
        "[1](javascript:alert(1)) ![x](https://example.invalid/x.png)",
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
        wrong = tuple(Problem(kind, title) for kind in Kind)
        statements = (
            Statement(f"{text}.", 0, len(text) + 5, (1,), Standing.REWRITTEN, wrong),
            Statement(text, 0, 0, (), Standing.DROPPED, wrong),
        )
        exchange = answered(
            f"{text} [1].",
            evidence,
            {1: (len(text) + 1,)},
            question="Q",
            language=title,
            short=f"x{text}",
            statements=statements,
        )
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
