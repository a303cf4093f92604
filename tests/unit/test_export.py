"""Exported conversations: whole, readable, and nothing in them but text, whoever wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from errors import DataError
from evaluation import datasets
from page import export
from page.conversations import Rating
from page.export import escaped, evaluation_set, html_page, markdown, unsettled
from page.record import Excerpt, Exchange, Narrowing, Quote, Reference, State
from page.words import texts
from qa.check import Kind, Problem
from qa.verify import Standing, Statement

NEEDED = {
    "fr": {"export_asked": "Posée le {day}", "export_changed": "Phrases que la vérification a changées"},
    "en": {"export_asked": "Asked on {day}", "export_changed": "Sentences that checking has changed"},
}
FRENCH, ENGLISH = (NEEDED[language] | texts(language) for language in ("fr", "en"))

TEXT = "Le pont a rouvert. Il a coûté 4 millions. La mairie est ravie."
ARTICLE = Reference("a", "Le pont", "La Gazette", "https://example.invalid/pont?a=1&copy;=2", date(2024, 3, 1), "fr")
EXCERPT = Excerpt(ARTICLE, 100, TEXT, False, True)
OTHER = Excerpt(Reference("b", "The school", None, "javascript:alert(1)", None, "en"), 0, "It closed.", True, True)
ANSWERED = Exchange(
    "Combien ?",
    Narrowing("2024-01-01", "2024-12-31", ("La Gazette",), ("fr",)),
    State.ANSWERED,
    "2026-11-24T10:00:00",
    understood="Combien le pont a-t-il coûté ?",
    quotes=(Quote(1, 119, 141, EXCERPT), Quote(2, 100, 118, EXCERPT), Quote(3, 0, 10, OTHER)),
    text="Il a coûté 4 millions [1].\nIl a rouvert [2] [1]. Fermée [3].",
    marks=((22, 1), (40, 2), (44, 1), (56, 3)),
    short="4 millions",
    short_number=1,
    statements=(
        Statement("Il a coûté 4 millions.", 0, 26, (1,), Standing.RECITED, (Problem(Kind.NUMBER, "17"),)),
        Statement("Le maire est parti.", 0, 0, (), Standing.DROPPED, (Problem(Kind.NAME, "maire"),)),
        Statement("Il a rouvert.", 0, 0, (), Standing.DROPPED, ()),
    ),
    confidence=0.9,
    language="fr",
)
REFUSED = Exchange("Et l’école ?", state=State.ANSWERED, refused=True, nearest=(EXCERPT, OTHER), confidence=0.1)
STOPPED = Exchange("Et ?", state=State.STOPPED, text="Il [1", quotes=(Quote(1, 119, 141, EXCERPT),))
FAILED = Exchange("Et puis ?", state=State.FAILED, error="no archive: add articles")
EVERY = [ANSWERED, REFUSED, STOPPED, FAILED]


class Reader(HTMLParser):
    """Reads HTML as a browser would: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "hr", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title"):
            self.text += data

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.tags if name == tag and attribute in attributes]


def rendered(text: str, preset: str = "commonmark") -> Reader:
    return Reader(MarkdownIt(preset, {"html": True}).render(text))


