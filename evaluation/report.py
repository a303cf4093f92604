"""A run → its figures, and the report of them: Markdown and one HTML page that loads nothing else.

The charts are drawn by the template (report.html): two axes and a line are less than a drawing
library. What stands in articles, questions and answers is a stranger's, and is escaped in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.answers import Run
from evaluation.datasets import Question
from evaluation.metrics import (
    Estimate,
    Reliability,
    RiskCoverage,
    estimate,
    reliability,
    risk_coverage,
    share,
)
from evaluation.verdicts import MEASURES, Verdict, judge, standings

_BY_KIND = (
    "right passage among those shown",
    "a cited sentence holds the answer",
    "gold words in the answer",
    "refused though answerable",
    "refused the unanswerable",
)
_STAGES = {"evidence": "to the evidence", "first_word": "to the first word", "total": "to the end"}
_STANDINGS = {
    "written": "as the model wrote it",
    "recited": "cites another sentence, which bears it out",
    "rewritten": "written once more",
    "quoted": "replaced by the quotation",
    "dropped": "left out",
}
_MARKUP = re.compile(r"([\\`*_<>|#~&$@]|\](?=[(\[:])|:(?=//)|(?<=www)\.)")


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of two runs over the questions that both have it for: `by` is this less the other."""

    this: float
    other: float
    by: Estimate


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run, by name of the measure; only those that apply to its questions.

    `seconds` is {stage: (median, 95th percentile, n)}. `risk` is None if no question was answered.
    `not_asked` maps the questions that could not be asked to the reason.
    """

    figures: dict[str, Estimate]
    kinds: dict[str, dict[str, Estimate]]
    standings: dict[str, int]
    seconds: dict[str, tuple[float, float, int]]
    risk: RiskCoverage | None
    calibration: Reliability
    compared: dict[str, Difference]
    not_asked: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return what figures.json holds."""
        return {
            "figures": {name: asdict(value) for name, value in self.figures.items()},
            "kinds": {kind: {name: asdict(value) for name, value in row.items()} for kind, row in self.kinds.items()},
            "standings": self.standings,
            "seconds": {
                name: {"median": median, "p95": p95, "n": n} for name, (median, p95, n) in self.seconds.items()
            },
            "calibration_error": self.calibration.error,
            "risk_coverage_area": self.risk.area if self.risk else None,
            "compared": {name: asdict(value) for name, value in self.compared.items()},
            "not_asked": self.not_asked,
        }


def verdicts(run: Run) -> dict[str, Verdict]:
    """Judge every row of a run, by question id, in the order of its questions."""
    return {
        question.id: judge(question, run.rows[question.id], left_out=run.left_out)
        for question in run.questions
        if question.id in run.rows and "error" not in run.rows[question.id]
    }


def summarised(run: Run, other: Run | None = None) -> Summary:
    """Work out the figures of a run, and how they differ from another one of the same data.

    The intervals of differences are of the paired bootstrap: over the questions that both runs have.
    Raises ValueError if no question has been answered or refused yet.
    """
    judged = verdicts(run)
    if not judged:
        raise ValueError("the run has no answers yet")
    kinds: dict[str, dict[str, Verdict]] = {}
    for question in run.questions:
        if question.kind and question.id in judged:
            kinds.setdefault(question.kind, {})[question.id] = judged[question.id]
    rows = [run.rows[identity] for identity in judged]
    answered = [verdict for verdict in judged.values() if verdict.wrong is not None]
    return Summary(
        figures=_figures(judged),
        kinds={kind: _figures(own) for kind, own in sorted(kinds.items())},
        standings=standings(rows),
        seconds={stage: spread for stage in _STAGES if (spread := _spread(rows, stage))},
        risk=risk_coverage(
            [verdict.confidence for verdict in answered], [bool(verdict.wrong) for verdict in answered], len(judged)
        )
        if answered
        else None,
        calibration=reliability(
            [verdict.confidence for verdict in judged.values()],
            [verdict.evidence_answers for verdict in judged.values()],
        ),
        compared=_compared(judged, verdicts(other)) if other else {},
        not_asked={identity: row["error"] for identity, row in run.rows.items() if "error" in row},
    )


def _figures(judged: dict[str, Verdict]) -> dict[str, Estimate]:
    return {
        measure.name: estimate(values)
        for measure in MEASURES
        if (values := [own.values[measure.name] for own in judged.values() if measure.name in own.values])
    }


