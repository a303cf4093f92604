"""The archive on the page: listed, searched, read, added to, removed from and mended, over real indexes."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from answers import Asked
from fakes import WordEmbedder
from homes import SITE, home_of
from playwright.sync_api import Locator, Page, expect

import app
import index.embedder
from index.catalogue import Catalogue
from index.generation import status
from index.maintenance import Selected, remove
from index.rebuild import Progress, Report
from index.writing import writing
from models import known_models
from page.visit import SECONDS_BETWEEN_LOOKS
from settings import Settings, load_settings

ORDERS = ("newest", "oldest", "title", "source", "added", "relevance")


def row(number: int) -> dict[str, Any]:
    """An article of 1 to 126; every 40th has no date, every 9th no source, every 10th is in English."""
    made: dict[str, Any] = {
        "name": f"{number}",
        "title": f"Chantier {number:03d}",
        "text": f"Le chantier numéro {number} avance. Une grue de plus arrive.",
        "source": "AVP" if number % 2 else "Le Courrier",
        "date": f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
    }
    if not number % 40:
        del made["date"]
    if not number % 9:
        del made["source"]
    if not number % 10:
        made |= {"lang": "en", "title": f"Works {number:03d}", "text": f"The works number {number} go on."}
    return made


FIRST = [row(number) for number in range(1, 127)]
SECOND = [
    {"name": "fete", "title": "« Élan » : la fête de l’été", "text": "La fête de l’été a lieu sur la place. Chantier.",
     "source": "Écho", "date": "2025-07-01"},
    {"name": "ecole", "title": "L’école brûle", "text": "L’école a brûlé. Une fête est annulée." + " Rien." * 60,
     "source": "Écho", "date": "2022-01-05"},
    {"name": "zebre", "title": "Zèbre en fuite", "text": "Un zèbre court au bord du fleuve.", "source": "Le Courrier",
     "date": "2025-07-02"},
    {"name": "seven", "title": "Sept vies", "text": "Un chat a sept vies.", "source": "AVP", "date": "2023-05-05"},
    {**row(7), "title": "Chantier 007, suite", "text": "Le chantier numéro 7 est fini."},
]  # fmt: skip
TOTAL = 130


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(tmp_path_factory.mktemp("archive") / "home", FIRST, SECOND)


@pytest.fixture(scope="module")
def read_only(made: Path) -> Iterator[str]:
    """The address of a page over the archive that no test changes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = load_settings(made, port=port)
    blocks = app.build(settings, ask=Asked())
    yield app.start(blocks, settings)
    blocks.close(verbose=False)


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the archive for one test, to which articles can be added without weights."""
    monkeypatch.setattr(index.embedder, "configured_embedder", lambda settings: WordEmbedder())
    return Path(shutil.copytree(made, tmp_path / "the-home"))


@dataclass
class Held:
    """Adds as the page does, but waits before each step that `go_on` has not let through."""

    settings: Settings
    go_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    given: list[Path] = field(default_factory=list)

    def __call__(self, paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        self.given += paths

        def told(made: Progress) -> None:
            progress(made)
            assert self.go_on.acquire(timeout=30)
            progress(made)

        return app.add_dropped(paths, self.settings, told)


@pytest.fixture
def shelf(serve: Callable[..., str], visit: Callable[..., Any], home: Path) -> Callable[..., Any]:
    """shelf(…) → a Visit of the tab of the archive; services given stand in for the page's own."""

    def shelf(**services: Any) -> Any:
        return at_the_archive(visit(serve(settings=load_settings(home), ask=services.pop("ask", Asked()), **services)))

    return shelf


def at_the_archive(visited: Any) -> Any:
    visited.page.get_by_role("tab", name="Archives").click()
    expect(visited.page.locator("#adding")).to_be_visible()
    return visited


def titles(page: Page) -> list[str]:
    return page.locator("#listing .title .link").all_inner_texts()


def found(page: Page) -> Locator:
    return page.locator("#listing .found")


def search(page: Page, words: str, count: int) -> list[str]:
    """Search, wait for another list than the one that is shown, of so many, and return the titles."""
    page.locator("#listing section, #listing .problem").evaluate("list => list.dataset.before = 1")
    page.get_by_role("searchbox", name="Chercher des articles").fill(words)
    page.get_by_role("searchbox", name="Chercher des articles").press("Enter")
    expect(page.locator("#listing [data-before]")).to_have_count(0)
    expect(found(page)).to_have_text(re.compile(rf"^{count} articles?( ·|$)"))
    return titles(page)


