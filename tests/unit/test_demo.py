"""The demo archive and its questions hold what demo/README.md says of them."""

from __future__ import annotations

import csv
import html
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "demo"
KINDS = {
    "fact", "figure", "date", "reason", "quote", "cross-language", "update", "contradiction", "follow-up",
    "unanswerable",
}  # fmt: skip
MONTHS = {
    name: number
    for names in (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "January February March April May June July August September October November December",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    )
    for number, name in enumerate(names.split(), 1)
}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _articles() -> dict[tuple[str, str | None], dict[str, str]]:
    """(file, row) → text, date as YYYY-MM-DD and language; read without the readers under test elsewhere."""
    found: dict[tuple[str, str | None], dict[str, str]] = {}
    for path in sorted((DEMO / "articles").iterdir()):
        raw = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".jsonl":
                found |= {(path.name, row["title"]): row for row in map(json.loads, raw.splitlines())}
            case ".csv":
                found |= {(path.name, row["title"]): row for row in csv.DictReader(raw.splitlines(keepends=True))}
            case ".html":
                stamp = re.search(r'(?:published_time" content|datePublished)"?[=:] ?"(\d{4}-\d\d-\d\d)', raw)
                language = re.search(r'<html lang="(\w+)"', raw)
                assert stamp, path
                assert language, path
                visible = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", raw)
                fields = {"text": _one_line(html.unescape(visible)), "date": stamp[1], "language": language[1]}
                found[path.name, None] = fields
            case ".md":
                _, matter, text = raw.split("---\n", 2)
                front = dict(line.split(": ", 1) for line in matter.splitlines())
                found[path.name, None] = {"text": text, "date": front["date"], "language": front["language"]}
            case _:
                header = re.search(r"^(Date :|Date:|Datum:) (\d+)\.? (\w+) (\d{4})$", raw, re.MULTILINE)
                assert header, path
                date = f"{header[4]}-{MONTHS[header[3]]:02}-{int(header[2]):02}"
                spoken = {"Date :": "fr", "Date:": "en", "Datum:": "de"}[header[1]]
                found[path.name, None] = {"text": raw, "date": date, "language": spoken}
    return found


ARTICLES = _articles()
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (DEMO / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]


def test_articles_are_as_many_and_as_varied_as_promised() -> None:
    assert len(ARTICLES) == 37
    assert Counter(article["language"] for article in ARTICLES.values()) == {"fr": 32, "en": 3, "de": 2}
    assert {Path(file).suffix for file, _ in ARTICLES} == {".txt", ".md", ".html", ".jsonl", ".csv"}


def test_dates_span_two_years() -> None:
    dates = sorted(article["date"] for article in ARTICLES.values())
    assert (dates[0][:7], dates[-1][:7]) == ("2023-03", "2025-02")


def test_file_names_begin_with_the_date() -> None:
    assert all(file.startswith(article["date"]) for (file, row), article in ARTICLES.items() if row is None)


def test_questions_are_as_many_and_as_varied_as_promised() -> None:
    assert (len(ANSWERABLE), len(QUESTIONS) - len(ANSWERABLE)) == (84, 24)
    assert {question["kind"] for question in QUESTIONS} == KINDS
    assert {question["language"] for question in QUESTIONS} == {"fr", "en", "de", "es"}
    assert sum(question["kind"] == "follow-up" and bool(question["history"]) for question in QUESTIONS) == 3


def test_ids_and_questions_are_unique() -> None:
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    asked = {json.dumps([question["question"], question.get("history")]) for question in QUESTIONS}
    assert len(asked) == len(QUESTIONS)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_sentence_stands_verbatim_and_whole_in_its_article(question: dict[str, Any]) -> None:
    text = ARTICLES[question["file"], question.get("row")]["text"]
    assert question["answer"]
    assert re.search(rf"(?:^|\s){re.escape(question['sentence'])}(?:\s|$)", text)
    assert re.search(r"[.!?](?: »)?$", question["sentence"])
    for sentence in question["also"]:
        assert any(sentence in article["text"] for article in ARTICLES.values())


@pytest.mark.parametrize(
    "question", [question for question in QUESTIONS if not question["answerable"]], ids=lambda question: question["id"]
)
def test_a_question_without_an_answer_names_no_article(question: dict[str, Any]) -> None:
    assert question["kind"] == "unanswerable"
    assert question.keys() <= {"id", "question", "language", "kind", "answerable", "history"}


def test_the_two_cuts_of_one_dispatch_share_most_of_their_sentences() -> None:
    wire, paper = (
        set(re.split(r"(?<=[.»])\s+", ARTICLES[f"2023-10-20-crue-bilan-{name}.txt", None]["text"]))
        for name in ("avp", "courrier")
    )
    assert len(wire & paper) >= 6
    assert wire != paper
