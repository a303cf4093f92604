"""Who cannot see, point or bear movement uses the page too: axe-core on every view, the keyboard, the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from answers import BRIDGE, TEXT, Asked, answer_of, evidence_of, mended
from axe_playwright_python.base import AXE_SCRIPT
from homes import home_of
from page_html import CONTRAST
from playwright.sync_api import Page, expect

from errors import QuestionError
from index.articles import Skipped
from index.rebuild import Progress, Report
from page.words import texts
from qa import Answer, Evidence, EvidenceFound, PartialAnswer
from settings import load_settings

# WCAG 2.0, 2.1 and 2.2 at levels A and AA, and what axe-core calls best practice.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """async rules => {
    const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations", "incomplete"]});
    const told = rules => rules.flatMap(rule => rule.nodes.map(node => [rule.id, node.target.at(-1), node.html]));
    return {violations: told(found.violations), incomplete: told(found.incomplete), passes: found.passes.length};
}"""
# What has the focus is seen, and so is that it has it; else what is wrong. A box that only takes the focus so that
# its beginning is read needs no ring.
FOCUS = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return "nothing has the focus";
    const told = element.outerHTML.slice(0, 200);
    const box = element.getBoundingClientRect();
    if (element.type === "date" && !element.matches(":focus-visible")) return ""; // the browser's ring is within it
    if (box.width < 2 || box.height < 2) return `not to be seen: ${told}`;
    if (box.bottom < 1 || box.top > innerHeight - 1) return `out of the window: ${told}`;
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    if ((outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || boxShadow !== "none") return "";
    return element.tabIndex < 0 ? "" : `no ring: ${told}`;
}"""

FAIR = replace(BRIDGE, id="fair", title="The fair is back", text="The fair is back on Sunday.", language="en",
               source="The Orselle Gazette", published=date(2024, 5, 9), url=None)  # fmt: skip
SHORT = "4,2 millions d’euros"


def proof() -> tuple[Evidence, ...]:
    """Two sentences of two articles from two days; a few words of the first answer."""
    first, *_ = evidence_of(BRIDGE, "Les travaux ont coûté 4,2 millions d’euros.")
    second, *_ = evidence_of(FAIR, "The fair is back on Sunday.")
    start = BRIDGE.text.index(SHORT)
    return replace(first, words=(start, start + len(SHORT))), replace(second, number=2)


class Replies:
    """Answers, waits before or after it has found evidence, refuses or fails, as the question says."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]], **narrowing: Any
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        if "fail" in question:
            raise QuestionError("the question is too long: 1200 characters, 1000 at most")
        if "search" in question:
            assert self.go_on.wait(60)
        evidence = proof()
        whole = answer_of(question, TEXT, evidence, "refuse" in question, SHORT, mended(TEXT, "17 400"))
        if "refuse" in question:
            whole = replace(whole, short=None, statements=(), text="")
        yield EvidenceFound(question, whole.evidence, whole.nearest)
        yield PartialAnswer(" ".join(TEXT.split(" ")[:5]))
        if "write" in question:
            assert self.go_on.wait(60)
        yield whole


class Adds:
    """Adds nothing: waits at a quarter, then reports."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        progress(Progress("embedding", 1, 4))
        assert self.go_on.wait(60)
        return Report(2, 1, 0, (Skipped("image.bin", "it is not text"),), 3, 9, 9)


ROWS = [
    {"name": f"{number}", "title": f"Le pont {number}", "text": f"Le pont {number} rouvre.", "date": "2024-03-01",
     "source": "AVP" if number % 2 else "Le Courrier", "lang": "fr" if number % 3 else "en"}
    for number in range(6)
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Six articles, one of them with an older version."""
    return home_of(tmp_path / "home", ROWS, [{**ROWS[1], "text": "Le pont 1 est rouvert."}])


def opened(page: Page, tab: int) -> None:
    """Open the tab of questions, of the archive or of conversations, where there is little room from Gradio's menu."""
    name = texts(page.evaluate("document.documentElement.lang"))[("tab_questions", "tab_archive", "tab_talks")[tab]]
    if not page.get_by_role("tab", name=name).count():
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text=name).click()
    else:
        page.get_by_role("tab", name=name).click()
    expect(page.locator(("#desk", "#shelves", "#talk-search")[tab])).to_be_visible()


