"""Conversations kept: found again, their owner's alone, gone when deleted, and in the way of nothing when they fail."""

from __future__ import annotations

import os
import random
import resource
import secrets
import sqlite3
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import ConversationsError, NoConversationError, SourcierError
from page import conversations
from page.conversations import FILE, Conversations, Rating
from page.record import Excerpt, Exchange, Quote, Reference, State

EXCERPT = Excerpt(Reference("a", "Le pont", "La Gazette"), 0, "Le pont a rouvert. Il a coûté 4 millions.", True, True)


def answered(question: str = "Combien ?", text: str = "4 millions [1].", **fields: Any) -> Exchange:
    return Exchange(
        question, state=State.ANSWERED, text=text, quotes=(Quote(1, 19, 41, EXCERPT),), marks=((11, 1),), **fields
    )


@pytest.fixture
def kept(tmp_path: Path) -> Conversations:
    return Conversations(tmp_path)


def content(home: Path) -> bytes:
    """What stands in all files of a home."""
    return b"".join(path.read_bytes() for path in home.iterdir())


def test_an_exchange_comes_back_as_it_was_kept(kept: Conversations, tmp_path: Path) -> None:
    first, second = answered(), answered("Et l’école ?", refused=True, confidence=0.1)
    talk = kept.keep("anna", None, 0, first)
    assert kept.keep("anna", talk, 1, second) == talk
    assert Conversations(tmp_path).read("anna", talk) == ("Combien ?", [(first, None), (second, None)])
    (listed,), total = kept.list("anna")
    assert (listed.id, listed.owner, listed.name, listed.exchanges, total) == (talk, "anna", "Combien ?", 2, 1)
    assert datetime.fromisoformat(listed.created) <= datetime.fromisoformat(listed.changed)
    assert len(talk) >= 20


def test_only_the_user_of_the_machine_can_read_the_file(kept: Conversations, tmp_path: Path) -> None:
    kept.keep("anna", None, 0, answered())
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    (tmp_path / FILE).chmod(0o644)
    Conversations(tmp_path).list("anna")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_an_edited_question_takes_the_place_of_all_that_followed(kept: Conversations) -> None:
    talk = kept.keep("anna", None, 0, answered("Un ?"))
    for place, question in enumerate(["Deux ?", "Trois ?"], 1):
        kept.keep("anna", talk, place, answered(question))
    kept.rate("anna", talk, 1, Rating(True))
    kept.keep("anna", talk, 1, answered("Deux, vraiment ?"))
    assert [(one.question, rating) for one, rating in kept.read("anna", talk)[1]] == [
        ("Un ?", None),
        ("Deux, vraiment ?", None),
    ]
    assert kept.list("anna", words="trois") == ([], 0)
    kept.keep("anna", talk, 7, answered("Quatre ?"))  # one before it could not be kept
    assert [one.question for one, _ in kept.read("anna", talk)[1]][2:] == ["Quatre ?"]


def test_the_name_follows_the_first_question_until_it_is_given(kept: Conversations) -> None:
    talk = kept.keep("anna", None, 0, answered("Un ?"))
    kept.keep("anna", talk, 0, answered("Deux ?"))
    assert kept.list("anna")[0][0].name == "Deux ?"
    kept.rename("anna", talk, "Le pont")
    kept.keep("anna", talk, 0, answered("Trois ?"))
    assert kept.list("anna")[0][0].name == "Le pont"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Combien\n de\x00 fissures\t?", "Combien de fissures ?"),
        ("mot " * 40, "mot " * 18 + "mot mot…"),
        ("x" * 200, "x" * 79 + "…"),
        ("y" * 80, "y" * 80),
        ("‮Pourquoi\x9b ?", "Pourquoi ?"),
        ("\x01", "?"),
    ],
    ids=["spaces", "words", "one long word", "just fits", "direction turned", "nothing to see"],
)
def test_a_conversation_is_named_after_its_first_question(kept: Conversations, question: str, name: str) -> None:
    kept.keep("anna", None, 0, answered(question))
    assert kept.list("anna")[0][0].name == name
    assert len(name) <= 80


def test_a_name_is_cleaned_and_none_is_refused(kept: Conversations) -> None:
    talk = kept.keep("anna", None, 0, answered())
    name = kept.rename("anna", talk, "  Le\x07 pont\nneuf " + "x" * 500)
    assert kept.read("anna", talk)[0] == name
    assert name.startswith("Le pont neuf xxx")
    assert len(name) == 200
    with pytest.raises(ConversationsError, match="needs a name"):
        kept.rename("anna", talk, " \n\x00")
    assert kept.list("anna")[0][0].name == name


