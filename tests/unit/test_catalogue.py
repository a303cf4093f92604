"""The list of the articles: what is in it, in which order, and that its pages hold each article once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

import index.catalogue
import index.rebuild
from errors import ArchiveError, DamagedArchiveError, NoArchiveError, QuestionError
from index.catalogue import Catalogue, Listed, Order, collated
from index.generation import EVERYTHING, Filters, status
from index.maintenance import Selected, compact, remove, rollback, versions
from index.rebuild import update

EMBEDDER = WordEmbedder()
SITE = "https://valmorin.example"


def row(name: str, title: str, text: str, **more: Any) -> dict[str, Any]:
    return {"url": f"{SITE}/{name}", "title": title, "text": text, "lang": "fr"} | more


def add(home: Path, *rows: dict[str, Any]) -> None:
    path = home.parent / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    update(home, [path], EMBEDDER, passage_tokens=32)


class Clock(datetime):
    """Goes on by an hour each time it is asked."""

    last = datetime(2024, 6, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        cls.last += timedelta(hours=1)
        return cls.last


def fill(home: Path) -> None:
    """Make three segments: the bridge has a newer version, the rumour is removed."""
    add(
        home,
        row("pont", "Le pont ferme", "Le pont de Brassac ferme lundi pour travaux.", source="AVP", date="2024-03-02"),
        row("fete", "« Fête » sur la place", "La fête aura lieu samedi sur la place, près du pont.", source="Courrier",
            date="2024-05-04", author="Anne Roux"),
        row("flood", "The flood", "The flood closed the bridge for weeks.", source="Herald", lang="en"),
    )  # fmt: skip
    add(
        home,
        row("etude", "Étude : le pont sous la loupe", "Pont neuf, pont vieux, pont de pierre, pont de bois, pont rail,"
            " pont route, pont levant. " + "C’est une longue étude. " * 15, source="avp", date="2023-01-10"),
        row("etage", "L'étage", "Un étage de plus pour la mairie.", date="2024-05-04"),
        row("rumeur", "La rumeur", "Une rumeur sur le pont.", source="Rumeurs", date="2025-01-01"),
    )  # fmt: skip
    add(
        home,
        row("pont", "Le pont rouvre", "Le pont de Brassac rouvre jeudi.", source="AVP", date="2024-03-09"),
        row("ete", "L’été", "L’été sera chaud.", source="Écho", date="2024-05-04"),
    )  # fmt: skip
    remove(home, Selected([f"{SITE}/rumeur"]))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("catalogue") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.rebuild, "datetime", Clock)
        fill(home)
    assert status(home).segments == 3
    return home


@pytest.fixture(scope="module")
def catalogue(filled: Path) -> Catalogue:
    return Catalogue(filled)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of its own, which a test may change."""
    fill(tmp_path / "home")
    return tmp_path / "home"


def names(rows: tuple[Listed, ...]) -> list[str]:
    return [str(row.url).removeprefix(f"{SITE}/") for row in rows]


