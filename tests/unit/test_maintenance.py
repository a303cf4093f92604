"""Versions, removal, compaction, rollback: what was added is there, what was removed is gone."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fakes import WordEmbedder

from errors import ArchiveError, NoArchiveError, QuestionError
from index.generation import Filters, open_current, status, verify
from index.maintenance import Selected, compact, remove, rollback, versions
from index.rebuild import Report, update
from index.search import search

EMBEDDER = WordEmbedder()
PONT, FETE, FLOOD = "https://valmorin.example/pont", "https://valmorin.example/fete", "https://valmorin.example/flood"


class Home:
    """An archive of rows, each with its URL."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "home"

    def add(self, *rows: dict[str, Any], rebuild: bool = False) -> Report:
        path = self.folder / "rows.jsonl"
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
        return update(self.path, [path], EMBEDDER, passage_tokens=32, rebuild=rebuild)

    def titles(self, question: str = "pont fête flood numéro") -> set[str]:
        generation = open_current(self.path, EMBEDDER.fingerprint)
        hits = search(generation, EMBEDDER, question, "fr", results=100, lexical_weight=0.15)
        generation.close()
        return {hit.article.title for hit in hits}

    def holds(self, text: str) -> bool:
        """True if the text stands in any file of the home."""
        return any(text.encode() in path.read_bytes() for path in self.path.rglob("*") if path.is_file())


def row(url: str, title: str, text: str, **more: Any) -> dict[str, Any]:
    return {"url": url, "title": title, "text": text, "lang": "fr"} | more


