"""The probability that the evidence answers: what it is judged from, and the file that holds the fit."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import SettingsError
from index.articles import Article, Draft, make_article
from index.passages import Passage
from index.search import Hit
from qa.confidence import FILE_NAME, SHIPPED, SIGNALS, Calibration, read_calibration, signals
from qa.evidence import Evidence, Selection

MADE = Calibration(
    intercept=-1.0,
    weights=(2.0, *[0.5] * (len(SIGNALS) - 1)),
    embedder="embedder's hash",
    reader="reader's hash",
    data="ours",
    questions=12,
    seed=3,
    date="2026-11-22",
)
BRIDGE = make_article(
    Draft("Le pont de Brassac", "Le chantier dure six mois. La mairie paie les travaux. Il pleut."), language="fr"
)
SIX_MONTHS = "Le chantier dure six mois."

logits = st.floats(-50, 50)


def hit(dense: float, score: float, article: Article = BRIDGE) -> Hit:
    return Hit(article, Passage(article.id, 0, len(article.text)), score, dense, 0.0)


def selected(*values: float, article: Article = BRIDGE, end: int | None = None) -> Selection:
    """A selection of the first sentence alone, chosen with the greatest of these logits."""
    passage = Passage(article.id, 0, end or len(article.text))
    return Selection((Evidence(1, article, passage, 0, len(SIX_MONTHS), 0.9),), values)


def judged(
    hits: list[Hit], selection: Selection, question: str = "Qui paie ?", language: str = "fr"
) -> dict[str, float]:
    return dict(zip(SIGNALS, signals(hits, selection, question, language), strict=True))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    MADE.write(tmp_path / FILE_NAME)
    assert read_calibration(tmp_path, MADE.embedder, MADE.reader) == MADE


def test_without_one_of_its_own_a_home_has_the_shipped_one(tmp_path: Path) -> None:
    shipped = read_calibration(tmp_path, "any embedder", "any reader")
    assert asdict(shipped) == json.loads(SHIPPED.read_text(encoding="utf-8")) | {"weights": shipped.weights}
    assert len(shipped.weights) == len(SIGNALS)


@pytest.mark.parametrize(
    ("embedder", "reader"),
    [
        pytest.param("another", MADE.reader, id="embedder"),
        pytest.param(MADE.embedder, "another", id="reader"),
    ],
)
def test_a_fit_of_other_models_is_refused(tmp_path: Path, embedder: str, reader: str) -> None:
    MADE.write(tmp_path / FILE_NAME)
    with pytest.raises(
        SettingsError, match=r"calibration\.json was fitted with other models; run `sourcier calibrate`"
    ):
        read_calibration(tmp_path, embedder, reader)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"weights": [1.0]}, f"1 weights, {len(SIGNALS)} signals", id="too few weights"),
        pytest.param({"weights": ["much"] * len(SIGNALS)}, "could not convert", id="no numbers"),
        pytest.param({"weights": None}, "not iterable", id="no weights"),
        pytest.param({"colour": "red"}, "colour", id="unknown field"),
    ],
)
def test_a_file_that_is_no_calibration_is_said_in_one_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(asdict(MADE) | change), encoding="utf-8")
    with pytest.raises(SettingsError, match="is no calibration") as caught:
        read_calibration(tmp_path, MADE.embedder, MADE.reader)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"], ids=["empty", "cut off", "a list", "no fields"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"calibration\.json is no calibration .*run `sourcier calibrate` again"):
        read_calibration(tmp_path, MADE.embedder, MADE.reader)


@pytest.mark.parametrize(
    ("values", "probability"),
    [
        pytest.param((0.5, *[0.0] * (len(SIGNALS) - 1)), 0.5, id="-1 + 2·0.5 = 0"),
        pytest.param((1.5, *[0.0] * (len(SIGNALS) - 1)), 1 / (1 + math.exp(-2)), id="-1 + 2·1.5 = 2"),
        pytest.param((0.0, 4.0, *[0.0] * (len(SIGNALS) - 2)), 1 / (1 + math.exp(-1)), id="-1 + 0.5·4 = 1"),
    ],
)
def test_the_confidence_is_the_logistic_of_the_weighted_sum(values: tuple[float, ...], probability: float) -> None:
    assert MADE.confidence(values) == pytest.approx(probability)


@given(st.lists(logits, min_size=len(SIGNALS), max_size=len(SIGNALS)), st.floats(0, 100))
def test_the_likelier_that_something_answers_the_surer(values: list[float], more: float) -> None:
    less_sure = MADE.confidence(values)
    surer = MADE.confidence([values[0] + more, *values[1:]])
    assert 0 <= less_sure <= surer <= 1


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_probability_whatever_the_values(intercept: float, value: float) -> None:
    made = replace(MADE, intercept=intercept)
    assert 0 <= made.confidence([value / 4, *[0.0] * (len(SIGNALS) - 1)]) <= 1


def test_values_and_weights_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="shorter"):
        MADE.confidence((1.0,))


def test_the_signals_are_those_worked_out_by_hand() -> None:
    found = judged([hit(0.4, 0.9), hit(0.7, 0.6)], selected(2.0, 1.0, 0.0), "Qui paie les travaux du viaduc ?")
    assert found["answers"] == pytest.approx(math.log(math.e**2 + math.e + 1))
    assert found["stands_out"] == pytest.approx(2.0 - 0.5)
    assert found["likeness"] == 0.7  # the best, wherever it stands
    assert found["gap"] == pytest.approx(0.3)
    assert found["unseen"] == pytest.approx(1 / 3)  # paie, travaux, viaduc: the passage has the first two


def test_only_the_next_five_count_for_standing_out() -> None:
    few = judged([hit(0.4, 0.9)], selected(3.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    many = judged([hit(0.4, 0.9)], selected(3.0, 1.0, 1.0, 1.0, 1.0, 1.0, -90.0, -90.0))
    assert few["stands_out"] == many["stands_out"] == pytest.approx(2.0)


def test_one_sentence_and_one_hit_stand_out_by_nothing() -> None:
    found = judged([hit(0.4, 0.9)], selected(2.0))
    assert found["answers"] == pytest.approx(2.0)
    assert (found["stands_out"], found["gap"]) == (0, 0)


def test_words_of_the_title_are_seen_and_those_outside_the_passage_are_not() -> None:
    assert judged([hit(0.4, 0.9)], selected(2.0), "Brassac ?")["unseen"] == 0
    assert judged([hit(0.4, 0.9)], selected(2.0), "Qui paie ?")["unseen"] == 0
    assert judged([hit(0.4, 0.9)], selected(2.0, end=len(SIX_MONTHS)), "Qui paie ?")["unseen"] == 1


def test_across_languages_no_word_is_missed() -> None:
    assert judged([hit(0.4, 0.9)], selected(2.0), "Who pays for the viaduct?", "en")["unseen"] == 0


def test_the_sentence_of_the_greatest_score_gives_the_passage() -> None:
    other = make_article(Draft("La crue", "La rivière déborde."), language="fr")
    low = Evidence(1, other, Passage(other.id, 0, len(other.text)), 0, 19, 0.1)
    (best,) = selected().evidence
    made = Selection((low, replace(best, number=2)), (2.0, 1.0))
    assert judged([hit(0.4, 0.9)], made, "Qui paie ?")["unseen"] == 0
