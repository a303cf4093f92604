"""Answers made by hand for the page's tests, and what stands in for asking and adding."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

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
COST = "Les travaux ont coûté 4,2 millions d’euros."
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
        self.narrowings: list[dict[str, Any]] = []

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]], **narrowing: Any
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        self.histories.append(history)
        self.narrowings.append(narrowing)
        whole = answer_of(question, self.text, self.evidence, self.refused, **self.checked)
        try:
            yield EvidenceFound(question, whole.evidence, whole.nearest)
            for word in range(1, len(self.text.split(" ")) + 1):
                assert self.go_on.acquire(timeout=60)
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
