"""Copies and updates made by rule, and what is counted of them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.copies import (
    COPIES,
    UPDATES,
    Compared,
    Outcome,
    Source,
    as_markdown,
    chosen_threshold,
    genuine,
    main,
    outcomes,
    wilson,
)
from index.articles import Draft, make_article
from index.copies import sketch
from index.sentences import split

SENTENCES = (
    "Selon la préfecture, la crue de l'Orselle a fait 120 morts dans la vallée de Valmorin mardi.",
    "Le fleuve est monté de 3 mètres en une nuit, mais le vieux pont a tenu.",
    'La maire a demandé "que l\'on ouvre" les écoles aux 10 000 habitants sans toit.',
    "La décrue est attendue le 12 mai à 18h30, ce qui laisse aux équipes le temps de dégager les routes.",
)
HEADING = "Les secours venus de la capitale arrivent par hélicoptère et les familles attendent devant la mairie."


def source(*sentences: str, heading: str = HEADING) -> Source:
    return Source(make_article(Draft("La crue", " ".join(sentences)), "fr"), sentences, heading)


def make(kind: str, made_of: Source | None = None, seed: int = 0) -> str | None:
    return (COPIES | UPDATES)[kind](made_of or source(*SENTENCES), random.Random(seed))


@pytest.mark.parametrize(("kind", "kept"), [("first half", 5), ("first 70 %", 7)])
def test_the_first_sentences_are_kept(kind: str, kept: int) -> None:
    assert make(kind, source(*["Il pleut."] * 11)) == " ".join(["Il pleut."] * kept)


def test_a_paragraph_is_dropped() -> None:
    assert make("without some paragraphs") in (SENTENCES[3], " ".join(SENTENCES[:3]))
    assert make("without some paragraphs", source(*SENTENCES[:3])) is None


def test_sentences_are_reordered() -> None:
    text = make("sentences reordered") or ""
    assert sorted(text[span.start : span.end] for span in split(text, "fr")) == sorted(SENTENCES)


def test_words_are_put_in_the_place_of_others() -> None:
    texts = {make("lightly rewritten", seed=seed) for seed in range(9)}
    assert any(text and text.startswith("D'après la préfecture") for text in texts)
    assert all(text and "10.000 habitants" in text and "120 morts" in text for text in texts)


def test_typography_is_another() -> None:
    text = make("other typography") or ""
    assert "«\u00a0que l’on ouvre\u00a0»" in text
    assert "10.000 habitants" in text
    assert "18\u00a0h\u00a030" in text


def test_a_paper_signs() -> None:
    text = make("signed and dated") or ""
    assert text.startswith("VALMORIN, ")
    assert " ".join(SENTENCES) in text
    assert "\nPublié le " in text


@pytest.mark.parametrize("seed", range(6))
def test_one_figure_is_changed(seed: int) -> None:
    words, changed = " ".join(SENTENCES).split(), (make("one figure changed", seed=seed) or "").split()
    text = " ".join(changed)
    assert "12 mai à 18h30" in text
    assert [figure in text for figure in ("120 morts", "3 mètres", "10 000 habitants")].count(False) == 1
    assert abs(len(words) - len(changed)) <= 1  # "10 000" becomes "12500"


@pytest.mark.parametrize("seed", range(3))
def test_a_date_is_changed(seed: int) -> None:
    text = make("one date, year or hour changed", seed=seed) or ""
    assert text == " ".join(SENTENCES).replace("12 mai", "13 mai")


def test_the_heading_is_another_lead() -> None:
    assert make("another lead") == " ".join((HEADING, *SENTENCES[2:]))
    assert make("another lead", source(*SENTENCES, heading="La crue de l'Orselle")) is None
    assert make("another lead", source(*SENTENCES, heading=SENTENCES[0])) is None


def test_without_a_figure_there_is_no_update() -> None:
    assert make("one figure changed", source("Le pont est fermé.", "Il rouvrira le 3 mai.")) is None


def compared(kind: str, place: int, *values: float) -> Compared:
    return Compared(kind, place, np.array(values, np.float32))


COMPARED = [
    compared("first half", 0, 0.9, 0.0, 0.0),
    compared("first half", 1, 0.65, 0.55, 0.0),  # another article more than its own
    compared("one figure changed", 2, 0.0, 0.0, 0.25),
    compared("one figure changed", 2, 0.0, 0.0, 0.0),
]


def test_outcomes_by_hand() -> None:
    counted = {item.kind: item for item in outcomes(COMPARED, 0.5)}
    assert counted["first half"] == Outcome("first half", True, 2, 2, 3)
    assert counted["one figure changed"] == Outcome("one figure changed", False, 2, 0, 0)
    assert counted["another lead"].n == 0


def test_the_threshold_of_most_found_and_least_wrong() -> None:
    some = [compared("first half", 0, 0.95, 0.0), compared("first half", 1, 0.35, 0.65)]
    assert chosen_threshold(some) == 0.5  # to 0.3 one pair is wrong, above 0.6 one copy is missed
    some = [compared("first half", 0, 0.75, 0.45), compared("one figure changed", 0, 0.35, 0.0)]
    assert chosen_threshold(some) == 0.6  # of 0.5, 0.6 and 0.7


def test_wilson_by_hand() -> None:
    # z = 1.96: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n) with p = .5, n = 10
    found = wilson(5, 10)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 0) is None


def test_table() -> None:
    table = as_markdown([Outcome("first half", True, 10, 5, 5), Outcome("another lead", False, 0, 0, 0)]).splitlines()
    assert table[2] == "| first half | 10 | .500 [.237, .763] | 1.000 [.566, 1.000] |"
    assert table[-1] == "| another lead | 0 | – |"


def test_genuine_pairs() -> None:
    texts = [" ".join(SENTENCES), HEADING, " ".join(SENTENCES[:3])]
    assert genuine(np.stack([sketch(text) for text in texts]), 0.5) == [(1.0, 0, 2)]


def test_the_command(tmp_path: Path) -> None:
    rows = [
        {"id": str(number), "title": f"La crue {number}", "heading": HEADING,
         "text": " ".join(SENTENCES).replace("120", str(number)).replace("10 000", f"{number} 000")}
        for number in (120, 250, 360, 470)
    ]  # fmt: skip
    path = tmp_path / "articles.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = CliRunner().invoke(main, [str(path), "--number", "4"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "| copies | n | found | right of those found |" in done.stdout
    assert "0 pairs of the 4 articles themselves are called copies." in done.stdout
