"""One question and the answer that was written down for it → what of it was right.

Everything is judged from the written row (`Answer.as_json()`, the question's `id`, `remaining`), so
that a run can be judged again, and compared, without asking again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.datasets import Question, flat
from evaluation.metrics import exact_match, holds, token_f1
from index.language import detect

_MARKERS = re.compile(r"\s*\[\d+\]")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of the report: its name, what it is the mean of, and whether more of it is better."""

    name: str
    meaning: str
    more_is_better: bool = True


MEASURES = (
    Measure(
        "right passage among those shown",
        "answerable questions: a sentence of the evidence is of an article that answers, or a passage found holds the"
        " sentence that does",
    ),
    Measure("a sentence shown holds the answer", "answerable: among the evidence, shown before the first word"),
    Measure("a cited sentence holds the answer", "answerable, a refusal counts as no"),
    Measure(
        "the very sentence is cited",
        "answerable, a refusal counts as no: the sentence that the data set names, not another with the same words",
    ),
    Measure("gold words in the answer", "answerable, a refusal counts as no: the answer's words, one after the other"),
    Measure("short answer: token F1", "answerable, none counts as 0"),
    Measure("short answer: exact match", "answerable, none counts as no"),
    Measure("short answer: token F1 where given", "answerable questions with a short answer"),
    Measure("short answer given", "questions that were answered"),
    Measure("refused though answerable", "answerable questions", more_is_better=False),
    Measure("refused the unanswerable", "questions that nothing answers"),
    Measure("answers though unanswerable", "questions that nothing answers", more_is_better=False),
    Measure(
        "citation precision",
        "answerable questions that were answered: the mean share of the cited sentences that hold the answer",
    ),
    Measure(
        "citation recall",
        "questions that were answered: the mean share of the sentences of the answer that cite, and of which nothing"
        " is left that the cited sentences do not bear out",
    ),
    Measure("a number that no cited sentence holds", "questions that were answered", more_is_better=False),
    Measure("a date that no cited sentence holds", "questions that were answered", more_is_better=False),
    Measure("a name that no cited sentence holds", "questions that were answered", more_is_better=False),
    Measure("answered in the language of the question", "questions that were answered"),
)
_LEFT = {
    "number": "a number that no cited sentence holds",
    "date": "a date that no cited sentence holds",
    "name": "a name that no cited sentence holds",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`values` are {name of a measure: 0 to 1}, of the measures that apply to this question.

    `confidence` is the answer's; `evidence_answers` says whether the evidence does answer, `wrong`
    whether what was answered is wrong (None for a refusal), `failure` why it is shown as a failure.
    """

    values: dict[str, float]
    confidence: float
    evidence_answers: bool
    wrong: bool | None
    failure: str | None


def answers_it(question: Question, quote: str) -> bool:
    """True if a sentence holds the words of an answer, or is one that answers."""
    return holds(quote, question.answers, _language(question)) or is_the_sentence(question, quote)


def is_the_sentence(question: Question, quote: str) -> bool:
    """True if a sentence is one that the data set names, or holds it, or is a part of it."""
    quote = flat(quote)
    return any(quote in sentence or sentence in quote for sentence in question.sentences)


def judge(question: Question, row: Mapping[str, Any], *, left_out: bool) -> Verdict:
    """Compare a written answer with what is known of its question.

    `left_out` says that the articles that answer were left out, so that nothing answers.
    """
    answerable = question.answerable and not left_out
    refused = bool(row["refused"])
    known = bool(question.answers or question.sentences)
    language = _language(question)
    words = _MARKERS.sub("", row["answer"])
    shown = [item["quote"] for item in row["evidence"]]
    cited = list(dict.fromkeys(item["quote"] for item in row["citations"]))
    right = [answers_it(question, quote) for quote in cited] if not refused else []
    values: dict[str, float] = {}
    if answerable:
        values["refused though answerable"] = refused
        if question.gold:
            values["right passage among those shown"] = _passage_shown(question, row)
        if known:
            values["a sentence shown holds the answer"] = any(answers_it(question, quote) for quote in shown)
            values["a cited sentence holds the answer"] = any(right)
        if question.sentences:
            values["the very sentence is cited"] = any(right) and any(is_the_sentence(question, q) for q in cited)
        if question.answers:
            short = row["short"] or ""
            values["gold words in the answer"] = not refused and holds(words, question.answers, language)
            values["short answer: token F1"] = token_f1(short, question.answers, language)
            values["short answer: exact match"] = exact_match(short, question.answers, language)
            if short:
                values["short answer: token F1 where given"] = values["short answer: token F1"]
        if known and right:
            values["citation precision"] = sum(right) / len(right)
    else:
        values["refused the unanswerable"] = refused
        values["answers though unanswerable"] = not refused
    if not refused:
        values |= _of_the_answer(row, words, language)
    wrong = None if refused else not answerable or (known and not any(right))
    return Verdict(
        {name: float(value) for name, value in values.items()},
        confidence=float(row["confidence"]),
        evidence_answers=answerable and bool(values.get("a sentence shown holds the answer", True)),
        wrong=wrong,
        failure=_failure(answerable, refused, wrong),
    )


def _of_the_answer(row: Mapping[str, Any], words: str, language: str) -> dict[str, float]:
    statements = [item for item in row["statements"] if item["standing"] != "dropped"]
    borne_out = [
        bool(item["markers"]) and not remaining for item, remaining in zip(statements, row["remaining"], strict=True)
    ]
    left = {problem["kind"] for remaining in row["remaining"] for problem in remaining}
    return {
        "citation recall": sum(borne_out) / len(borne_out) if borne_out else 0.0,
        "short answer given": row["short"] is not None,
        "answered in the language of the question": detect(words) == language,
        **{name: kind in left for kind, name in _LEFT.items()},
    }


def _passage_shown(question: Question, row: Mapping[str, Any]) -> bool:
    if any(item["article_id"] in question.gold for item in row["evidence"]):
        return True
    passages = [flat(item["passage"]) for item in row["nearest"]]
    return any(sentence in passage for sentence in question.sentences for passage in passages)


def _failure(answerable: bool, refused: bool, wrong: bool | None) -> str | None:
    if refused:
        return "refused, though an article answers" if answerable else None
    if not wrong:
        return None
    return "no cited sentence holds the answer" if answerable else "answered, though nothing answers"


def _language(question: Question) -> str:
    return question.language or detect(question.text)


def standings(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the sentences of the answers by what the check made of them."""
    counts: dict[str, int] = {}
    for row in rows:
        for item in row["statements"]:
            counts[item["standing"]] = counts.get(item["standing"], 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
