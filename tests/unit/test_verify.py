"""What a model wrote is untrusted: markers are parsed, bounds-checked, and stand where Citation says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.articles import Article
from index.passages import Passage
from qa.evidence import Evidence
from qa.verify import cited_answer

ARTICLE = Article("a" * 32, "Le pont", "Le pont ferme. Il rouvre en mai. La mairie paie.", language="fr")
PASSAGE = Passage(ARTICLE.id, 0, len(ARTICLE.text))
EVIDENCE = tuple(
    Evidence(number, ARTICLE, PASSAGE, start, end, 0.5)
    for number, (start, end) in enumerate([(0, 14), (15, 32), (33, 48)], 1)
)


@pytest.mark.parametrize(
    ("reply", "text", "markers"),
    [
        pytest.param("Le pont ferme [1].", "Le pont ferme [1].", [1], id="as the grammar writes it"),
        pytest.param("Il rouvre en mai[2][1].", "Il rouvre en mai [2][1].", [2, 1], id="two markers"),
        pytest.param("Il ferme [1]. Il rouvre [2].", "Il ferme [1]. Il rouvre [2].", [1, 2], id="two sentences"),
        pytest.param("La mairie paie [1].", "La mairie paie [3].", [3], id="taken from another than it cites"),
        pytest.param("La mairie paie [3][1].", "La mairie paie [3][1].", [3, 1], id="one of two is the one"),
        pytest.param("Tout va bien [2].", "Tout va bien [2].", [2], id="taken from none"),
        pytest.param(
            "Il ferme. [1] Il rouvre. [2]", "Il ferme [1]. Il rouvre [2].", [1, 2], id="marker after the stop"
        ),
        pytest.param("Il ferme [9].", "", [], id="marker of a sentence that is not there"),
        pytest.param("Il ferme [0].", "", [], id="marker zero"),
        pytest.param("Il ferme [9][1].", "Il ferme [1].", [1], id="only the real marker stays"),
        pytest.param("Il ferme [1]. Et puis il", "Il ferme [1].", [1], id="end cut off"),
        pytest.param("Il ferme [1]. Il ferme [1].", "Il ferme [1].", [1], id="said twice"),
        pytest.param("Les articles ne permettent pas de répondre.", "", [], id="no marker at all"),
        pytest.param("", "", [], id="nothing"),
        pytest.param("[1].", "", [], id="a marker without words"),
        pytest.param("Vraiment ? [1]", "Vraiment ? [1]", [1], id="question mark inside"),
    ],
)
def test_reply(reply: str, text: str, markers: list[int]) -> None:
    made, citations = cited_answer(reply, EVIDENCE, "fr")
    assert made == text
    assert [citation.marker for citation in citations] == markers


def test_across_languages_a_marker_is_left_alone() -> None:
    text, _ = cited_answer("La mairie paie [1].", EVIDENCE, "en")
    assert text == "La mairie paie [1]."


@given(st.text(alphabet=st.sampled_from("ab é.?![]0123456789\n"), max_size=60))
def test_every_position_holds_its_marker(reply: str) -> None:
    text, citations = cited_answer(reply, EVIDENCE, "fr")
    for citation in citations:
        assert list(citation.positions) == sorted(set(citation.positions))
        for position in citation.positions:
            assert text.startswith(f"[{citation.marker}]", position)
        assert citation.evidence.quote == ARTICLE.text[citation.evidence.start : citation.evidence.end]
    assert text.count("[") == sum(len(citation.positions) for citation in citations)
    assert bool(text) == bool(citations)
    assert cited_answer(text, EVIDENCE, "fr")[0] == text
