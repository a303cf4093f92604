"""Copies of a dispatch are recognised, updates are not taken for copies."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.copies import WIDTH, copies, shares, sketch

SENTENCES = (
    "La crue de l'Orselle a fait 120 morts dans la vallée de Valmorin, a annoncé la préfecture mardi soir.",
    "Le fleuve est monté de 3,2 mètres en une nuit, du jamais vu depuis la construction du vieux pont.",
    "Les pompiers ont mis à l'abri 10 000 habitants des quartiers bas, où l'eau est entrée dans les maisons.",
    "La maire, Claire Aubin, a demandé que l'on ouvre les écoles et les gymnases à ceux qui n'ont plus de toit.",
    "Trois trains sont restés bloqués en gare d'Orselle et leurs voyageurs ont dormi dans les voitures.",
    "La décrue est attendue le 12 mai au matin, selon le service des eaux, qui reste prudent pour la suite.",
)
DISPATCH = " ".join(SENTENCES)
OTHER = (
    "Le conseil de Valmorin a voté lundi la construction d'une piscine de six couloirs près de la gare. "
    "Elle coûtera 8 millions d'euros, que la ville empruntera sur vingt ans, et ouvrira dans trois ans."
)
NEW_LEAD = (
    "Les premiers secours venus de la capitale arrivent par hélicoptère et les familles attendent des nouvelles "
    "devant l'hôtel de ville."
)

WORDS = st.sampled_from([*DISPATCH.split(), "150", "12h30", "12:30", "1.500", "œuvre", "\n\n", "٣", "½", "東京", "."])
TEXTS = (
    st.lists(WORDS, max_size=60).map(" ".join)
    | st.permutations(SENTENCES).map(" ".join)
    | st.integers(1, 6).map(lambda number: " ".join(SENTENCES[:number]))
    | st.text(max_size=60)
)


def is_copy(one: str, other: str) -> bool:
    return bool(copies(sketch(one), sketch(other)[None])[0])


@pytest.mark.parametrize(
    ("other", "copied"),
    [
        pytest.param(DISPATCH, True, id="equal"),
        pytest.param(" ".join(SENTENCES[:3]), True, id="first half"),
        pytest.param(" ".join(SENTENCES[3:]), True, id="second half"),
        pytest.param(" ".join(SENTENCES[::2]), True, id="without some sentences"),
        pytest.param(" ".join(reversed(SENTENCES)), True, id="sentences reordered"),
        pytest.param(DISPATCH.upper(), True, id="capitals"),
        pytest.param(DISPATCH.replace("é", "e\u0301").replace("'", "’"), True, id="decomposed accents, apostrophes"),
        pytest.param(DISPATCH.replace("10 000", "10.000").replace("3,2", "3.2"), True, id="figures written otherwise"),
        pytest.param(DISPATCH.replace("Trois", "3"), True, id="a figure for a word"),
        pytest.param(DISPATCH.replace("a annoncé", "a fait savoir").replace("selon", "d'après"), True, id="rewritten"),
        pytest.param(
            f"ORSELLE, 7 juin 2024 (AVP) — {DISPATCH}\n\nLe Courrier, avec AVP, le 8/6/2024 à 10h32", True, id="signed"
        ),
        pytest.param(f"{DISPATCH} Le bilan de 1987 était de 40 morts.", True, id="with a sentence more"),
        pytest.param(DISPATCH.replace("120", "150"), False, id="another figure"),
        pytest.param(" ".join(SENTENCES[:3]).replace("120", "150"), False, id="another figure, cut"),
        pytest.param(DISPATCH.replace("10 000", "12 000"), False, id="another figure of thousands"),
        pytest.param(DISPATCH.replace("3,2", "3,5"), False, id="another decimal"),
        pytest.param(DISPATCH.replace("Trois", "Quatre"), False, id="another figure in words"),
        pytest.param(DISPATCH.replace("fait 120 morts", "tué près de 150 gens"), False, id="another in other words"),
        pytest.param(DISPATCH.replace("12 mai", "14 mai"), False, id="another date"),
        pytest.param(" ".join((NEW_LEAD, *SENTENCES[1:])), False, id="another lead"),
        pytest.param(OTHER, False, id="another article"),
        pytest.param("", False, id="empty"),
    ],
)
def test_copies_of_a_dispatch(other: str, copied: bool) -> None:
    assert is_copy(DISPATCH, other) is copied
    assert is_copy(other, DISPATCH) is copied


def test_a_figure_that_the_text_has_elsewhere_is_another_one() -> None:
    text = f"{DISPATCH} Parmi les morts sont 40 enfants, et 40 autres ont été blessés."
    assert not is_copy(text, text.replace("120", "40"))
    assert not is_copy(text, text.replace("40 enfants", "120 enfants"))
    assert not is_copy(text, text.replace("fait 120 morts", "tué près de 40 gens"))


@pytest.mark.parametrize(
    ("one", "other", "copied"),
    [
        pytest.param("", "", True, id="both empty"),
        pytest.param("", "Le pont.", False, id="one empty"),
        pytest.param("Le pont est fermé.", "LE PONT est ferme", True, id="equal words"),
        pytest.param("Le pont est fermé.", "Le pont est fermé mardi.", False, id="a word more"),
        pytest.param("Le pont 3 est fermé.", "Le pont 4 est fermé.", False, id="another figure"),
        pytest.param(DISPATCH, SENTENCES[0].replace(" soir", ""), False, id="19 words of a longer text"),
        pytest.param(DISPATCH, SENTENCES[0], True, id="20 words of a longer text"),
    ],
)
def test_short_texts_must_be_equal(one: str, other: str, copied: bool) -> None:
    assert is_copy(one, other) is copied


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("ÉLÈVE", "eleve", id="accents"),
        pytest.param("Cœur, Straße, ævar", "coeur strasse aevar", id="ligatures"),
        pytest.param("10\u202f000 ou 1.500.000", "10,000 ou 1 500 000", id="thousands"),
        pytest.param("3,2 %", "3.2%", id="decimals"),
        pytest.param("18 h 30", "18h30", id="an hour"),
        pytest.param("cinq, five, fünf, cinco", "5 5 5 5", id="figures in words"),
        pytest.param("ﬁn de l’année…", "fin de l'année", id="typography"),
    ],
)
def test_ways_of_writing_are_one(one: str, other: str) -> None:
    assert (sketch(one) == sketch(other)).all()


def test_shares_are_those_of_the_shorter_text() -> None:
    rows = np.stack([sketch(text) for text in (DISPATCH, " ".join(SENTENCES[:3]), OTHER)])
    assert shares(rows[0], rows).tolist() == [1, 1, 0]
    half_new = " ".join(SENTENCES[:3]) + " " + OTHER.replace("8 millions", "des millions")
    # of three sentences and two others: the shingles of the former, of those of the shorter text
    assert 0.4 < shares(rows[0], sketch(half_new)[None])[0] < 0.7


def test_rows_of_nothing() -> None:
    none = np.empty((0, WIDTH), dtype=np.uint32)
    assert copies(sketch(DISPATCH), none).shape == (0,)
    assert copies(sketch(DISPATCH), none).dtype == np.bool_


def test_long_texts_are_sampled_alike() -> None:
    """Of 3,000 words a row holds a few; of a cut third of them the same few."""
    words = [f"mot{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(3000)]
    whole, third = " ".join(words), " ".join(words[:1000])
    assert shares(sketch(whole), sketch(third)[None]).tolist() == [1]
    assert not is_copy(third, " ".join(words[1000:2000]))


def test_what_lies_on_disk_stays() -> None:
    """Another digest here is another format of the index: raise FORMAT in index/generation.py."""
    row = sketch(DISPATCH)
    assert row.dtype == np.uint32
    assert row.shape == (WIDTH,)
    assert row.nbytes <= 1024
    assert row[0] == 20 + 19 + 20 + 23 + 17 + 20  # words, of which "l'" is one
    assert hashlib.sha256(row.astype("<u4").tobytes()).hexdigest()[:16] == "842afe1be66a53c8"


def test_another_process_makes_the_same_row() -> None:
    code = "import sys; from index.copies import sketch; print(sketch(sys.argv[1]).tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code, DISPATCH], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.stdout == f"{sketch(DISPATCH).tolist()}\n"


@given(TEXTS)
def test_a_text_is_a_copy_of_itself(text: str) -> None:
    assert is_copy(text, text)
    assert (sketch(text) == sketch(text)).all()


@given(TEXTS, TEXTS)
def test_either_way(one: str, other: str) -> None:
    first, second = sketch(one), sketch(other)
    assert shares(first, second[None]) == shares(second, first[None])


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_rows_do_not_touch_each_other(texts: list[str]) -> None:
    rows = np.stack([sketch(text) for text in texts])
    one_by_one = [shares(rows[0], row[None])[0] for row in rows]
    assert shares(rows[0], rows).tolist() == one_by_one


@given(st.integers(1, 999), st.integers(1, 999))
def test_another_figure_is_another_article(one: int, other: int) -> None:
    assert is_copy(DISPATCH.replace("120", str(one)), DISPATCH.replace("120", str(other))) is (one == other)