class TestOrder:
    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            # without accents, capitals and punctuation the titles are: "etude le pont sous la loupe", "fete sur la
            # place", "l etage", "l ete", "le pont rouvre", "the flood"
            (Order.TITLE, "etude fete etage ete pont flood"),
            (Order.NEWEST, "fete etage ete pont etude flood"),
            (Order.OLDEST, "etude pont fete etage ete flood"),
            (Order.SOURCE, "pont etude fete ete flood etage"),
            (Order.ADDED, "ete pont etude etage fete flood"),
            (Order.RELEVANCE, "fete etage ete pont etude flood"),
        ],
    )
    def test_by_hand(self, catalogue: Catalogue, order: Order, expected: str) -> None:
        assert names(catalogue.page(order=order).rows) == expected.split()

    def test_titles_as_a_reader_expects_them(self) -> None:
        expected = ["10 morts", "Eau", "eau", "« Élan »", "Étude", "étude", "L'étage", "L’été", "œil", "Œuvre", "offre",
                    "Ouvrage", "Strasse", "straße", "Zèbre"]  # fmt: skip
        shuffled = sorted(expected, key=len)
        assert sorted(shuffled, key=lambda title: (collated(title), title)) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("L’Été : « où » ?", "l ete ou"),
            ("CŒUR", "coeur"),
            ("Łódź", "lodz"),
            ("", ""),
            ("…", ""),
            ("हिन्दी", "हिन्दी"),
            ("Москва", "москва"),
        ],
    )
    def test_collated(self, text: str, expected: str) -> None:
        assert collated(text) == expected

    def test_the_best_first(self, catalogue: Catalogue) -> None:
        # eight times in title and first passage, of some 25 stems; twice of 6; once of 9
        assert names(catalogue.page(words="pont", order=Order.RELEVANCE).rows) == ["etude", "pont", "fete"]

    def test_few_titles_are_sorted_as_many(self, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        few = [Catalogue(filled).page(order=order) for order in Order]
        monkeypatch.setattr(index.catalogue, "_FEW", 0)
        assert [Catalogue(filled).page(order=order) for order in Order] == few


class TestPages:
    @given(
        order=st.sampled_from(Order),
        words=st.sampled_from(["", "pont", "étage", "flood"]),
        filters=st.sampled_from([EVERYTHING, Filters(languages=["fr"]), Filters(published_after=date(2024, 1, 1))]),
        count=st.integers(1, 8),
    )
    def test_put_together_hold_each_article_once(
        self, catalogue: Catalogue, order: Order, words: str, filters: Filters, count: int
    ) -> None:
        whole = catalogue.page(words=words, filters=filters, order=order, count=100)
        assert len({row.id for row in whole.rows}) == len(whole.rows) == whole.total
        pages = [
            catalogue.page(words=words, filters=filters, order=order, first=first, count=count)
            for first in range(0, whole.total, count)
        ]
        assert tuple(row for page in pages for row in page.rows) == whole.rows
        assert [(page.total, page.first) for page in pages] == [
            (whole.total, first) for first in range(0, whole.total, count)
        ]
        other = catalogue.page(words=words, filters=filters, count=100)
        assert set(other.rows) == set(whole.rows)

    def test_beyond_the_end(self, catalogue: Catalogue) -> None:
        page = catalogue.page(first=6, count=3)
        assert (page.rows, page.total, page.first) == ((), 6, 6)
        assert names(catalogue.page(first=5, count=3).rows) == ["flood"]
        assert catalogue.page(count=0).rows == ()
        assert catalogue.page(first=-3, count=1) == catalogue.page(count=1)

    def test_what_a_row_says(self, catalogue: Catalogue) -> None:
        held = catalogue.read(f"{SITE}/pont")[-1]
        assert catalogue.page(words="rouvre").rows == (
            Listed(held.article.id, "Le pont rouvre", "AVP", f"{SITE}/pont", date(2024, 3, 9), None, "fr",
                   "2024-06-01T03:00:00+00:00", 1, 1),
        )  # fmt: skip
        (study,) = catalogue.page(words="loupe").rows
        assert (study.passages, study.older) == (3, 0)
        assert catalogue.page(filters=Filters(authors=["roux"])).rows[0].author == "Anne Roux"


class TestSearch:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ("pont", {"pont", "fete", "etude"}),
            ("PONTS fête", {"fete"}),
            ("floods", {"flood"}),
            ("ferme", set()),  # an older version's
            ("rumeur", set()),  # removed
            ("pont flood", set()),
            (f"{SITE}/flood", {"flood"}),
            (f"  {SITE}/flood\n{SITE}/ete ", {"flood", "ete"}),
            (f"{SITE}/rumeur", set()),
            ("  ", {"pont", "fete", "etude", "etage", "ete", "flood"}),
        ],
    )
    def test_all_words_or_a_name(self, catalogue: Catalogue, words: str, found: set[str]) -> None:
        page = catalogue.page(words=words)
        assert set(names(page.rows)) == found
        assert page.total == len(found)

    def test_an_id_or_a_url_finds_its_article_first(self, home: Path) -> None:
        catalogue = Catalogue(home)
        identity = catalogue.read(f"{SITE}/fete")[0].article.id
        assert names(catalogue.page(words=identity).rows) == ["fete"]
        add(home, row("lien", "Un lien", f"Voir {SITE}/flood, {SITE}/flood."))
        assert names(catalogue.page(words=f"{SITE}/flood", order=Order.RELEVANCE).rows) == ["flood", "lien"]

    def test_no_word(self, catalogue: Catalogue) -> None:
        with pytest.raises(QuestionError, match="no word in '…'"):
            catalogue.page(words=" … ")

    def test_damaged_words(self, home: Path) -> None:
        for path in home.glob("segments/*/lexical/rows.npy"):
            np.save(path, np.full_like(np.load(path), 1000))
        catalogue = Catalogue(home)
        assert catalogue.page().total == 6
        with pytest.raises(DamagedArchiveError, match="postings of passage 1000"):
            catalogue.page(words="pont")

    @pytest.mark.parametrize(
        ("filters", "words", "found"),
        [
            (Filters(sources=["AVP", "Herald"]), "", "pont flood"),
            (Filters(languages=["en"]), "", "flood"),
            (Filters(published_after=date(2024, 3, 9), published_before=date(2024, 5, 3)), "", "pont"),
            (Filters(published_after=date(2024, 1, 1)), "pont", "fete pont"),
            (Filters(languages=["fr"]), f"{SITE}/flood", ""),
            (Filters(sources=["Rumeurs"]), "", ""),
        ],
    )
    def test_filters(self, catalogue: Catalogue, filters: Filters, words: str, found: str) -> None:
        assert names(catalogue.page(words=words, filters=filters).rows) == found.split()


