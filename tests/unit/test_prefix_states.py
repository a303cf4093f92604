"""States on disk: found again, never wrong, never more than there is room for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import qa.prefix_states
from qa.prefix_states import PrefixStates

TOKENS = [1, 2, 3]


def test_a_state_is_found_by_its_model_and_its_tokens(tmp_path: Path) -> None:
    states = PrefixStates(tmp_path / "states", "model")
    assert states.read(TOKENS) is None
    states.write(TOKENS, b"state")
    assert states.read(tuple(TOKENS)) == b"state"
    assert PrefixStates(tmp_path / "states", "model").read(TOKENS) == b"state"
    assert states.read([1, 2]) is states.read([1, 2, 4]) is None
    assert PrefixStates(tmp_path / "states", "another").read(TOKENS) is None


def test_a_damaged_state_is_not_used_and_is_written_again(tmp_path: Path) -> None:
    states = PrefixStates(tmp_path, "model")
    for damage in (lambda kept: kept[:-1], lambda kept: kept[:-1] + b"x", lambda kept: b"", lambda kept: b"x" + kept):
        states.write(TOKENS, b"state")
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        assert states.read(TOKENS) is None
    states.write(TOKENS, b"state")
    assert states.read(TOKENS) == b"state"


def test_those_longest_not_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qa.prefix_states, "_MOST_BYTES", 3 * (32 + 100))
    states = PrefixStates(tmp_path, "model")
    for number in range(3):
        states.write([number], bytes(100))
        (file,) = (path for path in tmp_path.iterdir() if path.stat().st_mtime > 1000)
        os.utime(file, (number + 1, number + 1))
    assert states.read([0])  # used now
    states.write([3], bytes(100))
    assert [states.read([number]) is not None for number in range(4)] == [True, False, True, True]


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("a file in its place")
    states = PrefixStates(tmp_path / "states", "model")
    states.write(TOKENS, b"state")
    assert states.read(TOKENS) is None


def test_a_file_that_may_only_be_read_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    states = PrefixStates(tmp_path, "model")
    states.write(TOKENS, b"state")
    monkeypatch.setattr("os.utime", refuse)
    assert states.read(TOKENS) == b"state"
    monkeypatch.setattr(Path, "exists", refuse)
    states.write([4], b"other")
    assert states.read([4]) is None