def articles(home: Path) -> set[str]:
    """The addresses of what is searched, without the site's."""
    rows = Catalogue(home).page(count=1000).rows
    return {str(one.url).removeprefix(f"{SITE}/") for one in rows}


class TestList:
    def test_every_page_of_it(self, read_only: str, visit: Any) -> None:
        visited = at_the_archive(visit(read_only))
        page = visited.page
        previous, following = (page.locator("#listing .pages button", has_text=word) for word in ("Préc", "Suiv"))
        expect(found(page)).to_have_text("130 articles · 1 à 50")
        expect(previous).to_be_disabled()
        seen = titles(page)
        assert len(seen) == 50
        following.click()
        expect(found(page)).to_have_text("130 articles · 51 à 100")
        expect(previous).to_be_enabled()
        seen += titles(page)
        following.click()
        expect(found(page)).to_have_text("130 articles · 101 à 130")
        expect(following).to_be_disabled()
        last = titles(page)
        assert len(last) == 30
        assert len({*seen, *last}) == TOTAL
        assert "Chantier 007, suite" in {*seen, *last}
        assert "Chantier 007" not in {*seen, *last}
        previous.click()
        expect(found(page)).to_have_text("130 articles · 51 à 100")
        assert titles(page) == seen[50:]
        assert visited.errors == []

    def test_what_a_row_says(self, read_only: str, visit: Any) -> None:
        page = at_the_archive(visit(read_only)).page
        search(page, "zèbre", 1)
        cells = page.locator("#listing tbody td")
        assert cells.all_inner_texts() == ["Zèbre en fuite", "Le Courrier", "2 juillet 2025", "français", "Retirer"]
        expect(cells.nth(2).locator("time")).to_have_attribute("datetime", "2025-07-02")
        search(page, "suite", 1)
        expect(page.locator("#listing .older")).to_have_text("1 version antérieure")
        search(page, f"{SITE}/120", 1)
        assert cells.all_inner_texts() == ["Works 120", "Le Courrier", "sans date", "anglais", "Retirer"]
        search(page, f"{SITE}/9", 1)
        assert cells.all_inner_texts()[:2] == ["Chantier 009", "–"]

    def test_searched_without_regard_to_accents_and_case(self, read_only: str, visit: Any) -> None:
        visited = at_the_archive(visit(read_only))
        page = visited.page
        assert search(page, "ELAN fete", 1) == ["« Élan » : la fête de l’été"]
        assert search(page, "fête", 2) == ["« Élan » : la fête de l’été", "L’école brûle"]
        assert search(page, "chantier place", 1) == ["« Élan » : la fête de l’été"]
        assert search(page, "fete zebre", 0) == []
        expect(page.locator("#listing table")).to_have_count(0)
        expect(page.locator("#listing .pages")).to_have_count(0)
        assert len(search(page, "", TOTAL)) == 50
        assert visited.errors == []

    def test_a_search_begins_at_the_first_page(self, read_only: str, visit: Any) -> None:
        page = at_the_archive(visit(read_only)).page
        page.get_by_role("button", name="Suivants").click()
        expect(found(page)).to_contain_text("51 à 100")
        search(page, "chantier", 115)
        expect(found(page)).to_have_text("115 articles · 1 à 50")
        page.get_by_role("button", name="Suivants").click()
        expect(found(page)).to_have_text("115 articles · 51 à 100")  # the words still count

    def test_sorted_by_each_order(self, read_only: str, visit: Any) -> None:
        visited = at_the_archive(visit(read_only))
        page = visited.page
        first_and_second = {
            "newest": ["Zèbre en fuite", "« Élan » : la fête de l’été"],
            "oldest": ["L’école brûle", "Sept vies"],
            "title": ["Chantier 001", "Chantier 002"],
            "source": ["Chantier 001", "Chantier 003"],  # AVP first, equal ones by title
            "added": ["Chantier 007, suite", "« Élan » : la fête de l’été"],  # by title among those of the second batch
            "relevance": ["Zèbre en fuite", "« Élan » : la fête de l’été"],  # without words it is the newest
        }
        choice = page.get_by_label("Ordre")
        assert choice.locator("option").evaluate_all("all => all.map(one => one.value)") == list(ORDERS)
        for order in (*ORDERS[1:], ORDERS[0]):
            choice.select_option(order)
            expect(page.locator("#listing .link").first).to_have_text(first_and_second[order][0])
            expect(page.locator("#listing .link").nth(1)).to_have_text(first_and_second[order][1])
            expect(found(page)).to_have_text("130 articles · 1 à 50")
        days = page.locator("#listing time").evaluate_all("all => all.map(one => one.dateTime)")
        assert days == sorted(days, reverse=True)
        page.locator("#search input[name=words]").fill("fête")
        choice.select_option("relevance")
        expect(found(page)).to_have_text("2 articles")
        assert titles(page) == ["« Élan » : la fête de l’été", "L’école brûle"]
        choice.select_option("oldest")
        expect(page.locator("#listing .link").first).to_have_text("L’école brûle")
        assert visited.errors == []

    def test_narrowed_by_source_language_and_dates(self, read_only: str, visit: Any) -> None:
        visited = at_the_archive(visit(read_only))
        page = visited.page
        source, language = page.locator("#search [name=source]"), page.locator("#search [name=language]")
        source.select_option("Écho")
        expect(found(page)).to_have_text("2 articles")
        assert titles(page) == ["« Élan » : la fête de l’été", "L’école brûle"]
        source.select_option("")
        language.select_option("en")
        expect(found(page)).to_have_text("12 articles")
        assert titles(page) == sorted(titles(page), key=lambda title: not title.startswith("Works"))
        source.select_option("Le Courrier")
        expect(found(page)).to_have_text("11 articles")  # the 90th has no source
        language.select_option("")
        source.select_option("")
        expect(found(page)).to_contain_text("130 articles")
        page.locator("#search [name=from]").fill("2025-07-01")
        page.locator("#search [name=words]").press("Enter")
        expect(found(page)).to_have_text("2 articles")
        assert titles(page) == ["Zèbre en fuite", "« Élan » : la fête de l’été"]
        page.locator("#search [name=from]").fill("")
        page.locator("#search [name=to]").fill("2023-05-05")
        page.locator("#search [name=words]").press("Enter")
        expect(found(page)).to_have_text("2 articles")
        assert titles(page) == ["Sept vies", "L’école brûle"]
        assert search(page, "vies", 1) == ["Sept vies"]
        assert visited.errors == []

    def test_the_language_of_the_page_keeps_what_is_listed(self, read_only: str, visit: Any) -> None:
        page = at_the_archive(visit(read_only)).page
        page.get_by_label("Ordre").select_option("title")
        expect(page.locator("#listing .link").first).to_have_text("Chantier 001")
        search(page, "chantier", 115)
        page.get_by_role("button", name="English").click()
        expect(found(page)).to_have_text("115 articles · 1 to 50")
        expect(page.locator("#listing .link").first).to_have_text("Chantier 001")
        expect(page.locator("#search [name=words]")).to_have_value("chantier")
        expect(page.locator("#search [name=order]")).to_have_value("title")


