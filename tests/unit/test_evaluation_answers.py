"""The whole path on a small SQuAD file of our own: what is asked, kept, resumed, refused and reported."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fakes import ScriptedModel, WordEmbedder, WordReader
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from errors import DataError
from evaluation import report
from evaluation.answers import chosen, opened, read_rows
from evaluation.commands import eval_group
from evaluation.datasets import ids_in, read
from qa import Assistant

Run = Callable[..., Result]

BRIDGE = "Le pont de Brassac mesure 120 mètres. Il a coûté 340 000 euros à la mairie de Brassac."
SCHOOL = "L'école de Brassac accueille vingt élèves en septembre. La cantine sert des légumes du marché."


def asked(identity: str, question: str, context: str, *answers: str) -> dict[str, Any]:
    found = [{"text": text, "answer_start": context.index(text)} for text in answers]
    return {"id": identity, "question": question, "answers": found, "is_impossible": not answers}


DATA = {
    "version": "2.0",
    "data": [
        {
            "title": "Pont <script>alert(1)</script> | de Brassac",
            "paragraphs": [
                {
                    "context": BRIDGE,
                    "qas": [
                        asked("length", "Combien de mètres mesure le pont de Brassac ?", BRIDGE, "120 mètres"),
                        asked("price", "Combien d'euros a coûté le pont à la mairie ?", BRIDGE, "340 000 euros"),
                        asked("architect", "Quel architecte a dessiné le pont de Brassac ?", BRIDGE),
                    ],
                }
            ],
        },
        {
            "title": "École de Brassac",
            "paragraphs": [
                {
                    "context": SCHOOL,
                    "qas": [asked("pupils", "Combien d'élèves accueille l'école ?", SCHOOL, "vingt élèves")],
                }
            ],
        },
    ],
}


def copies_the_likeliest_sentence(prompt: Any) -> str:
    """Copy, and cite, the numbered sentence that shares most words with the question, the only one with a "?"."""
    lines = prompt.messages[-1].content.splitlines()
    question = set(re.findall(r"\w+", next((line for line in lines if "?" in line), "").lower()))
    numbered = [line for line in lines if re.match(r"\[\d+\]", line)]
    if not numbered:  # the prompt that warms the model
        return "Rien."
    best = max(numbered, key=lambda line: len(question & set(re.findall(r"\w+", line.lower()))))
    marker, words = re.match(r"(\[\d+\])\s*(?:\(.*?\))?\s*(.*)", best).groups()  # type: ignore[union-attr]
    return f"{words.rstrip('.')} {marker}."


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(copies_the_likeliest_sentence)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "ponts.json"
    path.write_text(json.dumps(DATA), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> Run:
    """run("answers", …) → the command's result with stand-ins for the models."""
    embedder = WordEmbedder(dimensions=256)
    monkeypatch.setattr("index.embedder.configured_embedder", lambda settings: embedder)
    monkeypatch.setattr("qa.reader.configured_reader", lambda settings: WordReader())
    module = importlib.import_module("qa.answer")  # the attribute of that name is the function
    monkeypatch.setattr(module, "assistant", lambda settings: Assistant(settings, embedder, WordReader(), model))
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"GGUF")
    monkeypatch.setenv("SOURCIER_ANSWERING_MODEL", str(weights))
    monkeypatch.setenv("SOURCIER_MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("SOURCIER_REFUSE_BELOW", "0")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(eval_group, [str(item) for item in arguments], catch_exceptions=False)


def test_every_answer_is_kept_and_reported(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("answers", data, "--out", out)
    assert done.exit_code == 0
    rows = read_rows(out)
    assert list(rows) == ["length", "price", "architect", "pupils"]
    assert rows["length"]["citations"][0]["quote"] == "Le pont de Brassac mesure 120 mètres."
    assert len(rows["length"]["remaining"]) == len(rows["length"]["statements"]) == 1
    figures = json.loads((out / "figures.json").read_text("utf-8"))["figures"]
    assert (figures["a cited sentence holds the answer"]["value"], figures["refused though answerable"]["n"]) == (1, 3)
    assert (figures["answers though unanswerable"]["value"], figures["answers though unanswerable"]["n"]) == (1, 1)
    assert figures["citation recall"]["value"] == 1
    assert "a cited sentence holds the answer" in done.stdout
    about = json.loads((out / "run.json").read_text("utf-8"))
    assert (about["data"], about["questions"], about["settings"]["refuse_below"]) == ("ponts", 4, 0)


def test_a_run_that_was_interrupted_goes_on(run: Run, data: Path, tmp_path: Path, model: ScriptedModel) -> None:
    out = tmp_path / "out"
    run("answers", data, "--out", out)
    predictions = out / "predictions.jsonl"
    lines = predictions.read_bytes().splitlines(keepends=True)
    predictions.write_bytes(b"".join(lines[:2]) + lines[2][:30])  # killed while it wrote the third
    asked_before = len(model.prompts)
    done = run("answers", data, "--out", out)
    assert done.exit_code == 0
    assert list(read_rows(out)) == ["length", "price", "architect", "pupils"]
    assert predictions.read_bytes().splitlines(keepends=True)[:2] == lines[:2]
    questions = [prompt.messages[-1].content for prompt in model.prompts[asked_before:]]
    assert not any("mètres mesure" in question for question in questions)
    assert any("Quel architecte" in question for question in questions)
    (out / "report.html").unlink()
    asked_before = len(model.prompts)
    run("answers", data, "--out", out)
    assert len(model.prompts) == asked_before  # nothing was left to ask
    assert (out / "report.html").exists()


def test_an_interruption_keeps_what_was_answered(
    run: Run, data: Path, tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ask = tmp_path / "out", ScriptedModel.generate

    def until_the_third(self: ScriptedModel, prompt: Any, **options: Any) -> Any:
        if "Quel architecte" in prompt.messages[-1].content:
            raise KeyboardInterrupt
        return ask(self, prompt, **options)

    monkeypatch.setattr(ScriptedModel, "generate", until_the_third)
    stopped = run("answers", data, "--out", out)
    assert stopped.exit_code != 0
    assert f"what was answered so far is in {out}" in stopped.stderr
    assert list(read_rows(out)) == ["length", "price"]
    monkeypatch.setattr(ScriptedModel, "generate", ask)
    assert run("answers", data, "--out", out).exit_code == 0
    assert len(read_rows(out)) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--set", "results=3"], "settings.results = 10, now it is 3", id="setting"),
        pytest.param(["--seed", "5"], "seed = 0, now it is 5", id="seed"),
        pytest.param(["--sample", "2"], "questions = 4, now it is 2", id="sample"),
        pytest.param(["--leave-out-gold"], "questions = 4, now it is 3", id="gold left out"),
        pytest.param(["--language", "en"], "data_digest = ", id="data"),
    ],
)
def test_a_run_that_was_begun_otherwise_is_refused(
    run: Run, data: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    run("answers", data, "--out", tmp_path / "out")
    with pytest.raises(DataError, match=r"give another --out") as caught:
        run("answers", data, "--out", tmp_path / "out", *options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_way_of_asking_has_a_folder_of_its_own(run: Run, data: Path, tmp_path: Path) -> None:
    run("answers", data, "--home", tmp_path / "bench")
    run("answers", data, "--home", tmp_path / "bench")
    run("answers", data, "--home", tmp_path / "bench", "--seed", "1")
    (home,) = (tmp_path / "bench").glob("ponts-*")
    assert len(list(home.glob("answers-*"))) == 2


def test_left_out_articles_are_not_shown(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("answers", data, "--out", out, "--leave-out-gold")
    rows, set_read = read_rows(out), read(data)
    assert list(rows) == ["length", "price", "pupils"]
    for question in set_read.questions:
        if question.id in rows:
            shown = {item["article_id"] for item in (*rows[question.id]["evidence"], *rows[question.id]["nearest"])}
            assert shown == {article.id for article in set_read.articles} - set(question.gold)
    figures = json.loads((out / "figures.json").read_text("utf-8"))["figures"]
    assert figures["answers though unanswerable"]["n"] == 3
    assert "refused though answerable" not in figures


def test_a_question_is_put_to_its_own_passages(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    folder.mkdir()
    texts = {"a": BRIDGE, "b": SCHOOL, "c": "Le moulin de Brassac est ouvert au public."}
    passages = [{"id": name, "title": name, "text": text} for name, text in texts.items()]
    question = {"subset": "relevant", "question": "Combien de mètres mesure le pont de Brassac ?"}
    questions = [
        {"id": "q1", "docids": ["b", "c"], **question},
        {"id": "q2", "docids": ["a", "c"], **question, "subset": "non_relevant"},
    ]
    for name, rows in (("passages", passages), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "out"
    assert run("answers", folder, "--out", out, "--set", "results=10").exit_code == 0
    shown = {name: {item["title"] for item in row["nearest"]} for name, row in read_rows(out).items()}
    assert shown == {"q1": {"b", "c"}, "q2": {"a", "c"}}
    assert not list((tmp_path / ".bench").glob("judged-*/current"))  # no index of all passages was made
    kinds = json.loads((out / "figures.json").read_text("utf-8"))["kinds"]
    assert kinds["non_relevant"]["answers though unanswerable"]["n"] == 1


def test_a_question_that_cannot_be_put_is_counted_and_the_rest_goes_on(run: Run, tmp_path: Path) -> None:
    long = json.loads(json.dumps(DATA))
    long["data"][0]["paragraphs"][0]["qas"][0]["question"] = "pont " * 300
    path = tmp_path / "long.json"
    path.write_text(json.dumps(long), encoding="utf-8")
    out = tmp_path / "out"
    assert run("answers", path, "--out", out).exit_code == 0
    figures = json.loads((out / "figures.json").read_text("utf-8"))
    assert list(figures["not_asked"]) == ["length"]
    assert figures["figures"]["refused though answerable"]["n"] == 2
    assert "1000 at most" in (out / "report.md").read_text("utf-8")


def test_two_runs_side_by_side(run: Run, data: Path, tmp_path: Path, model: ScriptedModel) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    run("answers", data, "--out", other, "--set", "refuse_below=1")
    done = run("answers", data, "--out", one, "--compare", other)
    compared = json.loads((one / "figures.json").read_text("utf-8"))["compared"]
    assert compared["a cited sentence holds the answer"]["this"] == 1
    assert compared["a cited sentence holds the answer"]["other"] == 0
    assert compared["a cited sentence holds the answer"]["by"] == {"value": 1, "low": 1, "high": 1, "n": 3}
    assert "citation recall" not in compared  # the other one answered nothing
    assert "refuse\\_below = 1" in (one / "report.md").read_text("utf-8")
    assert str(other) in done.stdout


def test_a_difference_is_paired_by_question(run: Run, data: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for out in (one, other):
        run("answers", data, "--out", out)
    rows = read_rows(other)
    rows["price"] |= {"refused": True, "citations": []}
    rows.pop("length")
    (other / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.values()), "utf-8")
    set_read = read(data)
    summary = report.summarised(opened(set_read, one), opened(set_read, other))
    found = summary.compared["a cited sentence holds the answer"]
    assert (found.this, found.other, found.by.value, found.by.n) == (1, 0.5, 0.5, 2)
    assert summary.figures["a cited sentence holds the answer"].n == 3


def test_a_run_of_other_data_is_not_compared(run: Run, data: Path, tmp_path: Path) -> None:
    run("answers", data, "--out", tmp_path / "one")
    changed = tmp_path / "other.json"
    changed.write_text(json.dumps(DATA).replace("vingt", "trente"), encoding="utf-8")
    with pytest.raises(DataError, match="both runs must be of the same data"):
        run("answers", changed, "--compare", tmp_path / "one")
    with pytest.raises(DataError, match=r"run\.json does not exist"):
        run("answers", data, "--compare", tmp_path / "absent")


def test_the_page_escapes_what_strangers_wrote_and_loads_nothing(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    hostile = json.loads(json.dumps(DATA))
    hostile["data"][0]["paragraphs"][0]["qas"][2]["question"] = "Quel <img src=x onerror=alert(1)> | `pont` ?"
    data.write_text(json.dumps(hostile), encoding="utf-8")
    run("answers", data, "--out", out)
    page, markdown = ((out / name).read_text("utf-8") for name in ("report.html", "report.md"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 2
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    assert "<script" not in rendered
    assert "<img" not in rendered
    assert "Quel &lt;img src=x onerror=alert(1)&gt; | `pont` ?" in rendered


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1))
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    shown = " ".join(text.split())
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    (inline,) = [token for token in parsed.parse(f"asked: {report.plain(text)}") if token.type == "inline"]
    assert {child.type for child in inline.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children or []) == f"asked: {shown}"


def test_a_sample_is_drawn_by_its_seed(data: Path) -> None:
    data_set = read(data)
    one, same, other = ([question.id for question in chosen(data_set, sample=3, seed=seed)] for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 3
    assert sorted(question.id for question in chosen(data_set, sample=99)) == sorted(q.id for q in data_set.questions)


def test_only_the_questions_of_a_file(data: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.txt"
    split.write_text("pupils\n\nlength\n", encoding="utf-8")
    held = read(data)
    assert [question.id for question in chosen(held, only=ids_in(split, [held]))] == ["length", "pupils"]
    split.write_text("length\nunknown\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"split\.txt, line 2: ponts has no question of the id 'unknown'"):
        ids_in(split, [held])
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        ids_in(tmp_path / "none.txt", [held])


def test_questions_of_ones_own_are_asked(run: Run, data: Path, tmp_path: Path) -> None:
    held = read(data)
    article = held.by_id[held.questions[0].gold[0]]
    own = tmp_path / "own.jsonl"
    row = {"id": "own", "question": "Combien de mètres ?", "language": "fr", "article": article.id, "answer": [0, 5]}
    own.write_text(json.dumps(row), encoding="utf-8")
    out = tmp_path / "out"
    assert run("answers", data, "--ask", own, "--out", out).exit_code == 0
    (kept,) = (json.loads(line) for line in (out / "predictions.jsonl").read_text("utf-8").splitlines())
    assert kept["question"] == "Combien de mètres ?"


def test_gold_that_is_unknown_cannot_be_left_out(data: Path) -> None:
    only_unanswerable = json.loads(json.dumps(DATA))
    only_unanswerable["data"][0]["paragraphs"][0]["qas"] = [asked("a", "Quel architecte ?", BRIDGE)]
    only_unanswerable["data"].pop()
    data.write_text(json.dumps(only_unanswerable), encoding="utf-8")
    with pytest.raises(DataError, match="none can be left out"):
        chosen(read(data), leave_out_gold=True)


def test_a_row_that_is_none_is_named(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("answers", data, "--out", out)
    with (out / "predictions.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match=r"predictions\.jsonl, line 5: it is not a row"):
        opened(read(data), out)


def test_retrieval_of_the_small_file(run: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "retrieval.json"
    done = run("retrieval", data, "--out", out)
    assert done.exit_code == 0
    measured = json.loads(out.read_text("utf-8"))
    assert set(measured["ranks"]) == {"vectors", "words (BM25)", "fused, as searched"}
    for row in measured["ranks"].values():
        assert (row["R@5"]["value"], row["R@1"]["n"]) == (1, 3)
    assert measured["sentences"]["all that are shown"]["value"] == 1
    assert measured["sentences"]["top 1"]["n"] == 3
    assert "| fused, as searched | " in done.stdout
    assert "2 articles" in done.stdout


def test_a_second_run_embeds_the_questions_only(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("retrieval", data, "--home", tmp_path / "bench", "--sentences", "0")
    embedded: list[str] = []
    monkeypatch.setattr(WordEmbedder, "embed_passages", lambda self, texts, titles: embedded.extend(texts))
    done = run("retrieval", data, "--home", tmp_path / "bench", "--sentences", "0")
    assert done.exit_code == 0
    assert embedded == []
    assert "The sentence that holds the answer" not in done.stdout


def test_known_items_are_retrieved(run: Run, tmp_path: Path) -> None:
    rows = [
        {"id": "1", "title": "Pont", "heading": "Un pont de 120 mètres à Brassac", "text": BRIDGE},
        {"id": "2", "title": "École", "heading": "Vingt élèves et une cantine", "text": SCHOOL},
    ]
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    out = tmp_path / "figures.json"
    run("retrieval", path, "--query-field", "heading", "--out", out)
    measured = json.loads(out.read_text("utf-8"))
    assert measured["ranks"]["fused, as searched"]["R@1"]["value"] == 1
    assert measured["sentences"] == {}


def test_nothing_to_look_for_is_said(run: Run, data: Path) -> None:
    only_unanswerable = json.loads(json.dumps(DATA))
    only_unanswerable["data"][0]["paragraphs"][0]["qas"] = [asked("a", "Quel architecte ?", BRIDGE)]
    only_unanswerable["data"].pop()
    data.write_text(json.dumps(only_unanswerable), encoding="utf-8")
    with pytest.raises(DataError, match="there is nothing to look for"):
        run("retrieval", data)


def test_an_index_of_other_articles_is_refused(run: Run, data: Path, tmp_path: Path) -> None:
    run("retrieval", data, "--home", tmp_path / "bench", "--sentences", "0")
    changed = tmp_path / "other" / "ponts.json"
    changed.parent.mkdir()
    changed.write_text(json.dumps(DATA).replace("vingt", "trente"), encoding="utf-8")
    run("retrieval", changed, "--home", tmp_path / "bench", "--sentences", "0")
    one, other = sorted((tmp_path / "bench").iterdir())
    for name in ("current", "generations", "segments"):  # the index of the one in the place of the other's
        os.rename(one / name, tmp_path / name)
        os.rename(other / name, one / name)
        os.rename(tmp_path / name, other / name)
    with pytest.raises(DataError, match="holds 2 articles, 1 of the 2 of ponts; delete that folder"):
        run("retrieval", data, "--home", tmp_path / "bench")


def test_planted_errors_are_a_command_of_the_group(run: Run, tmp_path: Path) -> None:
    assert "--seed" in run("planted", "--help").stdout
    refused = run("planted", tmp_path / "absent.jsonl")
    assert refused.exit_code == 2
    assert "does not exist" in refused.stderr


def test_articles_of_every_format_come_through_the_index_as_they_are(run: Run, tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "demo"
    done = run("retrieval", demo, "--sentences", "0", "--sample", "2")  # refused if an id had changed
    assert done.stdout.startswith("37 articles")
