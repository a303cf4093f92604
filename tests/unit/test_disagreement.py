"""When two articles answer with other figures, the answer says so, with dates, and which is the later."""

from __future__ import annotations

from datetime import date

import pytest

from index.articles import Draft, make_article
from index.passages import Passage
from qa.disagreement import disagreeing, disagreement
from qa.evidence import Evidence


def evidence(
    text: str, words: str, *, number: int = 1, score: float = 0.4, day: int | None = None, source: str | None = None
) -> Evidence:
    published = date(2024, 5, day) if day else None
    article = make_article(Draft(f"Titre {number}", text, source=source, published=published), language="fr")
    start = text.index(words)
    whole = Passage(article.id, 0, len(text))
    return Evidence(number, article, whole, 0, len(text), score, (start, start + len(words)))


FIRST = evidence("On compte 120 blessés.", "120 blessés", day=3)
LATER = evidence("Le bilan atteint 150 blessés.", "150 blessés", number=2, day=5)


def test_the_later_is_named_as_the_later_whatever_the_order() -> None:
    for order in ([FIRST, LATER], [LATER, FIRST]):
        found = disagreeing(order)
        assert found == (FIRST, LATER)
    assert disagreement(FIRST, LATER, "fr") == (
        "Les articles donnent des chiffres différents : 120 blessés le 3 mai 2024, "
        "puis 150 blessés le 5 mai 2024, le plus récent"
    )
    assert "May 5, 2024" in disagreement(FIRST, LATER, "en")


def test_two_sources_of_one_day_are_named() -> None:
    one = evidence("On compte 38 platanes abattus.", "38 platanes", day=3, source="Le Courrier")
    other = evidence("61 platanes sont tombés.", "61 platanes", number=2, day=3, source="AVP")
    assert disagreeing([one, other]) == (one, other)
    said = disagreement(one, other, "fr")
    assert said.endswith("38 platanes selon Le Courrier, 61 platanes selon AVP")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(evidence("Il y a cent vingt blessés.", "cent vingt blessés", number=2, day=5), id="same value"),
        pytest.param(evidence("Coût : 150 euros.", "150 euros", number=2, day=5), id="another thing counted"),
        pytest.param(evidence("150 blessés.", "150 blessés", number=2, score=0.05, day=5), id="hardly an answer"),
        pytest.param(evidence("Environ 150 blessés.", "Environ 150 blessés", number=2, day=5), id="a rough figure"),
        pytest.param(evidence("Le maire est blessé.", "Le maire", number=2, day=5), id="no figure"),
        pytest.param(evidence("150 blessés.", "150 blessés", number=2), id="nothing tells the articles apart"),
    ],
)
def test_what_is_no_disagreement(other: Evidence) -> None:
    assert disagreeing([FIRST, other]) is None


def test_one_article_does_not_disagree_with_itself() -> None:
    again = Evidence(2, FIRST.article, FIRST.passage, 0, 5, 0.4, (0, 2))
    assert disagreeing([FIRST, again]) is None
    assert disagreeing([FIRST]) is None
