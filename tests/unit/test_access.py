"""Users and their passwords, failed logins, limits per user."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import argon2
import pytest
from click.testing import CliRunner

from cli import main
from errors import QuestionError, SettingsError
from page.access import Attempts, Limits, Users, is_open, login_of, remove_user, set_password, user_of
from settings import load_settings


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Quick(argon2.PasswordHasher):
        def __init__(self) -> None:
            super().__init__(time_cost=1, memory_cost=8, parallelism=1)

    monkeypatch.setattr(argon2, "PasswordHasher", Quick)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "home" / "users"
    set_password(made, "anna", "correct horse")
    return made


def test_a_file_of_users_is_hashed_and_its_owners(path: Path) -> None:
    set_password(path, "bertil", "battery staple")
    lines = path.read_text("utf-8").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["anna", "bertil"]
    assert all(line.partition(":")[2].startswith("$argon2id$") for line in lines)
    assert "correct horse" not in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["users"]


def test_only_the_right_password_of_a_known_user_passes(path: Path) -> None:
    users = Users(path)
    assert users.verify("anna", "correct horse")
    assert users.verify(" anna ", "correct horse")
    assert not users.verify("anna", "correct horse ")
    assert not users.verify("bertil", "correct horse")
    assert not users.verify("anna", "x" * 2000)
    assert not users.verify("anna", "\ud800")


def test_names_and_passwords_are_the_same_however_accents_are_typed(path: Path) -> None:
    set_password(path, "zoé", "été 2024 !")
    assert Users(path).verify("zoe\u0301", "e\u0301te\u0301 2024 !")


def test_a_password_that_was_right_is_remembered_until_it_changes(path: Path) -> None:
    users = Users(path)
    assert not users.remembered("anna", "correct horse")
    assert users.verify("anna", "correct horse")
    assert users.remembered("anna", "correct horse")
    assert not users.remembered("anna", "correct hors")
    set_password(path, "anna", "another one")
    assert not users.remembered("anna", "correct horse")
    assert users.verify("anna", "another one")


def test_who_is_removed_is_out_at_once(path: Path) -> None:
    set_password(path, "bertil", "battery staple")
    users = Users(path)
    assert users.verify("anna", "correct horse")
    remove_user(path, "anna")
    assert not users.known("anna")
    assert not users.remembered("anna", "correct horse")
    path.unlink()
    assert not users.known("bertil")
    assert not users.verify("bertil", "battery staple")


def test_an_unknown_name_costs_a_hash_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, hashed = Users(path), list[str]()
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, made: str, word: bytes) -> bool:
        hashed.append(made)
        return verify(self, made, word)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    users.verify("nobody", "correct horse")
    users.verify("anna", "wrong password")
    assert [argon2.extract_parameters(made) for made in hashed] == [argon2.extract_parameters(hashed[0])] * 2


@pytest.mark.parametrize("content", [None, "", "anna:plain text\n", "# nobody\n"])
def test_a_file_without_a_user_is_one_line(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "users"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(SettingsError, match=r"there is no user in .*; add one with: sourcier password"):
        Users(path)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\nb", "x" * 65, "../x"])
def test_names_that_will_not_do(name: str, path: Path) -> None:
    with pytest.raises(SettingsError, match="will not do as a name"):
        set_password(path, name, "correct horse")


def test_the_command_sets_replaces_and_removes(tmp_path: Path) -> None:
    def run(*arguments: str, typed: str = "") -> Any:
        home = ["--home", str(tmp_path / "home")]
        return CliRunner().invoke(main, ["password", *arguments, *home], input=io.BytesIO(typed.encode()))

    assert run("anna", typed="correct horse\n").exit_code == 0
    path = tmp_path / "home" / "users"
    assert Users(path).verify("anna", "correct horse")
    assert run("anna", typed="another one\n").exit_code == 0
    assert not Users(path).verify("anna", "correct horse")
    short = run("anna", typed="short\n")
    assert (short.exit_code, short.stderr) == (2, "sourcier: the password has 5 characters; write 8 to 1000\n")
    assert run("anna", "--remove").exit_code == 0
    missing = run("anna", "--remove")
    assert (missing.exit_code, missing.stderr) == (2, f"sourcier: there is no user anna in {path}\n")
    elsewhere = tmp_path / "elsewhere"
    assert run("anna", "--file", str(elsewhere), typed="correct horse\n").exit_code == 0
    assert Users(elsewhere).verify("anna", "correct horse")


def test_failed_logins_are_limited_by_name_and_address() -> None:
    attempts = Attempts()
    for _ in range(5):
        assert attempts.wait("anna", "10.0.0.1") == 0
        attempts.failed("anna", "10.0.0.1")
    assert 0 < attempts.wait("anna", "10.0.0.1") <= 60
    assert attempts.wait("anna", "10.0.0.2") == 0
    assert attempts.wait("bertil", "10.0.0.1") == 0
    for number in range(15):
        attempts.failed(f"user{number}", "10.0.0.1")
    assert attempts.wait("bertil", "10.0.0.1") > 0
    for number in range(25):
        attempts.failed("anna", f"10.0.1.{number}")
    assert attempts.wait("anna", "10.0.0.2") > 0


def test_a_user_has_so_many_questions_at_once() -> None:
    limits = Limits(0, 2)
    with limits.admitted("anna"), limits.admitted("anna"):
        with limits.admitted("bertil"):
            pass
        with pytest.raises(QuestionError, match=r"^2 of your questions are waiting"), limits.admitted("anna"):
            pass
    with limits.admitted("anna"):
        pass


def test_a_user_has_so_many_questions_a_minute() -> None:
    limits = Limits(2, 0)
    for _ in range(2):
        with limits.admitted("anna"):
            pass
    with pytest.raises(QuestionError, match=r"^2 questions a minute .* ask again in (60|[1-5]?\d) s$"):
        limits.admitted("anna").__enter__()
    with limits.admitted("bertil"):
        pass


def test_a_question_that_fails_is_no_longer_counted_as_running() -> None:
    limits = Limits(0, 1)
    with pytest.raises(ZeroDivisionError), limits.admitted("anna"):
        raise ZeroDivisionError
    with limits.admitted("anna"):
        pass


def test_a_user_is_the_login_else_the_address() -> None:
    scope = {"client": ("10.0.0.1", 5)}
    assert (user_of(SimpleNamespace(scope=scope)), login_of(SimpleNamespace(scope=scope))) == ("10.0.0.1", None)
    scope["sourcier.user"] = "anna"  # type: ignore[assignment]
    wrapped = SimpleNamespace(request=SimpleNamespace(scope=scope))
    assert (user_of(wrapped), login_of(wrapped)) == ("anna", "anna")
    assert user_of(SimpleNamespace(request=None)) == "unknown"


@pytest.mark.parametrize(
    ("flags", "opened"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "127.0.0.9"}, False),
        ({"host": "[::1]"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"host": "news"}, True),
        ({"host": "0.0.0.0", "auth": "users"}, False),
        ({"root_path": "/sourcier"}, False),
        ({"root_path": "https://news.example/sourcier"}, True),
        ({"allowed_hosts": "news.example"}, True),
        ({"allowed_hosts": "localhost"}, False),
        ({"allowed_hosts": "news.example", "auth": "users"}, False),
    ],
    ids=repr,
)
def test_a_page_that_others_reach_without_a_login_is_open(flags: dict[str, Any], opened: bool, tmp_path: Path) -> None:
    assert is_open(load_settings(tmp_path, **flags)) is opened