@pytest.mark.parametrize("state", [State.QUEUED, State.SEARCHING, State.WRITING])
def test_what_is_not_over_is_not_kept(kept: Conversations, state: State) -> None:
    with pytest.raises(AssertionError):
        kept.keep("anna", None, 0, Exchange("Q ?", state=state))


@pytest.mark.parametrize("state", [State.ANSWERED, State.STOPPED, State.FAILED])
def test_what_is_over_is_kept(kept: Conversations, state: State) -> None:
    exchange = Exchange("Q ?", state=state, error="none")
    assert kept.read("anna", kept.keep("anna", None, 0, exchange))[1] == [(exchange, None)]


def test_the_conversation_changed_last_stands_first_and_they_come_in_pages(kept: Conversations) -> None:
    talks = [kept.keep("anna", None, 0, answered(f"Question {number} ?")) for number in range(5)]
    kept.keep("anna", talks[1], 1, answered())
    order = [1, 4, 3, 2, 0]
    assert [talk.id for talk in kept.list("anna")[0]] == [talks[number] for number in order]
    page, total = kept.list("anna", first=1, count=2)
    assert ([talk.id for talk in page], total) == ([talks[4], talks[3]], 5)
    assert kept.list("anna", first=9) == ([], 5)
    assert kept.list("anna", words="question 3")[1] == 1


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ("", True),
        ("ÉLYSÉE", True),
        ("elysee", True),
        ("coeur", True),
        ("strasse", True),
        ("Élysée millions", True),
        ("millions elysee", True),
        ("mil", True),
        ("mil élysée", False),
        ("illions", False),
        ("carnet pre", True),
        ("carnet absent", False),
        ("l’Élysée", True),
        ('"elysee" OR NOT*', False),
        ('"Élysée"*', True),
        ("% _", True),
        ("folded", False),
        ("' OR 1=1 --", False),
        ("mot " * 500, False),
    ],
)
def test_words_are_searched_in_names_questions_and_answers(kept: Conversations, words: str, is_found: bool) -> None:
    talk = kept.keep("anna", None, 0, answered("À combien le cœur de l’Élysée ?", "4 millions, Große Straße [1]."))
    kept.rename("anna", talk, "Carnet de presse")
    kept.keep("anna", None, 0, answered("Autre ?", "Rien."))
    assert (talk in [one.id for one in kept.list("anna", words=words)[0]]) is is_found


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_searched_is_words_and_whatever_is_kept_is_found_by_them(kept: Conversations, text: str) -> None:
    talk = kept.keep("anna", None, 0, answered(f"x {text}"))
    found, total = kept.list("anna", words=f"x {text}")
    assert talk in [one.id for one in found]
    assert total >= 1
    kept.delete("anna", talk)


def test_a_rating_is_kept_changed_and_taken_back(kept: Conversations) -> None:
    talk = kept.keep("anna", None, 0, answered("Un ?"))
    kept.keep("anna", talk, 1, answered("Deux ?"))
    kept.rate("anna", talk, 1, Rating(False, " faux\x00\n chiffre " + "x" * 2000))
    _, ((_, none), (exchange, rating)) = kept.read("anna", talk)
    assert none is None
    assert rating is not None
    assert (rating.good, rating.note[:13], len(rating.note)) == (False, "faux chiffre ", 1000)
    assert kept.rated("anna") == [("Un ?", exchange, rating)]
    kept.rate("anna", talk, 1, Rating(True))
    assert kept.rated("anna") == [("Un ?", exchange, Rating(True, ""))]
    kept.rate("anna", talk, 1, None)
    assert kept.rated("anna") == []
    with pytest.raises(NoConversationError, match="question 3"):
        kept.rate("anna", talk, 2, Rating(True))


FOREIGN: dict[str, Callable[[Conversations, str, str], object]] = {
    "keep": lambda kept, owner, talk: kept.keep(owner, talk, 0, answered()),
    "read": lambda kept, owner, talk: kept.read(owner, talk),
    "rename": lambda kept, owner, talk: kept.rename(owner, talk, "x"),
    "delete": lambda kept, owner, talk: kept.delete(owner, talk),
    "rate": lambda kept, owner, talk: kept.rate(owner, talk, 0, Rating(True)),
}


@pytest.mark.parametrize("method", FOREIGN)
def test_another_owners_conversation_is_as_one_that_is_not_there(kept: Conversations, method: str) -> None:
    with pytest.raises(NoConversationError):
        FOREIGN[method](kept, "anna", "none")  # before there is a file
    talk = kept.keep("anna", None, 0, answered())
    kept.keep("bert", None, 0, answered("Autre ?"))
    for owner, other in (("bert", talk), ("bert", "none"), ("", talk), ("bert", "\ud800"), ("anna' --", talk)):
        with pytest.raises(NoConversationError) as raised:
            FOREIGN[method](kept, owner, other)
        assert "\n" not in str(raised.value)
        assert isinstance(raised.value, SourcierError)
    assert kept.read("anna", talk)[1] == [(answered(), None)]


