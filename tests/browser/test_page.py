"""Asking, in a real Chromium, over answers made by hand: no weights."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from answers import BRIDGE, COST, EVIDENCE, HELD, TEXT, Asked, answer_of, evidence_of, mended
from homes import SITE
from page_html import CONTRAST
from playwright.sync_api import APIResponse, Page, Route, expect

from errors import NoArchiveError
from index.catalogue import Catalogue
from page.words import LANGUAGES, texts
from qa import Answer, EvidenceFound, PartialAnswer
from qa.answer import LONGEST_QUESTION
from settings import load_settings

SHORT = replace(
    EVIDENCE[0],
    words=(BRIDGE.text.index("4,2 millions"), BRIDGE.text.index("4,2 millions") + len("4,2 millions d’euros")),
)


# Proof


def test_evidence_is_seen_before_the_answer_and_the_cited_sentence_is_highlighted(visit_with: Any) -> None:
    asked = Asked(held=True)
    visited = visit_with(asked)
    visited.ask("Combien ont coûté les travaux ?")
    page = visited.page

    expect(page.locator("#sources mark")).to_have_count(2)
    expect(page.locator(".turn .answer")).to_have_count(0)
    expect(page.locator("#announcement")).to_contain_text("2 phrases retenues")

    asked.go_on.release(3)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    asked.go_on.release(100)
    expect(page.locator(".turn .marker")).to_have_count(2)
    expect(page.locator("#source-1-1")).to_contain_text("Les travaux ont coûté 4,2 millions d’euros.")
    card = page.locator("#sources .card")
    expect(card).to_contain_text("La mairie parle d’un succès.")
    expect(card.locator(".about")).to_contain_text("La Gazette de Valmorin · 1er mars 2024")
    expect(card.locator(".about a")).to_have_attribute("href", "https://example.invalid/pont")
    expect(page.locator("#announcement")).to_contain_text("4,2 millions d’euros")
    assert visited.errors == []


def test_evidence_found_behind_the_writing_is_shown_and_not_announced_again(visit_with: Any) -> None:
    go_on = threading.Semaphore(0)

    def ask(question: str, **options: Any) -> Iterator[Any]:
        whole, *_, answer = Asked()(question, **options)
        assert isinstance(whole, EvidenceFound)
        yield replace(whole, evidence=whole.evidence[:1], whole=False)
        for event in (PartialAnswer("Les travaux"), whole, answer):
            assert go_on.acquire(timeout=60)
            yield event

    visited = visit_with(ask)
    visited.ask("Combien ont coûté les travaux ?")
    page = visited.page
    expect(page.locator("#announcement")).to_contain_text("1 phrase retenue")
    go_on.release()
    expect(page.locator(".turn .answer")).to_have_text("Les travaux")
    go_on.release()
    expect(page.locator("#sources mark")).to_have_count(2)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux")
    expect(page.locator("#announcement")).to_contain_text("1 phrase retenue")
    go_on.release()
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert visited.errors == []


@pytest.mark.parametrize("place", [".short .marker", ".text .marker"])
def test_a_marker_can_be_clicked_in_its_middle(visit_with: Any, place: str) -> None:
    visited = visit_with(Asked(short=SHORT.short, evidence=(SHORT, EVIDENCE[1])), height=420)
    visited.ask("Combien ?")
    visited.page.locator(place).first.click()
    expect(visited.page.locator("#source-1-1")).to_have_class("flash")
    expect(visited.page.locator("#source-1-1")).to_be_in_viewport()


def test_a_marker_leads_to_its_source_and_back_by_keyboard(visit_with: Any) -> None:
    visited = visit_with(Asked(), height=420)
    visited.ask("Combien ?")
    page = visited.page
    marker = page.locator(".marker").nth(1)
    marker.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sources .card").first).to_be_focused()
    expect(page.locator("#source-1-2")).to_be_in_viewport()
    expect(page.locator("#source-1-2")).to_have_class("flash")
    page.locator(".back").first.click()
    expect(marker).to_be_focused()


def test_what_was_mended_says_why_by_keyboard(visit_with: Any) -> None:
    visited = visit_with(Asked(short="4,2 millions d’euros", statements=mended(TEXT, "17 400")))
    visited.ask("Combien ?")
    page = visited.page
    expect(page.locator(".short")).to_have_text("4,2 millions d’euros")
    expect(page.locator(".mended")).to_have_count(2)
    why = page.locator(".note span").first
    expect(why).to_be_hidden()
    page.locator(".marker").first.focus()
    page.keyboard.press("Tab")
    expect(page.locator(".note summary").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(why).to_be_visible()
    expect(why).to_contain_text("17 400")
    dropped = page.locator(".dropped li")
    expect(dropped).to_be_hidden()
    page.locator(".dropped summary").focus()
    page.keyboard.press("Enter")
    expect(dropped).to_contain_text("La mairie a payé 17 400 euros.")
    assert visited.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_was_mended_can_be_read(visit_with: Any, scheme: str) -> None:
    visited = visit_with(
        Asked(short="4,2 millions d’euros", statements=mended(TEXT, "17 400")), color_scheme=scheme, width=400
    )
    visited.ask("Combien ?")
    page = visited.page
    page.locator(".note summary").first.click()
    page.locator(".dropped summary").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    for selector in (
        ".short",
        ".confidence",
        ".as-of",
        ".mended",
        ".note summary",
        ".note span",
        ".dropped summary",
        ".dropped q",
        ".actions button",
    ):
        ratio = page.locator(selector).first.evaluate(CONTRAST)
        assert ratio >= 4.5, (selector, ratio)  # WCAG 2.2, AA
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_marker_of_an_earlier_answer_opens_its_sources(visit_with: Any) -> None:
    asked = Asked()
    visited = visit_with(asked)
    page = visited.page
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    visited.ask("Et quand ?")
    expect(page.locator(".turn .marker")).to_have_count(4)
    expect(page.locator("#source-1-1")).to_be_hidden()
    page.locator("#turn-1 .marker").first.click()
    expect(page.locator("#source-1-1")).to_be_in_viewport()
    assert asked.histories[1] == [("Combien ?", TEXT)]


def test_a_refusal_shows_the_nearest_articles(visit_with: Any) -> None:
    visited = visit_with(Asked("Les articles ne le disent pas.", refused=True))
    visited.ask("Quel est le prix du pétrole ?")
    page = visited.page
    link = page.locator(".turn .nearest").get_by_role("link", name=BRIDGE.title)
    link.click()
    expect(page.locator("#nearest-1-1")).to_be_focused()
    expect(page.locator("#sources mark")).to_have_count(0)


def test_an_error_is_one_line_and_the_question_is_kept(visit_with: Any) -> None:
    def failing(question: str, **_: Any) -> Iterator[Any]:
        raise NoArchiveError("nothing is indexed in /tmp/x yet; run: sourcier index PATH")
        yield

    visited = visit_with(failing, about=lambda: next(failing("")))
    visited.ask("Combien ?")
    page = visited.page
    expect(page.locator(".turn .problem")).to_have_text("nothing is indexed in /tmp/x yet; run: sourcier index PATH")
    expect(page.locator("#asking textarea")).to_have_value("Combien ?")
    expect(page.locator(".holds")).to_contain_text("Aucun article")
    expect(page.locator("#send")).to_be_visible()


def test_an_error_that_nobody_foresaw_shows_nothing_of_the_machine(visit_with: Any) -> None:
    def failing(question: str, **_: Any) -> Iterator[Any]:
        raise ValueError("/secret/path")
        yield

    visited = visit_with(failing)
    visited.ask("Combien ?")
    expect(visited.page.locator(".turn .problem")).to_contain_text("Une erreur imprévue s’est produite (ValueError).")
    expect(visited.page.locator("#asking textarea")).to_have_value("Combien ?")
    expect(visited.page.locator("body")).not_to_contain_text("/secret/path")


def test_stopping_keeps_what_is_written_and_frees_the_model(visit_with: Any) -> None:
    asked = Asked(held=True)
    visited = visit_with(asked)
    visited.ask("Combien ?")
    asked.go_on.release(3)
    page = visited.page
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    page.locator("#stop").click()
    expect(page.locator(".turn .state")).to_have_text("Réponse arrêtée.")
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    expect(page.locator("#send")).to_be_visible()
    asked.go_on.release(1)
    assert asked.closed.wait(5)


@pytest.mark.parametrize(
    "pointed",
    [
        pytest.param(lambda page: page.locator(".text .marker").first.hover(), id="mouse"),
        pytest.param(lambda page: (page.locator("#turn-1").focus(), page.keyboard.press("Tab")), id="keyboard"),
    ],
)
def test_a_marker_shows_its_quotation(visit_with: Any, pointed: Callable[[Page], Any]) -> None:
    visited = visit_with(Asked())
    visited.ask("Combien ?")
    page = visited.page
    marker = page.locator(".text .marker").first
    expect(page.locator(".text .marker")).to_have_count(2)
    expect(page.locator("#stop")).to_be_hidden()
    pointed(page)
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_visible()
    expect(tip.locator("q")).to_have_text("Les travaux ont coûté 4,2 millions d’euros.")
    expect(tip.locator("p")).to_have_text("Le pont suspendu rouvre · La Gazette de Valmorin · 1er mars 2024")
    expect(marker).to_have_attribute("aria-describedby", tip.get_attribute("id") or "")
    tip.hover()
    page.wait_for_timeout(500)  # longer than it takes to go
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    expect(marker).not_to_have_attribute("aria-describedby", "tip")
    assert visited.errors == []


def test_the_quotation_goes_with_the_mouse(visit_with: Any) -> None:
    page = visit_with(Asked()).page
    page.locator("#asking textarea").fill("Combien ?")
    page.locator("#send").click()
    page.locator(".text .marker").nth(1).hover()
    expect(page.get_by_role("tooltip").locator("q")).to_have_text("Le pont suspendu a rouvert lundi.")
    page.mouse.move(1, 1)
    expect(page.locator(".tip")).to_be_hidden()


@pytest.fixture
def read(home: Path, serve: Any, visit: Any) -> Callable[..., Any]:
    """read() → a visit that has asked about an article of the real archive at `home`, and got its sentence."""

    def read(**options: Any) -> Any:
        held = Catalogue(home).read(f"{SITE}/pont")[-1].article
        asked = Asked("Ils ont coûté 4,2 millions d’euros [1].", evidence_of(held, COST))
        visited = visit(serve(settings=load_settings(home), ask=asked), **options)
        visited.ask("Combien ?")
        visited.page.locator(".card").get_by_role("button", name="Lire tout l’article").click()
        return visited

    return read


def test_the_whole_article_opens_at_the_cited_sentence_and_gives_the_focus_back(read: Any) -> None:
    visited = read(height=600)
    page = visited.page
    reader = page.get_by_role("dialog")
    expect(reader.get_by_role("heading")).to_have_text("Le pont rouvre")
    expect(reader.locator("mark")).to_have_text(COST)
    expect(reader.locator("mark")).to_be_in_viewport(ratio=1)
    expect(reader.locator(".whole")).to_have_text(re.compile("^On attend .* longtemps.$"))
    expect(reader.locator(".reading")).to_be_focused()
    page.keyboard.press("Escape")
    expect(reader).to_be_hidden()
    expect(page.locator(".card").get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")  # and a second time
    expect(reader).to_be_visible()
    reader.get_by_role("button", name="Fermer").click()
    expect(reader).to_be_hidden()
    assert visited.errors == []


def test_the_versions_of_an_article_lead_to_each_other(read: Any) -> None:
    page = read().page
    reader = page.get_by_role("dialog")
    reader.get_by_text("2 versions").click()
    reader.get_by_role("button", name="Version du").nth(0).click()
    expect(reader.locator(".whole")).to_have_text("Le pont de Valmorin reste fermé.")
    expect(reader.locator(".replaced")).to_contain_text("remplacée par une plus récente")
    reader.get_by_text("2 versions").click()
    reader.get_by_role("button", name="Version du").nth(1).click()
    expect(reader.locator(".whole")).to_contain_text(COST)
    expect(reader.locator(".replaced")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(reader).to_be_hidden()
    expect(page.locator(".card").get_by_role("button")).to_be_focused()


def test_an_article_that_is_gone_says_so(visit_with: Any) -> None:
    visited = visit_with(Asked())
    visited.ask("Combien ?")
    page = visited.page
    page.locator(".card").get_by_role("button", name="Lire tout l’article").click()
    expect(page.get_by_role("dialog")).to_contain_text("Cet article n’est plus dans les archives.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_dates_of_the_cited_articles_are_told_and_lead_to_them(visit_with: Any) -> None:
    later = replace(BRIDGE, id="later", title="Le pont ferme", text="Le pont ferme encore.", published=date(2024, 4, 2))
    evidence = (*evidence_of(later, later.text), EVIDENCE[1])
    visited = visit_with(Asked("Il ferme [1]. Il a rouvert [2].", evidence))
    visited.ask("Et le pont ?")
    page = visited.page
    expect(page.locator(".as-of")).to_have_text("D’après les articles : du 1er mars 2024 au 2 avril 2024")
    days = page.get_by_role("list", name="Les articles cités, dans l’ordre des dates").get_by_role("link")
    expect(days).to_have_text(["1er mars 2024 Le pont suspendu rouvre", "2 avril 2024 Le pont ferme"])
    days.nth(1).click()
    expect(page.locator("#source-1-1")).to_have_class("flash")
    expect(page.locator("#source-1-1")).to_contain_text("Le pont ferme encore.")


def test_articles_of_one_day_have_no_timeline(visit_with: Any) -> None:
    visited = visit_with(Asked())
    visited.ask("Et le pont ?")
    expect(visited.page.locator(".as-of")).to_have_text("D’après les articles : 1er mars 2024")
    expect(visited.page.locator(".timeline")).to_have_count(0)


@pytest.mark.parametrize(
    ("confidence", "word", "percentage"),
    [(0.93, "élevée", "93"), (0.7, "moyenne", "70"), (0.3, "faible", "30")],
    ids=["high", "medium", "low"],
)
def test_the_confidence_is_a_word(visit_with: Any, confidence: float, word: str, percentage: str) -> None:
    asked = Asked()

    def ask(question: str, **options: Any) -> Iterator[Any]:
        for found in asked(question, **options):
            yield replace(found, confidence=confidence) if isinstance(found, Answer) else found

    visited = visit_with(ask)
    visited.ask("Combien ?")
    said = visited.page.locator(".confidence")
    expect(said).to_contain_text(f"Confiance {word}")
    expect(said).to_have_attribute("title", re.compile(f"répondent à la question : {percentage}\\s%"))


def test_the_short_answer_stands_first(visit_with: Any) -> None:
    visited = visit_with(Asked(short=SHORT.short, evidence=(SHORT, EVIDENCE[1])))
    visited.ask("Combien ?")
    answer = visited.page.locator(".answer > *")
    expect(answer.nth(0)).to_have_text("4,2 millions d’euros [1]")
    expect(answer.nth(1)).to_contain_text("Les travaux ont coûté")


# Asking


class Turns:
    """A stand-in for qa.stream that answers a question when it is let: `let[question].set()`."""

    def __init__(self) -> None:
        self.let: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.begun: list[str] = []
        self.ended: list[str] = []

    def __call__(self, question: str, **_: Any) -> Iterator[Any]:
        whole = answer_of(question, TEXT, EVIDENCE)
        self.begun.append(question)
        try:
            yield EvidenceFound(question, whole.evidence, whole.nearest)
            while not self.let[question].wait(0.1):
                yield PartialAnswer("Les travaux")
            yield whole
        finally:
            self.ended.append(question)


def test_a_suggestion_is_asked_by_a_click(visit_with: Any) -> None:
    asked = Asked()
    page = visit_with(asked, services={"suggestions": lambda: [("Qui paie ?", "fr"), ("Who pays?", "en")]}).page
    expect(page.get_by_role("heading", name="Par exemple")).to_be_visible()
    suggestion = page.get_by_role("button", name="Who pays?")
    expect(suggestion).to_have_attribute("lang", "en")
    suggestion.click()
    expect(page.locator(".turn .question")).to_have_text("Who pays?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    expect(page.locator(".examples")).to_be_hidden()


@pytest.mark.parametrize("way", ["suggestion", "again", "box"])
def test_while_an_answer_is_written_no_other_question_is_asked(visit_with: Any, way: str) -> None:
    asked = Asked(held=True)
    visited = visit_with(asked, services={"suggestions": lambda: [("Qui paie ?", "fr")]})
    page = visited.page
    if way == "suggestion":
        page.get_by_role("button", name="Qui paie ?").click()
    else:
        visited.ask("Qui paie ?")
    if way == "again":
        asked.go_on.release(100)
        expect(page.locator(".turn .marker")).to_have_count(2)
        while asked.go_on.acquire(blocking=False):
            pass
        page.get_by_role("button", name="Reposer").click()
    asked.go_on.release(3)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    page.locator("#asking textarea").fill("Combien ?")
    page.locator("#asking textarea").press("Enter")
    page.wait_for_timeout(1000)
    expect(page.locator("#asking textarea")).to_have_value("Combien ?")
    asked.go_on.release(100)
    expect(page.get_by_role("button", name="Reposer")).to_be_visible()
    expect(page.locator(".turn .question")).to_have_text(["Qui paie ?"])
    page.locator("#send").click()
    expect(page.locator(".turn .question")).to_have_text(["Qui paie ?", "Combien ?"])
    expect(page.locator(".turn .marker")).to_have_count(4)


def test_enter_sends_and_shift_enter_makes_a_new_line(visit_with: Any) -> None:
    page = visit_with(Asked()).page
    box = page.locator("#asking textarea")
    box.type("Combien,")
    box.press("Shift+Enter")
    box.type("et quand ?")
    expect(box).to_have_value("Combien,\net quand ?")
    expect(page.locator(".turn")).to_have_count(0)
    box.press("Enter")
    expect(page.locator(".turn .question")).to_have_text("Combien,\net quand ?", use_inner_text=True)
    expect(box).to_have_value("")


@pytest.mark.parametrize("typed", ["", " \n "], ids=["nothing", "space"])
def test_nothing_is_not_asked(visit_with: Any, typed: str) -> None:
    asked = Asked()
    visited = visit_with(asked)
    visited.ask(typed)
    visited.page.wait_for_timeout(1000)
    expect(visited.page.locator(".turn")).to_have_count(0)
    visited.ask("Combien ?")
    expect(visited.page.locator(".turn .marker")).to_have_count(2)
    assert len(asked.histories) == 1


def test_asking_again_replaces_the_last_exchange(visit_with: Any) -> None:
    asked = Asked()
    visited = visit_with(asked)
    page = visited.page
    for count, question in ((2, "Combien ?"), (4, "Et quand ?")):
        visited.ask(question)
        expect(page.locator(".turn .marker")).to_have_count(count)
    expect(page.get_by_role("button", name="Reposer")).to_have_count(1)
    asked.text = "Les travaux ont coûté 4,2 millions [1]. Il rouvre lundi [2]."
    page.get_by_role("button", name="Reposer").click()
    expect(page.locator("#turn-2")).to_contain_text("Il rouvre lundi")
    expect(page.locator(".turn .question")).to_have_text(["Combien ?", "Et quand ?"])
    expect(page.locator("#turn-1")).to_contain_text("Le pont a rouvert lundi")
    assert asked.histories == [[], [("Combien ?", TEXT)], [("Combien ?", TEXT)]]


def test_an_edited_question_replaces_the_last_exchange(visit_with: Any) -> None:
    asked = Asked()
    visited = visit_with(asked)
    page = visited.page
    for count, question in ((2, "Combien ?"), (4, "Et quand ?")):
        visited.ask(question)
        expect(page.locator(".turn .marker")).to_have_count(count)
    page.get_by_role("button", name="Modifier").click()
    box = page.locator("#asking textarea")
    expect(box).to_have_value("Et quand ?")
    expect(page.locator(".turn")).to_have_count(2)
    visited.ask("Et où ?")
    expect(page.locator(".turn .question")).to_have_text(["Combien ?", "Et où ?"])
    expect(page.locator(".turn .marker")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"q=Et\+o%C3%B9"))
    assert asked.histories[2] == [("Combien ?", TEXT)]


def test_the_box_has_the_focus_to_edit(visit_with: Any) -> None:
    visited = visit_with(Asked())
    visited.ask("Combien ?")
    visited.page.get_by_role("button", name="Modifier").click()
    expect(visited.page.locator("#asking textarea")).to_be_focused()
    visited.page.get_by_role("button", name="Nouvelle conversation").click()
    expect(visited.page.locator("#asking textarea")).to_be_focused()
    expect(visited.page.locator("#asking textarea")).to_have_value("")


def test_an_answer_is_copied_with_its_citations(visit_with: Any) -> None:
    visited = visit_with(Asked(), permissions=["clipboard-read", "clipboard-write"])
    visited.ask("Combien ?")
    page = visited.page
    page.get_by_role("button", name="Copier avec les sources").click()
    expect(page.get_by_role("button", name="Copié", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == [
        "Combien ?",
        "",
        TEXT,
        "",
        "[1] «\u00a0Les travaux ont coûté 4,2 millions d’euros.\u00a0» "
        "(Le pont suspendu rouvre, La Gazette de Valmorin, 1er mars 2024, https://example.invalid/pont)",
        "[2] «\u00a0Le pont suspendu a rouvert lundi.\u00a0» "
        "(Le pont suspendu rouvre, La Gazette de Valmorin, 1er mars 2024, https://example.invalid/pont)",
    ]


def test_who_waits_sees_the_place_in_the_line_and_comes_in_order(serve: Any, visit: Any) -> None:
    asked = Turns()
    address = serve(ask=asked, about=lambda: HELD)
    visits = []
    for place, question in enumerate(("Un ?", "Deux ?", "Trois ?")):
        visits.append(visit(address))
        visits[-1].ask(question)
        shown = ("Les travaux", "1 question avant la vôtre", "2 questions avant la vôtre")[place]
        expect(visits[-1].page.locator(".turn")).to_contain_text(shown)
    _, second, third = (visited.page for visited in visits)
    expect(second.locator("#announcement")).to_contain_text("1 question avant la vôtre")
    assert asked.begun == ["Un ?"]
    asked.let["Un ?"].set()
    expect(second.locator(".turn")).to_contain_text("Les travaux")
    expect(third.locator(".turn")).to_contain_text("1 question avant la vôtre")
    asked.let["Deux ?"].set()
    expect(second.locator(".turn .marker")).to_have_count(2)
    expect(third.locator(".turn")).to_contain_text("Les travaux")
    assert asked.begun == ["Un ?", "Deux ?", "Trois ?"]
    asked.let["Trois ?"].set()
    expect(third.locator(".turn .marker")).to_have_count(2)


def test_who_is_served_and_leaves_frees_the_line(serve: Any, visit: Any) -> None:
    asked = Turns()
    address = serve(ask=asked, about=lambda: HELD)
    first, second = visit(address), visit(address)
    first.ask("Un ?")
    expect(first.page.locator(".turn")).to_contain_text("Les travaux")
    second.ask("Deux ?")
    expect(second.page.locator(".turn")).to_contain_text("1 question avant la vôtre")
    first.page.context.close()
    expect(second.page.locator(".turn")).to_contain_text("Les travaux")
    assert asked.ended == ["Un ?"]
    asked.let["Deux ?"].set()
    expect(second.page.locator(".turn .marker")).to_have_count(2)


def test_who_waits_and_leaves_frees_the_line(serve: Any, visit: Any) -> None:
    asked = Turns()
    address = serve(ask=asked, about=lambda: HELD)
    first, second, third = (visit(address) for _ in range(3))
    for visited, question, shown in (
        (first, "Un ?", "Les travaux"),
        (second, "Deux ?", "1 question avant la vôtre"),
        (third, "Trois ?", "2 questions avant la vôtre"),
    ):
        visited.ask(question)
        expect(visited.page.locator(".turn")).to_contain_text(shown)
    second.page.context.close()
    expect(third.page.locator(".turn")).to_contain_text("1 question avant la vôtre")
    asked.let["Un ?"].set()
    expect(third.page.locator(".turn .answer")).to_be_visible()
    assert asked.begun == ["Un ?", "Trois ?"]


def test_who_waits_can_stop(serve: Any, visit: Any) -> None:
    asked = Turns()
    address = serve(ask=asked, about=lambda: HELD)
    first, second = visit(address), visit(address)
    first.ask("Un ?")
    expect(first.page.locator(".turn")).to_contain_text("Les travaux")
    second.ask("Deux ?")
    expect(second.page.locator(".turn")).to_contain_text("1 question avant la vôtre")
    second.page.locator("#stop").click()
    expect(second.page.locator(".turn .state")).to_have_text("Réponse arrêtée.")
    asked.let["Un ?"].set()
    expect(first.page.locator(".turn .marker")).to_have_count(2)
    assert asked.begun == ["Un ?"]


def test_a_new_conversation_while_an_answer_is_written_stays_empty(visit_with: Any) -> None:
    asked = Asked(held=True)
    visited = visit_with(asked)
    page = visited.page
    visited.ask("Combien ?")
    asked.go_on.release(3)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    page.get_by_role("button", name="Nouvelle conversation").click()
    expect(page.locator(".welcome")).to_be_visible()
    asked.go_on.release(100)
    assert asked.closed.wait(5)
    page.wait_for_timeout(500)
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    visited.ask("Et quand ?")
    expect(page.locator(".turn .question")).to_have_text(["Et quand ?"])
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert asked.histories[-1] == []


# Narrowing

BOTH = replace(HELD, languages={"fr": 1100, "en": 100})
GAZETTE = "The Orselle Gazette"


@pytest.fixture
def narrowing(visit_with: Any) -> Callable[..., Any]:
    def narrowing(ask: Any, **options: Any) -> Any:
        return visit_with(ask, about=lambda: BOTH, **options)

    return narrowing


def narrow(page: Page) -> None:
    page.get_by_text("Préciser : dates, sources, langues").click()
    page.get_by_label("Du", exact=True).fill("2023-06-01")
    page.get_by_label("Au", exact=True).fill("2024-01-31")
    page.get_by_label(GAZETTE).check()
    page.get_by_label("français").check()
    page.wait_for_timeout(1000)  # as a reader takes to get from there to the question


def test_a_question_is_put_to_the_articles_chosen(narrowing: Any) -> None:
    asked = Asked()
    visited = narrowing(asked)
    page = visited.page
    narrow(page)
    visited.ask("Combien ?")
    expect(page.locator(".turn .narrowed")).to_have_text(
        f"Seulement : du 1er juin 2023 au 31 janvier 2024 · {GAZETTE} · français"
    )
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert asked.narrowings == [
        {
            "published_after": "2023-06-01",
            "published_before": "2024-01-31",
            "sources": (GAZETTE,),
            "languages": ("fr",),
        }
    ]
    page.get_by_role("button", name="Tout", exact=True).click()
    expect(page.get_by_label("Du", exact=True)).to_have_value("")
    expect(page.get_by_label(GAZETTE)).not_to_be_checked()
    expect(page).to_have_url(f"{visited.address}/?q=Combien+%3F")
    page.wait_for_timeout(1000)
    visited.ask("Et quand ?")
    expect(page.locator(".turn .marker")).to_have_count(4)
    expect(page.locator(".turn .narrowed")).to_have_count(1)
    assert not any(asked.narrowings[1].values())


def test_of_changes_in_quick_succession_the_last_counts(narrowing: Any) -> None:
    asked = Asked()
    visited = narrowing(asked)
    page = visited.page
    page.get_by_text("Préciser : dates, sources, langues").click()
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/queue/join**", lambda route: held.append((route, route.fetch())), times=1)
    for label, day in (("Du", "2023-06-01"), ("Au", "2024-01-31")):
        page.get_by_label(label, exact=True).fill(day)
        page.wait_for_timeout(300)
    held[0][0].fulfill(response=held[0][1])
    page.wait_for_timeout(1000)
    visited.ask("Combien ?")
    expect(page.locator(".turn .narrowed")).to_have_text("Seulement : du 1er juin 2023 au 31 janvier 2024")


def test_the_address_carries_what_was_asked(narrowing: Any, visit: Any) -> None:
    asked = Asked()
    visited = narrowing(asked)
    narrow(visited.page)
    visited.ask("Combien ?")
    expect(visited.page.locator(".turn .marker")).to_have_count(2)
    page = visit(visited.page.url).page
    expect(page.locator("#asking textarea")).to_have_value("Combien ?")
    expect(page.get_by_label("Du", exact=True)).to_be_visible()
    expect(page.get_by_label("Du", exact=True)).to_have_value("2023-06-01")
    expect(page.get_by_label("Au", exact=True)).to_have_value("2024-01-31")
    expect(page.get_by_label(GAZETTE)).to_be_checked()
    expect(page.get_by_label("Le Courrier de l’Orselle")).not_to_be_checked()
    expect(page.get_by_label("français")).to_be_checked()
    page.wait_for_timeout(1000)
    expect(page.locator(".turn")).to_have_count(0)
    assert len(asked.narrowings) == 1
    page.locator("#send").click()
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert asked.narrowings[1] == asked.narrowings[0]


REVERSED = {"published_after": "2024-02-01", "published_before": "2023-01-01"}


@pytest.mark.parametrize(
    ("query", "narrowed", "typed"),
    [
        pytest.param("from=abc&to=2024-13-41", {}, "", id="dates"),
        pytest.param(f"q={'a' * 10_000}", {}, "a" * LONGEST_QUESTION, id="long"),
        pytest.param("source=%3Cb%3E&language=zz", {"sources": ("<b>",), "languages": ("zz",)}, "", id="unknown"),
        pytest.param("from=2024-02-01&to=2023-01-01", REVERSED, "", id="reversed"),
        pytest.param("q=%FF%0Aa&q=2&x=y&from", {}, "\ufffd a", id="bytes"),
        pytest.param(
            "&".join(f"source={n}" for n in range(500)), {"sources": tuple(map(str, range(100)))}, "", id="many"
        ),
    ],
)
def test_nonsense_in_the_address_does_no_harm(
    serve: Any, visit: Any, query: str, narrowed: dict[str, Any], typed: str
) -> None:
    asked = Asked()
    visited = visit(f"{serve(ask=asked, about=lambda: BOTH)}/?{query}")
    page = visited.page
    expect(page.locator("#asking textarea")).to_have_value(typed)
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert {name: value for name, value in asked.narrowings[0].items() if value} == narrowed
    assert (visited.errors, visited.dialogs, visited.foreign) == ([], [], [])


# The language of the page

VISIBLE = """() => [
    document.body.innerText,
    ...[...document.querySelectorAll("*")].filter(one => one.checkVisibility()).flatMap(one =>
        ["aria-label", "title", "placeholder", "data-confirm", "data-yes", "data-no", "data-done"].map(
            name => one.getAttribute(name) ?? "")),
].join("\\n")"""


def fixed(language: str) -> dict[str, str]:
    """The longest part of each of the page's texts in which nothing is filled in."""
    parts = {key: max(re.split(r"\{\w+\}", text), key=len) for key, text in texts(language).items()}
    return {key: part.strip(" .:…«»“”„?¿\u00a0") for key, part in parts.items() if key not in {"language", "locale"}}


