"""Rebuilds: what is done anew and what is not, and an index that is never half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from fakes import WordEmbedder

from errors import (
    ArchiveBusyError,
    ArchiveError,
    ArticleError,
    DamagedArchiveError,
    IncompatibleArchiveError,
    NoArchiveError,
)
from index.generation import FORMAT, open_current, status
from index.rebuild import Progress, Report, update
from index.search import Hit, search
from index.vectors import Vectors

ROOT = Path(__file__).parents[2]
TOWNS = ("Valmorin", "Rochamel", "Hohenrath", "Orselle", "Lavandières", "Ferrandeau")


class Archive:
    """A home, the folder of its articles, and the embedder in use."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.articles = folder / "articles"
        self.articles.mkdir()
        self.embedder = WordEmbedder()

    def write(self, name: str, text: str) -> Path:
        path = self.articles / name
        path.write_text(f"Titre de {name}\n\n{text}", encoding="utf-8")
        return path

    def update(
        self, *paths: Path, rebuild: bool = False, passage_tokens: int = 32,
        embedder: WordEmbedder | None = None, progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Report:  # fmt: skip
        return update(
            self.home, paths, embedder or self.embedder,
            passage_tokens=passage_tokens, rebuild=rebuild, progress=progress,
        )  # fmt: skip

    def find(self, question: str) -> list[Hit]:
        current = open_current(self.home, self.embedder.fingerprint)
        return search(current, self.embedder, question, "fr", results=5, lexical_weight=0.15)

    @property
    def generations(self) -> list[str]:
        return sorted(path.name for path in (self.home / "generations").iterdir())

    @property
    def current(self) -> Path:
        return self.home / "generations" / (self.home / "current").read_text().split()[0]

    @property
    def segments(self) -> list[str]:
        return sorted(path.name for path in (self.home / "segments").iterdir())


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path)
    for town in TOWNS[:3]:
        made.write(f"{town}.txt", f"À {town}, le conseil municipal a voté le budget de la ville mardi soir.")
    return made


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.embedded


class TestWhatIsDoneAnew:
    def test_the_same_again_embeds_nothing_and_writes_nothing(self, archive: Archive) -> None:
        assert counts(archive.update(archive.articles)) == (3, 0, 0, 3)
        again = archive.update(archive.articles)
        assert counts(again) == (0, 0, 3, 0)
        assert (again.articles, again.passages) == (3, 3)
        assert archive.embedder.embedded == 3
        assert archive.generations == ["000001"]

    def test_only_what_is_new_is_embedded(self, archive: Archive) -> None:
        archive.update(archive.articles)
        archive.write("Orselle.txt", "À Orselle, la rivière a débordé dans la nuit de mardi à mercredi.")
        report = archive.update(archive.articles)
        assert counts(report) == (1, 0, 3, 1)
        assert (report.articles, report.passages) == (4, 4)

    def test_a_changed_file_replaces_its_article(self, archive: Archive) -> None:
        archive.update(archive.articles)
        archive.write("Rochamel.txt", "À Rochamel, l'incendie de la verrerie est éteint depuis ce matin.")
        assert counts(archive.update(archive.articles)) == (0, 1, 2, 1)
        assert status(archive.home).articles == 3
        assert "incendie" in archive.find("incendie verrerie Rochamel")[0].text
        assert not any("Rochamel, le conseil" in hit.text for hit in archive.find("conseil Rochamel"))

    def test_a_file_changed_into_a_copy_of_another_leaves_one_article(self, archive: Archive) -> None:
        archive.update(archive.articles)
        shutil.copy(archive.articles / "Valmorin.txt", archive.articles / "Rochamel.txt")
        report = archive.update(archive.articles)
        assert (report.added, report.updated, report.articles) == (0, 1, 2)

    def test_the_same_article_in_two_files_is_held_once(self, archive: Archive) -> None:
        shutil.copy(archive.articles / "Valmorin.txt", archive.articles / "copie.txt")
        report = archive.update(archive.articles)
        assert (report.added, report.unchanged, report.articles) == (3, 1, 3)

    def test_articles_of_other_paths_stay(self, archive: Archive) -> None:
        archive.update(archive.articles / "Valmorin.txt")
        assert archive.update(archive.articles / "Rochamel.txt").articles == 2

    def test_other_passages_are_cut_anew(self, archive: Archive) -> None:
        archive.write("long.txt", " ".join(f"Phrase numéro {number} de ce long article." for number in range(20)))
        few = archive.update(archive.articles, passage_tokens=200).passages
        report = archive.update(archive.articles, passage_tokens=32)
        assert report.unchanged == 4
        assert report.passages > few

    def test_rebuild_with_paths_holds_those_only(self, archive: Archive) -> None:
        archive.update(archive.articles)
        report = archive.update(archive.articles / "Valmorin.txt", rebuild=True)
        assert counts(report) == (1, 0, 0, 0)  # its vector was kept
        assert status(archive.home).articles == 1

    def test_rebuild_without_paths_holds_the_same(self, archive: Archive) -> None:
        archive.update(archive.articles)
        shutil.rmtree(archive.articles)
        report = archive.update(rebuild=True)
        assert counts(report) == (0, 0, 0, 0)
        assert (report.articles, archive.generations) == (3, ["000001", "000002"])

    def test_what_cannot_be_read_is_told_and_the_rest_goes_on(self, archive: Archive) -> None:
        (archive.articles / "vide.txt").write_bytes(b"")
        report = archive.update(archive.articles)
        assert [(Path(item.origin).name, item.reason) for item in report.skipped] == [("vide.txt", "it is empty")]
        assert report.articles == 3

    def test_progress_goes_up_to_the_total_of_each_stage(self, archive: Archive) -> None:
        rows = [json.dumps({"title": f"Dépêche {number}", "text": "Une dépêche."}) for number in range(5)]
        (archive.articles / "rows.jsonl").write_text("\n".join(rows))
        (archive.articles / "vide.jsonl").write_text("\n")
        archive.write("a.md", "---\nurl: https://a.example/\n---\nUn texte.")
        archive.write("b.md", "---\nurl: https://a.example/\n---\nUn texte, mis à jour.")
        for number in range(70):
            archive.write(f"article-{number}.txt", f"À Valmorin, le numéro {number} est sorti de l'urne.")
        told: list[Progress] = []
        archive.update(archive.articles, progress=told.append)
        assert list(dict.fromkeys(progress.stage for progress in told)) == ["reading", "embedding", "writing"]
        for stage in ("reading", "embedding", "writing"):
            done = [(progress.done, progress.total) for progress in told if progress.stage == stage]
            assert done == sorted(done)
            assert len({total for _, total in done}) == 1
            assert done[0][0] == 0
            assert done[-1][0] == done[-1][1] > 0
        embedding = [progress.done for progress in told if progress.stage == "embedding"]
        assert embedding == [0, 32, 64, archive.embedder.embedded]