def _compared(this: dict[str, Verdict], other: dict[str, Verdict]) -> dict[str, Difference]:
    found = {}
    for measure in MEASURES:
        pairs = [
            (own.values[measure.name], other[identity].values[measure.name])
            for identity, own in this.items()
            if measure.name in own.values and identity in other and measure.name in other[identity].values
        ]
        if pairs:
            mine, theirs = np.array(pairs).T
            found[measure.name] = Difference(float(mine.mean()), float(theirs.mean()), estimate(list(mine - theirs)))
    return found


def _spread(rows: Sequence[dict[str, Any]], stage: str) -> tuple[float, float, int] | None:
    times = [row["timings"][stage] for row in rows if row["timings"][stage] is not None]
    return (float(np.median(times)), float(np.percentile(times, 95)), len(times)) if times else None


@dataclass(frozen=True, slots=True)
class Chart:
    """A line over the unit square; `dots` are (across, up, words), for those who point at them."""

    title: str
    across: str
    up: str
    line: list[tuple[float, float]]
    dots: list[tuple[float, float, str]]
    diagonal: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: words, a table, charts; each may be empty."""

    title: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that came out wrong. All but `id` and `why` are a stranger's words."""

    id: str
    why: str
    confidence: str
    question: str
    understood: str
    answer: str
    gold: tuple[str, ...]
    cited: tuple[str, ...]


def write(out: Path, run: Run, other: Run | None = None) -> Summary:
    """Write figures.json, report.md and report.html into `out`; return the figures."""
    from jinja2 import Environment, FileSystemLoader

    summary = summarised(run, other)
    title = f"sourcier eval answers: {run.about['data']}"
    about, parts, failures = _about(run, other), _sections(summary), _failures(run)
    figures = json.dumps(summary.as_json(), indent=1, ensure_ascii=False)
    (out / "figures.json").write_text(figures + "\n", encoding="utf-8")
    (out / "report.md").write_text(_markdown(title, about, parts, failures), encoding="utf-8")
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = pages.get_template("report.html").render(title=title, about=about, sections=parts, failures=failures)
    (out / "report.html").write_text(page, encoding="utf-8")
    return summary


def _about(run: Run, other: Run | None) -> list[tuple[str, str]]:
    about = run.about
    server = about["settings"].get("answering_server")
    asked = f"{len(run.rows)} of {about['questions']} asked, seed {about['seed']}"
    rows = [
        ("data", f"{about['data']}, SHA-256 {about['data_digest'][:12]}"),
        ("questions", asked + (", the articles that answer left out" if run.left_out else "")),
        ("answering model", f"{about['settings']['answering_model']}, {server or about['models']['answering'][:12]}"),
        ("embedding model", f"{about['settings']['embedding_model']}, {about['models']['embedding'][:12]}"),
        ("settings", ", ".join(f"{key} = {value}" for key, value in about["settings"].items())),
        ("code", f"SHA-256 {about['code'][:12]}"),
        ("begun", f"{about['begun']} on {about['machine']}"),
    ]
    if other:
        differs = [key for key, value in about["settings"].items() if other.about["settings"].get(key) != value]
        changed = ", ".join(f"{key} = {other.about['settings'].get(key)}" for key in differs) or "none"
        rows.append(("compared with", f"a run begun {other.about['begun']}; its settings that differ: {changed}"))
    return rows


