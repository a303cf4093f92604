"""Ten people ask at once, and one asks two hundred questions: in turn, fluently, and within bounds."""

from __future__ import annotations

import gc
import re
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from answers import EVIDENCE, TEXT, Asked, answer_of
from playwright.sync_api import Page, expect

from page.access import Limits
from page.line import Line
from qa import Answer, EvidenceFound, PartialAnswer
from settings import load_settings

VISITORS = 10
LATENCY_MS = 200  # from a key to the frame that shows its letter, for 95 of 100
GROWTH_MB = 15  # of the process, the test's own client of the browser with it, for 150 questions
# Milliseconds from each key to the next frame, measured in the page.
MEASURE = """() => {
    window.latencies = [];
    document.querySelector("#asking textarea").addEventListener("keydown", () => {
        const pressed = performance.now();
        requestAnimationFrame(() => setTimeout(() => window.latencies.push(performance.now() - pressed)));
    });
}"""


class Slow:
    """Answers in 0.3 s, one at a time; `served` are the questions in the order in which they were begun."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self.begin = threading.Event()

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]], **narrowing: Any
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        with self._lock:
            self.served.append(question)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            assert self.begin.wait(120)
            whole = answer_of(question, TEXT, EVIDENCE)
            yield EvidenceFound(question, whole.evidence, whole.nearest)
            words = TEXT.split(" ")
            for place in range(len(words)):
                time.sleep(0.3 / len(words))
                yield PartialAnswer(" ".join(words[: place + 1]))
            yield whole
        finally:
            with self._lock:
                self._now -= 1


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_ten_people_ask_at_once(serve: Any, visit: Any, tmp_path: Path) -> None:
    slow, line = Slow(), Line()
    address = serve(settings=load_settings(tmp_path / "home"), ask=slow, line=line, admitted=Limits(0, 0).admitted)
    visits = [visit(address, width=900, height=600) for _ in range(VISITORS)]
    writer = visit(address)
    writer.page.evaluate(MEASURE)
    for number, visited in enumerate(visits):
        visited.ask(f"Question {number} ?")
        if number:  # the first is being served; each of the others sees how many stand before it
            told = f"Dans la file d’attente : {number} question{'s' if number > 1 else ''} avant la vôtre…"
            expect(visited.page.locator("#turn-1 .state")).to_have_text(told)
        else:
            expect(visited.page.locator("#turn-1 .state")).to_be_visible()
    slow.begin.set()
    box = writer.page.locator("#asking textarea")
    box.focus()
    for _ in range(6):
        box.press_sequentially("mot de dix", delay=25)
    assert len(slow.served) < VISITORS  # others were answered while it was written
    latencies = writer.page.evaluate("window.latencies")
    expect(box).to_have_value("mot de dix" * 6)
    assert len(latencies) == 60
    for visited in visits:
        expect(visited.page.locator("#turn-1 .actions")).to_be_visible(timeout=30_000)
        expect(visited.page.locator("#turn-1 .text")).to_contain_text("4,2 millions")
        assert visited.errors == []
    assert slow.served == [f"Question {number} ?" for number in range(VISITORS)]  # all of one address: as they came
    assert slow.most == 1  # the model is not asked by two at once
    assert percentile(latencies, 0.95) <= LATENCY_MS
    assert not line.busy


def test_how_many_stand_before_is_counted_down(serve: Any, visit: Any, tmp_path: Path) -> None:
    asked = Asked(held=True)
    address = serve(settings=load_settings(tmp_path / "home"), ask=asked, admitted=Limits(0, 0).admitted)
    visits = [visit(address, locale="en-GB", width=900, height=600) for _ in range(3)]
    for visited in visits:
        visited.ask("How much?")
        expect(visited.page.locator("#turn-1 .state")).to_be_visible()
    last = visits[2].page.locator("#turn-1 .state")
    expect(last).to_have_text("Waiting in line: 2 questions before yours…")
    expect(visits[2].page.locator("#announcement")).to_have_text("Waiting in line: 2 questions before yours…")
    visits[1].page.locator("#stop").click()  # whoever gives up makes room
    expect(last).to_have_text("Waiting in line: 1 question before yours…")
    expect(visits[1].page.locator("#turn-1 .state")).to_have_text("Answer stopped.")
    visits[0].page.close()  # and so does who leaves
    asked.go_on.release(1000)
    expect(visits[2].page.locator("#turn-1 .actions")).to_be_visible()


def test_who_asks_too_much_is_told_so(serve: Any, visit: Any, tmp_path: Path) -> None:
    asked = Asked()
    limits = Limits(per_minute=3, waiting=2)
    visited = visit(serve(settings=load_settings(tmp_path / "home"), ask=asked, admitted=limits.admitted))
    page: Page = visited.page
    for place in range(1, 4):
        visited.ask(f"Question {place} ?")
        expect(page.locator(f"#turn-{place} .actions")).to_be_visible()
    visited.ask("Question 4 ?")
    problem = page.locator("#turn-4 .problem")
    expect(problem).to_have_text(re.compile(r"^3 questions a minute are answered for each user; ask again in \d+ s$"))
    expect(page.locator("#asking textarea")).to_have_value("Question 4 ?")
    assert len(asked.histories) == 3

    asked.go_on = threading.Semaphore(0)
    address = serve(settings=load_settings(tmp_path / "other"), ask=asked, admitted=Limits(0, 2).admitted)
    visits = [visit(address, width=900, height=600) for _ in range(3)]
    for visited in visits:
        visited.ask("Question ?")
        expect(visited.page.locator("#turn-1 .state, #turn-1 .problem")).to_be_visible()
    problem = visits[2].page.locator("#turn-1 .problem")
    expect(problem).to_have_text("2 of your questions are waiting or being answered; ask again when one is done")
    asked.go_on.release(1000)
    for visited in visits[:2]:
        expect(visited.page.locator("#turn-1 .actions")).to_be_visible()
    visits[2].ask("Question ?")
    expect(visits[2].page.locator("#turn-2 .marker")).to_have_count(2)


def megabytes() -> float:
    """What this process, in which the page is served, takes of the machine's memory."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