class TestRefusals:
    def test_no_archive_yet(self, archive: Archive) -> None:
        for call in (lambda: archive.find("Quoi ?"), lambda: status(archive.home)):
            with pytest.raises(NoArchiveError, match=r"no index in .*home yet; add articles with: sourcier index PATH"):
                call()
        assert not archive.home.exists()

    def test_nothing_found_is_one_line_and_leaves_nothing(self, archive: Archive) -> None:
        (archive.articles / "vide").mkdir()
        (archive.articles / "image.png").write_bytes(b"\x89PNG")
        for paths, message in (
            ([archive.articles / "vide"], r"no article found in .*vide$"),
            ([archive.articles / "image.png"], r"no article found in .*image\.png \(.*image\.png: files of this .*\)$"),
            ([], "the index is empty; name files or folders of articles"),
        ):
            with pytest.raises(ArchiveError, match=message) as caught:
                archive.update(*paths, rebuild=not paths)
            assert "\n" not in str(caught.value)
        assert archive.generations == []
        with pytest.raises(NoArchiveError):
            archive.find("Quoi ?")

    def test_a_path_that_does_not_exist(self, archive: Archive) -> None:
        archive.update(archive.articles)
        with pytest.raises(ArticleError, match="nowhere does not exist"):
            archive.update(archive.articles / "nowhere")
        assert archive.generations == ["000001"]

    def test_another_embedder_of_the_same_width(self, archive: Archive) -> None:
        archive.update(archive.articles)
        other = WordEmbedder("other words")
        message = rf"made by words \({archive.embedder.fingerprint[:12]}\).*another one \({other.fingerprint[:12]}\)"
        with pytest.raises(IncompatibleArchiveError, match=message):
            open_current(archive.home, other.fingerprint)
        with pytest.raises(IncompatibleArchiveError, match="sourcier index --rebuild"):
            archive.update(archive.articles, embedder=other)
        assert archive.find("Valmorin")

        assert archive.update(rebuild=True, embedder=other).embedded == 3
        assert open_current(archive.home, other.fingerprint).passage_count
        # and back, where nothing has to be embedded again
        assert archive.update(rebuild=True).embedded == 0

    def test_a_newer_format(self, archive: Archive) -> None:
        archive.update(archive.articles)
        manifest = archive.current / "manifest.json"
        manifest.write_text(json.dumps({"format": FORMAT + 1, "written": "otherwise"}))
        for call in (
            lambda: archive.find("Valmorin"),
            lambda: status(archive.home),
            lambda: archive.update(archive.articles),
            lambda: archive.update(rebuild=True),
        ):
            with pytest.raises(
                IncompatibleArchiveError, match=rf"format {FORMAT + 1}, .* reads format {FORMAT}; update"
            ):
                call()

    @pytest.mark.parametrize(
        "name",
        [
            "segments/000001/articles.sqlite",
            "segments/000001/vectors.faiss",
            "segments/000001/passages.npy",
            "segments/000001/facets.npy",
            "segments/000001/facets.json",
            "segments/000001/sketches.npy",
            "generations/000001/states-000001.npy",
            "generations/000001/manifest.json",
            "current",
        ],
    )
    @pytest.mark.parametrize("harm", ["missing", "cut", "overwritten"])
    def test_a_damaged_file(self, archive: Archive, name: str, harm: str) -> None:
        archive.update(archive.articles)
        path = archive.home / name
        content = path.read_bytes()
        if harm == "missing":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"\xff" * len(content))
        error = NoArchiveError if (name, harm) == ("current", "missing") else DamagedArchiveError
        with pytest.raises(error, match=r"sourcier index") as caught:
            archive.find("Valmorin")
        assert "\n" not in str(caught.value)
        # whatever it was, the articles can be indexed anew
        assert archive.update(archive.articles, rebuild=True).embedded == 0
        assert archive.find("Valmorin")

    def test_an_index_of_the_first_format_is_made_again(self, archive: Archive) -> None:
        archive.update(archive.articles)
        (archive.home / "current").write_text("000001\n")
        (archive.home / "embeddings.sqlite").unlink()
        with closing(sqlite3.connect(archive.home / "embeddings.sqlite")) as connection:
            connection.execute("CREATE TABLE embeddings (embedder TEXT, text BLOB, vector BLOB)")
        for call in (lambda: archive.find("Valmorin"), lambda: archive.update(archive.articles)):
            with pytest.raises(IncompatibleArchiveError, match=r"an older version .* sourcier index --rebuild PATH"):
                call()
        assert archive.update(archive.articles, rebuild=True).embedded == 3
        assert archive.find("Valmorin")
        assert archive.update(archive.articles, rebuild=True).embedded == 0

    def test_a_lost_pointer_is_found_again_by_the_next_writer(self, archive: Archive) -> None:
        archive.update(archive.articles)
        (archive.home / "current").unlink()
        archive.write("Orselle.txt", "À Orselle, la rivière a débordé dans la nuit de mardi à mercredi.")
        report = archive.update(archive.articles / "Orselle.txt")
        assert (report.added, report.articles) == (1, 4)
        assert archive.find("Valmorin")

    @pytest.mark.parametrize("harm", ["missing", "cut"])
    def test_damaged_articles_cannot_be_carried_over(self, archive: Archive, harm: str) -> None:
        archive.update(archive.articles)
        path = archive.home / "segments/000001/articles.sqlite"
        content = path.read_bytes()
        path.unlink()
        if harm == "cut":
            path.write_bytes(content[:5000])
        for call in (
            lambda: status(archive.home),
            lambda: archive.update(archive.articles),
            lambda: archive.update(rebuild=True),
        ):
            with pytest.raises(DamagedArchiveError, match="sourcier index --rebuild PATH"):
                call()

    def test_damaged_embeddings(self, archive: Archive) -> None:
        archive.update(archive.articles)
        (archive.home / "embeddings.sqlite").write_bytes(b"\xff" * 5000)
        with pytest.raises(DamagedArchiveError, match=r"embeddings\.sqlite cannot be read .* delete it"):
            archive.update(rebuild=True)
        assert archive.generations == ["000001"]
        (archive.home / "embeddings.sqlite").unlink()
        assert archive.update(rebuild=True).embedded == 3

    def test_a_second_writer(self, archive: Archive) -> None:
        refused: list[Exception] = []

        def second(progress: Progress) -> None:
            def write() -> None:
                try:
                    archive.update(archive.articles)
                except ArchiveError as error:
                    refused.append(error)

            if progress == Progress("writing", 0, 1):
                write()
                thread = threading.Thread(target=write)
                thread.start()
                thread.join()

        assert archive.update(archive.articles, progress=second).added == 3
        assert [type(error) for error in refused] == [ArchiveBusyError] * 2
        assert "another process is writing" in str(refused[0])
        assert archive.generations == ["000001"]
        assert archive.update(archive.articles).unchanged == 3

    def test_a_home_that_is_a_file(self, archive: Archive) -> None:
        archive.home.write_text("")
        with pytest.raises(ArchiveError, match="cannot be written"):
            archive.update(archive.articles)