def _sections(summary: Summary) -> list[Section]:
    meanings = {measure.name: measure.meaning for measure in MEASURES}
    parts = [
        Section(
            "Figures",
            "The mean over the n questions that each applies to, with its 95 % percentile bootstrap interval;"
            " where all n agree, that has no width and says nothing.",
            ("", "mean [95 %]", "n", "of what"),
            tuple((name, str(value), str(value.n), meanings[name]) for name, value in summary.figures.items()),
        )
    ]
    if summary.compared:
        parts.append(
            Section(
                "Compared",
                "Over the questions that both runs have; the interval is that of the paired difference, and a"
                " difference counts where it leaves out 0.",
                ("", "this", "other", "difference [95 %]", "n"),
                tuple(
                    (name, share(found.this), share(found.other), str(found.by), str(found.by.n))
                    for name, found in summary.compared.items()
                ),
            )
        )
    if summary.kinds:
        parts.append(
            Section(
                "By kind of question",
                head=("kind", *_BY_KIND),
                rows=tuple(
                    (kind, *(f"{own[name]}, n {own[name].n}" if name in own else "–" for name in _BY_KIND))
                    for kind, own in summary.kinds.items()
                ),
            )
        )
    if summary.standings:
        parts.append(
            Section(
                "What the check made of the sentences",
                head=("", "sentences"),
                rows=tuple((_STANDINGS.get(name, name), str(count)) for name, count in summary.standings.items()),
            )
        )
    parts.append(
        Section(
            "Seconds",
            head=("", "median", "95th percentile", "n"),
            rows=tuple(
                (_STAGES[stage], f"{median:.1f}", f"{p95:.1f}", str(n))
                for stage, (median, p95, n) in summary.seconds.items()
            ),
        )
    )
    parts.append(_confidence(summary.risk, summary.calibration))
    if summary.not_asked:
        parts.append(
            Section("Could not be asked", head=("question", "why"), rows=tuple(summary.not_asked.items())),
        )
    return parts


def _confidence(risk: RiskCoverage | None, calibration: Reliability) -> Section:
    bins = list(zip(calibration.confidence.tolist(), calibration.share.tolist(), calibration.count, strict=True))
    charts = [
        Chart(
            "Reliability: what came true of each tenth of the confidence",
            "confidence",
            "the evidence answers",
            [(mean, true) for mean, true, _ in bins],
            [(mean, true, f"{count} questions") for mean, true, count in bins],
            diagonal=True,
        )
    ]
    text = f"Expected calibration error {share(calibration.error)} over {int(calibration.count.sum())} questions."
    if risk:
        line = list(zip(risk.coverage.tolist(), risk.risk.tolist(), strict=True))
        charts.insert(0, Chart("Risk and coverage", "questions answered", "of these, wrong", line, [], diagonal=False))
        text = (
            f"Area under the risk-coverage curve {share(risk.area)}; at the coverage reached, {share(line[-1][0])},"
            f" the risk is {share(line[-1][1])}. {text}"
        )
    rows = tuple((share(mean), share(true), str(count)) for mean, true, count in bins)
    return Section(
        "Confidence",
        text + " An answer is wrong if nothing answers, or no cited sentence holds the answer where it is known.",
        ("mean confidence", "the evidence answers", "n"),
        rows,
        tuple(charts),
    )


def _failures(run: Run) -> list[Failure]:
    asked = {question.id: question for question in run.questions}
    return [
        _failure(asked[identity], run.rows[identity], verdict)
        for identity, verdict in verdicts(run).items()
        if verdict.failure
    ]


def _failure(question: Question, row: dict[str, Any], verdict: Verdict) -> Failure:
    return Failure(
        question.id,
        str(verdict.failure),
        share(verdict.confidence),
        question.text,
        row["question"] if row["question"] != " ".join(question.text.split()) else "",
        row["answer"],
        tuple(dict.fromkeys((*question.answers, *question.sentences))),
        tuple(f"[{item['marker']}] {item['quote']} ({item['title']})" for item in row["citations"]),
    )


def _markdown(title: str, about: list[tuple[str, str]], parts: list[Section], failures: list[Failure]) -> str:
    lines = [f"# {plain(title)}", "", *_rows(("", ""), about)]
    for part in parts:
        lines += ["", f"## {plain(part.title)}"]
        lines += ["", plain(part.text)] if part.text else []
        lines += ["", *_rows(part.head, part.rows)] if part.rows else []
    lines += ["", f"## Failures ({len(failures)})"]
    for failure in failures:
        understood = f" (understood as: {failure.understood})" if failure.understood else ""
        lines += ["", f"- question {plain(failure.id)}, {failure.why}, confidence {failure.confidence}"]
        lines.append(f"    - asked: {plain(failure.question + understood)}")
        lines.append(f"    - answer: {plain(failure.answer)}")
        lines += [f"    - wanted: {plain(gold)}" for gold in failure.gold]
        lines += [f"    - cited: {plain(quote)}" for quote in failure.cited]
    return "\n".join(lines) + "\n"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def plain(text: str) -> str:
    """Return a text as Markdown that shows it as it is, for inside a line: no markup in it means anything."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