def said(text: str) -> str:
    """The text without white space and control characters, as it can be told from what was rendered."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+", "", text)


MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- x -->",
    "<https://example.invalid> <a@example.invalid>",
    "[x](javascript:alert(1)) ![x](https://example.invalid/x.png)",
    "[1]: javascript:alert(1)\n\n[1]",
    "[^1]: note",
    "# x\n## y #\n===\n---\n***",
    "1. x\n2) y\n- z\n+ z\n* z",
    "> x",
    "```\ncode\n```\n~~~",
    "    x\n\tx",
    "| a | b |\n|---|:-:|\n| c | d |",
    "**x** __x__ _x_ ~~x~~ ==x== ^x^ ~x~ $x$ `x` ``x` \\",
    "&lt;b&gt; &amp; &#60; &copy;",
    "http://example.invalid www.example.invalid a@b.invalid mailto:a@b.invalid example.com",
    ":smile: :100: {.class} ::: x",
    "{{ 7 * 7 }} {% raw %} ${x} {0} {words} %s",
    "- [ ] x\\\ny  \nz",
    "2024. Le pont",
]
HOSTILE = st.text(max_size=40) | st.text("<>[]()*_`#-+=.:!&~|\\{}$^@1ax \n\t", max_size=30) | st.sampled_from(MARKUP)


PLACES = ["{}", "# {}", "## {}", "x {}", "- {}", "> {}", "1. {}", "**{}** x", "  {}", "- \\[1\\] {}"]


@given(HOSTILE, st.sampled_from(PLACES))
@settings(deadline=None, max_examples=300)
@example("x\\", "**{}** x")
@example("*", "**{}** x")
def test_escaped_text_comes_out_of_markdown_as_itself(text: str, place: str) -> None:
    if not said(text):
        return
    for preset in ("commonmark", "js-default"):
        read, plain = (rendered(place.format(content), preset) for content in (escaped(text), "PLAIN"))
        assert said(read.text) == said(plain.text).replace("PLAIN", said(text))
        assert read.tags == plain.tags


@pytest.mark.parametrize(
    "text",
    [
        "Saint-Étienne : 14,5 millions d’euros, à 14:30 (environ 4.5 %) ; « oui » !",
        "Il a coûté 4 millions.",
        "Mr. Smith's half/half — why?",
    ],
)
def test_what_is_no_markup_stays_readable(text: str) -> None:
    assert escaped(text) == text


def names_of(text: str) -> tuple[list[Exchange], str]:
    """Exchanges with this text in every place that is anybody's words, and a name."""
    line = " ".join(text.split())  # the lines of an answer are paragraphs
    about = Reference("a", text, text, f"https://example.invalid/{text}", None, text)
    excerpt = Excerpt(about, 0, text, True, True, (about,))
    problems = tuple(Problem(kind, text) for kind in Kind)
    exchange = Exchange(
        text,
        Narrowing(sources=(text,)),
        State.ANSWERED,
        text,
        understood=text,
        quotes=(Quote(1, 0, len(text), excerpt),),
        text=f"{line} [1].",
        marks=((len(line) + 1, 1),),
        short=text,
        short_number=1,
        statements=(
            Statement(text, 0, len(text), (1,), Standing.REWRITTEN, problems),
            Statement(text, 0, 0, (), Standing.DROPPED, problems),
        ),
        confidence=0.7,
        language=text,
    )
    refused = replace(exchange, refused=True, quotes=(), nearest=(excerpt,), short="", statements=())
    return [exchange, refused, replace(exchange, state=State.FAILED, error=text)], text


def shape(read: Reader) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in read.tags]


@given(HOSTILE)
@settings(deadline=None, max_examples=40)
def test_whatever_is_written_adds_no_tag_to_either_export(text: str) -> None:
    text = f"x{text}"
    exchanges, name = names_of(text)
    harmless, plain = names_of("x")
    for preset in ("commonmark", "js-default"):
        read = rendered(markdown(name, exchanges, FRENCH), preset)
        assert shape(read) == shape(rendered(markdown(plain, harmless, FRENCH), preset))
        assert said(read.text).count(said(text)) >= 20
        assert all(str(href).startswith("https://example.invalid/x") for href in read.all("a", "href"))
    page = html_page(name, exchanges, FRENCH)
    page.encode()
    assert shape(Reader(page)) == shape(Reader(html_page(plain, harmless, FRENCH)))
    assert said(Reader(page).text).count(said(text)) >= 20


@pytest.mark.parametrize("make", [markdown, html_page])
def test_what_is_worth_keeping_is_told(make: Callable[..., str]) -> None:
    made = make("Le pont", EVERY, FRENCH)
    read = rendered(made) if make is markdown else Reader(made)
    text = " ".join(read.text.split())
    for words in (
        "Le pont",
        "Combien ?",
        "Posée le 24 novembre 2026",
        "Question comprise ainsi : « Combien le pont a-t-il coûté ? »",
        "du 1er janvier 2024 au 31 décembre 2024 · La Gazette · français",
        "4 millions [1]",
        "Il a coûté 4 millions [1]. Il a rouvert [2] [1]. Fermée [3].",
        "Confiance élevée.",
        "Phrases que la vérification a changées",
        "Cette phrase citait d’abord une autre source, qui la prouvait moins bien."
        " Ce qu’elle citait ne confirme pas le nombre « 17 ».",
        "1 phrase retirée, que rien ne prouve",
        "Le maire est parti.",
        "La Gazette · 1er mars 2024 · Lire l’original",
        "The school",
        "sans date",
        "Les archives ne permettent pas de répondre à cette question.",
        "Articles les plus proches",
        "Réponse arrêtée.",
        "no archive: add articles",
    ):
        assert words in text, words
    away = [href for href in read.all("a", "href") if not str(href).startswith("#")]
    assert set(away) == {"https://example.invalid/pont?a=1&copy;=2"}
    assert len(away) == (4 if make is markdown else 3)  # for each quote, or for each passage
    assert "confiance faible" not in text.lower()  # a refusal is neither sure nor unsure