@pytest.mark.timeout(900)
def test_two_hundred_questions_in_one_visit(serve: Any, visit: Any, tmp_path: Path) -> None:
    asked = Asked()
    settings = load_settings(tmp_path / "home")
    visited = visit(serve(settings=settings, ask=asked, admitted=Limits(0, 0).admitted))
    page: Page = visited.page
    seconds: list[float] = []
    memory: dict[int, float] = {}
    nodes: dict[int, int] = {}
    for place in range(1, 201):
        asked.go_on = threading.Semaphore(1000)
        asked.histories.clear()
        asked.narrowings.clear()
        began = time.perf_counter()
        visited.ask(f"Question {place} ?")
        page.locator(f"#turn-{place} .actions").wait_for()
        seconds.append(time.perf_counter() - began)
        if place % 50 == 0:
            visited.requests.clear()
            memory[place] = megabytes()
            nodes[place] = page.evaluate("document.querySelectorAll('*').length")
            assert page.locator(".turn").count() <= 20
            assert page.locator(".turn .question").last.inner_text() == f"Question {place} ?"
    told = f"seconds: {[round(one, 2) for one in seconds[::20]]}, memory in MB: {memory}, elements: {nodes}"
    print(told)
    assert page.locator(".turn .problem").count() == 0
    assert memory[200] - memory[50] < GROWTH_MB, told
    assert nodes[200] < 1.1 * nodes[50], told
    early, late = statistics.median(seconds[20:60]), statistics.median(seconds[160:])
    assert late < 1.5 * early + 0.05, told
    expect(page.get_by_role("button", name="Montrer 180 questions plus anciennes")).to_be_visible()
    assert visited.errors == []
