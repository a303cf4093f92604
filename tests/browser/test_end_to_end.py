"""A question asked in a real Chromium, answered by the real models over articles of the demo archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from weights import needing_weights

from index.embedder import configured_embedder
from index.rebuild import update
from settings import load_settings

DEMO = Path(__file__).resolve().parents[2] / "demo" / "articles"
ARTICLES = (
    "2023-03-14-pont-des-lavandieres-camions.txt",
    "2023-09-21-nouveau-pont-vote.md",
    "2023-10-19-crue-orselle.txt",
    "2024-08-17-ferry.md",
)
QUESTION = "Combien de fissures les plongeurs ont-ils relevées sous le pont des Lavandières ?"
SECONDS = 120  # for an answer, on a busy machine that loads the models first


@pytest.mark.timeout(900)
def test_a_question_leads_to_a_highlighted_citation(
    tmp_path: Path, serve: Callable[..., str], visit: Callable[..., Any]
) -> None:
    settings = load_settings(tmp_path)
    with needing_weights():
        embedder = configured_embedder(settings)
    update(settings.home, [DEMO / name for name in ARTICLES], embedder, passage_tokens=settings.passage_tokens)
    visited = visit(serve(settings=settings))
    page = visited.page
    page.get_by_text("Préciser : dates, sources, langues").click()
    page.get_by_label("Au", exact=True).fill("2023-06-30")
    page.wait_for_timeout(1000)  # as a reader takes to get from there to the question
    visited.ask(QUESTION)
    expect(page.locator("#turn-1 .narrowed")).to_have_text("Seulement : jusqu’au 30 juin 2023")
    answered(page, 1)
    assert days(page) == {"2023-03-14"}

    mark = page.locator("#sources mark", has_text="onze fissures")
    expect(mark).to_have_count(1)
    number = str(mark.get_attribute("id")).rpartition("-")[2]
    page.locator(f"#turn-1 .text .marker[href='#source-1-{number}']").first.click()
    expect(mark).to_be_in_viewport()
    card = page.locator("#sources .card", has_text="onze fissures")
    expect(card).to_be_focused()

    card.get_by_role("button", name="Lire tout l’article").click()
    reader = page.get_by_role("dialog")
    expect(reader.get_by_role("heading")).to_have_text("Le pont des Lavandières interdit aux camions dès mercredi")
    expect(reader).to_contain_text("Une dérogation est accordée aux pompiers et aux ambulances.")
    expect(reader.locator("mark", has_text="onze fissures")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(reader).to_be_hidden()

    page.get_by_label("Du", exact=True).fill("2023-07-01")
    page.get_by_label("Au", exact=True).fill("")
    page.wait_for_timeout(1000)
    visited.ask(QUESTION)
    expect(page.locator("#turn-2 .narrowed")).to_have_text("Seulement : depuis le 1er juillet 2023")
    answered(page, 2)
    assert days(page)
    assert min(days(page)) > "2023-07-01"
    expect(page.locator("#sources mark", has_text="onze fissures")).to_have_count(0)

    assert visited.foreign == []
    assert visited.errors == []
    assert visited.dialogs == []


def answered(page: Page, turn: int) -> None:
    again = page.locator(f"#turn-{turn}").get_by_role("button", name="Reposer")
    expect(again).to_be_visible(timeout=1000 * SECONDS)
    expect(page.locator(f"#turn-{turn} .problem")).to_have_count(0)


def days(page: Page) -> set[str]:
    """Of which days the articles are that the last answer shows."""
    return {str(one.get_attribute("datetime")) for one in page.locator("#sources .card .about time").all()}