def test_markdown_in_full() -> None:
    exchange = replace(ANSWERED, quotes=ANSWERED.quotes[:1], text="Il a coûté 4 millions [1].", statements=())
    exchange = replace(exchange, narrowing=Narrowing(), understood="")
    assert markdown("The bridge", [exchange], ENGLISH) == (
        "# The bridge\n\n## Combien ?\n\nAsked on 24 November 2026\n\n**4 millions** \\[1\\]\n\n"
        "Il a coûté 4 millions \\[1\\].\n\nHigh confidence.\n\n### Cited sentences\n\n"
        "- \\[1\\] “Il a coûté 4 millions.”\n\n"
        "  **Le pont** · La Gazette · 1 March 2024 ·"
        " [Read the original](<https://example.invalid/pont?a=1\\&copy;=2>)\n"
    )


def test_markers_and_quotes_of_the_page_lead_to_each_other() -> None:
    read = Reader(html_page("Le pont", EVERY, FRENCH))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = [str(href) for href in read.all("a", "href") if str(href).startswith("#")]
    assert {href[1:] for href in inner} <= set(ids)
    assert read.all("mark", "id") == ["quote-1-2", "quote-1-1", "quote-1-3", "quote-3-1"]
    assert inner == [
        "#quote-1-1", "#quote-1-1", "#quote-1-2", "#quote-1-1", "#quote-1-3",
        "#mark-1-2", "#mark-1-1", "#mark-1-3", "#turn-3",
    ]  # fmt: skip
    assert "… 2Le pont a rouvert. 1Il a coûté 4 millions. La mairie est ravie." in read.text


def test_the_page_asks_nothing_of_anyone_and_says_its_languages() -> None:
    page = html_page("Le pont", EVERY, FRENCH)
    read = Reader(page)
    assert page.startswith("<!doctype html>\n")
    assert not read.open
    (policy,) = [one["content"] for tag, one in read.tags if tag == "meta" and "http-equiv" in one]
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert {tag for tag, _ in read.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "article", "h1", "h2", "h3", "h4", "p", "a", "span",
        "ul", "li", "q", "blockquote", "mark",
    }  # fmt: skip
    assert not [name for _, one in read.tags for name in one if name.startswith("on") or name in ("src", "srcset")]
    assert "url(" not in page
    assert "@import" not in page
    assert read.all("html", "lang") == ["fr"]
    assert read.all("blockquote", "lang") == ["fr", "en", "fr", "en", "fr"]
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_an_empty_conversation_gives_its_name() -> None:
    assert markdown("Le pont", [], FRENCH) == "# Le pont\n"
    assert Reader(html_page("Le pont", [], FRENCH)).text.strip() == "Le pont"


