"""Errors planted by rule are errors, the same for the same seed; the counts are those of the check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from errors import ArticleError
from evaluation.commands import eval_group
from evaluation.planted import from_predictions, measure, plant, read_rows, row
from index.articles import Found
from index.readers import read
from qa.check import Kind

DEMO = Path(__file__).parents[2] / "demo"
ROWS = [
    row(
        "Odile Brunel a signé le 3 mai 2024.",
        ["La maire, Odile Brunel, a signé le 3 mai 2024."],
        "fr",
        article_language="fr",
    ),
    row("Le pont n’a pas coûté 17 euros.", ["Le pont n’a pas coûté 17 euros."], "fr", article_language="fr"),
    row("Brassac paie 23 euros.", ["La ville de Brassac paie 23 euros."], "fr", article_language="fr"),
]


def test_one_error_of_each_kind_that_a_row_allows() -> None:
    made = plant(ROWS, seed=0)
    assert [(item.kind, ROWS.index(item.row)) for item in made] == [
        (Kind.DATE, 0), (Kind.NAME, 0), (Kind.NEGATION, 0),
        (Kind.NUMBER, 1), (Kind.NEGATION, 1),
        (Kind.NUMBER, 2), (Kind.NAME, 2), (Kind.NEGATION, 2),
    ]  # fmt: skip
    said = {(item.kind, ROWS.index(item.row)): item.sentence for item in made}
    assert said[Kind.NEGATION, 0] == "Odile Brunel n’a pas signé le 3 mai 2024."
    assert said[Kind.NEGATION, 1] == "Le pont a coûté 17 euros."
    assert said[Kind.NUMBER, 1] == "Le pont n’a pas coûté 23 euros."
    assert said[Kind.NUMBER, 2] == "Brassac paie 17 euros."
    assert said[Kind.NAME, 2] == "Odile Brunel paie 23 euros."
    assert plant(ROWS, seed=0) == made


def test_the_same_value_written_otherwise_is_no_error() -> None:
    rows = [
        row("Le pont a 80 arches.", ["Le pont a quatre-vingts arches."], "fr", article_language="fr"),
        row("Il y a 80 bus.", ["Il y a 80 bus."], "fr", article_language="fr"),
    ]
    assert not [item for item in plant(rows, seed=0) if item.kind is Kind.NUMBER]


def test_counts() -> None:
    table = measure(ROWS, seed=0)
    assert table.planted == {"number": 2, "date": 1, "name": 2, "negation": 3}
    assert table.caught == table.planted
    assert (table.rows, table.alarms, table.missed, table.accused) == (3, 0, (), ())
    wrong = row("Le pont a 9 arches.", ["Le pont a 7 arches."], "fr", article_language="fr")
    accused = measure([wrong], seed=0)
    assert (accused.rows, accused.alarms) == (1, 1)
    assert accused.accused == (("Le pont a 9 arches.", "number: 9"),)


def test_rows_of_an_evaluation_are_its_right_sentences_as_written() -> None:
    statement = {"text": "Il coûte 7 euros.", "markers": [1], "standing": "written"}
    evidence = [
        {"number": 1, "quote": "Il coûte 7 euros.", "title": "Le pont", "published": "2024-03-12", "source": None}
    ]
    answer = {"statements": [statement, statement | {"standing": "quoted"}], "evidence": evidence}
    (made,) = from_predictions([{"language": "fr", "golds": ["7 euros"], "answer": answer}])
    assert made.sentence == "Il coûte 7 euros."
    assert made.evidence[0].quote == "Il coûte 7 euros."
    assert made.evidence[0].article.title == "Le pont"
    assert from_predictions([{"language": "fr", "golds": ["8 euros"], "answer": answer}]) == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("{", id="no JSON"),
        pytest.param('{"sentence": "a", "language": "fr"}', id="no evidence"),
        pytest.param('{"sentence": "a", "evidence": "b", "language": "fr"}', id="evidence that is no list"),
        pytest.param('{"sentence": "a", "evidence": ["b"], "language": "fr", "published": "mai"}', id="no date"),
    ],
)
def test_a_malformed_row_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"sentence": "a", "evidence": ["b"], "language": "fr"}\n' + line, encoding="utf-8")
    with pytest.raises(ArticleError, match=r"rows\.jsonl, line 2: "):
        read_rows(path)


def test_command_prints_the_table_and_writes_the_errors(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [{"sentence": "Le pont n’a pas fermé.", "evidence": ["Le pont n’a pas fermé."], "language": "fr"}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    result = CliRunner().invoke(eval_group, ["planted", str(path), "--out", str(tmp_path / "planted.jsonl")])
    assert result.exit_code == 0, result.output
    assert "negation            1        1   1.000" in result.output
    assert json.loads((tmp_path / "planted.jsonl").read_text(encoding="utf-8"))["sentence"] == "Le pont a fermé."


def test_the_supported_sentences_cite_the_demo_archive() -> None:
    texts: dict[str, list[str]] = {}
    for path in sorted((DEMO / "articles").iterdir()):
        texts[path.name] = [found.article.text for found in read([path]) if isinstance(found, Found)]
    lines = [json.loads(line) for line in (DEMO / "supported.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 120
    assert {line["language"] for line in lines} == {"fr", "en", "de", "es"}
    for line in lines:
        assert any(all(quote in text for quote in line["evidence"]) for text in texts[line["file"]]), line["sentence"]


def test_at_least_three_hundred_errors_of_our_own() -> None:
    assert len(plant(read_rows(DEMO / "supported.jsonl"), seed=0)) >= 300
