"""The words of the page: the same in all languages, and numbers, days and counts as each writes them."""

from __future__ import annotations

import re
import string
from datetime import date, datetime
from pathlib import Path

import pytest

from page import words
from page.words import LANGUAGES, Texts, texts
from qa.check import Kind
from qa.verify import Standing

FRENCH, ENGLISH, GERMAN, SPANISH = map(texts, ("fr", "en", "de", "es"))
PAGE = Path(words.__file__).parent
each = pytest.mark.parametrize("written", [texts(one) for one in LANGUAGES], ids=LANGUAGES)


def fields(written: Texts) -> dict[str, list[str]]:
    return {
        key: sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
        for key, text in written.items()
    }


def test_the_languages_are_those_there_are_words_in() -> None:
    assert sorted(path.stem for path in PAGE.glob("*.toml")) == sorted(LANGUAGES)


@each
def test_every_language_holds_the_same_words_with_the_same_fields(written: Texts) -> None:
    assert fields(written) == fields(ENGLISH)
    assert all(re.fullmatch("[a-z]+", name) for names in fields(written).values() for name in names)


@each
def test_no_word_is_empty_and_each_count_has_both_its_forms(written: Texts) -> None:
    assert all(text.strip() == text and text for text in written.values())
    counted = {key.rpartition("_")[0] for key in written if key.endswith(("_one", "_many"))}
    assert counted
    assert all(fields(written)[f"{key}_{form}"] == ["count"] for key in counted for form in ("one", "many"))


def test_every_word_that_the_code_names_is_there() -> None:
    named: set[str] = set()
    for pattern, suffix in ((r'words\["(\w+)"\]', "py"), (r"\bwords\.(\w+)", "html")):
        for path in PAGE.glob(f"*.{suffix}"):
            named.update(re.findall(pattern, path.read_text(encoding="utf-8")))
    assert len(named) > 50
    assert named <= FRENCH.keys()


@each
def test_every_standing_and_every_kind_of_problem_has_its_words(written: Texts) -> None:
    mended = [one for one in Standing if one not in (Standing.WRITTEN, Standing.DROPPED)]
    assert all(written[key] for one in mended for key in (f"note_{one}", f"why_{one}"))
    assert all(written[f"problem_{kind}"].endswith(".") for kind in Kind)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr", "fr"),
        ("fr-CA,en;q=0.8", "fr"),
        ("  FR-fr", "fr"),
        ("en-GB,fr;q=0.9", "en"),
        ("de,fr;q=0.9", "de"),
        ("es-419", "es"),
        ("it,fr;q=0.9", "en"),
        ("fry", "en"),
        ("frysk,fr", "en"),
        ("*", "en"),
        ("é,fr", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_first_language_of_the_browser_decides(header: str | None, language: str) -> None:
    assert words.language_of(header) == language


@pytest.mark.parametrize(
    ("day", "french", "english"),
    [
        (date(2024, 3, 1), "1er mars 2024", "1 March 2024"),
        (date(2021, 11, 11), "11 novembre 2021", "11 November 2021"),
        (date(2011, 8, 31), "31 août 2011", "31 August 2011"),
        (datetime(2024, 1, 1, 23, 59), "1er janvier 2024", "1 January 2024"),
        (date(981, 12, 1), "1er décembre 981", "1 December 981"),
    ],
    ids=["first", "eleventh", "last", "with its hour", "long ago"],
)
def test_a_day_is_written_out_and_the_first_as_french_does(day: date, french: str, english: str) -> None:
    assert (words.day(day, FRENCH), words.day(day, ENGLISH)) == (french, english)


def test_german_and_spanish_write_numbers_and_days_in_their_own_way() -> None:
    first, last = date(2024, 3, 1), date(2011, 12, 31)
    assert [words.day(day, GERMAN) for day in (first, last)] == ["1. März 2024", "31. Dezember 2011"]
    assert [words.day(day, SPANISH) for day in (first, last)] == ["1 de marzo de 2024", "31 de diciembre de 2011"]
    for written in (GERMAN, SPANISH):
        assert words.number(1234567.5, written) == "1.234.567,5"
        assert words.percent(0.79, written) == "79\xa0%"
    assert [words.count("article", counted, GERMAN) for counted in (0, 1, 2)] == ["0 Artikel", "1 Artikel", "2 Artikel"]
    assert [words.count("source", counted, SPANISH) for counted in (0, 1, 2)] == ["0 fuentes", "1 fuente", "2 fuentes"]
    assert (words.language_name("en", GERMAN), words.language_name("en", SPANISH)) == ("Englisch", "inglés")


@pytest.mark.parametrize(
    ("number", "french", "english"),
    [(0, "0", "0"), (999, "999", "999"), (1234567, "1\u202f234\u202f567", "1,234,567"), (1.5, "1,5", "1.5")],
)
def test_a_number_has_the_separators_of_the_language(number: float, french: str, english: str) -> None:
    assert (words.number(number, FRENCH), words.number(number, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("share", "french", "english"),
    [(0.01, "1\xa0%", "1%"), (0.79, "79\xa0%", "79%"), (1, "100\xa0%", "100%")],
    ids=["1", "79", "100"],
)
def test_a_share_is_written_as_a_percentage(share: float, french: str, english: str) -> None:
    assert (words.percent(share, FRENCH), words.percent(share, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("counted", "french", "english"),
    [
        (0, "0 article", "0 articles"),
        (1, "1 article", "1 article"),
        (2, "2 articles", "2 articles"),
        (1200, "1\u202f200 articles", "1,200 articles"),
    ],
)
def test_none_is_singular_in_french_and_plural_in_english(counted: int, french: str, english: str) -> None:
    assert (words.count("article", counted, FRENCH), words.count("article", counted, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("code", "french", "english"),
    [
        ("de", "allemand", "German"),
        ("FR", "français", "French"),
        ("pcd", "picard", "Picard"),
        ("xx", "xx", "xx"),
        ("<b>", "<b>", "<b>"),
        ("", "", ""),
    ],
    ids=["de", "capitals", "three letters", "unknown", "no code", "empty"],
)
def test_a_language_is_called_by_its_name_or_else_by_its_code(code: str, french: str, english: str) -> None:
    assert (words.language_name(code, FRENCH), words.language_name(code, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("size", "french", "english"),
    [
        (0, "0,0 Mo", "0.0 MB"),
        (61_440_000, "61,4 Mo", "61.4 MB"),
        (999_000_000, "999,0 Mo", "999.0 MB"),
        (1_000_000_000, "1,0 Go", "1.0 GB"),
        (2_480_000_000_000, "2\u202f480,0 Go", "2,480.0 GB"),
    ],
)
def test_a_size_is_in_megabytes_or_gigabytes_from_one_on(size: float, french: str, english: str) -> None:
    assert (words.size(size, FRENCH), words.size(size, ENGLISH)) == (french, english)


@pytest.mark.parametrize(
    ("seconds", "french", "english"),
    [
        (0, "1 seconde", "1 second"),
        (1.4, "1 seconde", "1 second"),
        (2, "2 secondes", "2 seconds"),
        (59.4, "59 secondes", "59 seconds"),
        (60, "1 minute", "1 minute"),
        (100, "2 minutes", "2 minutes"),
        (5399, "90 minutes", "90 minutes"),
        (5400, "2 heures", "2 hours"),
        (9100, "3 heures", "3 hours"),
    ],
)
def test_a_duration_is_rounded_to_what_one_would_say(seconds: float, french: str, english: str) -> None:
    assert (words.duration(seconds, FRENCH), words.duration(seconds, ENGLISH)) == (french, english)
