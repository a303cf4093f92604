"""Settings: file < environment < flags, and mistakes named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from errors import SettingsError
from settings import Settings, flags_of, load_settings


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.upper().startswith("SOURCIER_")]:
        monkeypatch.delenv(key)


def write(home: Path, content: str) -> Path:
    (home / "sourcier.toml").write_text(content, encoding="utf-8")
    return home


def refusal(home: Path, **flags: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(home, **flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_need_no_home(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none").port == 7860
    assert not (tmp_path / "none").exists()


def test_rising_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "port = 1001\nthreads = 1\nresults = 11")
    monkeypatch.setenv("SOURCIER_PORT", "1002")
    monkeypatch.setenv("SOURCIER_THREADS", "2")
    made = load_settings(tmp_path, port=1003, host=None)
    assert (made.port, made.threads, made.results, made.host) == (1003, 2, 11, "127.0.0.1")


def test_an_empty_variable_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "port = 1001")
    monkeypatch.setenv("SOURCIER_PORT", "")
    assert load_settings(tmp_path).port == 1001


@pytest.mark.parametrize("given", ["flag", "environment"])
def test_the_file_of_a_home_given_either_way_is_read(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "port = 1001")
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    home = f"~/{tmp_path.name}"
    if given == "environment":
        monkeypatch.setenv("SOURCIER_HOME", home)
    made = load_settings(home if given == "flag" else None)
    assert (made.home, made.port) == (tmp_path, 1001)


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = load_settings("archive", models_folder="~/weights", weights_from="mirror")
    assert made.home == tmp_path / "archive"
    assert made.models_folder == tmp_path / "weights"
    assert made.weights_from == tmp_path / "mirror"


def test_an_unknown_key_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path, prot=1) == "unknown setting prot in the arguments; did you mean port?"
    path = write(tmp_path, "tread = 2") / "sourcier.toml"
    assert refusal(tmp_path) == f"unknown setting tread in {path}; did you mean threads?"
    write(tmp_path, "")
    monkeypatch.setenv("SOURCIER_RESULT", "2")
    assert refusal(tmp_path) == "unknown setting SOURCIER_RESULT in the environment; did you mean SOURCIER_RESULTS?"


def test_a_key_like_no_other_is_named_alone(tmp_path: Path) -> None:
    assert refusal(tmp_path, xyzzy=1) == "unknown setting xyzzy in the arguments"
    assert "unknown setting section" in refusal(write(tmp_path, "[section]\nport = 1"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 0), ("port", 65536), ("port", "http"), ("threads", -1), ("threads", 1.5), ("passage_tokens", 31),
        ("embedding_tokens", 0), ("results", 0), ("results", 101), ("lexical_weight", -0.1), ("refuse_below", 1.1),
        ("evidence_sentences", 0), ("context_tokens", 1023), ("answer_tokens", 15), ("host", ["a"]),
    ],
)  # fmt: skip
def test_ranges(key: str, value: object, tmp_path: Path) -> None:
    message = refusal(tmp_path, **{key: value})
    assert message.startswith(f"setting {key} = {value!r} in the arguments: ")


def test_where_a_wrong_value_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "port = 0") / "sourcier.toml"
    assert refusal(tmp_path).startswith(f"setting port = 0 in {path}: ")
    monkeypatch.setenv("SOURCIER_PORT", "none")
    assert refusal(tmp_path).startswith("setting port = 'none' in the environment: ")
    assert load_settings(tmp_path, port=1).port == 1


def test_the_home_cannot_be_set_in_the_file_that_lies_in_it(tmp_path: Path) -> None:
    assert "home cannot be set" in refusal(write(tmp_path, 'home = "/elsewhere"'))


@pytest.mark.parametrize("content", ["port = ", "port = 1\nport = 2", "[["], ids=repr)
def test_a_broken_file_is_one_line(content: str, tmp_path: Path) -> None:
    assert f"{tmp_path / 'sourcier.toml'} cannot be read: " in refusal(write(tmp_path, content))


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "sourcier.toml").write_bytes(b"host = '\xff\xfe'")
    assert "cannot be read" in refusal(tmp_path)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("given", "expected", "elsewhere"),
    [
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1", None),
        ("http://localhost:11434", "http://localhost:11434/v1", None),
        ("http://[::1]:8080/v1/", "http://[::1]:8080/v1", None),
        ("https://gpu.example/models/api/", "https://gpu.example/models/api", "gpu.example"),
        ("http://192.168.1.20:8000/", "http://192.168.1.20:8000/v1", "192.168.1.20"),
        ("http://127.0.0.1.example/v1", "http://127.0.0.1.example/v1", "127.0.0.1.example"),
        ("", None, None),
    ],
)
def test_the_address_of_a_server(given: str, expected: str | None, elsewhere: str | None, tmp_path: Path) -> None:
    made = load_settings(tmp_path, answering_server=given)
    assert (made.answering_server, made.server_elsewhere) == (expected, elsewhere)
    assert made.local_models == ((made.embedding_model,) if expected else (made.embedding_model, made.answering_model))
    assert made.answering_identity == (f"qwen2.5-coder-1.5b on {expected}" if expected else "qwen2.5-coder-1.5b")


@pytest.mark.parametrize(
    "value",
    ["127.0.0.1:8000", "gpu.example", "ftp://gpu.example", "http://", "http://h:99999", "http://[::1", "http://h/v1?k=1",
     "http://h /v1", "http://h/v1#x"],
)  # fmt: skip
def test_what_is_no_address_of_a_server(value: str, tmp_path: Path) -> None:
    assert f"setting answering_server = {value!r} in the arguments: " in refusal(tmp_path, answering_server=value)


def test_a_secret_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("hidden word", "hidden\nword", "hiddén", ["hidden"], 5551):
        message = refusal(tmp_path, answering_server_key=value)
        assert message.startswith("setting answering_server_key in the arguments: ")
        assert "hidd" not in message
        assert "5551" not in message
    assert "hidden" not in refusal(tmp_path, answering_server="http://anna:hidden@gpu.example/v1")
    monkeypatch.setenv("SOURCIER_ANSWERING_SERVER_KEY", "hidden")
    made = load_settings(tmp_path)
    assert made.answering_server_key
    assert made.answering_server_key.get_secret_value() == "hidden"
    assert "hidden" not in f"{made} {made!r} {made.model_dump()} {made.model_dump_json()}"
    again = load_settings(tmp_path, **made.model_dump(exclude={"home"}, exclude_unset=True))
    assert again == made
    assert hash(again) == hash(made)


def test_pairs_of_set_are_flags() -> None:
    assert flags_of(["port = 1003", "host=::1", "home=a=b"]) == {"port": "1003", "host": "::1", "home": "a=b"}
    with pytest.raises(SettingsError, match=r"^--set port: write KEY=VALUE$"):
        flags_of(["port"])