def test_every_colour_of_the_page_has_contrast_enough() -> None:
    style = Path(export.__file__).with_name("export.html").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", style)
    assert len(schemes) == 3  # light, dark, paper

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for ink, paper in (("ink", "paper"), ("quiet", "paper"), ("link", "paper"), ("ink", "marked")):
            one, other = sorted((light(colours[ink]), light(colours[paper])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, paper, scheme)


@pytest.mark.parametrize(
    "url",
    [None, "", "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "//x/y", "http://"],
)  # fmt: skip
def test_only_web_addresses_become_links(url: str | None) -> None:
    excerpt = Excerpt(replace(ARTICLE, url=url), 0, TEXT, True, True)
    exchange = replace(REFUSED, nearest=(excerpt,))
    for read in (rendered(markdown("x", [exchange], FRENCH)), Reader(html_page("x", [exchange], FRENCH))):
        assert read.all("a", "href") == []


@pytest.mark.parametrize("url", ["https://example.invalid/a b>)<\\é\"'(", "https://example.invalid/\n[x]:*_"])
def test_an_address_cannot_end_its_link(url: str) -> None:
    excerpt = Excerpt(replace(ARTICLE, url=url), 0, TEXT, True, True)
    exchange = replace(REFUSED, nearest=(excerpt,))
    for read in (rendered(markdown("x", [exchange], FRENCH)), Reader(html_page("x", [exchange], FRENCH))):
        (href,) = read.all("a", "href")
        assert str(href).startswith("https://example.invalid/")
        assert not set(str(href)) & set(' <>\\"\n')


# Ratings as questions of an evaluation.


def archive(tmp_path: Path) -> Path:
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "pont.txt").write_text(f"Le pont\n\n{TEXT}\n", encoding="utf-8")
    (tmp_path / "articles" / "school.txt").write_text("The school\n\nIt closed.\n", encoding="utf-8")
    return tmp_path


def loaded(folder: Path, rated: list[tuple[str, Exchange, Rating]]) -> tuple[datasets.Question, ...]:
    (folder / "questions.jsonl").write_text(evaluation_set(rated), encoding="utf-8")
    return datasets.read(folder).questions


def test_a_good_answer_becomes_a_question_whose_cited_sentences_answer(tmp_path: Path) -> None:
    (question,) = loaded(archive(tmp_path), [("Le pont", ANSWERED, Rating(True))] * 2)
    assert question.text == "Combien le pont a-t-il coûté ?"
    assert (question.answerable, question.answers, question.language) == (True, ("4 millions",), "fr")
    assert question.sentences == ("Il a coûté 4 millions.", "Le pont a rouvert.", "It closed.")
    assert len(question.gold) == 2
    assert not unsettled([("Le pont", ANSWERED, Rating(True))])


def test_a_good_refusal_says_that_nothing_answers_unless_it_was_put_to_some_articles_only(tmp_path: Path) -> None:
    narrow = replace(REFUSED, question="Et en 2019 ?", narrowing=Narrowing("2019-01-01"))
    (question,) = loaded(archive(tmp_path), [("x", REFUSED, Rating(True)), ("x", narrow, Rating(True))])
    assert (question.text, question.answerable, question.sentences) == ("Et l’école ?", False, ())


@pytest.mark.parametrize(
    "exchange", [replace(ANSWERED, quotes=ANSWERED.quotes[1:2]), REFUSED], ids=["answer", "refusal"]
)
def test_a_bad_answer_counts_where_its_note_names_the_sentence_that_answers(tmp_path: Path, exchange: Exchange) -> None:
    note = "Non : « Il a coûté\u00a0 4 millions. », et c’est écrit."
    (question,) = loaded(archive(tmp_path), [("x", exchange, Rating(False, note))])
    assert (question.answerable, question.answers, question.sentences) == (True, (), ("Il a coûté 4 millions.",))


@pytest.mark.parametrize(
    ("exchange", "rating"),
    [
        (ANSWERED, Rating(False)),
        (ANSWERED, Rating(False, "Le chiffre est de 2022. It closed.")),
        (REFUSED, Rating(False, "c’est dans Le pont")),
        (replace(ANSWERED, quotes=()), Rating(True)),
        (STOPPED, Rating(True)),
    ],
)
def test_what_a_rating_does_not_prove_is_left_to_be_completed(
    tmp_path: Path, exchange: Exchange, rating: Rating
) -> None:
    assert evaluation_set([("x", exchange, rating)]) == ""
    row: dict[str, Any] = json.loads(unsettled([("x", exchange, rating)]))
    assert (row["answerable"], row["sentence"], row["said"], row["note"]) == (None, None, exchange.text, rating.note)
    folder = archive(tmp_path)
    for completed in (row, row | {"answerable": True}):
        (folder / "questions.jsonl").write_text(json.dumps(completed), encoding="utf-8")
        with pytest.raises(DataError, match="answerable"):
            datasets.read(folder)
    row |= {"answerable": True, "sentence": "Il a coûté 4 millions."}
    (folder / "questions.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert datasets.read(folder).questions[0].answerable
