"""A question asked in a real Chromium, answered by the real models over articles of the demo archive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from weights import needing_weights

from index.embedder import configured_embedder
from index.rebuild import update
from settings import load_settings

DEMO = Path(__file__).resolve().parents[2] / "demo" / "articles"
SECONDS = 120  # for an answer, on a busy machine that loads the models first


@pytest.mark.timeout(900)
def test_a_question_leads_to_a_highlighted_citation(
    tmp_path: Path, serve: Callable[..., str], visit: Callable[..., Any]
) -> None:
    settings = load_settings(tmp_path)
    with needing_weights():
        embedder = configured_embedder(settings)
    update(settings.home, sorted(DEMO.glob("2023-03*")), embedder, passage_tokens=settings.passage_tokens)
    visited = visit(serve(settings=settings))
    visited.ask("Combien de fissures les plongeurs ont-ils relevées sous le pont des Lavandières ?")
    page = visited.page
    marker = page.locator(".turn .marker").first
    expect(marker).to_be_visible(timeout=1000 * SECONDS)
    mark = page.locator("#sources mark", has_text="onze fissures")
    expect(mark.first).to_be_visible(timeout=1000 * SECONDS)
    marker.click()
    expect(page.locator(".card").first).to_be_in_viewport()
    assert visited.foreign == []
    assert visited.errors == []
    assert visited.dialogs == []
