"""Cleaning, and the identity that follows from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.articles import Draft, clean, make_article

ODD = "\u00ad\u200b\ufeff\u00a0\u202f\t\r\n\u2028\u2029\u0301\x00\x0b\x85 e\u00e9a."
DRAFT = Draft(
    "La crue", "Le pont a cédé.", "Courrier", "https://a.example/1", date(2024, 5, 31), "A. Roux", "fr", row="1"
)


@given(st.text(max_size=40) | st.text(ODD, max_size=30))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(ODD, max_size=30))
def test_what_is_clean_has_no_odd_space_and_at_most_one_empty_line(text: str) -> None:
    cleaned = clean(text)
    assert not set(cleaned) & set("\u00ad\u200b\ufeff\u00a0\u202f\t\r\u2028\u2029\x00\x0b\x85")
    assert "\n\n\n" not in cleaned
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("dé\u00adbor\u00adder", "déborder", id="soft hyphens"),
        pytest.param("10\u00a0000\u202f€", "10 000 €", id="spaces that do not break"),
        pytest.param("eﬀet, ﬁn, ﬂot, oﬃciel, baﬄe", "effet, fin, flot, officiel, baffle", id="ligatures"),
        pytest.param("\ufeffTitre", "Titre", id="byte order mark"),
        pytest.param("ete\u0301", "eté", id="accent written apart"),
        pytest.param("un\r\ndeux\rtrois", "un\ndeux\ntrois", id="line ends"),
        pytest.param("un\u2029deux\u2028trois", "un\n\ndeux\ntrois", id="separators of Unicode"),
        pytest.param("un\n \n\t\n\ndeux", "un\n\ndeux", id="empty lines"),
        pytest.param("  un  \n deux\t trois ", "un\ndeux trois", id="blanks"),
        pytest.param("a\x00b\ud800c", "abc", id="control characters and half pairs"),
        pytest.param("\u00ad \u200b\n", "", id="nothing"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "other",
    [
        {"title": "La décrue"},
        {"text": "Le pont a tenu."},
        {"source": "AVP"},
        {"source": None},
        {"url": "https://a.example/2"},
        {"published": date(2024, 6, 1)},
        {"published": datetime(2024, 5, 31, 8, tzinfo=UTC)},
        {"published": None},
        {"author": "B. Roux"},
        {"language": "en"},
    ],
    ids=str,
)
def test_identity_follows_each_field(other: dict[str, object]) -> None:
    assert make_article(replace(DRAFT, **other)).id != make_article(DRAFT).id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"title": " La\u00a0crue\n"},
        {"text": "\ufeffLe pont  a cé\u00addé.\r\n\r\n"},
        {"source": "Courrier "},
        {"author": "A.\u202fRoux"},
        {"row": "2"},
    ],
    ids=str,
)
def test_identity_does_not_follow_odd_spaces(other: dict[str, object]) -> None:
    assert make_article(replace(DRAFT, **other)) == make_article(DRAFT)  # type: ignore[arg-type]


def test_identity_is_what_it_was() -> None:
    """It is written into every index: if it changes, the format's number must."""
    assert make_article(DRAFT).id == "08ad015d1bb02afe282ed52080639663"


def test_a_language_is_given_where_the_draft_has_none() -> None:
    assert make_article(replace(DRAFT, language=None), language="de").language == "de"
    assert make_article(DRAFT, language="de").language == "fr"
    assert make_article(replace(DRAFT, source=" \u200b")).source is None
