"""The HTML of the archive: what narrows a question, the list of articles, changes and health."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import page_html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import Article, Skipped
from index.catalogue import Listed, Listing, Order
from index.generation import Status
from index.rebuild import Progress, Report
from models import known_models
from page import render, render_archive
from page.job import Seen
from page.record import Narrowing
from page.render_archive import ROWS, Query
from page.words import Texts, texts

FRENCH, ENGLISH = texts("fr"), texts("en")
STATUS = Status(
    home=Path("/home/anna/.sourcier"),
    generation="00000007",
    created="2024-05-01T10:00:00+00:00",
    articles=1200,
    passages=4000,
    oldest=date(2023, 3, 14),
    newest=datetime(2024, 3, 1, 8),
    sources={"La Gazette": 1100, "Le Relais": 100},
    languages={"fr": 1150, "de": 50},
    embedder="gemma",
    dimensions=768,
    size=2_480_000_000,
    older=3,
    before="00000006",
)
ONE_OF_EACH = replace(STATUS, sources={"La Gazette": 1200}, languages={"fr": 1200})
ROW = Listed(
    "a", "Le pont", "La Gazette", None, datetime(2024, 3, 1, 8), "Zoé", "fr", "2024-05-01T10:00:00+00:00", 3, 0
)


class Reader(page_html.Reader):
    cut = True

    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attributes)) for tag, attributes in self.tags]


# What narrows a question, and the list


def narrowing_form(narrowing: Narrowing, status: Status | None = STATUS, words: Texts = FRENCH) -> Reader:
    return Reader(render_archive.narrowing_form(narrowing, status, words))


def search_form(query: Query, status: Status | None = STATUS, words: Texts = FRENCH) -> Reader:
    return Reader(render_archive.search_form(query, status, words))


def test_without_an_archive_there_is_nothing_to_narrow_or_to_search() -> None:
    assert narrowing_form(Narrowing("2024-01-01"), None).tags == []
    assert search_form(Query("pont"), None).tags == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (FRENCH, "SourceLa Gazette 1\u202f100Le Relais 100Languefrançais 1\u202f150allemand 50Tout"),
        (ENGLISH, "SourceLa Gazette 1,100Le Relais 100LanguageFrench 1,150German 50Everything"),
    ],
    ids=["fr", "en"],
)
def test_sources_and_languages_are_offered_with_their_numbers_of_articles(words: Texts, said: str) -> None:
    read = narrowing_form(Narrowing(), words=words)
    assert read.text == words["narrow"] + words["from"] + words["to"] + said
    assert read.all("details", "open") == [None]
    assert "open" not in read.tags[0][1]
    assert [one["value"] for one in read.with_("type", "checkbox")] == ["La Gazette", "Le Relais", "fr", "de"]
    assert [one["name"] for one in read.with_("type", "checkbox")] == ["source", "source", "language", "language"]
    assert all("checked" not in attributes for _, attributes in read.tags)
    assert read.all("form", "data-live") == ["narrow"]
    assert read.all("button", "type") == ["reset"]


def test_what_was_chosen_is_checked_and_the_form_is_open() -> None:
    read = narrowing_form(Narrowing("2024-01-02", "", ("Le Relais", "Disparue"), ("de",)))
    assert "open" in read.tags[0][1]
    checked = [one["value"] for one in read.with_("type", "checkbox") if "checked" in one]
    assert checked == ["Le Relais", "Disparue", "de"]
    assert "Disparue 0" in read.text  # chosen, though no article comes from there any more
    assert [one["value"] for one in read.with_("type", "checkbox")][:3] == ["Le Relais", "Disparue", "La Gazette"]


@pytest.mark.parametrize("form", ["narrowing", "search"])
def test_the_days_are_those_chosen_between_the_first_and_the_last(form: str) -> None:
    narrowing = Narrowing("2024-01-02", "2024-02-03")
    read = narrowing_form(narrowing) if form == "narrowing" else search_form(Query(narrowing=narrowing))
    days = read.with_("type", "date")
    assert [(one["name"], one["value"]) for one in days] == [("from", "2024-01-02"), ("to", "2024-02-03")]
    assert {(one["min"], one["max"]) for one in days} == {("2023-03-14", "2024-03-01")}
    undated = replace(STATUS, oldest=None, newest=None)
    assert {(one["min"], one["max"]) for one in narrowing_form(narrowing, undated).with_("type", "date")} == {("", "")}


def test_where_there_is_only_one_there_is_no_choice() -> None:
    assert narrowing_form(Narrowing(), ONE_OF_EACH).with_("type", "checkbox") == []
    chosen = narrowing_form(Narrowing(sources=("La Gazette",)), ONE_OF_EACH)
    assert [one["value"] for one in chosen.with_("type", "checkbox")] == ["La Gazette"]  # so that it can be taken back
    assert search_form(Query(), ONE_OF_EACH).all("select", "name") == ["order"]


def test_of_very_many_sources_those_with_most_articles_are_offered() -> None:
    status = replace(ONE_OF_EACH, sources={f"Source {number}": 1000 - number for number in range(300)})
    offered = [one["value"] for one in narrowing_form(Narrowing(), status).with_("name", "source")]
    assert offered == [f"Source {number}" for number in range(200)]
    assert len(search_form(Query(), status).all("option", "value")) == len(Order) + 1 + 200


@pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])
def test_the_list_is_searched_by_words_order_source_language_and_days(words: Texts) -> None:
    query = Query('l"eau', Narrowing(sources=("Le Relais",), languages=("fr",)), Order.TITLE, 50)
    read = search_form(query, words=words)
    assert read.all("form", "data-live") == ["browse"]
    assert read.with_("name", "words")[0]["value"] == 'l"eau'
    assert read.all("select", "name") == ["order", "source", "language"]
    assert [one["value"] for tag, one in read.tags if tag == "option" and "selected" in one] == [
        "title", "Le Relais", "fr"
    ]  # fmt: skip
    languages = ["français", "allemand"] if words is FRENCH else ["French", "German"]
    assert read.text == "".join(
        [
            words["search_articles"],
            words["order"],
            *[words[f"order_{order}"] for order in Order],
            *[words["source"], words["all"], "La Gazette", "Le Relais"],
            *[words["language_of_article"], words["all"], *languages],
            *[words["from"], words["to"], words["search"]],
        ]
    )
    assert read.all("form", "aria-label") == [words["search_articles"]]
    everything = search_form(Query(), words=words)
    assert [one["value"] for tag, one in everything.tags if tag == "option" and "selected" in one] == ["newest", "", ""]


def listing(shown: Listing, words: Texts = FRENCH, *, removable: bool = True) -> Reader:
    return Reader(render_archive.listing(shown, words, removable=removable))


def test_a_row_says_what_an_article_is_and_leads_to_it() -> None:
    rows = (
        replace(ROW, older=2),
        Listed("b", "Sans rien", None, None, None, None, None, "", 1, 0),
        replace(ROW, id="c", language="xx", older=1),
    )
    french, english = (listing(Listing(rows, 3, 0), words) for words in (FRENCH, ENGLISH))
    assert french.after("th") == ["Titre", "Source", "Date", "Langue", ""]
    assert french.after("span")[0] == "Actions"
    assert french.after("td") == ["", "La Gazette", "", "français", "", "", "–", "sans date", "–", "",
                                  "", "La Gazette", "", "xx", ""]  # fmt: skip
    assert [one["data-article"] for one in french.with_("data-act", "read")] == ["a", "b", "c"]
    assert [one.get("lang") for one in french.with_("data-act", "read")] == ["fr", None, "xx"]
    assert french.all("time", "datetime") == ["2024-03-01", "2024-03-01"]
    assert french.after("time") == ["1er mars 2024"] * 2
    assert [text for text in french.after("span") if "version" in text] == [
        "2 versions antérieures", "1 version antérieure"
    ]  # fmt: skip
    assert english.after("td")[:4] == ["", "La Gazette", "", "French"]
    assert english.after("p") == ["3 articles"]
    assert english.after("time") == ["1 March 2024"] * 2


def test_an_article_is_removed_only_where_that_is_allowed_and_confirmed() -> None:
    shown = Listing((replace(ROW, title="Le {pont}"),), 1, 0)
    (button,) = listing(shown).with_("data-act", "remove_article")
    assert button == {
        "type": "button",
        "data-act": "remove_article",
        "data-confirm": "Retirer « Le {pont} » des archives, avec ses versions antérieures ?",
        "data-yes": "Retirer",
        "data-no": "Annuler",
        "aria-label": "Retirer « Le {pont} »",
        "data-article": "a",
    }
    (english,) = listing(shown, ENGLISH).with_("data-act", "remove_article")
    assert english["data-confirm"] == "Remove “Le {pont}” from the archive, with its earlier versions?"
    locked = listing(shown, removable=False)
    assert locked.with_("data-act", "remove_article") == []
    assert len(locked.after("th")) == len(locked.after("td")) == 4


@pytest.mark.parametrize(
    ("first", "total", "french", "english", "ways"),
    [
        (0, 0, "0 article", "0 articles", []),
        (0, 1, "1 article", "1 article", []),
        (0, ROWS, "50 articles", "50 articles", []),
        (0, 51, "51 articles · 1 à 50", "51 articles · 1 to 50", [("0", True), ("50", False)]),
        (50, 51, "51 articles · 51 à 51", "51 articles · 51 to 51", [("0", False), ("100", True)]),
        (1000, 1200, "1\u202f200 articles · 1\u202f001 à 1\u202f050", "1,200 articles · 1,001 to 1,050",
         [("950", False), ("1050", False)]),
        (1, 60, "60 articles · 2 à 51", "60 articles · 2 to 51", [("0", False), ("51", False)]),
        (150, 120, "120 articles", "120 articles", [("100", False), ("200", True)]),
    ],
    ids=["none", "one", "a page", "first page", "last page", "in the middle", "odd", "beyond the last"],
)  # fmt: skip
def test_a_list_of_several_pages_says_which_and_leads_to_the_others(
    first: int, total: int, french: str, english: str, ways: list[tuple[str, bool]]
) -> None:
    shown = Listing((ROW,) * max(0, min(ROWS, total - first)), total, first)
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        read = listing(shown, words)
        assert read.after("p") == [said]
        pages = read.with_("data-act", "turn_page")
        assert [(one["data-first"], "disabled" in one) for one in pages] == ways
        assert read.all("nav", "aria-label") == [words["pages"]][: len(ways)]
        assert read.after("button")[-2:] == [words["previous"], words["next"]] or not ways
        assert len(read.all("table", "class")) == bool(shown.rows)


@pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])
def test_a_text_is_pasted_with_the_fields_of_an_article(words: Texts) -> None:
    read = Reader(render_archive.adding(words))
    assert read.all("form", "data-submit") == ["paste"]
    fields = [attributes for tag, attributes in read.tags if tag in ("input", "textarea")]
    assert [one["name"] for one in fields] == ["title", "text", "date", "source", "url"]
    assert [one["name"] for one in fields if "required" in one] == ["title", "text"]
    said = ("paste", "article_title", "article_text", "date", "source", "link", "add", "drop")
    assert read.text == "".join(words[key] for key in said)


# Changes


@pytest.mark.parametrize(
    ("seen", "french", "english"),
    [
        (Seen(True), "Préparation…", "Getting ready…"),
        (Seen(True, Progress("reading", 3, 1200)), "Lecture des fichiers : 3 sur 1\u202f200",
         "Reading the files: 3 of 1,200"),
        (Seen(True, Progress("embedding", 1500, 3000), 61.4),
         "Calcul des vecteurs : 1\u202f500 sur 3\u202f000 · encore 1 minute environ",
         "Computing the vectors: 1,500 of 3,000 · about 1 minute left"),
        (Seen(True, Progress("embedding", 1, 3000), 9000.0),
         "Calcul des vecteurs : 1 sur 3\u202f000 · encore 2 heures environ",
         "Computing the vectors: 1 of 3,000 · about 2 hours left"),
        (Seen(True, Progress("writing", 0, 0)), "Écriture de l’index : 0 sur 0", "Writing the index: 0 of 0"),
    ],
    ids=["beginning", "reading", "embedding", "slowly", "writing"],
)  # fmt: skip
def test_a_change_under_way_says_how_far_it_is_and_can_be_stopped(seen: Seen, french: str, english: str) -> None:
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        read = Reader(render_archive.job(seen, words))
        assert read.text == said + words["stop"]
        assert read.all("button", "data-act") == ["stop_adding"]
        bars = [(one["value"], one["max"]) for tag, one in read.tags if tag == "progress"]
        progress = seen.progress
        assert bars == ([(str(progress.done), str(max(progress.total, 1)))] if progress else [])


def test_a_report_counts_and_names_what_was_skipped_without_its_folder() -> None:
    skipped = (
        Skipped("/home/anna/.sourcier/dropped/x.bin", "a binary file"),
        Skipped("/home/anna/.sourcier/dropped/all.csv, line 7", "it has no {text}"),
        Skipped("-", "it is empty"),
    )
    seen = Seen(False, Progress("writing", 1, 1), None, Report(1200, 1, 0, skipped, 3, 9, 9))
    read = Reader(render_archive.job(seen, ENGLISH))
    assert dict(zip(read.after("dt"), read.after("dd"), strict=True)) == {
        "Added": "1,200", "Updated": "1", "Unchanged": "0", "Skipped": "3"
    }  # fmt: skip
    assert read.after("p") == ["The archive is up to date."]
    assert read.after("li") == ["x.bin: a binary file", "all.csv, line 7: it has no {text}", "-: it is empty"]
    assert "anna" not in read.text
    french = Reader(render_archive.job(replace(seen, report=Report(2, 0, 0, (), 2, 2, 2)), FRENCH))
    assert french.text == "Les archives sont à jour.Ajoutés2Mis à jour0Inchangés0Ignorés0"
    assert french.all("ul", "class") == []


@pytest.mark.parametrize("seen", [Seen(False), Seen(False, error=OSError("full"))], ids=["idle", "error"])
def test_without_a_report_nothing_is_said(seen: Seen) -> None:
    assert render_archive.job(seen, FRENCH) == ""


def test_what_was_removed_can_be_brought_back() -> None:
    articles = [Article("a", "Le pont", "…"), Article("b", "L’{école}", "…")]
    read = Reader(render_archive.removed(articles, "00000008", FRENCH))
    assert read.text == "Retiré : Le pont, L’{école}Annuler"
    assert read.with_("data-act", "undo") == [{"type": "button", "data-act": "undo", "data-generation": "00000008"}]
    assert Reader(render_archive.removed(articles[:1], "1", ENGLISH)).text == "Removed: Le pontUndo"


def test_what_was_done_is_said_in_one_line() -> None:
    read = Reader(render.said("Fait & <bien>.", FRENCH))
    assert read.text == "Fait & <bien>."
    assert read.tags == [("div", {"class": "report", "role": "status", "lang": "fr"}), ("p", {})]


# Health


def health(status: Status | None, words: Texts, *, changes: bool = True) -> Reader:
    models = [(model, place == 0) for place, model in enumerate(known_models().values())]
    return Reader(render_archive.health(status, models, words, changes=changes))


@pytest.mark.parametrize(
    ("words", "figures"),
    [
        (
            FRENCH,
            {
                "Articles": "1\u202f200", "Versions antérieures": "3", "Passages": "4\u202f000", "Taille": "2,5 Go",
                "Dernier changement": "1er mai 2024", "Génération": "00000007", "Vecteurs": "gemma, 768 dimensions",
            },
        ),
        (
            ENGLISH,
            {
                "Articles": "1,200", "Earlier versions": "3", "Passages": "4,000", "Size": "2.5 GB",
                "Last changed": "1 May 2024", "Generation": "00000007", "Vectors": "gemma, 768 dimensions",
            },
        ),
    ],
    ids=["fr", "en"],
)  # fmt: skip
def test_the_health_of_an_archive_is_told_in_figures(words: Texts, figures: dict[str, str]) -> None:
    read = health(STATUS, words)
    assert dict(zip(read.after("dt"), read.after("dd"), strict=True)) == figures
    assert "anna" not in read.text


def test_an_archive_is_checked_by_all_and_taken_back_by_those_who_may_change_it() -> None:
    assert health(STATUS, FRENCH).all("button", "data-act") == ["verify", "rollback"]
    assert health(STATUS, FRENCH).after("button") == ["Vérifier chaque fichier", "Revenir à l’état précédent"]
    assert health(STATUS, FRENCH, changes=False).all("button", "data-act") == ["verify"]
    assert health(replace(STATUS, before=None), FRENCH).all("button", "data-act") == ["verify"]
    (rollback,) = health(STATUS, ENGLISH).with_("data-act", "rollback")
    assert rollback == {
        "type": "button",
        "data-act": "rollback",
        "data-confirm": "Restore the archive as it was before the last change? A second time undoes this.",
        "data-yes": "Back to the state before",
        "data-no": "Cancel",
    }


def test_every_model_is_listed_with_its_size_and_licence() -> None:
    for status in (STATUS, None):
        read = health(status, ENGLISH)
        known = list(known_models().values())
        assert read.after("b") == [model.title for model in known]
        assert (read.after("h2"), read.after("summary")) == ([ENGLISH["health"]], [ENGLISH["models"]])
        assert [text for _, text in read.pieces if "in use" in text] == [f" (in use), {size_of(known[0])} · "]
        assert all(f"{size_of(model)} · {model.licence}" in read.text for model in known)
        web = [model.licence_text for model in known if model.licence_text.startswith("https://")]
        assert web
        assert read.all("a", "href") == web
        assert set(read.all("a", "rel")) == {"noopener noreferrer"}
    assert health(None, ENGLISH).all("button", "data-act") == []


def size_of(model: Any) -> str:
    return f"{model.bytes / 1e9:.1f} GB" if model.bytes >= 1e9 else f"{model.bytes / 1e6:.1f} MB"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://example.invalid", "LICENSE"])
def test_only_a_web_address_makes_a_licence_a_link(address: str) -> None:
    model = replace(next(iter(known_models().values())), licence="Ours", licence_text=address)
    read = Reader(render_archive.health(None, [(model, False)], ENGLISH, changes=True))
    assert read.all("a", "href") == []
    assert read.text.endswith(" · Ours")


@pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])
def test_each_part_says_in_which_language_it_is(words: Texts) -> None:
    report = Report(1, 0, 0, (), 1, 1, 1)
    for part in (
        render_archive.narrowing_form(Narrowing(), STATUS, words),
        render_archive.search_form(Query(), STATUS, words),
        render_archive.listing(Listing((), 0, 0), words, removable=True),
        render_archive.adding(words),
        render_archive.job(Seen(True), words),
        render_archive.job(Seen(False, report=report), words),
        render_archive.removed([], "1", words),
        render.said("Fait.", words),
        render_archive.health(STATUS, [], words, changes=True),
    ):
        assert Reader(part).tags[0][1]["lang"] == words["language"]


# What strangers write


HOSTILE = st.text(min_size=1) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onfocus='alert(1)",
        "</button></td></table><h1>x</h1>",
        "</option></select><textarea>",
        "{0} {title} {words.__class__} %s",
        "&lt;b&gt; &amp; &#60; &quot",
    ]
)


def everything(title: str, source: str, language: str) -> Reader:
    """All that is shown, over articles and files that somebody else has named."""
    row = Listed(title, title, source, source, date(2024, 3, 1), source, language, "2024-05-01", 1, 1)
    narrowing = Narrowing(source, title, (source, "Autre"), (language, "Autre"))
    status = replace(STATUS, sources={source: 1, "": 2}, languages={language: 1, "": 2}, embedder=title)
    model = replace(next(iter(known_models().values())), title=title, licence=source, licence_text=f"https://{title}")
    return Reader(
        render_archive.narrowing_form(narrowing, status, FRENCH)
        + render_archive.search_form(Query(title, narrowing), status, FRENCH)
        + render_archive.listing(Listing((row, row), 99, 0), FRENCH, removable=True)
        + render_archive.removed([Article(title, title, title)], title, FRENCH)
        + render_archive.job(Seen(False, report=Report(0, 0, 0, (Skipped(title, source),), 0, 0, 0)), FRENCH)
        + render.said(title, FRENCH)
        + render_archive.health(replace(status, generation=title), [(model, True)], FRENCH, changes=True)
    )


PLAIN = everything("x", "y", "z")


@settings(deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_is_written_stays_text_and_stands_where_it_should(title: str, source: str, language: str) -> None:
    read = everything(title, source, language)
    values = {"x": title, "y": source, "z": language}
    if len({*values.values(), "Autre", ""}) == 5:  # else two of the choices are one
        assert read.shape() == PLAIN.shape()
    rows = read.with_("data-act", "remove_article")
    assert [one["data-article"] for one in rows] == [title] * 2
    assert [one["aria-label"] for one in rows] == [f"Retirer « {title} »"] * 2
    assert [one["data-confirm"] for one in rows] == [
        f"Retirer « {title} » des archives, avec ses versions antérieures ?"
    ] * 2
    assert [(one["lang"], one["data-article"]) for one in read.with_("data-act", "read")] == [(language, title)] * 2
    assert read.after("td")[1::5] == [source] * 2
    assert [one["data-generation"] for one in read.with_("data-act", "undo")] == [title]
    assert read.all("a", "href") == [f"https://{title}"]
    assert [one["value"] for one in read.with_("type", "search")] == [title]
    assert [one["value"] for one in read.with_("type", "date")] == [source, title] * 2
    assert [one["value"] for one in read.with_("type", "checkbox")][:2] == list(dict.fromkeys([source, "Autre", ""]))[
        :2
    ]
    assert read.after("p").count(f"Retiré : {title}") == 1
    assert read.after("b") == [title]


def test_every_event_that_the_page_makes_is_known_to_its_script() -> None:
    running = Reader(render_archive.job(Seen(True), FRENCH) + render_archive.adding(FRENCH))
    assert {*PLAIN.events(), *running.events()} == {
        "browse", "narrow", "paste", "read", "remove_article", "rollback", "stop_adding", "turn_page", "undo", "verify"
    }  # fmt: skip
    assert {*PLAIN.events(), *running.events()} <= page_html.EVENTS
