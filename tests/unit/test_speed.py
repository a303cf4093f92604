"""Who is asked what, and when; what the figures come to; that nothing measured is lost. No answer is timed here."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import ScriptedModel, WordEmbedder, WordReader
from homes import home_of
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from errors import DataError, SettingsError
from evaluation import speed, speed_report
from evaluation.archive import indexed
from evaluation.datasets import DataSet, Question
from evaluation.rivals import naive_prompt, not_installed
from evaluation.speed import (
    Asked,
    Bench,
    Energy,
    ForgetfulEmbedder,
    History,
    Level,
    Measured,
    Memory,
    Ours,
    Rate,
    Row,
    Start,
    Visit,
    groups,
    usable,
    visits,
)
from evaluation.speed_report import as_markdown, opened, pictures, summary
from index.articles import Article, Draft, make_article
from index.passages import Passage
from index.search import Hit
from qa import Assistant, EvidenceFound
from qa.llama_cpp_model import Usage
from settings import Settings, load_settings

BRIDGE = {"name": "pont", "title": "Le pont ferme", "text": "Le pont ferme lundi. La mairie paie 340 000 euros."}
SCHOOL = {"name": "ecole", "title": "L'école ouvre", "text": "L'école ouvre une classe. Elle accueille vingt élèves."}
COST = "Combien la mairie paie-t-elle ?"


def question(identity: str, article: str = "a", **known: Any) -> Question:
    return Question(identity, f"{identity} ?", known.pop("answerable", True), gold=(article,), **known)


def ids(found: Sequence[Question]) -> str:
    return "".join(one.id for one in found)


ABC = [question("a"), question("b"), question("c")]
ALONE = question("z", "other")


class FakeAsker:
    """Answers at once, and tells `log` what it was asked."""

    def __init__(self, name: str, log: list[str], follows: bool = True, fails_at: int = -1) -> None:
        self.name = name
        self.follows = follows
        self._log = log
        self._left = fails_at

    def warm(self, questions: Sequence[str]) -> None:
        self._log.append(f"{self.name} warm")

    def ask(self, question: str, history: History = ()) -> Asked:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self._log.append(f"{self.name} {question}{' after ' + history[0][0] if history else ''}")
        return Asked("Oui.", 0.1, 0.2, 0.5, 1.0, 10, 20, 6)

    def forget(self) -> None:
        self._log.append(f"{self.name} forgets")


class FakeRaw:
    def decode(self) -> list[Rate]:
        return [Rate("decode", 10.0)]

    def prompts(self) -> list[Rate]:
        return [Rate("prompt of 128", 50.0), Rate("prompt of 512", 40.0)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home_of(tmp_path / "home", [BRIDGE, SCHOOL]), refuse_below=0.0)


class CountingModel(ScriptedModel):
    """A scripted model whose prompts have 5 tokens each, all computed, and whose replies have 4."""

    def usage(self) -> Usage:
        return Usage(5 * len(self.prompts), 0, 4 * len(self.prompts))


@pytest.fixture
def ours(settings: Settings) -> Ours:
    model, embedder = CountingModel("La mairie paie 340 000 euros [1]."), ForgetfulEmbedder(WordEmbedder())
    return Ours(Assistant(settings, embedder, WordReader(), model), model, embedder)


def test_only_questions_that_stand_alone_and_that_an_article_answers() -> None:
    asked = (
        *ABC,
        question("d", history=(("a ?", "Oui."),)),
        question("e", among=("a",)),
        question("f", answerable=False),
    )
    assert ids(usable(DataSet("data", (), asked))) == "abc"
    with pytest.raises(DataError, match="data has no question that names the article"):
        usable(DataSet("data", (), asked[3:]))


def test_the_second_question_is_the_next_on_the_article_and_the_first_after_the_last() -> None:
    pairs = {visit.first.id: visit.second and visit.second.id for visit in visits([*ABC, ALONE], 10, seed=0)}
    assert pairs == {"a": "b", "b": "c", "c": "a", "z": None}
    assert len(visits([*ABC, ALONE], 2, seed=0)) == 2


def test_all_of_an_article_in_turn_then_the_first_after_the_second() -> None:
    assert [ids(group) for group in groups([*ABC, ALONE], 10, seed=0)] == ["abc", "ba"]
    assert [ids(group) for group in groups([*ABC, ALONE], 1, seed=0)] == ["ab"]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 40))
def test_as_many_come_after_another_as_are_asked_for_and_none_twice(owners: list[int], count: int) -> None:
    asked = [question(str(place), str(owner)) for place, owner in enumerate(owners)]
    counted = [one.id for group in groups(asked, count, seed=1) for one in group[1:]]
    assert len(set(counted)) == len(counted) == min(count, sum(owners.count(owner) > 1 for owner in owners))


def test_a_visit_is_new_followed_up_and_again_and_another_one_is_first_each_time() -> None:
    log: list[str] = []
    measured = Measured()
    askers = [FakeAsker("one", log), FakeAsker("two", log, follows=False)]
    Bench(askers, measured).visit([Visit(ABC[0], ABC[1]), Visit(ALONE, None)], ["new", "follow-up", "again"])
    assert log == [
        "one forgets", "one a ?", "one b ? after a ?", "one a ?", "two forgets", "two a ?", "two a ?",
        "two forgets", "two z ?", "two z ?", "one forgets", "one z ?", "one z ?",
    ]  # fmt: skip
    told = [(row.scenario, row.who, row.question) for row in measured.rows if row.question != "z"]
    assert told == [
        ("new", "one", "a"), ("follow-up", "one", "b"), ("again", "one", "a"), ("new", "two", "a"),
        ("again", "two", "a"),
    ]  # fmt: skip


def test_what_is_asked_for_alone_counts_alone() -> None:
    log: list[str] = []
    measured = Measured()
    Bench([FakeAsker("one", log)], measured).visit([Visit(ABC[0], ABC[1])], ["follow-up"])
    assert log == ["one forgets", "one a ?", "one b ? after a ?"]
    assert [row.scenario for row in measured.rows] == ["follow-up"]


def test_rates_are_measured_between_new_questions_of_ours() -> None:
    log: list[str] = []
    measured = Measured()
    askers = [FakeAsker("one", log), FakeAsker("two", log)]
    Bench(askers, measured, FakeRaw()).visit([Visit(one, None) for one in ABC], ["decode"])
    assert [row.who for row in measured.rows] == ["one"] * 3
    assert [rate.kind for rate in measured.rates] == ["decode", "prompt of 128", "prompt of 512", "decode", "decode"]


def test_the_first_question_on_an_article_is_not_one_on_an_article_seen() -> None:
    log: list[str] = []
    measured = Measured()
    Bench([FakeAsker("one", log)], measured).several_on_one([ABC, ABC[1::-1]])
    assert log == ["one forgets", "one a ?", "one b ?", "one c ?", "one forgets", "one b ?", "one a ?"]
    assert [(row.scenario, row.question) for row in measured.rows] == [("seen", "b"), ("seen", "c"), ("seen", "a")]


def test_ours_is_timed_as_who_asks_sees_it(ours: Ours) -> None:
    asked = ours.ask(COST)
    assert asked.text == "La mairie paie 340 000 euros [2]."  # mended: it is the second sentence that says so
    assert asked.evidence is not None
    assert asked.first_word is not None
    assert 0 <= asked.evidence <= asked.first_word <= asked.total
    assert (asked.read, asked.reused, asked.written, asked.refused) == (5, 0, 4, False)


def test_a_refusal_has_no_first_word(settings: Settings) -> None:
    sure = settings.model_copy(update={"refuse_below": 1.0})
    model, embedder = CountingModel("Non."), ForgetfulEmbedder(WordEmbedder())
    asked = Ours(Assistant(sure, embedder, WordReader(), model), model, embedder).ask("Où est la lune ?")
    assert (asked.first_word, asked.refused) == (None, True)


def test_a_question_is_embedded_again_after_it_was_forgotten() -> None:
    class Counting(WordEmbedder):
        asked = 0

        def embed_questions(self, questions: Sequence[str]) -> Any:
            self.asked += len(questions)
            return super().embed_questions(questions)

    counting = Counting()
    embedder = ForgetfulEmbedder(counting)
    for _ in range(2):
        embedder.embed_question("Où ?")
        embedder.embed_question("Où ?")
        embedder.forget()
    assert counting.asked == 2


def test_so_many_at_once_ask_the_same_questions_at_each_level(ours: Ours) -> None:
    measured = Measured()
    asked = [Question(str(number), COST, True, gold=("a",)) for number in range(5)]
    Bench([ours], measured).at_once(ours, asked)
    assert [(level.together, level.answers) for level in measured.levels] == [
        (1, 2), (2, 2), (4, 2), (8, 2), (8, 3), (4, 3), (2, 3), (1, 3),
    ]  # fmt: skip
    for together in (1, 2, 4, 8):
        rows = [row for row in measured.rows if row.together == together]
        assert sorted(row.question for row in rows) == ["0", "1", "2", "3", "4"]
        assert all((row.scenario, row.who, row.read) == ("at once", "Sourcier", None) for row in rows)


def test_energy_goes_on_where_the_counter_begins_again(tmp_path: Path) -> None:
    package, part = tmp_path / "intel-rapl:0", tmp_path / "intel-rapl:0:0"  # the part is in the package's
    for zone in (package, part):
        zone.mkdir()
        (zone / "energy_uj").write_text("9000000\n", encoding="ascii")
        (zone / "max_energy_range_uj").write_text("10000000\n", encoding="ascii")
    energy = Energy(tmp_path)
    assert energy.joules() == 0
    (package / "energy_uj").write_text("2000000\n", encoding="ascii")
    assert energy.joules() == pytest.approx(3)  # 1 up to 10, and 2
    assert Energy(tmp_path / "none").joules() is None


def test_where_no_energy_is_shown_a_note_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speed, "Energy", partial(Energy, tmp_path))
    measured = Measured()
    Bench([], measured)
    assert measured.notes == ["energy: this machine shows none (RAPL, /sys/class/powercap)"]


ABOUT = {
    "data": "demo", "articles": 37, "passages": 70, "sample": 60, "seed": 0, "begun": "2026-11-24T10:00:00+00:00",
    "load average before": [0.1, 0, 0], "commit": "abc", "machine": speed.about_machine(),
}  # fmt: skip


def row(scenario: str, who: str, asked: str, first_word: float | None, total: float = 10.0, **more: Any) -> Row:
    return Row(scenario, who, asked, 0.1, 0.4, first_word, total, 30, 70, more.pop("written", 9),
               first_word is None, **more)  # fmt: skip


def measured_by_hand() -> Measured:
    return Measured(
        rows=[
            row("new", "Sourcier", "a", 2.0), row("new", "Sourcier", "b", 4.0), row("new", "Sourcier", "c", None, 0.5),
            row("new", "naive", "a", 12.0, 15.0), row("new", "naive", "b", 18.0, 20.0),
            row("new", "naive", "c", 100.0, 101.0),
            row("at once", "Sourcier", "a", 1.0, together=1), row("at once", "Sourcier", "a", 3.0, together=8),
        ],
        rates=[Rate("decode", 1.0), Rate("decode", 1.2), Rate("decode behind 512", 1.4)],
        levels=[Level(1, 2, 20.0), Level(8, 2, 10.0)],
        starts=[Start(2.0, 9.0), Start(3.0, None), Start(4.0, 7.0)],
        memory=[Memory(10_100, 10, 2_900_000_000, 2_000_000_000, None, 6.5)],
        notes=["a note"],
    )  # fmt: skip


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    with speed.written(tmp_path / "speed.json", dict(ABOUT), measured := Measured()):
        vars(measured).update(vars(measured_by_hand()))
    return opened(tmp_path / "speed.json")


def test_medians_and_ratios_computed_by_hand(result: dict[str, Any]) -> None:
    told = summary(result)
    new = told["asked"]["new, Sourcier"]
    assert (new["n"], new["refused"]) == (3, 1)
    assert new["first_word"] == {"n": 2, "median": 3.0, "p95": 3.9}
    assert new["evidence"] == {"n": 3, "median": 0.4, "p95": 0.4}
    assert new["read"] == {"n": 2, "median": 30.0, "p95": 30.0}
    assert new["joules"] is None
    assert told["at once"]["8"]["answers a minute"] == 12
    # the naive way's third is left out, since ours has no first word for that question: 15 / 3
    # 8 tokens in 8 and in 6 seconds: 1.167 a second; the raw rate is 1.1
    values = {(target["name"], target["limit"]): (target["value"], target["met"]) for target in told["targets"]}
    assert values == {
        ("first evidence, new question", 0.5): (0.4, True),
        ("first word, new articles", 3): (3.0, True),
        ("… times faster than naive", 4): (5.0, True),
        ("first word, articles seen before", 1.5): (None, None),
        ("… times faster than naive", 8): (None, None),
        ("first word, follow-up", 1.5): (None, None),
        ("writing with grammar and checks, of llama.cpp's raw rate", 0.9): (1.061, True),
        ("… of its rate behind a prompt of 512 tokens", 0.9): (0.834, False),
        ("throughput, eight at once to one after the other", 1.5): (2.0, True),
        ("start to a usable page", 3): (3.0, True),
        ("start to loaded models", 8): (8.0, True),
        ("peak memory, 10,000 passages", 3): (2.9, True),
    }


def test_an_answer_behind_which_passages_were_read_is_not_told_among_those_that_were_only_written(
    result: dict[str, Any],
) -> None:
    result["rows"] += [
        {**result["rows"][0], "scenario": "follow-up", "evidence_whole": 5.0, "first_word": 2.0, "total": 6.0},
        {**result["rows"][0], "evidence_whole": 1.0, "first_word": 2.0, "total": 6.0},
    ]
    rates = summary(result)["rates"]
    assert rates["Sourcier, writing"]["n"] == 3  # 1, 1.33 and 2
    assert rates["Sourcier, writing"]["median"] == pytest.approx(4 / 3, abs=1e-3)
    assert rates["Sourcier, writing and reading the others"] == {"n": 1, "median": 2.0, "p95": 2.0}


def test_the_file_has_a_row_a_line_and_says_that_it_is_complete(result: dict[str, Any], tmp_path: Path) -> None:
    assert list(result) == ["about", "summary", "rows", "rates", "levels", "starts", "memory", "notes"]
    assert result["about"]["complete"] is True
    assert result["summary"] == summary(result)
    lines = (tmp_path / "speed.json").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith('  {"scenario": ') for line in lines) == 8


def test_what_was_measured_is_written_when_it_is_interrupted(tmp_path: Path) -> None:
    measured = Measured()
    bench = Bench([FakeAsker("Sourcier", [], fails_at=4)], measured)
    out = tmp_path / "folder" / "speed.json"
    with pytest.raises(KeyboardInterrupt), speed.written(out, dict(ABOUT), measured):
        bench.visit([Visit(one, None) for one in ABC], ["new", "again"])
    stored = opened(out)
    assert [(one["scenario"], one["question"]) for one in stored["rows"]] == [
        ("new", "a"), ("again", "a"), ("new", "b"), ("again", "b"),
    ]  # fmt: skip
    assert stored["about"]["complete"] is False
    assert "**interrupted**" in as_markdown(stored)


def test_the_tables(result: dict[str, Any]) -> None:
    lines = as_markdown(result).splitlines()
    for line in (
        "| new, Sourcier | 3 (1) | 0.40 / 0.40 | – | 3.00 / 3.90 | 10.00 / 10.00 | 30 / 70 / 9 | – |",
        "| 8 | 2 | 12.0 | 3.00 / 3.00 | 10.00 / 10.00 |",
        "| decode | 2 | 1.1 |",
        "| models | 2 | 8.00 / 8.90 |",
        "| first word, new articles | ≤ 3 s | **3.00** |",
        "| first word, follow-up | ≤ 1.5 s | not measured |",
        "- a note",
    ):
        assert line in lines
    assert "GB: 2.90 at its peak; at the end uss 2.00. Its first question took 6.5 s" in as_markdown(result)


def test_nothing_measured_is_told_as_that(tmp_path: Path) -> None:
    with speed.written(tmp_path / "speed.json", dict(ABOUT), Measured()):
        pass
    stored = opened(tmp_path / "speed.json")
    assert all(target["met"] is None for target in stored["summary"]["targets"])
    assert as_markdown(stored).count("not measured") == len(stored["summary"]["targets"])
    assert pictures(stored, tmp_path) == []


def test_pictures_are_the_same_for_the_same_figures(result: dict[str, Any], tmp_path: Path) -> None:
    made = [pictures(result, tmp_path / folder) for folder in ("one", "other")]
    assert [path.name for path in made[0]] == [
        "speed-demo-first-word.svg",
        "speed-demo-at-once.svg",
        "speed-demo-parts.svg",
    ]
    for one, other in zip(*made, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"<dc:date>" not in one.read_bytes()


def test_a_file_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(DataError, match="was not written by sourcier bench"):
        opened(tmp_path / "other.json")
    (tmp_path / "speed.json").write_text(speed.as_json(ABOUT | {"complete": True}, measured_by_hand()), "utf-8")
    done = CliRunner().invoke(speed_report.main, [str(tmp_path / "speed.json"), "--plots", str(tmp_path / "plots")])
    assert done.exit_code == 0
    assert done.output.startswith("demo: 37 articles")
    assert len(list((tmp_path / "plots").iterdir())) == 3


def test_made_up_articles_are_searched_beside_the_real_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speed, "_MADE_UP", 20)
    article = make_article(Draft("Le pont ferme", "Le pont ferme lundi."), language="fr")
    data = DataSet("data", (article,), ())
    embedder = WordEmbedder(dimensions=768)
    own = load_settings(tmp_path / "own")
    indexed(data, own, embedder).close()
    made = speed.padded(data, tmp_path, own, embedder)
    assert embedder.embedded == 1  # and the made-up ones never
    assert made.home.parent == tmp_path
    (first, *_), *_ = [
        list(event.nearest)
        for event in Assistant(made, embedder, WordReader(), ScriptedModel("Lundi [1].")).stream("Le pont ferme-t-il ?")
        if isinstance(event, EvidenceFound)
    ]
    assert first.article.title == "Le pont ferme"


def test_a_process_says_what_it_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel("La mairie paie [1]."))
    monkeypatch.setattr(import_module("qa.answer"), "assistant", lambda settings: assistant)
    given = {"settings": {"home": str(settings.home)}, "questions": [COST, "Où ?"]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(given)))
    speed.weigh()
    told = Memory(**json.loads(capsys.readouterr().out))
    assert (told.passages, told.questions) == (2, 2)
    assert told.peak > 1_000_000


@pytest.fixture
def served() -> Iterator[tuple[str, dict[str, str]]]:
    """Serve the pages of a dictionary, by their paths."""
    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", pages
    server.shutdown()
    server.server_close()


def test_a_page_can_be_used_once_its_scripts_are_there(served: tuple[str, dict[str, str]]) -> None:
    address, pages = served
    assert not speed._usable(address)
    pages["/"] = "<html>Wait</html>"
    assert not speed._usable(address)
    pages["/"] = '<script type="module" crossorigin src="./assets/index.js"></script>'
    assert not speed._usable(address)
    pages["/assets/index.js"] = "start()"
    assert speed._usable(address)


def test_the_naive_prompt_has_whole_passages() -> None:
    article = Article(id="a", title="Le pont", text="Il ferme. Il rouvre.", source="La Gazette", language="fr")
    hits = [Hit(article, Passage("a", 0, 9), 1, 1, 1), Hit(article, Passage("a", 10, 20), 0.5, 0.5, 0)]
    assert naive_prompt("Quand ?", hits) == (
        "[1] Le pont, La Gazette\nIl ferme.\n\n[2] Le pont, La Gazette\nIl rouvre.\n\nQuestion : Quand ?"
    )


def test_a_rival_that_is_not_installed_is_left_out_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.rivals.find_spec", lambda name: None)
    assert not_installed() == (
        "LangChain: langchain-community is not installed, so it is left out; pip install 'sourcier[bench]'"
    )


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(main, ["bench", *arguments])
    assert done.exit_code == 2
    return done.output.splitlines()[-1]


def test_mistakes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = ("--home", str(tmp_path))
    assert CliRunner().invoke(main, ["bench", "--help"]).exit_code == 0
    assert "there is no scenario 'newest'" in refused("--only", "newest")
    assert "--out is one file" in refused("one", "two", "--out", str(tmp_path / "out.json"))
    assert "does not exist" in refused(str(tmp_path / "nothing"))
    missing = refused(*home, "--set", f"models_folder={tmp_path / 'models'}")
    assert missing.endswith("sourcier models pull qwen2.5-coder-1.5b")
    elsewhere = refused(*home, "--set", "answering_server=http://127.0.0.1:1/v1")
    assert elsewhere.endswith("leave out answering_server")
    monkeypatch.setattr(speed_report, "refuse_without_matplotlib", _none)
    assert refused("--plots", str(tmp_path)).endswith("pictures need matplotlib: pip install 'sourcier[bench]'")


def _none() -> None:
    raise SettingsError("pictures need matplotlib: pip install 'sourcier[bench]'")
