"""The chat page in a real Chromium, over answers made by hand: no weights, no index."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from errors import NoArchiveError
from index.articles import Article, Skipped
from index.generation import Status
from index.passages import Passage
from index.rebuild import Progress, Report
from index.search import Hit
from qa import Answer, Citation, Evidence, EvidenceFound, PartialAnswer, Timings
from qa.check import Kind, Problem
from qa.verify import Standing, Statement

BRIDGE = Article(
    id="bridge",
    title="Le pont suspendu rouvre",
    text="Le pont suspendu a rouvert lundi. Les travaux ont coûté 4,2 millions d’euros. La mairie parle d’un succès.",
    source="La Gazette de Valmorin",
    url="https://example.invalid/pont",
    published=date(2024, 3, 1),
    language="fr",
)
HOSTILE_TEXT = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> [cliquez](javascript:alert(3)) "
    "![image](https://example.invalid/pixel.png) $$\\href{javascript:alert(4)}{x}$$ ${alert(5)} {{alert(6)}} "
    '"><svg onload=alert(7)> `</section></mark></article><h1 id="injected">x</h1>` &lt;b&gt; __i18n__{"key":"ask"}'
)
HOSTILE = Article(
    id="hostile",
    title=HOSTILE_TEXT,
    text=HOSTILE_TEXT,
    source=HOSTILE_TEXT,
    url="javascript:alert(8)//https://example.invalid",
    author=HOSTILE_TEXT,
    language='fr" onfocus="alert(9)',
)
HELD = Status(
    home=Path("archive"),
    generation="1",
    created="2024-05-01",
    articles=1200,
    passages=4000,
    oldest=date(2023, 3, 14),
    newest=date(2024, 3, 1),
    sources={"Le Courrier de l’Orselle": 1100, "The Orselle Gazette": 100},
    languages={"fr": 1200},
    embedder="embedder",
    dimensions=768,
    size=1,
)


def evidence_of(article: Article, *sentences: str) -> tuple[Evidence, ...]:
    passage = Passage(article.id, 0, len(article.text))
    starts = [article.text.index(sentence) for sentence in sentences]
    return tuple(
        Evidence(number, article, passage, start, start + len(sentence), 0.9)
        for number, (sentence, start) in enumerate(zip(sentences, starts, strict=True), 1)
    )


EVIDENCE = evidence_of(BRIDGE, "Les travaux ont coûté 4,2 millions d’euros.", "Le pont suspendu a rouvert lundi.")
TEXT = "Les travaux ont coûté 4,2 millions d’euros [1]. Le pont a rouvert lundi [2]."


# The contrast ratio of an element's text and what is behind it, by WCAG 2.2.
CONTRAST = """element => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => {
        const [r, g, b] = parts(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (parts(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


def answer_of(
    question: str,
    text: str,
    evidence: Sequence[Evidence],
    refused: bool = False,
    short: str | None = None,
    statements: Sequence[Statement] = (),
) -> Answer:
    """An answer that cites what its markers name."""
    hits = tuple(Hit(one.article, one.passage, 0.9, 0.9, 1.0) for one in evidence[:1])
    cited = () if refused else tuple(Citation(one.number, one, (text.index(f"[{one.number}]"),)) for one in evidence)
    return Answer(
        question=question,
        text=text,
        short=short,
        citations=cited,
        statements=tuple(statements),
        refused=refused,
        confidence=0.9,
        language="fr",
        evidence=tuple(evidence),
        nearest=hits,
        timings=Timings(0.1, 0.2, 0.3, 0.4),
    )


def mended(text: str, words: str) -> tuple[Statement, ...]:
    """The first sentence cited anew, the second added, a third dropped; `words` are what was wrong."""
    end = text.index("].") + 2
    wrong = (Problem(Kind.NUMBER, words),)
    return (
        Statement(text[:end], 0, end, (1,), Standing.RECITED, wrong),
        Statement(text[end + 1 :], end + 1, len(text), (2,), Standing.ADDED, ()),
        Statement(f"La mairie a payé {words} euros.", 0, 0, (), Standing.DROPPED, wrong),
    )


class Asked:
    """A stand-in for qa.stream that writes `text`, waiting for `go_on` after the evidence and after each word."""

    def __init__(
        self,
        text: str = TEXT,
        evidence: Sequence[Evidence] = EVIDENCE,
        refused: bool = False,
        held: bool = False,
        **checked: Any,
    ) -> None:
        self.text, self.evidence, self.refused, self.checked = text, evidence, refused, checked
        self.go_on = threading.Semaphore(0 if held else 1000)
        self.closed = threading.Event()
        self.histories: list[Sequence[tuple[str, str]]] = []

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]]
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        self.histories.append(history)
        whole = answer_of(question, self.text, self.evidence, self.refused, **self.checked)
        try:
            yield EvidenceFound(question, whole.evidence, whole.nearest)
            for word in range(1, len(self.text.split(" ")) + 1):
                assert self.go_on.acquire(timeout=10)
                yield PartialAnswer(" ".join(self.text.split(" ")[:word]))
            yield whole
        finally:
            self.closed.set()


def added(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
    for done in range(1, 4):
        progress(Progress("embedding", done, 3))
        time.sleep(0.3)
    skipped = (Skipped("/tmp/gradio/0/<img src=x onerror=alert(1)>.bin", "<b>binary</b>"),)
    return Report(added=2, updated=1, unchanged=0, skipped=skipped, articles=3, passages=9, embedded=9)


@pytest.fixture
def visit_with(serve: Any, visit: Any) -> Callable[..., Any]:
    """visit_with(ask, locale="fr-FR", …) → a Visit of a page over that ask."""

    def visit_with(ask: Any, about: Callable[[], Status] = lambda: HELD, **options: Any) -> Any:
        return visit(serve(ask=ask, add=added, about=about), **options)

    return visit_with


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


@pytest.mark.parametrize("place", [".short .marker", ".text .marker"])
def test_a_marker_can_be_clicked_in_its_middle(visit_with: Any, place: str) -> None:
    words = EVIDENCE[0].article.text.index("4,2 millions")
    short = replace(EVIDENCE[0], words=(words, words + len("4,2 millions d’euros")))
    visited = visit_with(Asked(short=short.short, evidence=(short, EVIDENCE[1])), height=420)
    visited.ask("Combien ?")
    visited.page.locator(place).first.click()
    expect(visited.page.locator("#source-1-1")).to_have_class("flash")


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
    expect(page.locator(".confidence")).to_have_attribute("title", re.compile("90"))
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
        ".mended",
        ".note summary",
        ".note span",
        ".dropped summary",
        ".dropped q",
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


def test_an_example_is_asked_by_a_click(visit_with: Any) -> None:
    page = visit_with(Asked()).page
    example = page.locator(".examples button").first
    question = example.inner_text()
    example.click()
    expect(page.locator(".turn .question")).to_have_text(question)
    expect(page.locator(".turn .marker")).to_have_count(2)


def test_a_refusal_shows_the_nearest_articles(visit_with: Any) -> None:
    visited = visit_with(Asked("Les articles ne le disent pas.", refused=True))
    visited.ask("Quel est le prix du pétrole ?")
    page = visited.page
    link = page.locator(".turn .nearest").get_by_role("link", name=BRIDGE.title)
    link.click()
    expect(page.locator("#nearest-1-1")).to_be_focused()
    expect(page.locator("#sources mark")).to_have_count(0)


def test_an_error_is_one_line_and_the_question_is_kept(visit_with: Any) -> None:
    def failing(question: str, *, history: Sequence[tuple[str, str]]) -> Iterator[Any]:
        raise NoArchiveError("nothing is indexed in /tmp/x yet; run: sourcier index PATH")
        yield

    visited = visit_with(failing, about=lambda: next(failing("", history=())))
    visited.ask("Combien ?")
    page = visited.page
    expect(page.locator(".turn .problem")).to_have_text("nothing is indexed in /tmp/x yet; run: sourcier index PATH")
    expect(page.locator("#asking textarea")).to_have_value("Combien ?")
    expect(page.locator(".holds")).to_contain_text("Aucun article")
    expect(page.locator("#send")).to_be_visible()


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


def test_dropped_articles_are_added_with_progress_and_a_report(visit_with: Any, tmp_path: Path) -> None:
    article = tmp_path / "article.txt"
    article.write_text("Un titre\n\nUn texte.", encoding="utf-8")
    visited = visit_with(Asked())
    page = visited.page
    page.locator("#adding > button").click()
    page.locator("#files input[type=file]").set_input_files(article)
    expect(page.locator("#report progress")).to_be_visible()
    expect(page.locator("#report")).to_contain_text("Calcul des vecteurs")
    expect(page.locator("#report dl")).to_have_text("Ajoutés2Mis à jour1Inchangés0Ignorés1")
    expect(page.locator("#report li")).to_have_text("<img src=x onerror=alert(1)>.bin : <b>binary</b>")
    assert (visited.dialogs, visited.errors) == ([], [])


def test_hostile_text_is_only_text(visit_with: Any) -> None:
    text = f"{HOSTILE_TEXT} [1]."
    statements = (
        Statement(text, 0, len(text), (1,), Standing.REWRITTEN, tuple(Problem(kind, HOSTILE_TEXT) for kind in Kind)),
        Statement(HOSTILE_TEXT, 0, 0, (), Standing.DROPPED, (Problem(Kind.NAME, HOSTILE_TEXT),)),
    )
    evidence = evidence_of(HOSTILE, HOSTILE_TEXT)
    visited = visit_with(Asked(text, evidence, short=HOSTILE_TEXT[:80], statements=statements))
    visited.ask(HOSTILE_TEXT)
    page = visited.page
    expect(page.locator("#turn-1 .marker")).to_have_count(1)
    expect(page.locator("#turn-1 .question")).to_have_text(HOSTILE_TEXT)
    expect(page.locator("#turn-1 .text")).to_contain_text(HOSTILE_TEXT)
    expect(page.locator("#turn-1 .short")).to_have_text(HOSTILE_TEXT[:80])
    page.locator("#turn-1 .note summary").click()
    expect(page.locator("#turn-1 .note span")).to_contain_text(HOSTILE_TEXT)
    page.locator("#turn-1 .dropped summary").click()
    expect(page.locator("#turn-1 .dropped q")).to_have_text(HOSTILE_TEXT)
    expect(page.locator("#sources mark")).to_contain_text(HOSTILE_TEXT)
    expect(page.locator("#sources h3")).to_have_text(HOSTILE_TEXT)
    visited.ask("Et ensuite ?")  # the first question now stands in the summary of its sources
    expect(page.locator("#sources summary")).to_contain_text(HOSTILE_TEXT)

    inside = page.locator("#conversation, #sources, #announcement")
    assert inside.locator("script, img, svg, iframe, style, b:not(.number), #injected").count() == 0
    assert inside.locator("a:not([href^='#'])").count() == 0
    assert inside.locator("[onerror], [onload], [onfocus]").count() == 0
    assert (visited.dialogs, visited.errors, visited.foreign) == ([], [], [])


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        pytest.param("fr-FR", ("Demander", "Votre question", "Ajouter des articles", "1\u202f200 articles"), id="fr"),
        pytest.param(
            "fr-CA", ("Demander", "Votre question", "Ajouter des articles", "1\u202f200 articles"), id="fr-CA"
        ),
        pytest.param("en-GB", ("Ask", "Your question", "Add articles", "1,200 articles"), id="en"),
        pytest.param("pt-BR", ("Ask", "Your question", "Add articles", "1,200 articles"), id="another"),
    ],
)
def test_the_page_speaks_the_browsers_language(visit_with: Any, locale: str, words: tuple[str, ...]) -> None:
    page = visit_with(Asked(), locale=locale).page
    for word in words:
        expect(page.locator("body")).to_contain_text(word)
    expect(page.get_by_role("textbox", name=words[1])).to_be_visible()


def test_no_request_goes_to_another_host(visit_with: Any, tmp_path: Path) -> None:
    article = tmp_path / "article.txt"
    article.write_text("Un titre\n\nUn texte.", encoding="utf-8")
    visited = visit_with(Asked())
    visited.ask("Combien ?")
    page = visited.page
    expect(page.locator(".turn .marker")).to_have_count(2)
    page.locator("#adding > button").click()
    page.locator("#files input[type=file]").set_input_files(article)
    expect(page.locator("#report dl")).to_be_visible()
    assert len(visited.requests) > 10
    assert visited.foreign == []
    policy = urllib.request.urlopen(visited.address).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy


@pytest.mark.parametrize("path", [Path(__file__), Path("/etc/hostname")], ids=["source", "system"])
def test_no_file_of_the_machine_is_served(visit_with: Any, path: Path) -> None:
    visited = visit_with(Asked())
    response = visited.page.request.get(f"{visited.address}/gradio_api/file={path}")
    assert response.status in {403, 404}


@pytest.mark.parametrize("width", [360, 768, 1024, 1920])
def test_nothing_is_wider_than_the_window(visit_with: Any, width: int) -> None:
    visited = visit_with(Asked(f"{'mot' * 80} {TEXT}"), width=width, height=740)
    visited.ask("anticonstitutionnellement" * 8)
    page = visited.page
    expect(page.locator(".turn .marker")).to_have_count(2)
    page.locator("#adding > button").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#asking textarea").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