class Failing(WordEmbedder):
    """Embeds so many passages, then raises."""

    def __init__(self, error: type[BaseException], after: int) -> None:
        super().__init__()
        self._error, self._after = error, after

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        if self.embedded >= self._after:
            raise self._error("stopped")
        return super().embed_passages(texts, titles)


def many(archive: Archive) -> None:
    for number in range(80):
        archive.write(f"article-{number}.txt", f"À {TOWNS[number % 6]}, le numéro {number} est sorti de l'urne.")


class TestInterruptions:
    @pytest.mark.parametrize("error", [RuntimeError, OSError, MemoryError, KeyboardInterrupt, SystemExit])
    def test_the_index_stays_and_what_was_embedded_is_kept(self, archive: Archive, error: type[BaseException]) -> None:
        archive.update(archive.articles)
        many(archive)
        failing = Failing(error, after=64)
        with pytest.raises((error, ArchiveError)):
            archive.update(archive.articles, embedder=failing)
        assert archive.generations == ["000001"]
        assert status(archive.home).articles == 3
        assert archive.find("Valmorin")
        assert counts(archive.update(archive.articles)) == (80, 0, 3, 80 - failing.embedded)

    def test_of_the_first_index_nothing_is_seen(self, archive: Archive) -> None:
        with pytest.raises(KeyboardInterrupt):
            archive.update(archive.articles, embedder=Failing(KeyboardInterrupt, after=0))
        assert archive.generations == []
        with pytest.raises(NoArchiveError):
            archive.find("Valmorin")

    @pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
    def test_a_killed_process(self, archive: Archive) -> None:
        archive.update(archive.articles)
        many(archive)
        code = """
import sys, time
from pathlib import Path
from fakes import WordEmbedder
from index.rebuild import update

class Sleeping(WordEmbedder):
    def embed_passages(self, texts, titles):
        if self.embedded >= 32:
            print("asleep", flush=True)
            time.sleep(60)
        return super().embed_passages(texts, titles)

update(Path(sys.argv[1]), [Path(sys.argv[2])], Sleeping(), passage_tokens=32)
"""
        path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
        process = subprocess.Popen(
            [sys.executable, "-c", code, archive.home, archive.articles],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        assert process.stdout
        with process.stdout as output:
            assert output.readline() == "asleep\n"
            with pytest.raises(ArchiveBusyError):
                archive.update(archive.articles)
            process.send_signal(signal.SIGKILL)
        process.wait()

        assert len(archive.generations) == 2  # the one in use, and what the killed one left
        assert status(archive.home).articles == 3
        assert archive.find("Valmorin")
        assert counts(archive.update(archive.articles)) == (80, 0, 3, 80 - 32)
        assert archive.generations == ["000001", "000002"]

    def test_killed_between_the_two_renames(self, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
        archive.update(archive.articles)
        many(archive)
        rename = os.replace

        def dies(source: Path, target: Path) -> None:
            if target == archive.home / "current":
                raise KeyboardInterrupt
            rename(source, target)

        monkeypatch.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            archive.update(archive.articles)
        monkeypatch.undo()
        assert archive.generations == ["000001"]
        assert status(archive.home).generation == "000001"
        assert archive.update(archive.articles).added == 80
        assert archive.generations == ["000001", "000002"]


class TestGenerations:
    def test_a_reader_keeps_the_one_it_opened(self, archive: Archive) -> None:
        archive.update(archive.articles)
        reader = open_current(archive.home, archive.embedder.fingerprint)

        def ask() -> list[str]:
            hits = search(reader, archive.embedder, "budget de Valmorin", "fr", results=5, lexical_weight=0.15)
            return [hit.text for hit in hits]

        before = ask()
        for town in TOWNS[3:5]:
            archive.write(f"{town}.txt", f"À {town}, le budget de Valmorin est commenté.")
            archive.update(archive.articles)
        assert archive.generations == ["000002", "000003"]
        assert ask() == before
        assert len(archive.find("budget de Valmorin")) > len(before)

    def test_at_most_two_are_kept(self, archive: Archive) -> None:
        for number in range(5):
            archive.write("suite.txt", f"Le feuilleton en est au numéro {number}.")
            archive.update(archive.articles)
            assert len(archive.generations) <= 2
        assert sorted(path.name for path in archive.home.iterdir() if path.name != "write.lock") == [
            "current", "embeddings.sqlite", "generations", "segments",
        ]  # fmt: skip