def test_lists_ratings_and_deleting_all_keep_to_the_owner(kept: Conversations) -> None:
    talk = kept.keep("anna", None, 0, answered())
    kept.rate("anna", talk, 0, Rating(True))
    assert kept.list("bert") == ([], 0)
    assert kept.list("bert", words="combien") == ([], 0)
    assert kept.rated("bert") == []
    kept.delete_all("bert")
    assert kept.rated("anna") == [("Combien ?", answered(), Rating(True))]
    kept.delete_all("anna")
    assert kept.list("anna") == ([], 0)
    assert kept.rated("anna") == []


@pytest.mark.parametrize("seed", range(3))
def test_deleted_words_stand_nowhere_in_the_files(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    kept = Conversations(tmp_path)
    there: dict[str, str] = {}
    gone: list[str] = []
    for _ in range(30):
        word = secrets.token_hex(8)
        question = " ".join([word] * chance.choice([1, 4, 40, 400]))
        if there and chance.random() < 0.4:
            talk = chance.choice(list(there))
            kept.keep("anna", talk, 1, answered(f"{there[talk]} {question[:16]}"[:16], there[talk] * 9))
        there[kept.keep("anna", None, 0, answered(question, question))] = word
        if chance.random() < 0.4:
            talk = chance.choice(list(there))
            assert there[talk].encode() in content(tmp_path)
            kept.rename("anna", talk, f"name {there[talk]}")
            kept.rate("anna", talk, 0, Rating(True, f"note {there[talk]}"))
            kept.delete("anna", talk)
            gone.append(there.pop(talk))
    assert not [word for word in gone if word.encode() in content(tmp_path)]
    kept.delete_all("anna")
    assert not [word for word in there.values() if word.encode() in content(tmp_path)]


def test_an_exchange_of_another_version_is_passed_over_and_places_count_the_others(
    kept: Conversations, tmp_path: Path
) -> None:
    talk = kept.keep("anna", None, 0, answered("Un ?"))
    for place, question in enumerate(["Deux ?", "Trois ?"], 1):
        kept.keep("anna", talk, place, answered(question))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("UPDATE exchanges SET exchange = ? WHERE number = 2", (zlib.compress(b'{"asked": 1}'),))
        connection.commit()
    kept.rate("anna", talk, 1, Rating(True))
    assert kept.rated("anna") == [("Un ?", answered("Trois ?"), Rating(True))]
    kept.keep("anna", talk, 1, answered("Quatre ?"))
    assert [one.question for one, _ in kept.read("anna", talk)[1]] == ["Un ?", "Quatre ?"]
    for broken in (b"no zlib", "text", None, 7):
        with closing(sqlite3.connect(tmp_path / FILE)) as connection:
            connection.execute("UPDATE exchanges SET exchange = coalesce(?, x'') WHERE number = 1", (broken,))
            connection.commit()
        assert [one.question for one, _ in kept.read("anna", talk)[1]] == ["Quatre ?"]


def test_a_newer_file_is_left_as_it_is(tmp_path: Path) -> None:
    Conversations(tmp_path).keep("anna", None, 0, answered())
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = content(tmp_path)
    kept = Conversations(tmp_path)
    for act in (lambda: kept.list("anna"), lambda: kept.keep("anna", None, 0, answered())):
        with pytest.raises(ConversationsError, match="format 99, and this version of Sourcier knows 1"):
            act()
    assert content(tmp_path) == before


def _overwritten(path: Path) -> None:
    path.write_bytes(b"no database at all" * 500)


def _pages_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE talks (x)")


@pytest.mark.parametrize("damage", [_overwritten, _pages_overwritten, _cut_off, _another_program])
@pytest.mark.parametrize("at", ["start", "work"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(
    tmp_path: Path, damage: Callable[[Path], None], at: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Conversations(tmp_path)
    for _ in range(20):
        kept.keep("anna", None, 0, answered("Combien ? " * 40))
    damage(tmp_path / FILE)
    (tmp_path / f"{FILE}-journal").write_bytes(b"")
    damaged = (tmp_path / FILE).read_bytes()
    kept = Conversations(tmp_path) if at == "start" else kept
    talk = kept.keep("anna", None, 0, answered())
    assert kept.read("anna", talk)[1] == [(answered(), None)]
    (aside,) = [path for path in tmp_path.iterdir() if ".damaged-" in path.name and "journal" not in path.name]
    assert aside.read_bytes() == damaged
    assert str(aside) in kept.warning
    assert "\n" not in kept.warning
    assert [record.getMessage() for record in caplog.records] == [kept.warning]
    assert Conversations(tmp_path).list("anna")[1] == 1


def test_processes_that_find_the_same_damage_move_it_aside_once(tmp_path: Path) -> None:
    every = [Conversations(tmp_path) for _ in range(6)]
    every[0].keep("anna", None, 0, answered())
    _overwritten(tmp_path / FILE)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda one: one.keep("anna", None, 0, answered()), every))
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    assert every[0].list("anna")[1] == 6


def test_threads_and_instances_share_the_file(tmp_path: Path) -> None:
    first, second = Conversations(tmp_path), Conversations(tmp_path)
    talk = first.keep("anna", None, 0, answered("0"))

    def work(number: int) -> None:
        one = (first, second)[number % 2]
        mine = one.keep(f"owner {number % 4}", None, 0, answered(str(number)))
        one.keep("anna", talk, 999, answered(str(number)))
        one.list("anna", words=str(number))
        if number % 3 == 0:
            one.delete(f"owner {number % 4}", mine)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(24)))
    assert len(first.read("anna", talk)[1]) == 25
    assert sum(second.list(f"owner {number}")[1] for number in range(4)) == 16