def views(visited: Any, replies: Replies, adds: Adds, file: Path) -> Iterator[str]:
    """Go through every view of the page, and name each once it is there."""
    page: Page = visited.page
    expect(page.locator(".welcome")).to_be_visible()
    yield "welcome"
    page.locator("#narrowing summary").click()
    expect(page.locator("#narrowing input").first).to_be_visible()
    yield "narrowing open"
    page.locator("#narrowing summary").click()

    visited.ask("search")
    expect(page.locator(".turn .waiting")).to_be_visible()
    yield "searching"
    replies.go_on.set()
    expect(page.locator("#turn-1 .actions")).to_be_visible()
    replies.go_on.clear()
    visited.ask("write")
    expect(page.locator("#turn-2 .answer")).to_contain_text("Les travaux ont coûté 4,2")
    yield "writing"
    replies.go_on.set()
    expect(page.locator("#turn-2 .timeline li")).to_have_count(2)
    page.locator("#turn-2 [data-act=rate]").first.click()
    expect(page.locator("#turn-2 .rating-note input")).to_be_visible()
    for summary in page.locator("#turn-2 .note summary, #turn-2 .dropped summary, #sources summary").all():
        summary.click()
    yield "answer, rated, its notes open"
    page.locator("#turn-2 .text .marker").first.hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    yield "tooltip"
    page.keyboard.press("Escape")
    page.mouse.move(1, 1)
    page.locator("#sources [data-act=read]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "an article that is gone"
    page.keyboard.press("Escape")
    visited.ask("refuse")
    expect(page.locator("#turn-3 .nearest a")).to_be_visible()
    yield "refusal"
    page.locator("#earlier summary").first.click()
    expect(page.locator("#earlier .card").first).to_be_visible()
    yield "earlier sources open"
    visited.ask("fail")
    expect(page.locator("#turn-4 .problem")).to_be_visible()
    yield "error"

    opened(page, 1)
    expect(page.locator("#listing tbody tr")).to_have_count(6)
    yield "archive"
    page.locator("#health summary").click()
    page.locator("#pasting summary").click()
    expect(page.locator("#pasting textarea")).to_be_visible()
    yield "pasting and models open"
    page.locator("#pasting summary").click()
    page.locator("#listing tr", has=page.locator(".older")).get_by_role("button").first.click()
    page.get_by_role("dialog").locator("summary").click()
    page.get_by_role("dialog").locator(".versions button").first.click()
    expect(page.get_by_role("dialog").locator(".replaced")).to_be_visible()
    yield "reader"
    page.keyboard.press("Escape")
    page.locator("#listing [data-act=remove_article]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "confirmation"
    page.keyboard.press("Escape")
    with page.expect_file_chooser() as chooser:
        page.locator("#files").click()
    chooser.value.set_files(file)
    expect(page.locator("#progress progress")).to_be_visible()
    yield "progress"
    adds.go_on.set()
    expect(page.locator("#report dl")).to_be_visible()
    yield "report"
    page.locator("#health [data-act=verify]").click()
    expect(page.locator("#report dl")).to_have_count(0)
    yield "verified"
    page.locator("#search [name=words]").fill("zzz")
    page.locator("#search [name=words]").press("Enter")
    expect(page.locator("#listing tbody tr")).to_have_count(0)
    yield "nothing found"

    opened(page, 2)
    expect(page.locator("#talks li")).to_have_count(1)
    yield "conversations"
    page.locator("#talks .renaming summary").click()
    expect(page.locator("#talks .renaming input")).to_be_visible()
    yield "renaming"
    page.locator("#talks [data-act=delete_talk]").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "confirmation of deleting"
    page.keyboard.press("Escape")


def faults(page: Page, only: str = "") -> list[Any]:
    """Return what axe-core finds, and the texts of which it cannot say, and we find, that they are too pale."""
    found = page.evaluate(AXE, {"type": "rule", "values": [only]} if only else TAGS)
    assert found["passes"] == 1 if only else found["passes"] > 5
    unsure = [one for one in found["incomplete"] if one[0] != "color-contrast"]
    pale = [
        (ratio, html)
        for rule, selector, html in found["incomplete"]
        if rule == "color-contrast" and (ratio := page.locator(selector).first.evaluate(CONTRAST)) < 4.5
    ]
    return [*found["violations"], *unsure, *pale]


@pytest.fixture
def visit_all(serve: Any, visit: Any, home: Path) -> Callable[..., tuple[Any, Iterator[str]]]:
    """visit_all(…) → a Visit, and its way through all views."""

    def visit_all(**options: Any) -> tuple[Any, Iterator[str]]:
        replies, adds = Replies(), Adds()
        visited = visit(serve(settings=load_settings(home), ask=replies, add=adds), **options)
        return visited, views(visited, replies, adds, Path(__file__))

    return visit_all


@pytest.mark.parametrize("width", [1400, 360])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_axe_finds_nothing_in_any_view(visit_all: Any, language: str, width: int) -> None:
    visited, way = visit_all(locale=language, width=width, height=800)
    page = visited.page
    page.evaluate(AXE_SCRIPT)
    seen, found = [], []
    for name in way:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function("scheme => document.body.matches('.dark') === (scheme === 'dark')", arg=scheme)
            finish_transitions(page)
            only = "color-contrast" if scheme == "dark" else ""  # nothing else depends on it
            found += [(name, scheme, *fault) for fault in faults(page, only)]
        page.emulate_media(color_scheme="light")
        seen.append(name)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (name, wide)
        assert page.evaluate("document.documentElement.lang") == language, name
    assert not found, "\n".join(map(str, found))
    assert len(seen) == 21
    assert visited.errors == []


def finish_transitions(page: Page) -> None:
    """Colours that are changing are neither those before nor those after."""
    page.evaluate(
        "Promise.all(document.getAnimations().filter(one => one instanceof CSSTransition).map(one => one.finish()))"
    )


def test_axe_finds_what_is_planted(serve: Any, visit: Any, home: Path) -> None:
    page = visit(serve(settings=load_settings(home), ask=Asked())).page
    page.evaluate(AXE_SCRIPT)
    assert faults(page) == []
    page.locator("#welcome .welcome").evaluate(
        """welcome => {
            welcome.append(document.createElement("img"));
            welcome.append(document.createElement("input"));
            welcome.querySelector("p").style.color = "#aaa";
        }"""
    )
    assert {"image-alt", "label", "color-contrast"} <= {rule for rule, *_ in faults(page)}
    page.locator("[role=tab]").nth(1).evaluate("tab => tab.style.color = '#ccc'")
    assert any(isinstance(one[0], float) and one[0] < 2 for one in faults(page))  # where axe-core is not sure


class Keys:
    """A reader with a keyboard and nothing else, who must see at each step what has the focus."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def see(self) -> None:
        assert self.page.evaluate(FOCUS) == ""

    def go(self, selector: str, key: str = "Tab") -> None:
        """Go on to the next element of that kind."""
        for _ in range(60):
            self.press(key)
            self.see()
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached with {key}")


def test_everything_is_done_with_the_keyboard_alone(serve: Any, visit: Any, home: Path) -> None:
    visited = visit(serve(settings=load_settings(home), ask=Replies()), height=700)
    page, keys = visited.page, Keys(visited.page)
    expect(page.locator("#asking textarea")).to_be_focused()  # one can begin to write

    page.keyboard.type("Combien ?")
    keys.press("Enter")
    expect(page.locator("#turn-1 .actions")).to_be_visible()
    keys.see()
    expect(page.locator("#asking textarea")).to_be_focused()  # and write the next

    page.keyboard.type("Et quand ?")
    keys.go("#send")
    keys.press("Enter")
    expect(page.locator("#turn-2 .actions")).to_be_visible()
    expect(page.locator("#asking textarea")).to_be_focused()  # what was pressed is hidden for a while

    keys.go("#turn-2 .text .marker", "Shift+Tab")
    expect(page.get_by_role("tooltip")).to_contain_text("The fair is back on Sunday.")
    keys.press("Enter")
    expect(page.locator("#sources .card", has=page.locator("#source-2-2"))).to_be_focused()
    expect(page.locator("#source-2-2")).to_be_in_viewport()
    expect(page.get_by_role("tooltip")).to_have_count(0)
    keys.see()
    keys.go("#sources .back")
    keys.press("Enter")
    expect(page.locator("#turn-2 .text .marker").last).to_be_focused()
    keys.see()
    keys.go("#turn-2 .note summary", "Shift+Tab")
    keys.press("Enter")
    expect(page.locator("#turn-2 .note span").first).to_be_visible()
    keys.go("#turn-2 [data-act=rate]")
    keys.press("Space")
    expect(page.locator("#turn-2 [data-act=rate]").first).to_have_attribute("aria-pressed", "true")
    keys.see()

    keys.go("[role=tab][aria-selected=true]", "Shift+Tab")
    keys.go("[role=tab]")
    keys.press("Enter")
    expect(page.get_by_role("tab", name="Archives")).to_have_attribute("aria-selected", "true")
    keys.see()
    keys.go("#search [name=words]")
    page.keyboard.type("rouvert")
    keys.press("Enter")
    expect(page.locator("#listing .found")).to_have_text("1 article")
    keys.see()
    keys.go("#listing [data-act=read]")
    keys.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Le pont 1")
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    keys.go("dialog summary")
    keys.press("Enter")
    keys.go("dialog [data-act=read]")
    keys.press("Enter")
    expect(dialog.locator(".replaced")).to_be_visible()
    assert page.evaluate("document.querySelector('dialog[open]').contains(document.activeElement)")
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator("#listing [data-act=read]")).to_be_focused()
    keys.see()

    keys.go("#listing [data-act=remove_article]")
    keys.press("Enter")
    expect(dialog).to_contain_text("Retirer « Le pont 1 » des archives")
    keys.see()
    assert page.evaluate("document.activeElement.value") == "no"  # Enter again does no harm
    keys.go("dialog [value=yes]")
    keys.press("Enter")
    expect(page.locator("#report")).to_contain_text("Retiré : Le pont 1")
    expect(page.locator("#listing .found")).to_have_text("0 article")
    expect(page.locator("#listing .found")).to_be_focused()  # what was pressed is gone
    keys.go("#report [data-act=undo]")
    keys.press("Enter")
    expect(page.locator("#listing .found")).to_have_text("1 article")
    expect(page.locator("#report .report")).to_be_focused()
    keys.see()

    keys.go("[data-act=choose_language][lang=en]", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("tab", name="Archive")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("[data-act=choose_language][lang=en]")).to_be_focused()
    keys.see()
    assert visited.errors == []


def test_turning_to_the_last_page_and_back_with_the_keyboard(serve: Any, visit: Any, tmp_path: Path) -> None:
    rows = [{"name": f"{number}", "title": f"Le pont {number}", "text": "Un pont."} for number in range(60)]
    page = visit(serve(settings=load_settings(home_of(tmp_path / "home", rows)), ask=Asked())).page
    keys = Keys(page)
    opened(page, 1)
    page.locator("#listing .link").last.focus()
    keys.go("#listing [data-act=turn_page]:not([disabled])")
    keys.press("Enter")
    expect(page.locator("#listing .found")).to_have_text("60 articles · 51 à 60")
    expect(page.locator("#listing .found")).to_be_focused()  # and not the button, which cannot be pressed any more
    expect(page.locator("#listing .found")).to_be_in_viewport()
    keys.see()
    keys.go("#listing [data-act=turn_page]:not([disabled])")
    keys.press("Enter")
    expect(page.locator("#listing .found")).to_have_text("60 articles · 1 à 50")
    expect(page.locator("#listing .found")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#listing .link").first).to_be_focused()


def test_a_screen_reader_is_told_what_happens(serve: Any, visit: Any, home: Path) -> None:
    replies, adds = Replies(), Adds()
    visited = visit(serve(settings=load_settings(home), ask=replies, add=adds))
    page, words = visited.page, texts("fr")
    told = page.locator("#announcement [role=status][aria-live=polite]")
    told.evaluate("region => region.known = true")  # a region that is put there anew is not read
    visited.ask("search, write")
    expect(told).to_have_text(words["searching"])
    expect(page.locator("#turn-1")).to_have_attribute("aria-busy", "true")
    replies.go_on.set()
    expect(told).to_have_text(
        "4,2 millions d’euros. Les travaux ont coûté 4,2 millions d’euros. Le pont a rouvert lundi."
    )
    assert told.evaluate("region => region.known") is True
    expect(page.locator("#turn-1")).to_have_attribute("aria-busy", "false")
    visited.ask("refuse")
    expect(told).to_have_text(words["refused"])
    visited.ask("fail")
    expect(told).to_have_text("the question is too long: 1200 characters, 1000 at most")
    expect(page.locator("#turn-3").get_by_role("alert")).to_be_visible()

    opened(page, 1)
    page.locator("#listing").get_by_role("status").evaluate("region => region.known = true")
    page.locator("#search [name=words]").fill("rouvert")
    page.locator("#search [name=words]").press("Enter")
    expect(page.locator("#listing").get_by_role("status")).to_have_text("1 article")
    assert page.locator("#listing").get_by_role("status").evaluate("region => region.known") is True
    with page.expect_file_chooser() as chooser:
        page.locator("#files").click()
    chooser.value.set_files(__file__)
    expect(page.get_by_role("progressbar", name="Calcul des vecteurs : 1 sur 4")).to_be_visible()
    adds.go_on.set()
    expect(page.locator("#report").get_by_role("status")).to_contain_text(words["report"])


def moving(page: Page) -> list[str]:
    """The names of the animations that go on."""
    names: list[str] = page.evaluate(
        "document.getAnimations().filter(one => one.playState === 'running' && one.animationName)"
        ".map(one => one.animationName)"
    )
    return names


def test_nothing_moves_for_who_wants_no_movement(serve: Any, visit: Any, home: Path) -> None:
    replies = Replies()
    address = serve(settings=load_settings(home), ask=replies)
    for setting, moves in (("no-preference", True), ("reduce", False)):
        replies.go_on.clear()
        visited = visit(address, reduced_motion=setting, height=500)
        page = visited.page
        visited.ask("search")
        expect(page.locator(".waiting")).to_be_visible()
        assert ("breathe" in moving(page)) == moves
        replies.go_on.set()
        expect(page.locator("#turn-1 .actions")).to_be_visible()
        smooth = (
            "() => { window.asked = []; Element.prototype.scrollIntoView = how => window.asked.push(how.behavior) }"
        )
        page.evaluate(smooth)
        page.locator("#turn-1 .text .marker").last.click()
        expect(page.locator("#source-1-2")).to_have_class("flash")
        assert ("flash" in moving(page)) == moves
        assert page.evaluate("window.asked") == ["smooth" if moves else "auto"]
        if not moves:
            assert moving(page) == []


@pytest.mark.parametrize(("width", "height", "scale"), [(700, 450, 2), (320, 256, 4)], ids=["200 %", "400 %"])
def test_enlarged_nothing_is_scrolled_sideways(visit_all: Any, width: int, height: int, scale: int) -> None:
    visited, way = visit_all(width=width, height=height, device_scale_factor=scale)
    page = visited.page
    for name in way:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        cut = page.evaluate(
            """width => [...document.querySelectorAll("button, input, select, textarea, summary, h1, h2, h3, p, td")]
                .filter(one => one.checkVisibility() && !one.closest(".unseen, thead, [tabindex='-1']"))
                .filter(one => one.getBoundingClientRect().left < -1 || one.getBoundingClientRect().right > width + 1)
                .map(one => one.outerHTML.slice(0, 100))""",
            width,
        )
        assert cut == [], name
