"""The HTML of questions, answers and proof: what it shows, where its links lead, and that text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import page_html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import Article
from index.generation import Status
from index.passages import Passage
from index.search import Hit
from page import record, render
from page.conversations import Rating
from page.record import Exchange, Narrowing, Reference, State
from page.words import LANGUAGES, Texts, texts
from qa import Answer, Citation, Evidence, EvidenceFound, Timings
from qa.check import Kind, Problem
from qa.verify import Standing, Statement

FRENCH, ENGLISH = texts("fr"), texts("en")
TEXT = "Le pont a rouvert. Il a coûté 4 millions. La mairie est ravie."
SPANS = [(0, 18), (19, 41), (42, 62)]
both = pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])


def article_of(**fields: Any) -> Article:
    return Article(**{"id": "a", "title": "Le pont", "text": TEXT, "language": "fr", **fields})


def evidence_of(article: Article, number: int, sentence: int, passage: tuple[int, int] = (0, 62)) -> Evidence:
    return Evidence(number, article, Passage(article.id, *passage), *SPANS[sentence], 0.9)


def hits_of(evidence: Sequence[Evidence]) -> tuple[Hit, ...]:
    return tuple(Hit(one.article, one.passage, 0.9, 0.9, 1.0) for one in evidence)


def writing(evidence: Sequence[Evidence] = (), nearest: Sequence[Hit] = (), text: str = "") -> Exchange:
    """A question whose answer is being written."""
    found = record.found(Exchange("Combien ?"), EvidenceFound("Combien ?", tuple(evidence), tuple(nearest)))
    return replace(found, text=text)


def answered(
    text: str,
    evidence: Sequence[Evidence] = (),
    cited: dict[int, tuple[int, ...]] | None = None,
    asked: str = "Combien ?",
    **fields: Any,
) -> Exchange:
    """A question with its answer; `cited` are the positions of each marker, by its number."""
    by_number = {one.number: one for one in evidence}
    citations = tuple(Citation(number, by_number[number], positions) for number, positions in (cited or {}).items())
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
            "evidence": tuple(evidence),
            "nearest": hits_of(evidence),
            "timings": Timings(),
            **fields,
        }
    )
    return record.finished(replace(writing(evidence, answer.nearest), question=asked), answer)


SIMPLE = answered("Oui [1].", [evidence_of(article_of(), 1, 1)], {1: (4,)})
REFUSED = answered("Rien.", [evidence_of(article_of(), 1, 1)], refused=True)


class Reader(page_html.Reader):
    """Calls a piece by the class of its tag, if it has one."""

    def opened(self, tag: str, attributes: dict[str, str | None]) -> str:
        return attributes.get("class") or tag

    def of(self, opened: str) -> list[dict[str, str | None]]:
        """The attributes of each tag of this class."""
        return self.with_("class", opened)

    def acts(self) -> list[str | None]:
        return [attributes["data-act"] for _, attributes in self.tags if "data-act" in attributes]


def shown(exchange: Exchange, words: Texts = FRENCH, rating: Rating | None = None, **more: Any) -> Reader:
    """One exchange, the first of its conversation."""
    return Reader(render.conversation([exchange], words, [rating], **more))


def proof(exchange: Exchange | None, words: Texts = FRENCH) -> Reader:
    return Reader(render.sources(1, exchange, words))


# Answers


def test_a_marker_is_a_link_only_where_the_answer_says_it_stands() -> None:
    text = "Le prix [1] cite [1]. Un tableau [2]."
    read = shown(answered(text, [evidence_of(article_of(), 1, 1)], {1: (17, 30)}))
    assert read.all("a", "href") == ["#source-1-1"]
    assert read.all("a", "aria-label") == ["Source 1"]
    assert text in read.text


def test_markers_of_growing_text_lead_to_the_evidence_and_half_a_marker_is_not_shown() -> None:
    evidence = (evidence_of(article_of(), 1, 1), evidence_of(article_of(), 2, 0))
    read = shown(writing(evidence, text="Quatre millions [2]. Et [7]. Puis [1"))
    assert read.all("a", "href") == ["#source-1-2"]
    assert read.text.endswith("Quatre millions [2]. Et [7]. Puis")


def test_the_short_answer_stands_first_in_its_own_language_and_leads_to_its_sentence() -> None:
    article = article_of(language="de")
    said = Evidence(2, article, Passage("a", 0, 62), 19, 41, 0.9, (28, 38))
    evidence = (evidence_of(article, 1, 0), said)
    exchange = answered("Il a coûté 4 millions [2].", evidence, {2: (22,)}, short=said.short)
    read = shown(exchange)
    assert read.text.startswith("Combien ?é 4 millio [2]Il a coûté 4 millions [2].Confiance élevée")
    assert [one["lang"] for one in read.of("short")] == ["de"]
    assert read.all("a", "href") == ["#source-1-2", "#source-1-2"]
    assert Reader(render.announcement(exchange, FRENCH)).text == "é 4 millio. Il a coûté 4 millions."


def test_a_short_answer_that_no_cited_sentence_holds_has_no_marker() -> None:
    read = shown(answered("Oui [1].", [evidence_of(article_of(), 1, 1)], short="4"))
    assert read.after("short") == ["4"]
    assert read.all("a", "href") == []


def test_a_short_answer_is_shown_on_one_line() -> None:
    exchange = answered("Oui.", short="4\n millions")
    assert shown(exchange).after("short") == ["4 millions"]
    assert Reader(render.announcement(exchange, FRENCH)).text == "4 millions. Oui."


def test_without_a_short_answer_the_text_stands_first() -> None:
    assert shown(answered("Oui.")).of("short") == []


PROBABILITY = " Probabilité que les archives répondent à la question : 90\xa0%"


@pytest.mark.parametrize(
    ("confidence", "said", "level", "percentage"),
    [
        (1.0, "Confiance élevée", "high", "99"),
        (0.8, "Confiance élevée", "high", "80"),
        (0.7999, "Confiance moyenne", "medium", "79"),
        (0.6, "Confiance moyenne", "medium", "60"),
        (0.5999, "Confiance faible", "low", "59"),
        (0.0, "Confiance faible", "low", "1"),
    ],
)
def test_confidence_is_said_in_words_with_its_percentage_in_the_title(
    confidence: float, said: str, level: str, percentage: str
) -> None:
    read = shown(replace(SIMPLE, confidence=confidence))
    assert read.after(f"confidence {level}") == [said]
    assert read.text.count(f"{said}. Probabilité") == 1
    title = f"Probabilité que les archives répondent à la question : {percentage}\xa0%"
    assert [one for one in read.all("p", "title") if one] == [title]
    assert read.after("unseen") == [f". {title}"]


def test_confidence_in_english() -> None:
    read = shown(replace(SIMPLE, confidence=0.65), ENGLISH)
    assert "Medium confidence. Probability that the archive answers the question: 65%" in read.text


def test_a_refusal_is_called_neither_sure_nor_unsure_but_gives_the_probability() -> None:
    read = shown(answered("Non.", [evidence_of(article_of(), 1, 1)], refused=True, confidence=0.12))
    assert "Probabilité que les archives répondent à la question : 12\xa0%" in read.text
    assert "Confiance" not in read.text
    assert "Probabilité" not in shown(answered("Non.", refused=True, confidence=0.0)).text


def test_an_answer_without_text_says_that_the_archive_does_not_answer() -> None:
    exchange = answered("", refused=True)
    assert shown(exchange).after("text") == ["Les archives ne permettent pas de répondre à cette question."]
    assert shown(exchange).of("nearest") == []
    assert Reader(render.announcement(exchange, ENGLISH)).text == ENGLISH["refused"]


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
    exchange = answered(text, [evidence_of(article_of(), 1, 1)], {1: (4, 31, 40)}, statements=statements)
    read = shown(exchange)
    assert read.after("mended") == ["Il a coûté 4 millions "]
    assert read.after("summary") == [f"{mark} "]
    assert f"Oui [1]. Il a coûté 4 millions [1].{mark} {why} Non [1]." in read.text
    assert [attributes.get("open", "closed") for tag, attributes in read.tags if tag == "details"] == ["closed"]
    assert read.all("a", "href") == ["#source-1-1"] * 3


@pytest.mark.parametrize(
    "spans",
    [[(-3, 4)], [(4, 4)], [(4, 99)], [(0, 8), (5, 12)], [(9, 13), (0, 99)]],
    ids=["before", "empty", "behind", "overlapping", "later first"],
)
def test_a_statement_that_does_not_stand_in_the_text_changes_nothing_of_it(spans: list[tuple[int, int]]) -> None:
    text = "Oui [1]. Non."
    statements = tuple(Statement("x", *span, (), Standing.ADDED, ()) for span in spans)
    note = FRENCH["note_added"] + " " + FRENCH["why_added"]
    read = shown(answered(text, statements=statements))
    assert read.text.replace(note, "").startswith("Combien ?" + text + FRENCH["copy"])


def test_mended_sentences_follow_each_other_as_they_stand_in_the_text() -> None:
    statements = (
        Statement("Non.", 8, 12, (), Standing.ADDED, ()),
        Statement("Oui.", 0, 8, (1,), Standing.REWRITTEN, (Problem(Kind.NAME, " Zoé\n  F. "),)),
    )
    read = shown(replace(SIMPLE, text="Oui [1].Non.", statements=statements), ENGLISH)
    assert read.after("mended") == ["Oui ", "Non."]
    assert read.after("summary") == ["rewritten ", "added "]
    assert [one["lang"] for one in read.of("note")] == ["en", "en"]
    assert "the name “Zoé F.”." in read.text


def test_dropped_sentences_are_counted_and_folded_with_what_was_wrong() -> None:
    statements = (
        Statement("Il a coûté 17 400 euros.", 0, 0, (), Standing.DROPPED, (NUMBER,)),
        Statement("Non.", 0, 0, (), Standing.DROPPED, (Problem(Kind.NEGATION, "non"),)),
        Statement("Oui.", 0, 0, (), Standing.DROPPED, ()),  # it was said before
        Statement("Oui.", 0, 8, (1,), Standing.WRITTEN, ()),
    )

    def folded(*statements: Statement) -> str:
        read = shown(answered("Oui [1].", statements=statements))
        assert [attributes.get("open", "closed") for tag, attributes in read.tags if tag == "details"] == ["closed"]
        return read.text.partition("Oui [1].")[2].partition(FRENCH["copy"])[0]

    assert folded(*statements) == (
        "2 phrases retirées, que rien ne prouve"
        "Il a coûté 17 400 euros. Ce qu’elle citait ne confirme pas le nombre «\xa017 400\xa0»."
        "Non. Elle niait ce qui est affirmé, ou l’inverse : «\xa0non\xa0»."
    )
    assert folded(statements[0]).startswith("1 phrase retirée, que rien ne prouve")
    assert shown(answered("Oui.", statements=statements[2:3])).of("dropped") == []


def test_a_refusal_after_all_was_dropped_shows_what_was_dropped() -> None:
    statements = (Statement("Il a coûté 17 400 euros.", 0, 0, (), Standing.DROPPED, (NUMBER,)),)
    exchange = answered("Les articles ne le disent pas.", refused=True, statements=statements)
    assert "Il a coûté 17 400 euros." in shown(exchange).text


def test_a_follow_up_shows_how_it_was_understood() -> None:
    read = shown(answered("Oui.", question="Combien en 2019 ?"))
    assert read.after("understood") == ["Question comprise ainsi : « Combien en 2019 ? »"]
    assert shown(answered("Oui.")).of("understood") == []


@pytest.mark.parametrize(
    ("narrowing", "french", "english"),
    [
        (Narrowing(), "", ""),
        (Narrowing("2024-03-01"), "depuis le 1er mars 2024", "since 1 March 2024"),
        (Narrowing("", "2024-03-02"), "jusqu’au 2 mars 2024", "until 2 March 2024"),
        (Narrowing("2024-03-01", "2024-03-02"), "du 1er mars 2024 au 2 mars 2024", "1 March 2024 to 2 March 2024"),
        (Narrowing("2024-03-01", "2024-03-01"), "1er mars 2024", "1 March 2024"),
        (
            Narrowing("", "2024-03-02", ("La Gazette", "{x}"), ("de", "xx")),
            "jusqu’au 2 mars 2024 · La Gazette · {x} · allemand · xx",
            "until 2 March 2024 · La Gazette · {x} · German · xx",
        ),
    ],
    ids=["nothing", "since", "until", "between", "one day", "sources and languages"],
)
def test_what_a_question_was_put_to_is_said(narrowing: Narrowing, french: str, english: str) -> None:
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        assert render.narrowed(narrowing, words) == said
        assert shown(replace(SIMPLE, narrowing=narrowing), words).after("narrowed") == (
            [words["only"].format(what=said)] if said else []
        )


# When the articles are from


def dated(*days: date | None) -> Exchange:
    """An answer that cites one article of each day, with the markers 1, 2, …"""
    evidence = [
        evidence_of(article_of(id=f"a{number}", title=f"Titre {number}", published=day), number, 1)
        for number, day in enumerate(days, 1)
    ]
    text = "".join(f"[{number}]" for number in range(1, len(days) + 1))
    return answered(text, evidence, {number: (3 * (number - 1),) for number in range(1, len(days) + 1)})


def test_articles_of_several_days_stand_in_their_order_and_lead_to_their_sentences() -> None:
    exchange = dated(datetime(2024, 3, 2, 8), date(2023, 12, 31), None, date(2024, 3, 2), date(2024, 2, 1))
    read = shown(exchange)
    assert read.after("as-of") == ["D’après les articles : du 31 décembre 2023 au 2 mars 2024"]
    assert read.all("ol", "aria-label") == ["Les articles cités, dans l’ordre des dates"]
    assert read.all("time", "datetime") == ["2023-12-31", "2024-02-01", "2024-03-02", "2024-03-02"]
    assert read.all("a", "href")[5:] == [f"#source-1-{number}" for number in (2, 5, 1, 4)]
    assert "31 décembre 2023 Titre 21er février 2024 Titre 52 mars 2024 Titre 12 mars 2024 Titre 4" in read.text
    english = shown(exchange, ENGLISH)
    assert english.after("as-of") == ["From articles: 31 December 2023 to 2 March 2024"]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ([date(2024, 3, 1)], ["D’après les articles : 1er mars 2024"]),
        ([date(2024, 3, 1), None, datetime(2024, 3, 1, 9)], ["D’après les articles : 1er mars 2024"]),
        ([None, None], []),
        ([], []),
    ],
    ids=["one", "one day", "undated", "none cited"],
)
def test_articles_of_one_day_make_no_timeline(days: list[date | None], said: list[str]) -> None:
    read = shown(dated(*days))
    assert read.after("as-of") == said
    assert read.of("timeline") == []


def test_an_article_cited_twice_stands_once_in_the_timeline_with_its_first_sentence() -> None:
    first, second = article_of(published=date(2024, 3, 1)), article_of(id="b", published=date(2024, 3, 2))
    evidence = [evidence_of(first, 2, 0), evidence_of(first, 1, 1), evidence_of(second, 3, 2)]
    read = shown(answered("[2][1][3]", evidence, {2: (0,), 1: (3,), 3: (6,)}))
    assert read.all("a", "href")[3:] == ["#source-1-1", "#source-1-3"]


# What can be done with an exchange


def test_only_the_last_one_can_be_asked_again_or_edited() -> None:
    stopped = replace(writing(), state=State.STOPPED)
    failed = replace(writing(), state=State.FAILED, error="no archive")
    assert shown(SIMPLE, last=1).acts() == ["copy", "retry", "edit_question", "rate", "rate"]
    assert shown(SIMPLE, last=2).acts() == shown(SIMPLE).acts() == ["copy", "rate", "rate"]
    for exchange in (stopped, failed):
        assert shown(exchange, last=1).acts() == ["retry", "edit_question"]
        assert shown(exchange).of("actions") == []
    for state in (State.QUEUED, State.SEARCHING, State.WRITING):
        assert shown(replace(writing(), state=state), last=1).acts() == []


def test_each_action_names_its_exchange() -> None:
    read = Reader(render.conversation([SIMPLE, SIMPLE], FRENCH, [None, Rating(True)], start=4, last=6))
    turns = [
        attributes["data-turn"] for _, attributes in read.tags if "data-act" in attributes and "data-turn" in attributes
    ]
    assert turns == ["5"] * 3 + ["6"] * 6


@pytest.mark.parametrize(
    ("rating", "pressed"),
    [(None, ["false", "false"]), (Rating(True), ["true", "false"]), (Rating(False, "faux"), ["false", "true"])],
    ids=["none", "good", "bad"],
)
def test_a_rating_is_pressed_and_can_have_a_note(rating: Rating | None, pressed: list[str]) -> None:
    read = shown(SIMPLE, ENGLISH, rating)
    rates = [attributes for _, attributes in read.tags if attributes.get("data-act") == "rate"]
    assert [one["data-good"] for one in rates] == ["1", "0"]
    assert [one["aria-pressed"] for one in rates] == pressed
    notes = [attributes["value"] for _, attributes in read.tags if attributes.get("name") == "note"]
    assert notes == ([] if rating is None else [rating.note])
    said = ["Copy with sources", "Good answer", "Bad answer", *(["Save"] if rating else [])]
    assert (read.after("button"), read.after("label")) == (said, ["Note (optional)"] if rating else [])
    assert read.of("actions")[0]["aria-label"] == "Actions"
    assert [one["data-act"] for one in read.of("rating-note")] == (["note"] if rating else [])


def test_where_no_rating_can_be_kept_there_is_none_to_give() -> None:
    assert shown(SIMPLE, last=1, rateable=False).acts() == ["copy", "retry", "edit_question"]


def test_each_exchange_has_its_own_rating() -> None:
    read = Reader(render.conversation([SIMPLE] * 3, FRENCH, [None, Rating(True, "juste")], start=1))
    assert [(one["data-turn"], one["data-act"]) for one in read.of("rating-note")] == [("3", "note")]


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (FRENCH, "«\xa0Il a coûté 4 millions.\xa0» (Le pont, La Gazette, 1er mars 2024, https://example.invalid/pont)"),
        (ENGLISH, "“Il a coûté 4 millions.” (Le pont, La Gazette, 1 March 2024, https://example.invalid/pont)"),
    ],
    ids=["fr", "en"],
)
def test_the_answer_is_copied_with_its_sources(words: Texts, about: str) -> None:
    bridge = article_of(source="La Gazette", published=date(2024, 3, 1), url="https://example.invalid/pont")
    other = article_of(id="b", title="Autre", text=TEXT.replace(". La", ".\n\nLa"), url="javascript:alert(1)")
    said = Evidence(2, other, Passage("b", 0, 63), 19, 63, 0.9)
    exchange = answered("Quatre [1]. Oui [2].", [evidence_of(bridge, 1, 1), said], {1: (7,), 2: (16,)}, short="Quatre")
    undated = words["quotation"].format(words="Il a coûté 4 millions. La mairie est ravie.")
    copied = f"Combien ?\n\nQuatre [1]. Oui [2].\n\n[1] {about}\n[2] {undated} (Autre, {words['undated']})"
    assert render.copied(exchange, words) == copied
    button = next(attributes for _, attributes in shown(exchange, words).tags if attributes.get("data-act") == "copy")
    assert (button["data-copy"], button["data-done"]) == (copied, words["copied"])


def test_a_refusal_is_copied_without_sources() -> None:
    assert render.copied(REFUSED, FRENCH) == "Combien ?\n\nRien."
    assert render.copied(replace(REFUSED, text=""), ENGLISH) == f"Combien ?\n\n{ENGLISH['refused']}"


# The state of a question


@pytest.mark.parametrize(
    ("exchange", "french", "english"),
    [
        (None, "", ""),
        (Exchange("?", state=State.QUEUED, before=1), "Dans la file d’attente : 1 question avant la vôtre…",
         "Waiting in line: 1 question before yours…"),
        (Exchange("?", state=State.QUEUED, before=2), "Dans la file d’attente : 2 questions avant la vôtre…",
         "Waiting in line: 2 questions before yours…"),
        (Exchange("?", state=State.QUEUED, before=0), "Dans la file d’attente : 0 question avant la vôtre…",
         "Waiting in line: 0 questions before yours…"),
        (Exchange("?"), "Recherche dans les archives…", "Searching the archive…"),
        (writing(), "0 phrase retenue. Rédaction de la réponse…", "0 sentences found. Writing the answer…"),
        (writing([evidence_of(article_of(), 1, 1)]), "1 phrase retenue. Rédaction de la réponse…",
         "1 sentence found. Writing the answer…"),
        (writing([evidence_of(article_of(), 1, 1), evidence_of(article_of(), 2, 0)]),
         "2 phrases retenues. Rédaction de la réponse…", "2 sentences found. Writing the answer…"),
        (replace(writing(), state=State.FAILED, error="no archive"), "no archive", "no archive"),
        (replace(writing(text="Oui"), state=State.STOPPED), "Réponse arrêtée.", "Answer stopped."),
        (SIMPLE, "Oui.", "Oui."),
    ],
    ids=["none", "queued, one", "queued, two", "queued, next", "searching", "found none", "found one", "found two",
         "failed", "stopped", "answered"],
)  # fmt: skip
def test_what_a_screen_reader_says(exchange: Exchange | None, french: str, english: str) -> None:
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        read = Reader(render.announcement(exchange, words))
        assert read.text == said
        assert read.tags == [("p", {"role": "status", "aria-live": "polite", "lang": words["language"]})]
        if exchange is not None and not exchange.answered:  # and so does the page
            assert said in shown(exchange, words).text


@pytest.mark.parametrize("state", list(State))
def test_an_exchange_is_busy_until_it_is_over(state: State) -> None:
    busy = "true" if state in (State.QUEUED, State.SEARCHING, State.WRITING) else "false"
    assert shown(Exchange("?", state=state, error="x")).all("article", "aria-busy") == [busy]


def test_what_was_written_stays_when_it_is_stopped_or_fails() -> None:
    exchange = writing([evidence_of(article_of(), 1, 1)], text="Quatre [1]. Et")
    assert "Combien ?Quatre [1]. EtRéponse arrêtée." in shown(replace(exchange, state=State.STOPPED)).text
    failed = shown(replace(exchange, state=State.FAILED, error="no <memory>"))
    assert "Combien ?Quatre [1]. Etno <memory>" in failed.text
    assert failed.all("p", "role") == ["alert"]


def test_the_growing_text_takes_the_place_of_the_state() -> None:
    assert shown(writing(text="Quatre")).text == "Combien ?Quatre"


# The conversation


def test_exchanges_are_numbered_from_where_they_start() -> None:
    read = Reader(render.conversation([SIMPLE, REFUSED], FRENCH, start=4))
    assert read.all("article", "lang") == ["fr", "fr"]
    assert read.all("article", "id") == ["turn-5", "turn-6"]
    assert read.all("article", "aria-labelledby") == read.all("h2", "id") == ["question-5", "question-6"]
    assert read.all("a", "href") == ["#source-5-1", "#nearest-6-1"]


@pytest.mark.parametrize(
    ("start", "last", "french", "english"),
    [
        (0, None, [], []),
        (1, None, ["Montrer 1 question plus ancienne"], ["Show 1 earlier question"]),
        (20, None, ["Montrer 20 questions plus anciennes"], ["Show 20 earlier questions"]),
        (20, 22, [], []),
    ],
    ids=["none", "one", "twenty", "the last apart"],
)
def test_earlier_questions_are_a_click_away(
    start: int, last: int | None, french: list[str], english: list[str]
) -> None:
    exchange = writing()  # which has no buttons of its own
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        read = Reader(render.conversation([exchange], words, start=start, last=last))
        assert read.after("button") == said
        assert read.acts() == ["earlier"] * len(said)


def test_every_link_within_the_page_leads_to_one_place() -> None:
    other = answered(
        "Non [2].",
        [evidence_of(article_of(), 1, 0), evidence_of(article_of(id="b", published=date(2024, 1, 1)), 2, 2)],
        {1: (9,), 2: (4,)},
    )
    exchanges = [SIMPLE, REFUSED, other, SIMPLE]
    read = Reader(
        render.conversation(exchanges, FRENCH)
        + render.sources(4, exchanges[-1], FRENCH)
        + render.earlier_sources(exchanges[:-1], FRENCH)
    )
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    links = {href for href in read.all("a", "href") if href and href.startswith("#")}
    assert len(ids) == len(set(ids))
    assert {"#source-1-1", "#nearest-2-1", "#source-3-2", "#source-4-1", "#turn-3"} <= links
    assert links <= {f"#{one}" for one in ids}


@both
def test_before_the_first_question_there_are_some_to_click(words: Texts) -> None:
    read = Reader(render.welcome(words, [("Combien ?", "fr"), ("<b>Who</b>?", "en")]))
    buttons = [attributes for tag, attributes in read.tags if tag == "button"]
    assert [(one["data-act"], one["data-question"], one["lang"]) for one in buttons] == [
        ("ask", "Combien ?", "fr"),
        ("ask", "<b>Who</b>?", "en"),
    ]
    assert read.text == words["empty"] + words["examples"] + "Combien ?<b>Who</b>?"
    assert read.of("welcome")[0]["lang"] == words["language"]


def test_without_suggestions_the_welcome_is_a_sentence() -> None:
    assert Reader(render.welcome(ENGLISH)).text == ENGLISH["empty"]


# The proof


def test_sentences_of_one_passage_share_a_card_and_each_is_marked() -> None:
    article = article_of(published=date(2024, 3, 1), source="La Gazette", url="https://example.invalid/pont")
    evidence = (evidence_of(article, 1, 1), evidence_of(article, 2, 0), evidence_of(article, 3, 2, (42, 62)))
    html = render.sources(1, answered("Oui [1] non [2].", evidence, {1: (4,), 2: (12,)}), FRENCH)
    assert '<mark id="source-1-2"><b class="number">2</b>Le pont a rouvert.</mark> <mark id="source-1-1">' in html
    assert '<mark id="source-1-1"><b class="number">1</b>Il a coûté 4 millions.</mark> La mairie est ravie.' in html
    read = Reader(html)
    assert read.all("mark", "id") == ["source-1-2", "source-1-1"]
    assert read.all("h3", "lang") == ["fr", "fr"]  # the card of both, and the passage that was not cited
    assert read.text.partition("Autres passages retenus")[2].count("… La mairie est ravie.") == 1
    assert "La Gazette · 1er mars 2024 · Lire l’original" in read.text
    assert "https://example.invalid/pont" in read.all("a", "href")
    assert [one["data-marks"] for _, one in read.tags if one.get("data-act") == "read"] == ["19-41 0-18", ""]
    assert [one["data-article"] for _, one in read.tags if one.get("data-act") == "read"] == ["a", "a"]


def test_a_sentence_is_marked_in_a_passage_that_begins_later_than_its_article() -> None:
    html = render.sources(1, answered("Oui [1].", [evidence_of(article_of(), 1, 1, (10, 62))], {1: (4,)}), FRENCH)
    assert "… rouvert. <mark" in html
    assert "</b>Il a coûté 4 millions.</mark> La mairie est ravie.</blockquote>" in html


@pytest.mark.parametrize(
    ("words", "said", "labels"),
    [
        (
            FRENCH,
            "sans date · Lire l’original",
            ("Lire l’original de « Le {pont} » (nouvel onglet)", "Lire tout l’article « Le {pont} »"),
        ),
        (
            ENGLISH,
            "no date · Read the original",
            ("Read the original of “Le {pont}” (new tab)", "Read the whole article “Le {pont}”"),
        ),
    ],
    ids=["fr", "en"],
)
def test_a_card_leads_to_the_original_to_the_whole_article_and_back(
    words: Texts, said: str, labels: tuple[str, str]
) -> None:
    article = article_of(title="Le {pont}", url="https://example.invalid/pont")
    read = proof(answered("Oui [1].", [evidence_of(article, 1, 1)], {1: (4,)}), words)
    assert said in read.text
    assert (read.all("a", "aria-label")[0], read.all("button", "aria-label")[0]) == labels
    assert read.all("a", "rel")[0] == "noopener noreferrer"
    assert (read.after("button"), read.after("back")) == ([words["read"]], [words["back"]])
    assert read.all("a", "href")[1:] == ["#turn-1"]


def test_passages_stand_in_the_order_of_their_first_number() -> None:
    other = article_of(id="b", title="Autre")
    evidence = (evidence_of(other, 1, 0), evidence_of(article_of(), 2, 1), evidence_of(other, 3, 2))
    read = proof(answered("Oui [3][2].", evidence, {2: (7,), 3: (4,)}))
    assert read.after("h3") == ["Le pont", "Autre"]
    assert proof(writing(evidence)).all("mark", "id") == ["source-1-1", "source-1-3", "source-1-2"]


def test_a_passage_grows_to_hold_the_whole_of_a_cited_sentence() -> None:
    read = proof(answered("Oui [1].", [evidence_of(article_of(), 1, 1, (25, 30))], {1: (4,)}))
    assert "… 1Il a coûté 4 millions. …" in read.text


def test_the_same_sentence_under_two_numbers_has_both_anchors() -> None:
    evidence = (evidence_of(article_of(), 1, 1), evidence_of(article_of(), 2, 1))
    read = proof(answered("Oui [1] [2].", evidence, {1: (4,), 2: (8,)}))
    assert read.all("mark", "id") == ["source-1-1", "source-1-2"]
    assert read.text.count("Il a coûté 4 millions.") == 1


def test_the_other_articles_with_the_same_dispatch_are_listed() -> None:
    evidence = (evidence_of(article_of(), 1, 1),)
    copy = replace(article_of(), id="other", title="<b>Copie</b>", source="Le Relais", published=date(2024, 5, 3))

    def listed(*copies: Article) -> Exchange:
        hits = tuple(replace(hit, copies=copies) for hit in hits_of(evidence))
        return answered("Quatre millions [1].", evidence, {1: (16,)}, nearest=hits)

    for words, one in ((FRENCH, "La même dépêche dans 1 autre article"), (ENGLISH, "The same dispatch in 1 other")):
        read = proof(listed(copy), words)
        assert one in read.text
        assert "<b>Copie</b>, Le Relais" in read.text
        assert "b" not in [tag for tag, attributes in read.tags if "class" not in attributes]
    assert "dans 2 autres articles" in proof(listed(copy, copy)).text
    assert proof(listed()).of("copies") == []


def test_a_refusal_links_each_nearest_article_once() -> None:
    evidence = (evidence_of(article_of(), 1, 0), evidence_of(article_of(), 2, 2, (42, 62)))
    exchange = answered("Les articles ne le disent pas.", evidence, refused=True)
    assert shown(exchange).all("a", "href") == ["#nearest-1-1"]
    assert "Les articles les plus proches :Le pont" in shown(exchange).text
    read = proof(exchange)
    assert read.all("article", "id") == ["nearest-1-1"]
    assert read.after("h2") == ["Articles les plus proches"]
    assert "mark" not in [tag for tag, _ in read.tags]


def test_where_nothing_answers_the_nearest_articles_are_shown_at_once() -> None:
    hits = hits_of([evidence_of(article_of(), 1, 0), evidence_of(article_of(id="b"), 2, 1)])
    read = proof(writing(nearest=hits))
    assert read.all("article", "id") == ["nearest-1-1", "nearest-1-2"]


NOTHING_YET = FRENCH["sources"] + FRENCH["sources_empty"]


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (None, NOTHING_YET),
        (Exchange("?", state=State.QUEUED), NOTHING_YET),
        (Exchange("?"), FRENCH["sources"] + FRENCH["searching"]),
        (writing(), "Articles les plus prochesAucun passage trouvé."),
        (answered("Rien.", refused=True), "Articles les plus prochesAucun passage trouvé."),
        (Exchange("?", state=State.FAILED, error="x"), NOTHING_YET),
        (Exchange("?", state=State.STOPPED), NOTHING_YET),
    ],
    ids=["none", "queued", "searching", "found none", "refused", "failed before", "stopped before"],
)
def test_what_stands_there_without_proof(exchange: Exchange | None, said: str) -> None:
    assert proof(exchange).text == said


@pytest.mark.parametrize("state", [State.WRITING, State.STOPPED, State.FAILED])
def test_what_was_found_is_called_so_until_it_is_cited(state: State) -> None:
    exchange = writing([evidence_of(article_of(), 1, 1)])
    assert proof(replace(exchange, state=state)).after("h2") == ["Phrases retenues pour répondre"]
    assert proof(SIMPLE).after("h2") == ["Phrases citées"]


def test_earlier_proof_is_folded_the_latest_first() -> None:
    without = Exchange("Rien ?", state=State.STOPPED)
    read = Reader(render.earlier_sources([SIMPLE, without, REFUSED, replace(SIMPLE, question="Et ?")], FRENCH, start=2))
    assert [one for one in read.after("summary") if one.startswith("Sources")] == [
        "Sources de « Et ? »", "Sources de « Combien ? »", "Sources de « Combien ? »"
    ]  # fmt: skip
    assert [one for one in read.all("details", "open") if one is not None] == []
    assert read.all("mark", "id") == ["source-6-1", "source-3-1"]
    assert [one for one in read.all("article", "id") if one] == ["nearest-5-1"]


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
        None,
    ],
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    exchange = answered("Oui [1].", [evidence_of(article_of(url=url), 1, 1)], {1: (4,)})
    about = record.reference(article_of(url=url))
    html = render.sources(1, exchange, FRENCH) + render.article([(about, TEXT, "", True)], (), 0, FRENCH)
    assert [href for href in Reader(html).all("a", "href") if not str(href).startswith("#")] == []
    assert "example" not in render.copied(exchange, FRENCH)
    assert not url or url not in render.copied(exchange, FRENCH)


# A whole article


ABOUT = Reference("a2", "Le pont", "La Gazette", "https://example.invalid/pont", date(2024, 3, 1), "de")


def reading(marks: Sequence[tuple[int, int]] = (), text: str = TEXT) -> Reader:
    return Reader(render.article([(ABOUT, text, "2024-05-01T10:00:00+00:00", True)], marks, 0, FRENCH))


def test_an_article_is_read_whole_with_what_was_cited_marked() -> None:
    read = reading([(42, 62), (0, 18)])
    assert read.after("mark") == ["Le pont a rouvert. Il a coûté 4 millions. ", "La mairie est ravie."]
    assert read.text == f"Le pontLa Gazette · 1er mars 2024 · Lire l’original{TEXT}"
    assert read.of("reading")[0]["lang"] == "de"
    assert read.of("about")[0]["lang"] == "fr"
    assert read.of("versions") == read.of("replaced") == []


@pytest.mark.parametrize(
    ("marks", "marked"),
    [
        ([(0, 18), (10, 30), (19, 41)], ["Le pont a rouvert. ", "Il a coûté 4 millions. La mairie est ravie."]),
        ([(-1, 5)], []),
        ([(42, 63)], []),
        ([(99, 120)], []),
        ([(18, 18), (30, 19)], []),
        ([(42, 62), (42, 62)], ["La mairie est ravie."]),
    ],
    ids=["overlapping", "before", "behind", "beyond", "empty", "twice"],
)
def test_marks_that_overlap_or_lie_outside_are_ignored(marks: list[tuple[int, int]], marked: list[str]) -> None:
    read = reading(marks)
    assert read.after("mark") == marked
    assert read.text.endswith(TEXT)


def test_an_article_without_text_is_shown_by_its_title() -> None:
    assert reading([(0, 1)], "").text == "Le pontLa Gazette · 1er mars 2024 · Lire l’original"


def test_of_several_versions_one_is_read_and_the_others_are_a_click_away() -> None:
    versions = [
        (replace(ABOUT, id="a1", title="Avant"), "Le pont ferme.", "2024-05-01T10:00:00+00:00", False),
        (ABOUT, TEXT, "2024-05-02T10:00:00+00:00", True),
    ]
    now, before = (Reader(render.article(versions, [(0, 7)], chosen, FRENCH)) for chosen in (1, 0))
    for read in (now, before):
        assert read.after("summary") == ["2 versions"]
        assert read.after("button") == ["Version du 1er mai 2024", "Version du 2 mai 2024"]
        assert read.all("button", "data-article") == ["a1", "a2"]
        assert read.acts() == ["read", "read"]
    assert (now.all("button", "aria-current"), before.all("button", "aria-current")) == ([None, "true"], ["true", None])
    assert (now.after("replaced"), before.after("replaced")) == ([], [FRENCH["replaced"]])
    assert (now.after("h2"), before.after("h2")) == (["Le pont"], ["Avant"])
    assert before.text.endswith("Le pont ferme.")


def test_a_version_of_an_unknown_day_has_a_dash() -> None:
    read = Reader(render.article([(ABOUT, TEXT, "", False), (ABOUT, TEXT, "", True)], (), 1, ENGLISH))
    assert read.after("button") == ["Version of –", "Version of –"]


# The masthead


@pytest.mark.parametrize(
    ("oldest", "newest", "held"),
    [
        (
            date(2023, 3, 14),
            datetime(2024, 3, 1, 8),
            "1\u202f200 articles · du 14 mars 2023 au 1er mars 2024 · 1 source",
        ),
        (date(2024, 3, 1), date(2024, 3, 1), "1\u202f200 articles · 1er mars 2024 · 1 source"),
        (None, None, "1\u202f200 articles · 1 source"),
        (date(2024, 3, 1), None, "1\u202f200 articles · 1 source"),
    ],
    ids=["period", "day", "undated", "half dated"],
)
def test_the_masthead_says_what_the_archive_holds(oldest: date | None, newest: date | None, held: str) -> None:
    status = Status(Path(), "1", "", 1200, 9, oldest, newest, {"G": 1200}, {"fr": 1200}, "e", 768, 1)
    assert Reader(render.masthead(status, FRENCH, LANGUAGES)).after("holds") == [held]


@both
def test_the_masthead_leads_to_the_other_languages(words: Texts) -> None:
    read = Reader(render.masthead(None, words, ["en", "fr", "es", "de"]))
    assert read.after("h1") + read.after("tagline") == ["Sourcier", words["tagline"]]
    assert read.after("holds") == [words["no_archive"]]
    assert read.of("languages")[0]["aria-label"] == words["page_language"]
    assert read.after("button") == ["English", "Français", "Español", "Deutsch"]
    assert read.all("button", "lang") == read.all("button", "data-language") == ["en", "fr", "es", "de"]
    pressed = dict(zip(read.all("button", "lang"), read.all("button", "aria-pressed"), strict=True))
    assert [language for language, is_pressed in pressed.items() if is_pressed == "true"] == [words["language"]]
    assert set(pressed.values()) == {"true", "false"}


# What strangers write


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


def everything(title: str, text: str, question: str) -> Reader:
    """All that is shown, over an article and an exchange that somebody else has written."""
    article = Article(
        "a", title, text, source=title, url=f"https://example.invalid/{title}", author=text, language=title
    )
    evidence = (
        Evidence(1, article, Passage("a", 0, len(text)), 0, len(text), 0.9),
        Evidence(2, replace(article, id="b", published=date(2024, 3, 1)), Passage("b", 0, 1), 0, 1, 0.9),
        Evidence(3, replace(article, id="c", published=date(2024, 3, 2)), Passage("c", 0, 1), 0, 1, 0.9),
    )
    wrong = tuple(Problem(kind, title) for kind in Kind)
    exchange = answered(
        f"{text} [1][2][3].",
        evidence,
        {number: (len(text) + 3 * number - 2,) for number in (1, 2, 3)},
        asked=question,
        question=f"Q{question}",
        language=title,
        short=f"x{text}",
        statements=(
            Statement(f"{text}.", 0, len(text) + 11, (1,), Standing.REWRITTEN, wrong),
            Statement(text, 0, 0, (), Standing.DROPPED, wrong),
        ),
        nearest=tuple(replace(hit, copies=(article,)) for hit in hits_of(evidence)),
    )
    exchange = replace(exchange, narrowing=Narrowing(sources=(title,), languages=(text,)))
    refused = replace(exchange, refused=True, quotes=(), nearest=tuple(quote.excerpt for quote in exchange.quotes))
    failed = replace(exchange, state=State.FAILED, error=f"x{text}", quotes=())  # so that no [1] in it is a marker
    status = Status(Path(), "1", "", 1, 1, None, None, {title: 1}, {}, text, 768, 1)
    about = record.reference(article)
    exchanges = [exchange, refused, failed]
    return Reader(
        render.conversation(exchanges, FRENCH, [Rating(True, text)] * 3, last=3)
        + render.join(render.sources(turn, one, FRENCH) for turn, one in enumerate(exchanges, 1))
        + render.earlier_sources(exchanges, FRENCH, start=10)
        + render.announcement(exchange, FRENCH)
        + render.announcement(failed, FRENCH)
        + render.masthead(status, FRENCH, LANGUAGES)
        + render.welcome(FRENCH, [(question, title)])
        + render.article([(about, text, "", True)] * 2, [(0, len(text))], 1, FRENCH)
        + render.problem(text)
    )


PLAIN = everything("x", "x", "x")


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_is_written_adds_no_tag_and_no_attribute(title: str, text: str, question: str) -> None:
    title, text = title or "x", text or "x"
    read = everything(title, text, question)
    assert [(tag, sorted(attributes)) for tag, attributes in read.tags] == [
        (tag, sorted(attributes)) for tag, attributes in PLAIN.tags
    ]
    assert read.after("question") == [question] * 3
    assert read.after("reading") == [""]
    assert [one["value"] for _, one in read.tags if one.get("name") == "note"] == [text] * 3
    assert read.after("problem") == [f"x{text}", text]
    assert set(read.after("h3")) == {title}
    assert read.text.endswith(text + text)


def test_every_event_that_the_page_makes_is_known_to_its_script() -> None:
    acts = {*PLAIN.acts(), *Reader(render.conversation([SIMPLE], FRENCH, start=3)).acts()}
    assert acts == {
        "ask", "choose_language", "copy", "earlier", "edit_question", "note", "rate", "read", "retry"
    }  # fmt: skip
    assert acts - {"copy"} <= page_html.EVENTS  # which the page does by itself