class TestReading:
    def test_an_article_with_its_older_version(self, read_only: str, visit: Any) -> None:
        visited = at_the_archive(visit(read_only))
        page = visited.page
        search(page, "suite", 1)
        page.locator("#listing .link").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading")).to_have_text("Chantier 007, suite")
        expect(dialog.locator(".about")).to_have_text("AVP · 8 août 2024 · Lire l’original")
        expect(dialog.locator(".about a")).to_have_attribute("href", f"{SITE}/7")
        expect(dialog.locator(".whole")).to_have_text("Le chantier numéro 7 est fini.")
        expect(dialog.locator(".replaced")).to_have_count(0)
        dialog.locator("summary").click()
        versions = dialog.locator(".versions button")
        expect(versions).to_have_text([re.compile("^Version du .* 2024$")] * 2)
        expect(versions.nth(1)).to_have_attribute("aria-current", "true")
        versions.first.click()
        expect(dialog.get_by_role("heading")).to_have_text("Chantier 007")
        expect(dialog.locator(".whole")).to_have_text("Le chantier numéro 7 avance. Une grue de plus arrive.")
        expect(dialog.locator(".replaced")).to_contain_text("remplacée par une plus récente")
        dialog.get_by_role("button", name="Fermer").click()
        expect(dialog).to_have_count(0)
        page.locator("#listing .link").click()  # the same one again
        expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("Chantier 007, suite")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert visited.errors == []

    def test_an_article_that_is_gone(self, shelf: Any, home: Path) -> None:
        page = shelf().page
        search(page, "zèbre", 1)
        remove(home, Selected([f"{SITE}/zebre"]))
        page.locator("#listing .link").click()
        expect(page.get_by_role("dialog")).to_contain_text("Cet article n’est plus dans les archives.")


