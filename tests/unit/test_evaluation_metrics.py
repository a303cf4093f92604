"""Metrics, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import (
    Estimate,
    estimate,
    exact_match,
    holds,
    normalised,
    ranking,
    reliability,
    risk_coverage,
    share,
    token_f1,
)


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        pytest.param("fr", "Le pont de l’Orselle, à l'est.", "pont orselle à est", id="elided"),
        pytest.param("fr", "de la mairie, des élus, du maire", "mairie élus maire", id="contracted"),
        pytest.param("fr", "Les élèves d'une école", "élèves d école", id="accents stay"),
        pytest.param("fr", "un an là", "an là", id="French words that are English articles"),
        pytest.param("fr", "Un", "un", id="nothing but an article"),
        pytest.param("en", "The bridge and a car", "bridge and car", id="English"),
        pytest.param("de", "Die Brücke in der Stadt, dem Fluss", "brücke in stadt fluss", id="German"),
        pytest.param("es", "El puente de la ciudad", "puente de ciudad", id="Spanish"),
        pytest.param("it", "Il ponte", "il ponte", id="another language"),
        pytest.param("fr", "3,2 millions et 3.2", "3.2 millions et 3.2", id="decimal comma"),
        pytest.param("fr", "10 000, 10\u00a0000, 10\u202f000, 10.000, 10,000", "10000 10000 10000 10000 10000", id="groups"),  # noqa: E501
        pytest.param("fr", "1 234 567,89 €", "1234567.89", id="groups and decimals"),
        pytest.param("fr", "en 1999 200 cars", "en 1999 200 cars", id="a year is no group"),
        pytest.param("fr", "0,125", "0.125", id="no group begins with 0"),
        pytest.param("fr", "50 % (-2)", "50 2", id="marks"),
        pytest.param("fr", "?!", "", id="nothing"),
    ],
)  # fmt: skip
def test_normalised(language: str, text: str, words: str) -> None:
    assert " ".join(normalised(text, language)) == words


@pytest.mark.parametrize(
    ("prediction", "answers", "f1", "exact"),
    [
        pytest.param("le 15 mars", ["15 mars", "mercredi"], 1.0, True, id="same but for the article"),
        # two of three words shared: precision 2/3, recall 2/2
        pytest.param("mercredi 15 mars", ["15 mars"], 0.8, False, id="a word too many"),
        # once each, although said twice: precision 1/2, recall 1/1
        pytest.param("mars mars", ["mars"], 2 / 3, False, id="said twice"),
        pytest.param("avril", ["15 mars"], 0.0, False, id="none"),
        pytest.param("", ["15 mars"], 0.0, False, id="nothing said"),
        pytest.param("mars 15", ["15 mars"], 1.0, False, id="another order"),
    ],
)
def test_short_answers(prediction: str, answers: list[str], f1: float, exact: bool) -> None:
    assert token_f1(prediction, answers, "fr") == pytest.approx(f1)
    assert exact_match(prediction, answers, "fr") is exact


@pytest.mark.parametrize(
    ("text", "answers", "held"),
    [
        pytest.param("Le pont ferme le mercredi 15 mars 2023.", ["mercredi 15 mars"], True, id="inside"),
        pytest.param("Il mesure 3.2 km.", ["3,2"], True, id="a point for a comma"),
        pytest.param("Il mesure 13,2 km.", ["3,2"], False, id="a part of a number"),
        pytest.param("Le pont ferme.", ["pon"], False, id="a part of a word"),
        pytest.param("mars le 15", ["15 mars"], False, id="another order"),
        pytest.param("Le pont ferme.", ["?"], False, id="an answer without words"),
        pytest.param("Le pont ferme.", [], False, id="no answer"),
        pytest.param("Le pont ferme.", ["moulin", "le pont"], True, id="any of them"),
    ],
)
def test_holds(text: str, answers: list[str], held: bool) -> None:
    assert holds(text, answers, "fr") is held


@given(st.text(), st.sampled_from(["fr", "en", "de", "es", "it"]))
def test_a_text_answers_itself(text: str, language: str) -> None:
    words = normalised(text, language)
    assert exact_match(text, [text], language)
    assert token_f1(text, [text], language) == (1.0 if words else 0.0)
    assert holds(f"- {text} -", [text], language) == bool(words)


def test_ranking_by_hand() -> None:
    gold = {"q1": ["a"], "q2": ["b", "c"], "q3": ["z"], "q4": ["d"]}
    found = {"q1": ["a", "b"], "q2": ["x", "c", "b"], "q3": ["a", "b"], "q4": ["1", "2", "3", "4", "5", "6", "7", "d"]}
    measured = ranking(gold, found)
    assert measured["R@1"] == [1, 0, 0, 0]
    assert measured["R@5"] == [1, 1, 0, 0]
    assert measured["R@10"] == [1, 1, 0, 1]
    assert measured["MRR@10"] == [1, 1 / 2, 0, 1 / 8]
    # gains 1/log2(3) + 1/log2(4) of at best 1/log2(2) + 1/log2(3)
    two = (1 / np.log2(3) + 1 / 2) / (1 + 1 / np.log2(3))
    assert measured["nDCG@10"] == pytest.approx([1, two, 0, 1 / np.log2(9)])


def test_a_question_that_finds_nothing_counts() -> None:
    assert ranking({"q1": ["a"], "q2": ["a"]}, {"q1": ["a"], "q2": []})["R@10"] == [1, 0]


def test_estimate_is_the_mean_and_an_interval_that_narrows() -> None:
    few, many = estimate([0.0, 1.0] * 5), estimate([0.0, 1.0] * 500)
    assert (few.value, few.n, many.n) == (0.5, 10, 1000)
    assert few.low < many.low < 0.5 < many.high < few.high
    # the standard error of the mean is 0.5/√1000 = 0.0158; 1.96 of it on either side
    assert many.low == pytest.approx(0.469, abs=0.004)
    assert many.high == pytest.approx(0.531, abs=0.004)
    assert estimate([0.0, 1.0] * 5, seed=3) == estimate([0.0, 1.0] * 5, seed=3)
    assert estimate([1.0] * 9) == Estimate(1, 1, 1, 9)
    assert estimate([0.25]) == Estimate(0.25, 0.25, 0.25, 1)
    with pytest.raises(ValueError, match="no value"):
        estimate([])


@pytest.mark.parametrize(
    ("value", "said"), [(0.8034, ".803"), (1, "1.000"), (-0.02, "-.020"), (0, ".000"), (0.9999, "1.000")]
)
def test_shares_are_written_short(value: float, said: str) -> None:
    assert share(value) == said
    assert str(Estimate(value, 0.1, 0.2, 3)) == f"{said} [.100, .200]"


def test_risk_and_coverage_by_hand() -> None:
    curve = risk_coverage([0.2, 0.9, 0.5, 0.5], [1, 0, 1, 0], questions=8)
    # surest first: right; then two of equal confidence, one of them wrong; then a wrong one
    assert curve.coverage.tolist() == [1 / 8, 3 / 8, 4 / 8]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 2 / 4])
    assert curve.area == pytest.approx((0 + 1 / 3 + 1 / 3 + 2 / 4) / 4)
    with pytest.raises(ValueError, match="no question was answered"):
        risk_coverage([], [], questions=8)


def test_reliability_by_hand() -> None:
    diagram = reliability([0.05, 0.15, 0.15, 0.95, 1.0], [0, 1, 0, 1, 1])
    assert diagram.confidence.tolist() == pytest.approx([0.05, 0.15, 0.975])
    assert diagram.share.tolist() == pytest.approx([0, 0.5, 1])
    assert diagram.count.tolist() == [1, 2, 2]
    assert diagram.error == pytest.approx((1 * 0.05 + 2 * 0.35 + 2 * 0.025) / 5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_every_answer_falls_in_one_bin(answers: list[tuple[float, bool]]) -> None:
    diagram = reliability([sure for sure, _ in answers], [true for _, true in answers])
    assert diagram.count.sum() == len(answers)
    assert len(diagram.count) == len(diagram.confidence) == len(diagram.share)
    assert 0 <= diagram.error <= 1
