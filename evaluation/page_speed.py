"""How quick the page is: shown, ready to be asked, small; and with --real, how quick it answers ten who ask at once.

    python -m evaluation.page_speed --home HOME            answers made by hand: no weights are needed
    python -m evaluation.page_speed --home HOME --real     the models, and ten questions of demo/questions.jsonl

The archive in HOME is copied, and the copy served. The page is measured in the Chromium of this machine, from an
empty cache (cold) and from a full one (warm); what is told is the median. The page runs in a process of its own;
times are wall time.
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import psutil

from errors import SettingsError
from settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUESTIONS = Path(__file__).resolve().parents[1] / "demo" / "questions.jsonl"
_BOX = "#asking textarea"
_TYPED = "Combien de fissures sous le pont ?"
_LONGEST_WAIT = 900  # seconds, for ten answers on a slow machine

# Noted by the page itself, from before its first byte.
_OBSERVE = """
window.seen = {paint: {}, largest: 0, blocking: 0, shift: 0, latencies: []};
const observe = (type, note) => new PerformanceObserver(list => list.getEntries().forEach(note)).observe({
    type, buffered: true,
});
observe("paint", entry => (window.seen.paint[entry.name] = entry.startTime));
observe("largest-contentful-paint", entry => (window.seen.largest = entry.startTime));
observe("longtask", entry => (window.seen.blocking += entry.duration - 50));
observe("layout-shift", entry => { if (!entry.hadRecentInput) window.seen.shift += entry.value; });
const ready = setInterval(() => {
    const box = document.querySelector("#asking textarea");
    const welcome = document.querySelector("#desk .conversation, #conversation .conversation");
    if (!box || box.disabled || !box.placeholder || !welcome) return;
    window.seen.ready = performance.now();
    clearInterval(ready);
}, 5);
document.addEventListener("keydown", () => {
    const pressed = performance.now();
    requestAnimationFrame(() => setTimeout(() => window.seen.latencies.push(performance.now() - pressed)));
}, true);
"""
# When each thing of the first answer came, in seconds from the question on.
_WATCH = """question => {
    window.times = {};
    const began = performance.now();
    const note = name => (window.times[name] ??= (performance.now() - began) / 1000);
    new MutationObserver(() => {
        if (document.querySelector("#sources mark, #sources .card")) note("evidence");
        if (document.querySelector("#turn-1 .answer .text")?.textContent.trim()) note("first word");
        if (document.querySelector("#turn-1 .problem")) note("error");
        if (document.querySelector("#turn-1 .actions")) note("end");
    }).observe(document, {childList: true, subtree: true, characterData: true});
}"""


def serve(home: Path, port: int, real: bool) -> None:
    """Serve the page until this process is ended."""
    import app

    settings = load_settings(home, port=port, questions_per_minute=0, questions_waiting=0)
    if real:
        app.serve(settings)
    else:
        blocks = app.build(settings, ask=_made_by_hand)
        app.start(blocks, settings)
        blocks.block_thread()


def _made_by_hand(question: str, **given: Any) -> Iterator[Any]:
    """Answer with a sentence that is always the same."""
    from index.articles import Article
    from index.passages import Passage
    from index.search import Hit
    from qa import Answer, Citation, Evidence, EvidenceFound, PartialAnswer, Timings

    said = "Le pont suspendu a rouvert lundi."
    article = Article(id="bridge", title="Le pont suspendu rouvre", text=said, source="La Gazette", language="fr")
    evidence = (Evidence(1, article, Passage(article.id, 0, len(said)), 0, len(said), 0.9),)
    nearest = (Hit(article, evidence[0].passage, 0.9, 0.9, 1.0),)
    text = "Il a rouvert lundi [1]."
    yield EvidenceFound(question, evidence, nearest)
    for end in range(3, len(text)):
        yield PartialAnswer(text[:end])
    yield Answer(
        question=question, text=text, short=None, citations=(Citation(1, evidence[0], (text.index("["),)),),
        statements=(), refused=False, confidence=0.9, language="fr", evidence=evidence, nearest=nearest,
        timings=Timings(0.0, 0.0, 0.0, 0.0),
    )  # fmt: skip


@contextmanager
def _served(home: Path, real: bool) -> Iterator[tuple[str, psutil.Process]]:
    """Serve a copy of a home in a process of its own; give its address and that process."""
    with tempfile.TemporaryDirectory(prefix="sourcier-speed-") as folder, socket.socket() as probe:
        copied = shutil.copytree(home, Path(folder) / "home")
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        code = "import sys; from pathlib import Path; from evaluation.page_speed import serve;"
        code += " serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == 'real')"
        log = (Path(folder) / "log").open("w+b")
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(copied), str(port), "real" if real else ""], stdout=log, stderr=log
        )
        try:
            until = time.monotonic() + 300
            while socket.socket().connect_ex(("127.0.0.1", port)):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise SettingsError(f"the page did not start: {log.read().decode(errors='replace')[-1000:]}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)
            log.close()


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        raise SettingsError(f"no browser: none of {', '.join(CHROMIUM)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def _opened(context: BrowserContext, address: str) -> Page:
    """Open the page and wait until a question can be put."""
    page = context.new_page()
    page.add_init_script(_OBSERVE)
    page.goto(address)
    page.wait_for_function("window.seen.ready", timeout=120_000)
    return page


def _load(context: BrowserContext, address: str) -> dict[str, Any]:
    """Open the page once; return what was measured, times in milliseconds."""
    page = context.new_page()
    kinds: dict[str, str] = {}
    sizes: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def answered(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]
        numbers[event["type"]] += 1

    session.on("Network.responseReceived", answered)
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({kinds.get(event["requestId"], "Other"): int(event["encodedDataLength"])}),
    )
    page.add_init_script(_OBSERVE)
    page.goto(address)
    page.wait_for_function("window.seen.ready", timeout=120_000)
    page.wait_for_timeout(1500)  # what comes later is a part of it
    page.locator(_BOX).press_sequentially(_TYPED, delay=30)
    seen = page.evaluate("window.seen")
    page.close()
    return {
        "first paint, ms": seen["paint"].get("first-paint", 0.0),
        "first contentful paint, ms": seen["paint"].get("first-contentful-paint", 0.0),
        "largest contentful paint, ms": seen["largest"],
        "the question box can be used, ms": seen["ready"],
        "total blocking time, ms": seen["blocking"],
        "cumulative layout shift": seen["shift"],
        "typing latency p95, ms": _percentile(seen["latencies"], 0.95),
        "requests": sum(numbers.values()),
        "bytes": sum(sizes.values()),
        **{f"requests, {kind}": number for kind, number in sorted(numbers.items())},
        **{f"bytes, {kind}": size for kind, size in sorted(sizes.items())},
    }


def _medians(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the median of each figure; one that a run lacks is 0 there."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    return {
        name: round(statistics.median(run.get(name, 0) for run in runs), 3 if "shift" in name else 1) for name in names
    }


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def shown(browser: Browser, address: str, times: int) -> dict[str, Any]:
    """Return how the page loads, with an empty cache and with a full one."""
    cold, warm = [], []
    for _ in range(times):
        context = browser.new_context(locale="fr-FR", viewport={"width": 1400, "height": 900})
        cold.append(_load(context, address))
        warm.append(_load(context, address))
        context.close()
    return {"cold": _medians(cold), "warm": _medians(warm)}


def at_once(browser: Browser, address: str, questions: Sequence[str]) -> dict[str, Any]:
    """Return how long each of so many waits who ask at once, and how the page is to write in meanwhile."""
    # each with a browser's connections of their own: six at most go to one host, and each page keeps one
    contexts = [
        browser.new_context(locale="fr-FR", viewport={"width": 1000, "height": 700}) for _ in range(1 + len(questions))
    ]
    writer, *pages = (_opened(context, address) for context in contexts)
    for page, question in zip(pages, questions, strict=True):
        page.locator(_BOX).fill(question)
        page.evaluate(_WATCH, question)
        page.locator(_BOX).press("Enter")
    until = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < until and not all(page.evaluate("'end' in window.times") for page in pages):
        writer.locator(_BOX).fill("")
        writer.locator(_BOX).press_sequentially(_TYPED, delay=60)
    every = [page.evaluate("window.times") for page in pages]
    latencies = writer.evaluate("window.seen.latencies")
    for context in contexts:
        context.close()
    return {
        "questions": [
            {"question": question, **{name: round(seconds, 2) for name, seconds in sorted(times.items())}}
            for question, times in zip(questions, every, strict=True)
        ],
        "seconds, median": {
            name: round(statistics.median(times[name] for times in every if name in times), 2)
            for name in ("evidence", "first word", "end")
            if any(name in times for times in every)
        },
        "seconds until the last is answered": round(max(times.get("end", _LONGEST_WAIT) for times in every), 2),
        "errors": sum("error" in times for times in every),
        "keys pressed meanwhile": len(latencies),
        "typing latency p95, ms": round(_percentile(latencies, 0.95), 1),
    }


def long_visit(browser: Browser, address: str, memory: Callable[[], float], questions: Sequence[str]) -> dict[str, Any]:
    """Return what two hundred questions of one visit do to the memory of the server and to the page."""
    context = browser.new_context(locale="fr-FR", viewport={"width": 1400, "height": 900})
    page = _opened(context, address)
    told: dict[str, Any] = {"memory before, MB": memory()}
    seconds = []
    for place in range(1, 201):
        page.locator(_BOX).fill(questions[place % len(questions)])
        began = time.perf_counter()
        page.locator(_BOX).press("Enter")
        page.locator(f"#turn-{place} .actions").wait_for(timeout=_LONGEST_WAIT * 1000)
        seconds.append(time.perf_counter() - began)
        if place in (50, 200):
            told |= {
                f"memory after {place}, MB": memory(),
                f"elements after {place}": page.evaluate("document.querySelectorAll('*').length"),
                f"seconds, median of the fifty until {place}": round(statistics.median(seconds[-50:]), 2),
            }
    context.close()
    return told


def measure(home: Path, real: bool, times: int, long: bool) -> dict[str, Any]:
    """Return every figure."""
    rows = [json.loads(line) for line in _QUESTIONS.read_text(encoding="utf-8").splitlines()]
    questions = [row["question"] for row in rows if row["language"] == "fr"][:10]
    with _served(home, real) as (address, process), _browser() as browser:

        def memory() -> float:
            return round(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6, 1)

        figures: dict[str, Any] = {"models": real, "memory once it is up, MB": memory()}
        figures |= {"the page": shown(browser, address, times), "memory then, MB": memory()}
        if real:
            _answered_once(browser, address, questions[0])  # with models that are loaded
            figures["memory with the models, MB"] = memory()
        figures |= {"ten at once": at_once(browser, address, questions), "memory after ten, MB": memory()}
        if long:
            figures["two hundred questions"] = long_visit(browser, address, memory, questions)
    return figures


def _answered_once(browser: Browser, address: str, question: str) -> None:
    context = browser.new_context(locale="fr-FR")
    page = _opened(context, address)
    page.locator(_BOX).fill(question)
    page.locator(_BOX).press("Enter")
    page.locator("#turn-1 .actions").wait_for(timeout=_LONGEST_WAIT * 1000)
    context.close()


@click.command()
@click.option("--home", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--real", is_flag=True, help="Ask the models, not the stand-in.")
@click.option("--times", default=5, show_default=True, help="How often the page is loaded, cold and warm.")
@click.option("--long", is_flag=True, help="Two hundred questions in one visit, too.")
def main(home: Path, real: bool, times: int, long: bool) -> None:
    """Print every figure as JSON."""
    print(json.dumps(measure(home, real, times, long), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
