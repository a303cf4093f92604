"""What the page does with dropped files, and with an address that is taken; no page is built."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

import app
from errors import ArchiveBusyError
from index import embedder, readers, rebuild
from index.articles import Article, Found
from index.rebuild import Report
from qa import suggestions
from qa.suggestions import Suggestion
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
    tmp_path: Path, settings: Settings, drop: Callable[[str, str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    updated = Updated()
    monkeypatch.setattr(rebuild, "update", updated)
    for folder, text in (("hash1", "first"), ("hash2", "corrected")):
        app.add_dropped([drop(folder, "été.txt", text)], settings, lambda progress: None)
    place = settings.home / "dropped" / "été.txt"
    assert updated.given == [{place: "first"}, {place: "corrected"}]
    assert not place.parent.exists()
    assert not (tmp_path / "uploads" / "hash1").exists()


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


def test_a_pasted_article_is_a_file_named_after_its_title() -> None:
    article = {"title": "Été : ../../etc/x", "text": "Un texte.", "date": "2024-05-01", "source": "", "url": ""}
    path = app.pasted(article)
    assert path.name == "Été-etc-x.json"
    assert json.loads(path.read_text(encoding="utf-8")) == {key: value for key, value in article.items() if value}
    [found] = readers.read([path])
    assert isinstance(found, Found)
    assert (found.article.title, found.article.published) == (article["title"], date(2024, 5, 1))


@pytest.mark.parametrize(("host", "changes"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_page_that_others_reach_without_a_login_changes_and_keeps_nothing(
    tmp_path: Path, host: str, changes: bool
) -> None:
    services = app.services(load_settings(home=tmp_path, host=host))
    assert services.changes == changes
    assert (services.conversations is not None) == changes


def test_suggestions_are_made_again_when_the_newest_articles_are_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Made:
        def __init__(self) -> None:
            self.given: list[list[str]] = []

        def ready(self, articles: list[Article]) -> list[Suggestion]:
            return [Suggestion(f"{article.title} ?", article.id, "fr") for article in articles]

        def make(self, articles: list[Article], stop: Any) -> None:
            self.given.append([article.id for article in articles])

    class Ended(Exception):
        pass

    class Shelf:
        now: Sequence[str] = ("a",)

        def recent(self, count: int) -> list[Article]:
            return [Article(one, one.upper(), "Un texte.") for one in self.now]

    newest = iter([["a"], ["b", "a"]])

    def slept(seconds: float) -> None:
        try:
            catalogue.now = next(newest)
        except StopIteration:
            raise Ended from None

    made, catalogue = Made(), Shelf()
    monkeypatch.setattr(suggestions, "configured_suggestions", lambda settings, busy: made)
    monkeypatch.setattr(time, "sleep", slept)
    offered = replace(app.services(settings), catalogue=cast(Any, catalogue))
    suggested = app.Suggested(settings, offered)
    assert suggested.making()
    with pytest.raises(Ended):
        suggested.make()
    assert made.given == [["a"], ["b", "a"]]
    assert not suggested.making()
    catalogue.now = ["a"]
    assert suggested() == [("A ?", "fr")]
