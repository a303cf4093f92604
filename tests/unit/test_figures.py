"""Numbers and dates are read as they are meant, however they are written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.figures import Known, figures

PUBLISHED = date(2024, 3, 12)  # a Tuesday


def read(text: str, language: str) -> list[set[float]]:
    return [{float(value) for value in number.values} for number in figures(text, (language,)).numbers]


@pytest.mark.parametrize(
    ("text", "language", "values"),
    [
        pytest.param("3,2 millions d’euros", "fr", [{3_200_000}], id="millions"),
        pytest.param("3 200 000 euros", "fr", [{3_200_000}], id="grouped by spaces"),
        pytest.param("10\u202f000 et 10\u00a0000", "fr", [{10_000}, {10_000}], id="narrow and no-break spaces"),
        pytest.param("10.000 Euro", "de", [{10_000}], id="grouped by points"),
        pytest.param("10,000 people", "en", [{10_000}], id="grouped by commas"),
        pytest.param("2.400 metres", "en", [{2.4}], id="an English point"),
        pytest.param("2,400 Meter", "de", [{2.4}], id="a German comma"),
        pytest.param("1.234.567,5", "es", [{1_234_567.5}], id="points and comma"),
        pytest.param("1500 Euro", "de", [{1500}], id="not grouped"),
        pytest.param("quatre-vingts pompiers", "fr", [{80}], id="quatre-vingts"),
        pytest.param("soixante et onze", "fr", [{71}], id="soixante et onze"),
        pytest.param("vingt et un", "fr", [{21}], id="vingt et un"),
        pytest.param("dix-sept mille quatre cents", "fr", [{17_400}], id="thousands in words"),
        pytest.param("deux millions de flacons", "fr", [{2_000_000}], id="millions in words"),
        pytest.param("forty-two men", "en", [{42}], id="English words"),
        pytest.param("zweiundvierzig", "de", [{42}], id="German words"),
        pytest.param("das vierzigjährige Bestehen", "de", [{40}], id="a German compound"),
        pytest.param("cuarenta y dos", "es", [{42}], id="Spanish words"),
        pytest.param("la 93e minute", "fr", [{93}], id="ordinal"),
        pytest.param("le XIVe siècle", "fr", [{14}], id="century"),
        pytest.param("45 % ou 45 pour cent", "fr", [{45}, {45}], id="per cent"),
        pytest.param("à 19h30", "fr", [{19}, {30}], id="time of day"),
        pytest.param("de 14,5 à 18,9 millions", "fr", [{14.5, 14_500_000}, {18_900_000}], id="one word for two"),
        pytest.param("a fee of £30m", "en", [{30_000_000}], id="short for millions"),
        pytest.param("the 1970s", "en", [{1970, 70}], id="decade"),
        pytest.param("une centaine de maisons", "fr", [{1}, {100}], id="about a hundred"),
        pytest.param("des capteurs neufs, un pont neuf.", "fr", [{1}], id="neuf that means new"),
        pytest.param("neuf maisons", "fr", [{9}], id="neuf that means nine"),
        pytest.param("l’A380 et le CO2", "fr", [], id="in a name"),
        pytest.param("seconds and the second one", "en", [{1}], id="seconds"),
        pytest.param("Le pont est un ouvrage", "fr", [{1}], id="nothing but an article"),
    ],
)
def test_numbers(text: str, language: str, values: list[set[float]]) -> None:
    assert read(text, language) == values


def test_digits_of_an_answer_are_read_as_in_the_evidence_too() -> None:
    (number,) = figures("52,000 passagers", ("fr",), ("en",)).numbers
    assert number.values == {Decimal(52), Decimal(52000)}


@pytest.mark.parametrize(
    ("text", "language", "dates"),
    [
        pytest.param("le 3 mai 2024", "fr", [(3, 5, 2024)], id="French"),
        pytest.param("le 1er février", "fr", [(1, 2, None)], id="the first"),
        pytest.param("du 16 au 21 juillet 2024", "fr", [(16, 7, 2024), (21, 7, 2024)], id="from to"),
        pytest.param("les 19 et 20 octobre", "fr", [(19, 10, None), (20, 10, None)], id="two days"),
        pytest.param("en septembre 2025", "fr", [(None, 9, 2025)], id="month"),
        pytest.param("3 May 2024, and May 4th, 2024", "en", [(3, 5, 2024), (4, 5, 2024)], id="English"),
        pytest.param("he may march", "en", [], id="verbs"),
        pytest.param("am 26. Mai 1984", "de", [(26, 5, 1984)], id="German"),
        pytest.param("el 5 de enero de 2025", "es", [(5, 1, 2025)], id="Spanish"),
        pytest.param("2024-05-03", "fr", [(3, 5, 2024)], id="ISO"),
        pytest.param("03/05/2024", "fr", [(3, 5, 2024)], id="day first"),
        pytest.param("05/03/2024", "en", [(3, 5, 2024)], id="month first"),
    ],
)
def test_dates(text: str, language: str, dates: list[tuple[int | None, int | None, int | None]]) -> None:
    assert [(day.day, day.month, day.year) for day in figures(text, (language,)).dates] == dates


@pytest.mark.parametrize(
    ("said", "held", "right"),
    [
        pytest.param("le 15 mars 2024", "le 15 mars", True, id="the year of publication"),
        pytest.param("le 15 mars 2023", "le 15 mars", False, id="another year"),
        pytest.param("en décembre 2023", "en décembre", True, id="last December"),
        pytest.param("en mars", "le 15 mars 2024", True, id="less"),
        pytest.param("le 15 mars", "en mars", False, id="more"),
        pytest.param("le 12 mars 2024", "hier soir", True, id="the day of publication"),
        pytest.param("lundi 11 mars", "lundi", True, id="a weekday near it"),
        pytest.param("le 13 mai", "le 15 mars", False, id="another day"),
        pytest.param("jeudi", "mardi", False, id="another weekday"),
        pytest.param("jeudi", "le 14 mars", True, id="the weekday of a date"),
        pytest.param("en mars 2026", "en mars 2026", True, id="the same"),
    ],
)
def test_a_date_holds_or_not(said: str, held: str, right: bool) -> None:
    known = Known()
    known.add(held, "fr", PUBLISHED)
    assert all(map(known.holds_date, figures(said, ("fr",)).dates)) is right


@pytest.mark.parametrize(
    ("said", "held", "right"),
    [
        pytest.param("3,2 millions", "3 200 000 euros", True, id="written otherwise"),
        pytest.param("environ 4 000", "3 950 personnes", True, id="rounded, and said so"),
        pytest.param("4 000", "3 950 personnes", False, id="rounded without saying so"),
        pytest.param("une", "le pont", True, id="an article"),
        pytest.param("1 pont", "les ponts", False, id="a digit is no article"),
        pytest.param("en 2023", "l’année précédente", True, id="the year before"),
        pytest.param("en 2022", "l’année précédente", False, id="not the year before"),
    ],
)
def test_a_number_holds_or_not(said: str, held: str, right: bool) -> None:
    known = Known()
    known.add(held, "fr", PUBLISHED)
    assert all(map(known.holds_number, figures(said, ("fr",)).numbers)) is right


@settings(deadline=None)  # the first example loads names of months and languages
@given(st.integers(0, 10**9))
def test_grouping_never_changes_a_number(value: int) -> None:
    for language, mark in (("fr", "\u202f"), ("de", "."), ("en", ","), ("es", "\u00a0")):
        assert read(f"{value:,}".replace(",", mark), language) == [{value}]


@settings(deadline=None)  # the first example loads names of months and languages
@given(st.text(max_size=80), st.sampled_from(["fr", "en", "de", "es", "xx"]))
def test_any_text_can_be_read_and_bears_itself_out(text: str, language: str) -> None:
    found = figures(text, (language,))
    known = Known()
    known.add(text, language, PUBLISHED)
    assert all(map(known.holds_number, found.numbers))
    assert all(map(known.holds_date, found.dates))
    spans = [(item.start, item.end) for item in found.numbers] + [(item.start, item.end) for item in found.dates]
    assert all(text[start:end].strip() for start, end in spans)