class TestAdding:
    def test_files_that_are_chosen(self, shelf: Any, home: Path, tmp_path: Path) -> None:
        visited = shelf()
        page = visited.page
        files = []
        for name, text in (("un", "La tour penche\n\nElle penche."), ("deux", "Le port ouvre\n\nIl ouvre mardi.")):
            files.append(tmp_path / f"{name}.txt")
            files[-1].write_text(text, encoding="utf-8")
        choose(page, files)
        expect(page.locator("#report dl")).to_have_text("Ajoutés2Mis à jour0Inchangés0Ignorés0")
        expect(page.locator("#report ul")).to_have_count(0)
        expect(found(page)).to_contain_text("132 articles")
        expect(page.locator(".holds")).to_contain_text("132 articles")
        expect(page.locator("#health dd").first).to_have_text("132")
        assert search(page, "tour penche", 1) == ["La tour penche"]
        assert status(home).articles == 132
        files[0].write_text("La tour penche\n\nElle ne penche plus.", encoding="utf-8")
        choose(page, files)
        expect(page.locator("#report dl")).to_have_text("Ajoutés0Mis à jour1Inchangés1Ignorés0")
        assert not (home / "dropped").exists()
        assert (visited.errors, visited.foreign) == ([], [])

    def test_a_folder_that_is_chosen(self, shelf: Any, home: Path, tmp_path: Path) -> None:
        visited = shelf()
        page = visited.page
        choose(page, folder_in(tmp_path), button="Choisir un dossier")
        expect(page.locator("#report dl")).to_have_text("Ajoutés3Mis à jour0Inchangés0Ignorés0")
        assert len(search(page, "péniche", 3)) == 3
        assert status(home).articles == 133
        assert visited.errors == []

    def test_files_and_a_folder_that_are_dropped(self, shelf: Any, home: Path, tmp_path: Path) -> None:
        visited = shelf()
        page = visited.page
        single = tmp_path / "seul.md"
        single.write_text("# Une péniche coule\n\nElle a coulé.", encoding="utf-8")
        drop(page, folder_in(tmp_path), single)
        expect(page.locator("#report dl")).to_have_text("Ajoutés4Mis à jour0Inchangés0Ignorés0")
        assert len(search(page, "péniche", 4)) == 4
        assert visited.errors == []

    def test_a_dropped_file_is_added_from_the_tab_of_questions_too(
        self, serve: Any, visit: Any, home: Path, tmp_path: Path
    ) -> None:
        visited = visit(serve(settings=load_settings(home), ask=Asked()))
        page = visited.page
        single = tmp_path / "seul.md"
        single.write_text("# Une péniche coule\n\nElle a coulé.", encoding="utf-8")
        drop(page, single)
        expect(page.locator(".holds")).to_contain_text("131 articles")
        assert page.url.startswith(visited.address)  # the browser did not open the file
        expect(page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        expect(page.get_by_role("tab", name="Archives")).to_have_attribute("aria-selected", "true")

    def test_a_text_that_is_pasted(
        self, shelf: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        visited = shelf()
        page = visited.page
        page.get_by_text("Coller un texte").click()
        form = page.locator(".pasting form")
        form.get_by_role("button").click()
        expect(page.locator("#report dl")).to_have_count(0)  # the title is required
        form.get_by_label("Titre").fill("Le phare : « allumé » ?")
        form.get_by_label("Texte").fill("Le phare est allumé.\n\nIl éclaire la baie.")
        form.get_by_label("Date").fill("2024-02-29")
        form.get_by_label("Source").fill("Écho")
        form.get_by_label("Adresse").fill("https://example.invalid/phare?a=1&b=2")
        form.get_by_role("button").click()
        expect(page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        expect(form.get_by_label("Texte")).to_have_value("")
        search(page, "phare", 1)
        page.locator("#listing .link").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading")).to_have_text("Le phare : « allumé » ?")
        expect(dialog.locator(".about")).to_have_text("Écho · 29 février 2024 · Lire l’original")
        expect(dialog.locator(".about a")).to_have_attribute("href", "https://example.invalid/phare?a=1&b=2")
        expect(dialog.locator(".whole")).to_have_text("Le phare est allumé.\n\nIl éclaire la baie.")
        assert not list(tmp_path.glob("sourcier-*"))  # what was written for it is gone
        (article,) = Catalogue(home).page(words="phare").rows
        assert (article.url, str(article.published), article.source) == (
            "https://example.invalid/phare?a=1&b=2", "2024-02-29", "Écho",
        )  # fmt: skip
        assert visited.errors == []

    def test_what_is_skipped_is_told_with_its_reason_and_without_folders(
        self, shelf: Any, home: Path, tmp_path: Path
    ) -> None:
        visited = shelf()
        page = visited.page
        bad = {"vide.txt": b"", "image.bin": bytes(range(256)), "casse.pdf": b"%PDF-1.7 no", "casse.zip": b"PK\3\4",
               "casse.docx": b"PK\3\4 no", "casse.json": b"{", "bon.txt": b"La tour\n\nElle penche."}  # fmt: skip
        for name, content in bad.items():
            (tmp_path / name).write_bytes(content)
        choose(page, [tmp_path / name for name in bad])
        expect(page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés6")
        lines = page.locator("#report li").all_inner_texts()
        assert sorted(line.partition(" : ")[0] for line in lines) == sorted(set(bad) - {"bon.txt"})
        assert all(line.partition(" : ")[2].strip() for line in lines)
        told = page.locator("#report").inner_text()
        assert not [folder for folder in ("/", "dropped", "gradio", "the-home") if folder in told]
        assert visited.errors == []

    def test_nothing_but_what_is_skipped_leaves_the_archive_as_it_was(
        self, shelf: Any, home: Path, tmp_path: Path
    ) -> None:
        page = shelf().page
        before = status(home)
        (tmp_path / "image.bin").write_bytes(bytes(range(256)))
        choose(page, tmp_path / "image.bin")
        expect(page.locator("#report dl")).to_have_text("Ajoutés0Mis à jour0Inchangés0Ignorés1")
        assert status(home) == before

    def test_nothing_readable_in_an_empty_archive(self, serve: Any, visit: Any, home: Path, tmp_path: Path) -> None:
        empty = tmp_path / "an-empty-home"
        visited = at_the_archive(visit(serve(settings=load_settings(empty), ask=Asked())))
        page = visited.page
        expect(page.locator("#listing")).to_contain_text("Aucun article pour l’instant")
        expect(page.locator("#search form")).to_have_count(0)
        expect(page.locator("#health dl div")).to_have_count(0)
        (tmp_path / "image.bin").write_bytes(bytes(range(256)))
        choose(page, tmp_path / "image.bin")
        problem = page.locator("#report .problem")
        expect(problem).to_contain_text("no article found in")
        expect(problem).to_contain_text("image.bin")
        assert not [folder for folder in ("/", "dropped", "an-empty-home") if folder in problem.inner_text()]
        (tmp_path / "bon.txt").write_text("La tour\n\nElle penche.", encoding="utf-8")
        choose(page, tmp_path / "bon.txt")
        expect(page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        assert titles(page) == ["La tour"]
        expect(page.locator("#search form")).to_have_count(1)
        assert visited.errors == []


class TestJob:
    def test_its_progress_is_seen_while_questions_are_answered_and_after_a_reload(
        self, shelf: Any, visit: Any, home: Path, tmp_path: Path
    ) -> None:
        gate = threading.Semaphore(0)

        def add(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
            for done in range(1, 5):
                progress(Progress("embedding", 100 * done, 400))
                assert gate.acquire(timeout=60)
            return Report(added=1, updated=0, unchanged=0, skipped=(), articles=1, passages=400, embedded=400)

        visited = shelf(add=add)
        page = visited.page
        (tmp_path / "bon.txt").write_text("La tour\n\nElle penche.", encoding="utf-8")
        choose(page, tmp_path / "bon.txt")
        bar = page.locator("#progress progress")
        expect(bar).to_have_attribute("value", "100")
        expect(bar).to_have_attribute("max", "400")
        expect(page.locator("#progress")).to_contain_text("Calcul des vecteurs : 100 sur 400 · encore")
        expect(page.locator("#progress")).to_contain_text(re.compile("encore [1-9][0-9]* secondes? environ"))
        gate.release()
        expect(bar).to_have_attribute("value", "200")

        page.get_by_role("tab", name="Questions").click()
        visited.ask("Combien ?")
        expect(page.locator(".turn .marker")).to_have_count(2)  # while articles are added
        page.get_by_role("tab", name="Archives").click()
        expect(bar).to_have_attribute("value", "200")

        page.reload()
        page.get_by_role("tab", name="Archives").click()
        expect(bar).to_have_attribute("value", "200")
        other = at_the_archive(visit(visited.address)).page  # anybody who comes sees it
        expect(other.locator("#progress progress")).to_have_attribute("value", "200")
        gate.release(10)
        for one in (page, other):
            expect(one.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        page.reload()
        page.get_by_role("tab", name="Archives").click()
        expect(page.locator("#listing .link").first).to_be_visible()
        expect(page.locator("#progress progress")).to_have_count(0)  # it is over
        assert visited.errors == []

    def test_stopped_it_leaves_the_archive_as_it_was(self, shelf: Any, home: Path, tmp_path: Path) -> None:
        held = Held(load_settings(home))
        visited = shelf(add=held)
        page = visited.page
        before, listed = status(home), articles(home)
        for number in range(3):
            (tmp_path / f"{number}.txt").write_text(f"La tour {number}\n\nElle penche {number} fois.", encoding="utf-8")
        chosen = [tmp_path / f"{number}.txt" for number in range(3)]
        choose(page, chosen)
        expect(page.locator("#progress progress")).to_be_visible()
        held.go_on.release(5)  # into the embedding
        page.locator("#progress").get_by_role("button", name="Arrêter").press("Enter")
        page.wait_for_timeout(500)
        held.go_on.release(100)
        expect(page.locator("#report")).to_have_text("Arrêté : les archives sont comme avant.")
        expect(page.locator("#report .report")).to_be_focused()  # what was pressed is gone
        expect(page.locator("#listing .found")).to_have_text("130 articles · 1 à 50")
        assert (status(home), articles(home)) == (before, listed)
        assert not (home / "dropped").exists()
        choose(page, chosen)
        expect(page.locator("#report dl")).to_have_text("Ajoutés3Mis à jour0Inchangés0Ignorés0")  # and then it can be
        assert visited.errors == []

    def test_one_at_a_time(self, shelf: Any, visit: Any, home: Path, tmp_path: Path) -> None:
        held = Held(load_settings(home))
        visited = shelf(add=held)
        (tmp_path / "bon.txt").write_text("La tour\n\nElle penche.", encoding="utf-8")
        choose(visited.page, tmp_path / "bon.txt")
        expect(visited.page.locator("#progress progress")).to_be_visible()
        other = at_the_archive(visit(visited.address)).page
        drop(other, tmp_path / "bon.txt")
        busy = "articles are being added already; wait until that is done, or stop it"
        expect(other.locator("#report .problem")).to_have_text(busy)
        other.wait_for_timeout(4 * 1000 * SECONDS_BETWEEN_LOOKS)  # what goes on does not wipe it out
        expect(other.locator("#report .problem")).to_have_text(busy, timeout=1)
        expect(other.locator("#progress progress")).to_be_visible()
        held.go_on.release(100)
        expect(visited.page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        assert len(held.given) == 1


class TestRemoving:
    def press(self, page: Page, title: str, answer: str) -> None:
        page.get_by_role("button", name=f"Retirer « {title} »").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_have_text(re.compile(f"Retirer « {title} » des archives, avec ses versions antérieures"))
        dialog.get_by_role("button", name=answer, exact=True).click()
        expect(dialog).to_have_count(0)

    def test_confirmed_cancelled_and_undone(self, shelf: Any, home: Path) -> None:
        visited = shelf()
        page = visited.page
        search(page, "chantier numéro 7 fini", 1)
        before = articles(home)
        self.press(page, "Chantier 007, suite", "Annuler")
        page.get_by_role("button", name="Retirer « Chantier 007, suite »").click()
        page.keyboard.press("Escape")  # as good as cancelling
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.wait_for_timeout(500)
        expect(found(page)).to_have_text("1 article")
        assert articles(home) == before
        self.press(page, "Chantier 007, suite", "Retirer")
        expect(page.locator("#report")).to_contain_text("Retiré : Chantier 007, suite")
        expect(found(page)).to_have_text("0 article")
        expect(page.locator(".holds")).to_contain_text("129 articles")
        assert articles(home) == before - {"7"}
        page.locator("#report").get_by_role("button", name="Annuler").click()
        expect(page.locator("#report")).to_have_text("Les archives sont de nouveau comme avant.")
        expect(found(page)).to_have_text("1 article")
        assert articles(home) == before
        assert len(Catalogue(home).read(f"{SITE}/7")) == 2  # with its older version
        assert visited.errors == []

    def test_undoing_is_refused_when_something_else_changed_since(self, shelf: Any, home: Path) -> None:
        visited = shelf()
        page = visited.page
        search(page, "zèbre", 1)
        self.press(page, "Zèbre en fuite", "Retirer")
        undo = page.locator("#report").get_by_role("button", name="Annuler")
        expect(undo).to_be_visible()
        remove(home, Selected([f"{SITE}/fete"]))
        undo.click()
        expect(page.locator("#report .problem")).to_contain_text("Les archives ont changé depuis")
        assert not {"fete", "zebre"} & articles(home)
        assert len(articles(home)) == TOTAL - 2

    def test_going_back_to_the_state_before(self, shelf: Any, home: Path) -> None:
        visited = shelf()
        page = visited.page
        back = page.locator("#health").get_by_role("button", name="Revenir à l’état précédent")
        back.click()
        page.get_by_role("dialog").get_by_role("button", name="Annuler", exact=True).click()
        page.wait_for_timeout(500)
        assert len(articles(home)) == TOTAL
        back.click()
        page.get_by_role("dialog").get_by_role("button", name="Revenir à l’état précédent").click()
        expect(page.locator("#report")).to_have_text("Les archives sont revenues à l’état précédent.")
        expect(found(page)).to_contain_text("126 articles")
        assert not {"fete", "zebre"} & articles(home)
        back.click()
        page.get_by_role("dialog").get_by_role("button", name="Revenir à l’état précédent").click()
        expect(found(page)).to_contain_text("130 articles")
        assert visited.errors == []


class TestHealth:
    def test_figures_models_and_licences(self, shelf: Any, home: Path) -> None:
        page = shelf().page
        held = status(home)
        health = page.locator("#health")
        told = dict(zip(health.locator("dt").all_inner_texts(), health.locator("dd").all_inner_texts(), strict=True))
        assert told["Articles"] == "130"
        assert told["Versions antérieures"] == "1"
        assert told["Passages"] == f"{held.passages}"
        assert told["Taille"] == f"{held.size / 1e6:.1f} Mo".replace(".", ",")
        assert told["Génération"] == held.generation
        assert told["Vecteurs"] == "words, 64 dimensions"
        assert re.fullmatch(r"\d+(er)? \w+ \d{4}", told["Dernier changement"])
        expect(health.locator("li").first).to_be_hidden()
        health.get_by_text("Modèles et licences").click()
        lines = health.locator("li").all_inner_texts()
        for model in known_models().values():
            (line,) = [line for line in lines if line.startswith(model.title)]
            assert model.licence in line
        settings = load_settings(home)
        used = {known_models()[name].title for name in (settings.answering_model, settings.embedding_model)}
        assert {line.partition(" (utilisé)")[0] for line in lines if "(utilisé)" in line} == used

    def test_every_file_is_good_until_one_is_damaged(self, shelf: Any, home: Path) -> None:
        visited = shelf()
        page = visited.page
        page.get_by_role("button", name="Vérifier chaque fichier").click()
        expect(page.locator("#report")).to_have_text("Chaque fichier est tel qu’il a été écrit.")
        damaged = max((home / "segments").rglob("*.npy"), key=lambda path: path.stat().st_size)
        content = bytearray(damaged.read_bytes())
        content[-1] ^= 1
        damaged.write_bytes(content)
        page.get_by_role("button", name="Vérifier chaque fichier").click()
        expect(page.locator("#report .problem")).to_contain_text(damaged.name)
        expect(page.locator("#report .problem")).to_contain_text("its checksum is another one")
        expect(page.locator("#report")).not_to_contain_text("Chaque fichier est tel")
        assert visited.errors == []


@contextmanager
def busy(home: Path) -> Iterator[None]:
    """Another process writes to the archive for as long as this lasts."""
    done, begun = threading.Event(), threading.Event()

    def write() -> None:
        with writing(home):
            begun.set()
            assert done.wait(60)

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join()


class TestErrors:
    def test_while_another_process_writes(self, shelf: Any, home: Path, tmp_path: Path) -> None:
        visited = shelf()
        page = visited.page
        search(page, "zèbre", 1)
        problem = page.locator("#report .problem")
        (tmp_path / "bon.txt").write_text("La tour\n\nElle penche.", encoding="utf-8")
        with busy(home):
            TestRemoving().press(page, "Zèbre en fuite", "Retirer")
            expect(problem).to_contain_text("another process")
            assert "\n" not in problem.inner_text().strip()
            page.get_by_role("button", name="Vérifier chaque fichier").click()
            expect(page.locator("#report")).to_have_text("Chaque fichier est tel qu’il a été écrit.")
            choose(page, tmp_path / "bon.txt")
            expect(problem).to_contain_text("another process")
            expect(problem).to_have_count(1)
        assert len(articles(home)) == TOTAL
        choose(page, tmp_path / "bon.txt")
        expect(page.locator("#report dl")).to_have_text("Ajoutés1Mis à jour0Inchangés0Ignorés0")
        assert visited.errors == []

    def test_words_without_a_word_and_a_removed_article(self, shelf: Any, home: Path) -> None:
        visited = shelf()
        page = visited.page
        page.get_by_role("searchbox", name="Chercher des articles").fill("?!…")
        page.get_by_role("searchbox", name="Chercher des articles").press("Enter")
        expect(page.locator("#listing .problem")).to_have_count(1)
        search(page, "zèbre", 1)
        remove(home, Selected([f"{SITE}/zebre"]))
        TestRemoving().press(page, "Zèbre en fuite", "Retirer")
        expect(page.locator("#report .problem")).to_have_count(1)
        expect(found(page)).to_have_text("0 article")
        assert visited.errors == []

    def test_what_nobody_foresaw_is_told_by_its_name_alone(
        self, shelf: Any, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"secret of {home}")

        visited = shelf(add=failing, remove=failing, verify=failing)
        page = visited.page

        def told(times: int) -> None:
            """So many of them are in the log, and the page says that there was one; the same line, each time."""
            for _ in range(200):
                if caplog.text.count(f"RuntimeError: secret of {home}") == times:
                    break
                page.wait_for_timeout(50)
            assert caplog.text.count(f"RuntimeError: secret of {home}") == times
            expect(page.locator("#report .problem")).to_contain_text("(RuntimeError)")

        (tmp_path / "bon.txt").write_text("La tour\n\nElle penche.", encoding="utf-8")
        choose(page, tmp_path / "bon.txt")
        told(1)
        page.get_by_role("button", name="Vérifier chaque fichier").click()
        told(2)
        search(page, "zèbre", 1)
        TestRemoving().press(page, "Zèbre en fuite", "Retirer")
        told(3)
        expect(page.locator("body")).not_to_contain_text("secret of")
        assert visited.errors == []

    def test_an_archive_that_cannot_be_read(self, shelf: Any, home: Path) -> None:
        (home / "current").write_text("nonsense", encoding="utf-8")
        visited = shelf()
        page = visited.page
        expect(page.locator("#masthead .problem")).to_have_count(1)
        expect(page.locator("#listing .problem")).to_have_count(1)
        assert visited.errors == []

    def test_an_open_page_changes_nothing(self, serve: Any, visit: Any, home: Path) -> None:
        settings = load_settings(home, allowed_hosts="news.example")
        visited = visit(serve(settings=settings, ask=Asked()))
        page = visited.page
        expect(page.locator("#masthead .problem")).to_contain_text("Cette page est ouverte à tous")
        page.get_by_role("tab", name="Archives").click()
        expect(found(page)).to_contain_text("130 articles")
        expect(page.locator("#adding")).to_be_hidden()
        expect(page.locator("#listing button[data-act=remove_article]")).to_have_count(0)
        expect(page.locator("#health [data-act=rollback]")).to_have_count(0)
        expect(page.get_by_role("tab", name="Conversations")).to_have_count(0)
        drop(page, Path(__file__))
        page.wait_for_timeout(500)
        assert page.url.startswith(visited.address)  # the browser does not leave for the file
        assert (visited.errors, status(home).articles) == ([], TOTAL)


def choose(page: Page, files: Path | Sequence[Path], button: str = "Choisir des fichiers") -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files(files)


def folder_in(place: Path) -> Path:
    """A folder with three articles, one of them in a folder of its own."""
    folder = place / "articles-of-a-folder"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.txt", "b.md", "inner/a.txt"):
        (folder / name).write_text(f"La péniche {name}\n\nElle passe ici, {name}.", encoding="utf-8")
    return folder


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders of this machine on the page, as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": list(map(str, paths)), "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 500, "data": data})
    session.detach()