class TestReading:
    def test_all_versions(self, catalogue: Catalogue, filled: Path) -> None:
        held = catalogue.read(f"{SITE}/pont")
        assert [(one.article.title, one.live) for one in held] == [("Le pont ferme", False), ("Le pont rouvre", True)]
        assert held == versions(filled, f"{SITE}/pont")
        for one in held:
            assert catalogue.read(one.article.id) == held

    def test_what_is_not_there(self, catalogue: Catalogue) -> None:
        for name in ("nowhere", f"{SITE}/rumeur"):
            with pytest.raises(ArchiveError, match="no article has the id, URL or file"):
                catalogue.read(name)


class TestRecent:
    def test_the_newest(self, catalogue: Catalogue) -> None:
        assert [article.title for article in catalogue.recent(2)] == ["« Fête » sur la place", "L'étage"]
        assert len(catalogue.recent(100)) == 6
        assert catalogue.recent(0) == []

    def test_other_sources_first_and_nothing_twice(self, tmp_path: Path) -> None:
        dispatch = (
            "La préfecture de Valmorin a levé mardi la vigilance orange décidée samedi après la crue de l'Orselle, qui"
            " a inondé les caves du quartier des Tanneurs et coupé pendant trois jours la route de Brassac."
        )
        add(
            tmp_path / "home",
            row("a", "Météo", "Il pleut sur la ville depuis hier.", source="AVP", date="2024-01-09"),
            row("b", "Météo", "Grand soleil partout dans la région.", source="AVP", date="2024-01-08"),
            row("c", "La vigilance levée", dispatch, source="AVP", date="2024-01-07"),
            row("d", "Crue : fin d'alerte", dispatch, source="Courrier", date="2024-01-06"),
            row("e", "Le marché", "Le marché déménage au printemps.", source="AVP", date="2024-01-05"),
            row("f", "The fair", "The fair is back.", source="Herald", lang="en", date="2024-01-04"),
        )
        recent = Catalogue(tmp_path / "home").recent
        assert [str(article.url)[-1] for article in recent(1)] == ["a"]
        assert [str(article.url)[-1] for article in recent(2)] == ["a", "f"]
        assert [str(article.url)[-1] for article in recent(4)] == ["a", "c", "e", "f"]
        assert [str(article.url)[-1] for article in recent(6)] == ["a", "b", "c", "d", "e", "f"]


class TestChanges:
    def test_another_generation_is_seen(self, home: Path) -> None:
        catalogue = Catalogue(home)
        before = catalogue.page()
        add(home, row("neuf", "Tout neuf", "Un article tout neuf.", date="2024-07-01"))
        assert names(catalogue.page(count=1).rows) == ["neuf"]
        assert catalogue.page().total == before.total + 1
        rollback(home)
        assert catalogue.page() == before
        remove(home, Selected(filters=Filters(languages=["en", "fr"])))
        assert (catalogue.page().total, catalogue.recent(3)) == (0, [])
        compact(home)
        for order in Order:
            assert catalogue.page(words="pont", order=order).rows == ()

    def test_who_still_reads_keeps_the_generation(self, home: Path) -> None:
        catalogue = Catalogue(home)
        before = catalogue.page()

        class Changing(list[str]):
            """Changes the index once it is read, between the beginning of a page and its end."""

            def __iter__(self) -> Iterator[str]:
                if remove(home, Selected(filters=Filters(languages=["en"]))):
                    compact(home)
                    assert "flood" not in names(catalogue.page().rows)
                return super().__iter__()

        assert catalogue.page(filters=Filters(languages=Changing(["fr", "en"]))) == before

    def test_several_threads(self, home: Path) -> None:
        catalogue = Catalogue(home)
        known = {row for order in Order for row in catalogue.page(order=order).rows}
        calls: list[Callable[[], object]] = [
            *(lambda order=order: catalogue.page(words="pont", order=order) for order in Order),
            lambda: catalogue.page(order=Order.TITLE),
            lambda: catalogue.read(f"{SITE}/pont"),
            lambda: catalogue.recent(3),
        ]
        with ThreadPoolExecutor(4) as threads:
            read = [threads.submit(call) for _ in range(20) for call in calls]
            for number in range(5):
                add(home, row(f"n{number}", f"Numéro {number}", f"Le numéro {number} est sorti."))
            assert all(future.result() for future in read)
        assert known <= set(catalogue.page().rows)
        assert catalogue.page().total == len(known) + 5

    def test_no_archive(self, tmp_path: Path) -> None:
        catalogue = Catalogue(tmp_path / "none")
        for call in (catalogue.page, lambda: catalogue.read("x"), lambda: catalogue.recent(1)):
            with pytest.raises(NoArchiveError):
                call()
        add(tmp_path / "none", row("a", "Un", "Un article."))
        assert catalogue.page().total == 1
