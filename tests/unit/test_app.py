"""What the page does with dropped files, and with an address that is taken; no page is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import app
from errors import ArchiveBusyError
from index import embedder, rebuild
from index.rebuild import Report
from settings import Settings, load_settings


class Updated:
    """A stand-in for index.rebuild.update that notes the files it is given and what they hold."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.given: list[dict[Path, str]] = []

    def __call__(self, home: Path, paths: Sequence[Path], *_: Any, **__: Any) -> Report:
        self.given.append({path: path.read_text(encoding="utf-8") for path in paths})
        if self.error:
            raise self.error
        return Report(len(paths), 0, 0, (), len(paths), 1, 1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(embedder, "configured_embedder", lambda settings: None)
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def drop(tmp_path: Path) -> Callable[[str, str, str], Path]:
    def drop(folder: str, name: str, text: str) -> Path:
        path = tmp_path / "uploads" / folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return path

    return drop


def test_a_file_dropped_again_has_the_same_path(
    settings: Settings, drop: Callable[[str, str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    updated = Updated()
    monkeypatch.setattr(rebuild, "update", updated)
    for folder, text in (("hash1", "first"), ("hash2", "corrected")):
        app.add_dropped([drop(folder, "été.txt", text)], settings, lambda progress: None)
    place = settings.home / "dropped" / "été.txt"
    assert updated.given == [{place: "first"}, {place: "corrected"}]
    assert not place.parent.exists()


def test_two_files_of_one_name_are_both_kept(
    settings: Settings, drop: Callable[[str, str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    updated = Updated()
    monkeypatch.setattr(rebuild, "update", updated)
    app.add_dropped([drop("a", "x.txt", "one"), drop("b", "x.txt", "two")], settings, lambda progress: None)
    assert sorted(updated.given[0].values()) == ["one", "two"]


def test_nothing_of_a_drop_stays_after_an_error(
    settings: Settings, drop: Callable[[str, str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "update", Updated(ArchiveBusyError("another process is writing")))
    dropped = drop("a", "x.txt", "one")
    with pytest.raises(ArchiveBusyError):
        app.add_dropped([dropped], settings, lambda progress: None)
    assert not (settings.home / "dropped").exists()