BRIDGE = row(
    PONT, "Le pont ferme", "Le pont de Brassac ferme lundi pour des travaux de peinture.",
    source="AVP", date="2024-03-02", author="Anne Roux",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.add(
        BRIDGE,
        row(FETE, "La fête", "La fête de la ville aura lieu samedi sur la place du marché.", source="Courrier",
            date="2024-05-04"),
        row(FLOOD, "The flood", "The flood of the Orselle closed the bridge for a week.", source="Herald", lang="en"),
    )  # fmt: skip
    return made


class TestVersions:
    def test_the_newer_replaces_and_the_older_can_be_read(self, home: Home) -> None:
        first = versions(home.path, PONT)
        assert home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi.")).updated == 1
        assert home.titles() == {"Le pont rouvre", "La fête", "The flood"}
        held = versions(home.path, PONT)
        assert [(one.article.title, one.live) for one in held] == [("Le pont ferme", False), ("Le pont rouvre", True)]
        assert held[0].article == first[0].article
        assert versions(home.path, first[0].article.id) == versions(home.path, held[1].article.id) == held
        assert (status(home.path).articles, status(home.path).older) == (3, 1)

    def test_the_same_text_again_is_no_version(self, home: Home) -> None:
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        assert home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi.")).unchanged == 1
        assert len(versions(home.path, PONT)) == 2

    def test_back_to_what_it_said_before(self, home: Home) -> None:
        before = versions(home.path, PONT)[0].article
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        home.add(BRIDGE)
        held = versions(home.path, PONT)
        assert [one.live for one in held] == [False, False, True]
        assert held[-1].article == before

    def test_survive_merging_rebuilding_and_compaction(self, home: Home) -> None:
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        for number in range(10):
            home.add(row(f"https://valmorin.example/{number}", f"Numéro {number}", f"Le numéro {number} est sorti."))
        assert status(home.path).segments < 5
        titles = ["Le pont ferme", "Le pont rouvre"]
        assert [one.article.title for one in versions(home.path, PONT)] == titles
        update(home.path, [], EMBEDDER, passage_tokens=32, rebuild=True)
        assert [one.article.title for one in versions(home.path, PONT)] == titles
        compact(home.path)
        assert [one.article.title for one in versions(home.path, PONT)] == titles
        assert list(verify(home.path)) == []
        assert "Le pont ferme" not in home.titles()

    def test_an_unknown_article(self, home: Home) -> None:
        with pytest.raises(ArchiveError, match="no article has the id, URL or file nowhere"):
            versions(home.path, "nowhere")

    def test_two_rows_of_one_file_that_share_an_address_are_two_articles(self, home: Home) -> None:
        address = "https://valmorin.example/n"
        home.add(row(address, "Un", "Premier bilan."), row(address, "Deux", "Second bilan."))
        assert {"Un", "Deux"} <= home.titles("bilan")

    def test_two_files_that_are_two_versions_are_not_added_again_and_again(self, home: Home, tmp_path: Path) -> None:
        folder = tmp_path / "versions"
        folder.mkdir()
        for number in (1, 2, 3):
            text = json.dumps(row("https://valmorin.example/v", f"Version {number}", f"Le bilan numéro {number}."))
            (folder / f"{number}.json").write_text(text, encoding="utf-8")
        first = update(home.path, [folder], EMBEDDER, passage_tokens=32)
        assert (first.added, first.updated) == (1, 2)
        generation = status(home.path).generation
        for _ in range(2):
            again = update(home.path, [folder], EMBEDDER, passage_tokens=32)
            assert (again.added, again.updated, again.unchanged) == (0, 0, 3)
        assert status(home.path).generation == generation
        held = versions(home.path, "https://valmorin.example/v")
        assert [one.article.title for one in held] == ["Version 1", "Version 2", "Version 3"]
        assert [one.live for one in held] == [False, False, True]


class TestRemoval:
    @pytest.mark.parametrize(
        ("selected", "gone"),
        [
            pytest.param(Selected([PONT]), {"Le pont ferme"}, id="by URL"),
            pytest.param(
                Selected(filters=Filters(sources=["AVP", "Herald"])), {"Le pont ferme", "The flood"}, id="source"
            ),
            pytest.param(Selected(filters=Filters(published_after=date(2024, 4, 1))), {"La fête"}, id="dates"),
            pytest.param(Selected(filters=Filters(authors=["roux"])), {"Le pont ferme"}, id="author"),
            pytest.param(Selected(filters=Filters(languages=["en"])), {"The flood"}, id="language"),
            pytest.param(Selected(words="travaux du pont"), {"Le pont ferme"}, id="words"),
            pytest.param(Selected(words="floods"), {"The flood"}, id="words of the article's language"),
            pytest.param(Selected(words="pont fête"), set(), id="not all the words"),
            pytest.param(Selected([PONT], Filters(sources=["Herald"])), set(), id="both must match"),
        ],
    )
    def test_what_is_meant_is_gone(self, home: Home, selected: Selected, gone: set[str]) -> None:
        everything = home.titles()
        assert {article.title for article in remove(home.path, selected, dry_run=True)} == gone
        assert home.titles() == everything
        assert {article.title for article in remove(home.path, selected)} == gone
        assert home.titles() == everything - gone
        assert status(home.path).articles == 3 - len(gone)

    def test_by_id_with_its_older_versions(self, home: Home) -> None:
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        identity = versions(home.path, PONT)[-1].article.id
        assert [article.title for article in remove(home.path, Selected([identity]))] == ["Le pont rouvre"]
        with pytest.raises(ArchiveError):
            versions(home.path, PONT)
        assert status(home.path).older == 0

    def test_bytes_are_gone_after_compaction(self, home: Home) -> None:
        digests = EMBEDDER.embedded
        remove(home.path, Selected([PONT]))
        assert home.holds("travaux de peinture")  # for a rollback
        made = compact(home.path)
        assert not home.holds("travaux de peinture")
        assert not home.holds("peintur")  # its stem
        assert made.forgotten == 1
        assert made.after < made.before
        assert home.titles() == {"La fête", "The flood"}
        assert list(verify(home.path)) == []
        # added again, it has to be embedded again
        assert home.add(
            row(PONT, "Le pont ferme", "Le pont de Brassac ferme lundi pour des travaux de peinture.")
        ).embedded
        assert EMBEDDER.embedded == digests + 1

    def test_everything(self, home: Home) -> None:
        assert len(remove(home.path, Selected(filters=Filters(languages=["fr", "en"])))) == 3
        assert home.titles() == set()
        compact(home.path)
        assert (home.titles(), status(home.path).segments) == (set(), 0)
        home.add(row(PONT, "Le pont ferme", "Le pont ferme."))
        assert home.titles() == {"Le pont ferme"}

    def test_nothing_asked_for(self, home: Home) -> None:
        with pytest.raises(ArchiveError, match="say which articles"):
            remove(home.path, Selected())
        with pytest.raises(QuestionError, match="no word"):
            remove(home.path, Selected(words="…"))
        for common in ("le", "x"):  # they are not searched by: nothing would be left out
            with pytest.raises(QuestionError, match="select every article"):
                remove(home.path, Selected(words=common))
        with pytest.raises(ArchiveError, match="no article has the id, URL or file none"):
            remove(home.path, Selected(["none"]))

    def test_no_archive(self, tmp_path: Path) -> None:
        for call in (
            lambda: remove(tmp_path / "none", Selected(["x"])),
            lambda: remove(tmp_path / "none", Selected(["x"]), dry_run=True),
            lambda: compact(tmp_path / "none"),
            lambda: rollback(tmp_path / "none"),
            lambda: versions(tmp_path / "none", "x"),
            lambda: list(verify(tmp_path / "none")),
        ):
            with pytest.raises(NoArchiveError):
                call()


class TestRollback:
    def test_goes_back_and_forth(self, home: Home) -> None:
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        after = home.titles()
        before, now = rollback(home.path)
        assert before < now
        assert home.titles() == {"Le pont ferme", "La fête", "The flood"}
        rollback(home.path)
        assert home.titles() == after

    def test_undoes_a_removal(self, home: Home) -> None:
        remove(home.path, Selected([PONT, FETE]))
        rollback(home.path)
        assert home.titles() == {"Le pont ferme", "La fête", "The flood"}

    def test_goes_back_beyond_the_merging_that_followed(self, home: Home) -> None:
        for number in range(12):
            before = home.titles()
            home.add(row(f"https://valmorin.example/{number}", f"Numéro {number}", f"Le numéro {number} est sorti."))
            rollback(home.path)
            assert home.titles() == before
            rollback(home.path)
            assert home.titles() == before | {f"Numéro {number}"}

    def test_undoes_a_rebuild(self, home: Home) -> None:
        home.add(row(PONT, "Autre", "Tout autre chose."), rebuild=True)
        assert home.titles() == {"Autre"}
        rollback(home.path)
        assert home.titles() == {"Le pont ferme", "La fête", "The flood"}

    def test_nothing_to_go_back_to(self, home: Home) -> None:
        with pytest.raises(ArchiveError, match="no generation before 000001"):
            rollback(home.path)
        home.add(row(PONT, "Le pont rouvre", "Le pont de Brassac rouvre jeudi."))
        compact(home.path)
        with pytest.raises(ArchiveError, match="no generation before"):
            rollback(home.path)