def has(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def spoken(page: Page, language: str, other: str) -> set[str]:
    """Which of the page's texts are seen in a language, of those that tell the two languages apart."""
    one, another = fixed(language), fixed(other)
    whole = {name: "\n".join(texts(name).values()) for name in (language, other)}
    seen = page.evaluate(VISIBLE)
    return {
        key
        for key in one
        if min(len(one[key]), len(another[key])) > 3
        and not has(whole[other], one[key])
        and not has(whole[language], another[key])
        and has(seen, one[key])
    }


def within_others(language: str) -> set[str]:
    """The texts that may be seen because another one that holds them is."""
    parts, whole = fixed(language), texts(language)
    return {key for key in parts if any(has(whole[other], parts[key]) for other in parts if other != key)}


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        pytest.param("fr-FR", ("Demander", "Votre question", "Archives", "1\u202f200 articles"), id="fr"),
        pytest.param("fr-CA", ("Demander", "Votre question", "Archives", "1\u202f200 articles"), id="fr-CA"),
        pytest.param("en-GB", ("Ask", "Your question", "Archive", "1,200 articles"), id="en"),
        pytest.param("de-AT", ("Fragen", "Ihre Frage", "Archiv", "1.200 Artikel"), id="de"),
        pytest.param("pt-BR", ("Ask", "Your question", "Archive", "1,200 articles"), id="another"),
    ],
)
def test_the_page_speaks_the_browsers_language(visit_with: Any, locale: str, words: tuple[str, ...]) -> None:
    page = visit_with(Asked(), locale=locale).page
    for word in words:
        expect(page.locator("body")).to_contain_text(word)
    expect(page.get_by_role("textbox", name=words[1])).to_be_visible()
    expect(page.get_by_role("tab", name=words[2], exact=True)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", locale[:2] if locale[:2] in LANGUAGES else "en")


@pytest.mark.parametrize(
    ("locale", "before", "after", "button"),
    [
        pytest.param("fr-FR", "fr", "en", "English", id="to-english"),
        pytest.param("en-GB", "en", "fr", "Français", id="to-french"),
        pytest.param("fr-FR", "fr", "de", "Deutsch", id="to-german"),
        pytest.param("en-GB", "en", "es", "Español", id="to-spanish"),
    ],
)
def test_the_language_changes_at_once_and_everywhere(
    serve: Any, visit: Any, home: Path, locale: str, before: str, after: str, button: str
) -> None:
    held = Catalogue(home).read(f"{SITE}/pont")[-1].article
    asked = Asked("Ils ont coûté 4,2 millions [1].", evidence_of(held, COST), statements=())
    visited = visit(serve(settings=load_settings(home), ask=asked), locale=locale)
    page = visited.page
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(1)

    def each_tab(language: str, other: str) -> list[set[str]]:
        seen = []
        for place, room in enumerate(("#asking", "#listing table", "#talks li")):
            page.locator("#rooms [role=tab]").nth(place).click()
            expect(page.locator(room).first).to_be_visible()
            page.wait_for_timeout(300)
            assert spoken(page, other, language) == set()
            seen.append(spoken(page, language, other) - within_others(language) - within_others(other))
        page.locator("#rooms [role=tab]").nth(0).click()
        return seen

    was = each_tab(before, after)
    assert min(map(len, was)) > 8
    page.get_by_role("button", name=button).click()
    expect(page.locator("html")).to_have_attribute("lang", after)
    expect(page.locator("#send")).to_have_text(texts(after)["ask"])
    assert each_tab(after, before) == was
    expect(page.locator(".turn .question")).to_have_text("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(1)
    page.locator(".card").get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(texts(after)["close"])
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator("#send")).to_have_text(texts(after)["ask"])
    expect(page.get_by_role("button", name=button)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("html")).to_have_attribute("lang", after)
    assert visited.errors == []


# What leaves the machine, and how it fits


def test_no_request_goes_to_another_host(home: Path, serve: Any, visit: Any, tmp_path: Path) -> None:
    held = Catalogue(home).read(f"{SITE}/pont")[-1].article
    asked = Asked("Ils ont coûté 4,2 millions [1].", evidence_of(held, COST))
    visited = visit(serve(settings=load_settings(home), ask=asked, suggestions=lambda: [("Qui paie ?", "fr")]))
    page = visited.page
    page.get_by_role("button", name="Qui paie ?").click()
    page.locator(".turn .marker").hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    page.get_by_text("Préciser :").click()
    page.get_by_role("button", name="Lire tout l’article").click()
    expect(page.get_by_role("dialog").locator("mark")).to_be_visible()
    page.keyboard.press("Escape")

    visited.tab("Archives")
    page.get_by_role("button", name="La fête du pont", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("La fête a lieu samedi.")
    page.keyboard.press("Escape")
    page.get_by_text("Modèles et licences").click()
    page.get_by_role("button", name="Vérifier chaque fichier").click()
    expect(page.locator("#report")).to_contain_text("Chaque fichier est tel qu’il a été écrit.")

    visited.tab("Conversations")
    for kind in ("Markdown", "page HTML"):
        with page.expect_download() as made:
            page.get_by_role("button", name=f"Exporter « Qui paie ? » en {kind}").click()
        made.value.save_as(tmp_path / made.value.suggested_filename)
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.wait_for_timeout(500)
    assert len(visited.requests) > 40
    assert visited.foreign == []
    assert visited.errors == []
    policy = urllib.request.urlopen(visited.address).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy


@pytest.mark.parametrize("path", [Path(__file__), Path("/etc/hostname")], ids=["source", "system"])
def test_no_file_of_the_machine_is_served(visit_with: Any, path: Path) -> None:
    visited = visit_with(Asked())
    response = visited.page.request.get(f"{visited.address}/gradio_api/file={path}")
    assert response.status in {403, 404}


@pytest.mark.parametrize("width", [360, 768, 1024, 1920, 3840])
def test_nothing_is_wider_than_the_window(home: Path, serve: Any, visit: Any, width: int) -> None:
    held = Catalogue(home).read(f"{SITE}/pont")[-1].article
    asked = Asked(f"{'mot' * 80} ont coûté 4,2 millions [1].", evidence_of(held, COST), short="court" * 40)
    visited = visit(serve(settings=load_settings(home), ask=asked), width=width, height=740)
    page = visited.page
    visited.ask("anticonstitutionnellement" * 8)
    expect(page.locator(".turn .marker")).to_have_count(1)
    page.get_by_text("Préciser :").click()
    box = page.locator("#asking textarea").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    rooms = page.locator("#rooms [role=tab]")
    for place, room in enumerate(("#asking", "#listing table", "#talks li")):
        rooms.nth(place).click()
        expect(page.locator(room).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".gradio-container").evaluate("one => one.scrollWidth") <= width  # hidden, yet scrolled to
        outside = page.evaluate(
            """width => [...document.querySelectorAll("#rooms button, #rooms input, #rooms a, #rooms td, #rooms p")]
                .filter(one => one.checkVisibility() && getComputedStyle(one).clipPath === "none")
                .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
                .filter(([, at]) => at.height > 1 && (at.left < 0 || at.right > width + 1))""",
            width,
        )
        assert outside == []
    rooms.nth(0).click()
    page.locator(".card").get_by_role("button").click()
    reader = page.get_by_role("dialog")
    expect(reader).to_be_visible()
    assert reader.evaluate("one => one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().left >= 0")


@pytest.mark.parametrize(("width", "height"), [(1400, 900), (360, 740)], ids=["wide", "narrow"])
def test_nothing_moves_while_an_answer_is_written(visit_with: Any, width: int, height: int) -> None:
    words = " ".join(["La mairie de Valmorin a fermé le pont suspendu pendant les travaux."] * 6)
    text = f"Les travaux ont coûté 4,2 millions d’euros [1]. {words} Le pont a rouvert lundi [2]."
    asked = Asked(text, held=True, short="4,2 millions d’euros")
    visited = visit_with(asked, width=width, height=height)
    page = visited.page
    page.evaluate(
        """() => {
            window.shifts = [];
            new PerformanceObserver(list => window.shifts.push(...list.getEntries())).observe({type: "layout-shift"});
        }"""
    )
    visited.ask("Combien ?")
    expect(page.locator("#sources mark")).to_have_count(2)
    page.wait_for_timeout(700)  # beyond what the browser takes for the effect of a key
    for _ in text.split():
        asked.go_on.release()
        page.wait_for_timeout(30)
    expect(page.get_by_role("button", name="Reposer")).to_be_visible()
    page.wait_for_timeout(500)
    shifts = page.evaluate("shifts.filter(one => !one.hadRecentInput).map(one => one.value)")
    assert sum(shifts) < 0.02
