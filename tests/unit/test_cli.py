"""The command line: a user's mistake is one line and exit code 2; nothing shows a traceback."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fakes import ScriptedModel, WordEmbedder, WordReader

from cli import main
from qa import Assistant

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("status") → the command's result in a home of its own, with stand-ins for both models."""
    embedder = WordEmbedder()
    model = ScriptedModel("La mairie paie les travaux du pont [1].")
    monkeypatch.setattr("index.embedder.configured_embedder", lambda settings: embedder)
    module = importlib.import_module("qa.answer")  # the attribute of that name is the function
    monkeypatch.setattr(module, "assistant", lambda settings: Assistant(settings, embedder, WordReader(), model))
    monkeypatch.setenv("SOURCIER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOURCIER_MODELS_FOLDER", str(tmp_path / "models"))
    return lambda *arguments: CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "articles" / "pont.txt"
    path.parent.mkdir()
    path.write_text(
        "Le pont ferme\n\nDate : 2 mars 2024\n\nLa mairie paie les travaux du pont. Il rouvre en mai.", "utf-8"
    )
    return path


def test_index_then_status_then_ask(run: Run, article: Path) -> None:
    made = run("index", str(article), str(article.parent / "pont.txt"))
    assert made.exit_code == 0
    assert "1 added, 0 updated, 1 unchanged, 0 skipped" in made.stdout
    held = json.loads(run("status", "--json").stdout)
    assert (held["articles"], held["oldest"]) == (1, "2024-03-02")
    assert "articles    1" in run("status").stdout
    question = "Qui paie les travaux du pont ?"
    plain = run("ask", question, "--set", "refuse_below=0")
    assert plain.stdout.startswith("La mairie paie les travaux du pont [1].\n\n[1] La mairie paie")
    asked = json.loads(run("ask", question, "--json", "--set", "refuse_below=0", "--from", "2024-03-02").stdout)
    assert asked["citations"][0]["title"] == "Le pont ferme"
    nothing = json.loads(run("ask", question, "--json", "--to", "2024-03-01").stdout)
    assert nothing["refused"] is True


def test_a_refusal_shows_the_nearest_articles(run: Run, article: Path) -> None:
    run("index", str(article))
    shown = run("ask", "Quel est le prix du pétrole ?", "--set", "refuse_below=1").stdout
    assert shown.startswith("Les articles ne permettent pas de répondre à cette question.")
    assert "Le pont ferme, 2024-03-02" in shown


def test_what_is_skipped_is_named_and_the_rest_goes_on(run: Run, article: Path) -> None:
    (article.parent / "vide.txt").write_bytes(b"")
    made = run("index", str(article.parent))
    assert made.exit_code == 0
    assert "1 added, 0 updated, 0 unchanged, 1 skipped" in made.stdout
    assert "vide.txt: it is empty" in made.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["status"], "no index in", id="no index"),
        pytest.param(["ask", "Qui ?"], "no index in", id="asked before indexing"),
        pytest.param(["ask", "  "], "the question is empty", id="empty question"),
        pytest.param(["ask", "Qui ?", "--from", "demain"], "'demain' is not a date", id="bad date"),
        pytest.param(["index"], "name files or folders", id="nothing to index"),
        pytest.param(["index", "absent.txt"], "absent.txt does not exist", id="no such file"),
        pytest.param(["index", "--rebuild"], "the index is empty", id="nothing to rebuild"),
        pytest.param(["status", "--set", "results"], "write KEY=VALUE", id="setting without value"),
        pytest.param(["status", "--set", "resultats=3"], "did you mean results?", id="unknown setting"),
        pytest.param(["status", "--set", "results=0"], "results = '0'", id="setting out of range"),
        pytest.param(["models", "path", "qwen"], "unknown model 'qwen'", id="unknown model"),
        pytest.param(
            ["models", "path", "embeddinggemma-300m"], "sourcier models pull embeddinggemma", id="not fetched"
        ),
        pytest.param(["models", "verify", "embeddinggemma-300m"], "sourcier models pull embeddinggemma", id="verify"),
        pytest.param(["statu"], "No such command", id="unknown command"),
    ],
)
def test_mistakes_are_one_line(run: Run, arguments: list[str], said: str) -> None:
    made = run(*arguments)
    assert made.exit_code == 2
    assert said in made.stderr
    assert "Traceback" not in made.output
    assert len([line for line in made.stderr.splitlines() if said in line]) == 1


def test_models_list_names_licences(run: Run) -> None:
    listed = run("models", "list").stdout
    assert "Apache-2.0" in listed
    assert "Gemma Terms of Use" in listed
    assert listed.count("not fetched") == 3


def test_a_life_of_an_article(run: Run, article: Path) -> None:
    added = json.loads(run("index", str(article), "--json").stdout)
    assert (added["added"], added["skipped"], added["articles"]) == (1, [], 1)
    article.write_text("Le pont rouvre\n\nDate : 2 mai 2024\n\nLe pont rouvre en mai, dit la mairie.", "utf-8")
    assert "0 added, 1 updated" in run("index", str(article)).stdout
    assert "1 older versions" in run("status").stdout

    shown = run("show", str(article)).stdout
    assert shown.startswith("Le pont rouvre\n")
    assert "La mairie paie" not in shown
    history = json.loads(run("show", str(article), "--history", "--json").stdout)
    assert [(one["title"], one["searched"]) for one in history] == [("Le pont ferme", False), ("Le pont rouvre", True)]

    would = run("remove", "--from", "2024-05-01", "--dry-run").stdout
    assert would.endswith("1 articles would be removed\n")
    assert json.loads(run("status", "--json").stdout)["articles"] == 1
    assert json.loads(run("remove", history[1]["id"], "--json").stdout)["articles"][0]["title"] == "Le pont rouvre"
    assert json.loads(run("status", "--json").stdout)["articles"] == 0
    assert "it holds 1 articles" in run("rollback").stdout
    assert run("verify").stdout == "every file is as it was written\n"
    assert "MB now" in run("compact").stdout


def test_verify_names_what_is_damaged(run: Run, article: Path, tmp_path: Path) -> None:
    run("index", str(article))
    path = next((tmp_path / "home").glob("segments/*/sketches.npy"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = run("verify")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{path} is not what it was")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["remove"], "sourcier: say which articles"),
        (["remove", "nothing-of-that-name"], "sourcier: no article has the id, URL or file nothing-of-that-name"),
        (["remove", "--from", "yesterday"], "yesterday is not a date"),
        (["show", "nothing"], "sourcier: no article has the id, URL or file nothing"),
        (["rollback"], "has no generation before 000001"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_to_an_index(run: Run, article: Path, arguments: list[str], said: str) -> None:
    run("index", str(article))
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