WORK = """
import sys
from pathlib import Path
from page.conversations import Conversations
from page.record import Exchange, State
kept = Conversations(Path(sys.argv[1]))
for number in range(8):
    kept.keep("anna", sys.argv[2], 999, Exchange(str(number), state=State.ANSWERED))
"""


def test_processes_share_the_file(kept: Conversations, tmp_path: Path) -> None:
    talk = kept.keep("anna", None, 0, answered())
    root = Path(__file__).parents[2]
    run = [sys.executable, "-c", WORK, str(tmp_path), talk]
    processes = [subprocess.Popen(run, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(kept.read("anna", talk)[1]) == 17


def test_on_a_full_disk_nothing_more_is_kept_and_nothing_is_lost(kept: Conversations, tmp_path: Path) -> None:
    talk = kept.keep("anna", None, 0, answered())
    size = (tmp_path / FILE).stat().st_size
    long = answered(text="".join(secrets.token_hex(20000)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (size, size // 2, 0):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(ConversationsError) as raised:
                kept.keep("anna", talk, 1, long)
            assert "\n" not in str(raised.value)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert kept.read("anna", talk)[1] == [(answered(), None)]
    kept.keep("anna", talk, 1, long)
    assert len(kept.read("anna", talk)[1]) == 2
    assert not kept.warning


def test_where_the_deleted_cannot_be_overwritten_that_is_said_and_the_next_deletion_does_it(
    kept: Conversations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = [kept.keep("anna", None, 0, answered(f"Q{number} ? " * 100)) for number in range(3)]

    class Full(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "VACUUM":
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *arguments)

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, **named, factory=Full))
        with pytest.raises(ConversationsError, match="deleted, but words of it may still stand"):
            kept.delete("anna", talks[0])
    assert kept.list("anna")[1] == 2
    kept.delete("anna", talks[1])
    assert b"q0 q0" not in content(tmp_path)


def test_without_a_file_there_is_nothing_and_none_is_made_by_looking(tmp_path: Path) -> None:
    kept = Conversations(tmp_path / "home")
    assert kept.list("anna") == ([], 0)
    assert kept.rated("anna") == []
    kept.delete_all("anna")
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_written_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Conversations(tmp_path / "file" / "home")
    assert kept.list("anna") == ([], 0)
    with pytest.raises(ConversationsError, match="are out of reach"):
        kept.keep("anna", None, 0, answered())
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConversationsError, match="are out of reach"):
        Conversations(tmp_path).list("anna")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_home_can_still_be_read(kept: Conversations, tmp_path: Path) -> None:
    talk = kept.keep("anna", None, 0, answered())
    (tmp_path / FILE).chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert kept.read("anna", talk)[1] == [(answered(), None)]
        with pytest.raises(ConversationsError, match="readonly"):
            kept.keep("anna", talk, 1, answered())
    finally:
        tmp_path.chmod(0o700)


def test_what_cannot_be_written_as_text_is_refused_in_one_line(kept: Conversations) -> None:
    with pytest.raises(ConversationsError) as raised:
        kept.keep("anna", None, 0, answered("half a pair \ud83d"))
    assert "\n" not in str(raised.value)
    assert kept.list("anna") == ([], 0)


def test_a_file_locked_by_another_program_gives_one_line(
    kept: Conversations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.keep("anna", None, 0, answered())
    monkeypatch.setattr(conversations, "_SECONDS_TO_WAIT", 0)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConversationsError, match="locked"):
            kept.keep("anna", None, 0, replace(answered(), question="Q ?"))
    assert kept.list("anna")[1] == 1
    assert not kept.warning
