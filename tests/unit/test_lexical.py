"""BM25 over stems."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.lexical import LexicalIndex, question_tokens, tokens


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        pytest.param("fr", "Les élections", "une élection", id="plural"),
        pytest.param("fr", "sécurité, députés, sœur, ÉTÉ", "SECURITE deputes soeur ete", id="accents left out"),
        pytest.param("fr", "l'Orselle et l’Orselle", "Orselle Orselle", id="elision"),
        pytest.param("fr", "10 000 morts", "10000 morts", id="groups of digits"),
        pytest.param("fr", "10\u202f000\u00a0000", "10000000", id="narrow spaces between digits"),
        pytest.param("fr", "Où est-il ?", "", id="stop words"),
        pytest.param("de", "die Städte", "Stadt", id="German plural"),
        pytest.param("en", "The elections were held", "election held", id="English plural"),
        pytest.param("ru", "российские выборы", "российский выбор", id="Cyrillic letters keep their marks"),
        pytest.param(None, "Les élections", "élection", id="no language is French"),
        pytest.param("xx", "Élections", "elections", id="unknown language"),
    ],
)
def test_the_same_tokens(language: str | None, one: str, other: str) -> None:
    assert tokens(one, language) == tokens(other, language)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("en 2024 300 soldats", ["2024", "300", "soldat"], id="year and number"),
        pytest.param("5 blessés", ["5", "bless"], id="one digit"),
        pytest.param("", [], id="empty"),
        pytest.param("l'a, d'un !", [], id="single letters"),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text, "fr") == expected


def test_a_question_is_read_in_each_language_once() -> None:
    assert question_tokens("Les élections, élections !", ["fr", "en"]) == ["elect", "les"]
    assert question_tokens("", ["fr"]) == []


CORPUS = [["pont", "crue"], ["pont", "pont", "vot", "mair"], ["budget", "vot"], ["muse"]]


def bm25(query: str, passage: list[str]) -> float:
    """Lucene's variant, by hand: idf · tf / (tf + k1 (1 - b + b length / mean length))."""
    holding = sum(query in other for other in CORPUS)
    idf = log(1 + (len(CORPUS) - holding + 0.5) / (holding + 0.5))
    tf, mean = passage.count(query), sum(map(len, CORPUS)) / len(CORPUS)
    return idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * len(passage) / mean))


def test_scores_are_those_computed_by_hand() -> None:
    scores = LexicalIndex.build(CORPUS).scores(["pont", "vot", "inconnu"])
    assert scores.dtype == np.float32
    # pont: 2 of 4 passages, idf = ln 2; vot: the same; mean length 9/4
    assert scores[0] == pytest.approx(log(2) * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2.25)), rel=1e-5)
    assert scores == pytest.approx([bm25("pont", passage) + bm25("vot", passage) for passage in CORPUS], rel=1e-5)
    assert np.argsort(-scores, kind="stable").tolist() == [1, 0, 2, 3]
    assert scores[3] == 0


def test_stop_words_only_give_zeros() -> None:
    index = LexicalIndex.build(CORPUS)
    for question in ("Où est-il ?", "", "¿?", "xylophone"):
        assert index.scores(question_tokens(question, ["fr"])).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("corpus", [CORPUS, [["pont"]], [[], ["pont"]], [[], []], []], ids=len)
def test_saved_and_loaded_gives_the_same(corpus: list[list[str]], tmp_path: Path) -> None:
    index = LexicalIndex.build(corpus)
    index.save(tmp_path / "lexical")
    loaded = LexicalIndex.load(tmp_path / "lexical", len(corpus))
    for query in (["pont"], ["vot", "pont"], ["inconnu"], []):
        assert index.scores(query).shape == (len(corpus),)
        assert index.scores(query).tolist() == loaded.scores(query).tolist()


@given(st.text(max_size=30), st.sampled_from(["fr", "de", "ar", "ja", None]))
def test_any_text_has_tokens(text: str, language: str | None) -> None:
    assert all(tokens(text, language))
