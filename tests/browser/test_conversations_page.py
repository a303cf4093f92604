"""Conversations on the page, in a real Chromium: kept, found again, rated, exported, deleted; and where none may be."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import BRIDGE, EVIDENCE, HELD, TEXT, Asked, answer_of
from playwright.sync_api import Locator, Page, expect

from errors import ConversationsError
from page.conversations import Conversations, Rating
from page.record import Exchange, finished
from page.render import SHOWN
from settings import load_settings

COST = "Les travaux ont coûté 4,2 millions d’euros."


@pytest.fixture
def kept(tmp_path: Path) -> Conversations:
    """The conversations of the home that a page is served over unless it is given another."""
    return Conversations(tmp_path)


def keep(kept: Conversations, *questions: str, text: str = TEXT) -> str:
    talk = None
    for place, question in enumerate(questions):
        exchange = finished(Exchange(question, asked="2024-05-01T10:00:00+00:00"), answer_of(question, text, EVIDENCE))
        talk = kept.keep("", talk, place, exchange)
    assert talk is not None
    return talk


def row(page: Page, name: str) -> Locator:
    return page.locator("#talks li").filter(has=page.get_by_role("button", name=name, exact=True))


def named(page: Page) -> Locator:
    return page.locator("#talks .talk button")


def downloaded(page: Page, press: Callable[[], Any], to: Path) -> Path:
    with page.expect_download() as made:
        press()
    path = to / made.value.suggested_filename
    made.value.save_as(path)
    return path


def test_a_conversation_is_kept_and_goes_on_after_a_reload(visit_with: Any) -> None:
    asked = Asked()
    visited = visit_with(asked)
    page = visited.page
    for count, question in ((2, "Combien ?"), (4, "Et quand ?")):
        visited.ask(question)
        expect(page.locator(".turn .marker")).to_have_count(count)
    page.reload()
    expect(page.locator(".welcome")).to_be_visible()
    visited.tab("Conversations")
    expect(named(page)).to_have_text(["Combien ?"])
    expect(row(page, "Combien ?")).to_contain_text("2 questions")
    named(page).click()
    expect(page.locator(".turn .question")).to_have_text(["Combien ?", "Et quand ?"])
    expect(page.locator(".bar .name")).to_have_text("Combien ?")
    page.locator("#turn-2 .marker").first.click()
    expect(page.locator("#source-2-1")).to_contain_text(COST)
    expect(page.locator("#source-2-1")).to_be_in_viewport()
    page.locator("#turn-1 .marker").first.click()
    expect(page.locator("#source-1-1")).to_be_in_viewport()
    visited.ask("Et où ?")
    expect(page.locator(".turn .marker")).to_have_count(6)
    assert asked.histories[-1] == [("Combien ?", TEXT), ("Et quand ?", TEXT)]
    visited.tab("Conversations")
    expect(row(page, "Combien ?")).to_contain_text("3 questions")
    expect(named(page)).to_have_count(1)
    assert visited.errors == []


def test_what_was_stopped_is_kept(visit_with: Any) -> None:
    asked = Asked(held=True)
    visited = visit_with(asked)
    page = visited.page
    visited.ask("Combien ?")
    asked.go_on.release(3)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    page.locator("#stop").click()
    expect(page.locator(".turn .state")).to_be_visible()
    page.reload()
    visited.tab("Conversations")
    named(page).click()
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    expect(page.locator(".turn .state")).to_have_text("Réponse arrêtée.")


@pytest.mark.parametrize("way", ["new", "open"])
def test_what_is_left_while_it_is_written_is_kept(visit_with: Any, kept: Conversations, way: str) -> None:
    keep(kept, "Avant ?")
    asked = Asked(held=True)
    visited = visit_with(asked)
    page = visited.page
    visited.ask("Combien ?")
    asked.go_on.release(3)
    expect(page.locator(".turn .answer")).to_have_text("Les travaux ont")
    if way == "new":
        page.get_by_role("button", name="Nouvelle conversation").click()
        expect(page.locator(".turn")).to_have_count(0)
    else:
        visited.tab("Conversations")
        named(page).click()
        expect(page.locator(".turn .question")).to_have_text(["Avant ?"])
    asked.go_on.release(100)
    assert asked.closed.wait(5)
    expect(page.locator("#send")).to_be_visible()
    visited.ask("Et quand ?")
    expect(page.locator(".turn .marker")).to_have_count(2 if way == "new" else 4)
    visited.tab("Conversations")
    names = ["Et quand ?", "Combien ?", "Avant ?"] if way == "new" else ["Avant ?", "Combien ?"]
    expect(named(page)).to_have_text(names)
    row(page, "Combien ?").get_by_role("button", name="Combien ?", exact=True).click()
    expect(page.locator(".turn .answer")).to_have_text(["Les travaux ont"])


def test_asking_again_replaces_what_is_kept(visit_with: Any) -> None:
    visited = visit_with(Asked())
    page = visited.page
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    page.get_by_role("button", name="Modifier").click()
    expect(page.locator("#asking textarea")).to_have_value("Combien ?")
    visited.ask("Et quand ?")
    expect(page.locator(".turn .question")).to_have_text(["Et quand ?"])
    expect(page.locator(".turn .marker")).to_have_count(2)
    visited.tab("Conversations")
    expect(named(page)).to_have_text(["Et quand ?"])
    expect(row(page, "Et quand ?")).to_contain_text("1 question")


def test_a_conversation_is_renamed(visit_with: Any, kept: Conversations) -> None:
    keep(kept, "Combien ?")
    visited = visit_with(Asked())
    page = visited.page
    visited.tab("Conversations")
    named(page).click()
    expect(page.locator(".bar .name")).to_have_text("Combien ?")
    visited.tab("Conversations")
    page.locator("summary", has_text="Renommer").click()
    page.get_by_label("Nom de la conversation").fill("Le coût du pont")
    page.get_by_label("Nom de la conversation").press("Enter")
    expect(named(page)).to_have_text(["Le coût du pont"])
    visited.tab("Questions")
    expect(page.locator(".bar .name")).to_have_text("Le coût du pont")
    page.reload()
    visited.tab("Conversations")
    expect(named(page)).to_have_text(["Le coût du pont"])


def test_a_conversation_is_deleted_once_that_is_confirmed(visit_with: Any, kept: Conversations) -> None:
    keep(kept, "Combien ?")
    keep(kept, "Et quand ?")
    visited = visit_with(Asked())
    page = visited.page
    visited.tab("Conversations")
    named(page).first.click()
    expect(page.locator(".turn")).to_have_count(1)
    visited.tab("Conversations")
    delete = page.get_by_role("button", name="Supprimer « Et quand ? »")
    sure = page.get_by_role("dialog")
    for way in ("button", "Escape"):
        delete.click()
        expect(sure).to_contain_text("Supprimer la conversation « Et quand ? » ?")
        if way == "button":
            sure.get_by_role("button", name="Annuler").click()
        else:
            page.keyboard.press("Escape")
        expect(sure).to_have_count(0)
        expect(delete).to_be_focused()
    expect(named(page)).to_have_text(["Et quand ?", "Combien ?"])
    delete.click()
    sure.get_by_role("button", name="Supprimer").click()
    expect(named(page)).to_have_text(["Combien ?"])
    visited.tab("Questions")
    expect(page.locator(".welcome")).to_be_visible()  # it was on the page
    assert [talk.name for talk in kept.list("")[0]] == ["Combien ?"]


def test_all_conversations_are_deleted_once_that_is_confirmed(visit_with: Any, kept: Conversations) -> None:
    keep(kept, "Combien ?")
    keep(kept, "Et quand ?")
    visited = visit_with(Asked())
    page = visited.page
    visited.tab("Conversations")
    page.get_by_role("button", name="Tout supprimer").click()
    page.get_by_role("dialog").get_by_role("button", name="Annuler").click()
    expect(named(page)).to_have_count(2)
    page.get_by_role("button", name="Tout supprimer").click()
    page.get_by_role("dialog").get_by_role("button", name="Tout supprimer").click()
    expect(page.locator("#talks")).to_contain_text("Aucune conversation.")
    assert kept.list("") == ([], 0)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param("ecole", ["Où est l’école ?"], id="no-accents"),
        pytest.param("ÉCOLE", ["Où est l’école ?"], id="capitals"),
        pytest.param("coute 4", ["Et quand ?", "Où est l’école ?"], id="answer"),
        pytest.param("pétrole", [], id="none"),
    ],
)
def test_conversations_are_searched(visit_with: Any, kept: Conversations, words: str, found: list[str]) -> None:
    keep(kept, "Où est l’école ?")
    keep(kept, "Et quand ?")
    visited = visit_with(Asked())
    page = visited.page
    visited.tab("Conversations")
    expect(named(page)).to_have_count(2)
    page.get_by_role("searchbox", name="Chercher des conversations").fill(words)
    page.locator("#talk-search").get_by_role("button", name="Chercher").click()
    expect(named(page)).to_have_text(found)
    expect(page.locator("#talks .found")).to_have_text(
        f"{len(found)} conversation{'s' * (len(found) > 1)}" if found else "Aucune conversation."
    )


def test_a_conversation_is_exported_as_markdown(visit_with: Any, kept: Conversations, tmp_path: Path) -> None:
    keep(kept, "Combien ?", "Et quand ?")
    visited = visit_with(Asked())
    page = visited.page
    visited.tab("Conversations")
    press = page.get_by_role("button", name="Exporter « Combien ? » en Markdown").click
    path = downloaded(page, press, tmp_path)
    assert path.suffix == ".md"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Combien ?\n\n## Combien ?\n")
    assert "\n## Et quand ?\n" in text
    assert f"- \\[1\\] «\u00a0{COST}\u00a0»" in text
    assert f"**{BRIDGE.title}** · La Gazette de Valmorin · 1er mars 2024" in text
    assert downloaded(page, press, tmp_path) == path  # and again


def test_an_exported_page_stands_alone(visit_with: Any, kept: Conversations, chromium: Any, tmp_path: Path) -> None:
    keep(kept, "Combien ?", "Et quand ?")
    visited = visit_with(Asked())
    visited.tab("Conversations")
    press = visited.page.get_by_role("button", name="Exporter « Combien ? » en page HTML").click
    path = downloaded(visited.page, press, tmp_path)
    assert path.suffix == ".html"

    page = chromium.new_page(viewport={"width": 360, "height": 500})
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=2)).to_have_text(["Combien ?", "Et quand ?"])
    assert page.locator("script, iframe, img, link, object, form, [onclick], [onload]").count() == 0
    page.locator(".marker").nth(2).click()  # the first of the second answer
    quote = page.locator("#quote-2-1")
    expect(quote).to_be_in_viewport()
    assert quote.evaluate("one => one.matches(':target')")
    expect(quote).to_contain_text(COST)
    quote.get_by_role("link").click()
    expect(page.locator(".marker").nth(2)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert {urllib.parse.urldefrag(request)[0] for request in requests} == {path.as_uri()}
    assert messages == []
    page.close()


def test_a_rating_and_its_note_are_kept(visit_with: Any) -> None:
    visited = visit_with(Asked())
    page = visited.page
    good, bad = (page.get_by_role("button", name=name) for name in ("Bonne réponse", "Mauvaise réponse"))
    visited.ask("Combien ?")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    note = page.get_by_label("Remarque (facultative)")
    note.fill("Juste et court.")
    page.locator(".rating-note").get_by_role("button", name="Enregistrer").click()
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    page.reload()
    visited.tab("Conversations")
    named(page).click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(note).to_have_value("Juste et court.")
    bad.click()  # takes it back
    expect(bad).to_have_attribute("aria-pressed", "false")
    expect(note).to_have_count(0)


def test_rated_answers_are_exported_as_json_lines(visit_with: Any, kept: Conversations, tmp_path: Path) -> None:
    talk = keep(kept, "Combien ?", "Et quand ?", "Et où ?")
    kept.rate("", talk, 0, Rating(True, "Juste."))
    kept.rate("", talk, 2, Rating(False, "Non."))
    visited = visit_with(Asked())
    page = visited.page
    files: list[Any] = []
    page.on("download", lambda file: files.append(file))
    visited.tab("Conversations")
    page.get_by_role("button", name="Exporter les réponses notées").click()
    page.wait_for_timeout(2000)
    lines = {}
    for file in files:
        file.save_as(tmp_path / file.suggested_filename)
        text = (tmp_path / file.suggested_filename).read_text(encoding="utf-8")
        lines[file.suggested_filename] = [json.loads(line) for line in text.splitlines()]
    assert sorted(lines) == ["questions-to-complete.jsonl", "questions.jsonl"]
    (good,), (bad,) = lines["questions.jsonl"], lines["questions-to-complete.jsonl"]
    assert (good["question"], good["sentence"], good["note"]) == ("Combien ?", COST, "Juste.")
    assert (bad["question"], bad["said"], bad["note"]) == ("Et où ?", TEXT, "Non.")


def test_without_a_rating_there_is_nothing_to_export(visit_with: Any, kept: Conversations) -> None:
    keep(kept, "Combien ?")
    visited = visit_with(Asked())
    visited.tab("Conversations")
    visited.page.get_by_role("button", name="Exporter les réponses notées").click()
    expect(visited.page.locator("#talks")).to_contain_text("Aucune réponse n’est notée")
    expect(named(visited.page)).to_have_count(1)


def test_a_new_conversation_begins_empty(visit_with: Any) -> None:
    asked = Asked()
    visited = visit_with(asked)
    page = visited.page
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    page.get_by_role("button", name="Nouvelle conversation").click()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator("#sources mark")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"^[^?]*/(\?)?$"))
    visited.ask("Et quand ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    assert asked.histories == [[], []]
    visited.tab("Conversations")
    expect(named(page)).to_have_text(["Et quand ?", "Combien ?"])


def test_of_a_long_conversation_the_end_is_on_the_page_and_the_rest_a_click_away(
    visit_with: Any, kept: Conversations
) -> None:
    talk = keep(kept, *(f"Question {number} ?" for number in range(1, SHOWN + 4)))
    visited = visit_with(Asked())
    page = visited.page
    questions = page.locator(".turn .question")
    visited.tab("Conversations")
    named(page).click()
    expect(questions).to_have_text([f"Question {number} ?" for number in range(4, SHOWN + 4)])
    expect(page.locator("#earlier details")).to_have_count(SHOWN - 1)
    page.get_by_role("button", name="Montrer 3 questions plus anciennes").click()
    expect(questions).to_have_text([f"Question {number} ?" for number in range(1, SHOWN + 4)])
    page.locator("#turn-2").get_by_role("button", name="Bonne réponse").click()
    expect(page.locator("#turn-2").get_by_role("button", name="Bonne réponse")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert [place for place, (_, rating) in enumerate(kept.read("", talk)[1], 1) if rating] == [2]
    page.locator("#turn-2 .marker").first.click()
    expect(page.locator("#source-2-1")).to_be_in_viewport()

    visited.ask("Et quand ?")
    expect(questions).to_have_text([*(f"Question {number} ?" for number in range(5, SHOWN + 4)), "Et quand ?"])
    expect(page.locator(f"#turn-{SHOWN + 4} .question")).to_be_in_viewport()
    expect(page.locator(f"#turn-{SHOWN + 4} .marker")).to_have_count(2)
    visited.ask("Et où ?")
    expect(questions).to_have_count(SHOWN)
    expect(page.locator(f"#turn-{SHOWN + 5} .question")).to_be_in_viewport()
    expect(page).to_have_url(re.compile(r"q=Et\+o%C3%B9"))
    assert visited.errors == []


def test_an_answer_that_cannot_be_kept_is_shown_all_the_same(visit_with: Any, tmp_path: Path) -> None:
    class Full(Conversations):
        def keep(self, *_: Any) -> str:
            raise ConversationsError("the disk is full: nothing was kept")

    visited = visit_with(Asked(), services={"conversations": Full(tmp_path)})
    visited.ask("Combien ?")
    page = visited.page
    expect(page.locator("#bar .problem")).to_have_text("the disk is full: nothing was kept")
    expect(page.locator(".turn .marker")).to_have_count(2)
    expect(page.locator("#send")).to_be_visible()


@pytest.mark.parametrize(
    "served",
    [
        pytest.param({"settings": {"host": "0.0.0.0"}}, id="open"),
        pytest.param({"services": {"changes": False, "conversations": None}}, id="services"),
    ],
)
def test_an_open_page_keeps_and_changes_nothing(
    served: dict[str, Any], home: Path, serve: Any, visit: Any, tmp_path: Path
) -> None:
    settings = load_settings(home, **served.get("settings", {}))
    visited = visit(serve(settings=settings, ask=Asked(), **served.get("services", {})))
    page = visited.page
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    expect(page.locator("body")).to_contain_text("Cette page est ouverte à tous ceux qui l’atteignent")
    expect(page.get_by_role("tab")).to_have_text(["Questions", "Archives"])
    visited.ask("Combien ?")
    expect(page.locator(".turn .marker")).to_have_count(2)
    expect(page.get_by_role("button", name="Copier avec les sources")).to_be_visible()
    expect(page.get_by_role("button", name="Bonne réponse")).to_have_count(0)
    visited.tab("Archives")
    expect(page.locator("#listing tbody tr")).to_have_count(3)
    for control in ("Retirer", "Choisir des fichiers", "Choisir un dossier", "Revenir à l’état précédent"):
        expect(page.get_by_role("button", name=re.compile(f"^{control}"))).to_have_count(0)
    expect(page.locator("input[type=file]")).to_have_count(0)
    expect(page.get_by_text("Coller un texte")).to_have_count(0)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_an_answer_is_copied_on_a_page_from_another_machine(home: Path, serve: Any, visit: Any) -> None:
    address = serve(settings=load_settings(home, host="0.0.0.0"), ask=Asked(), about=lambda: HELD)
    visited = visit(address.replace("127.0.0.1", "0.0.0.0"))
    page = visited.page
    assert not page.evaluate("isSecureContext"), "to the browser it is this machine's"
    visited.ask("Combien ?")
    page.get_by_role("button", name="Copier avec les sources").click()
    expect(page.get_by_role("button", name="Copié", exact=True)).to_be_focused()
    page.locator("#asking textarea").focus()
    page.keyboard.press("Control+V")
    expect(page.locator("#asking textarea")).to_have_value(re.compile(re.escape(TEXT)))
    assert visited.errors == []
