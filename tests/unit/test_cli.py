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
