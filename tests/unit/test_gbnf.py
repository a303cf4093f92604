"""How far a grammar allows a text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ModelError
from qa.gbnf import allowed
from qa.grammar import answer_grammar, sentence_grammar

ANSWERS = answer_grammar([1, 2, 12])


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        ('root ::= "oui" | "non"', "non", "non"),
        ('root ::= "oui" | "non"', "no", "no"),
        ('root ::= "oui" | "non"', "nous", "no"),
        ('root ::= "oui" | "non"', "oui.", "oui"),
        ('root ::= ("a" | "b")+ "." # a remark\n', "abba.b", "abba."),
        ('root ::= word (" " word){1,2}\nword ::= [a-c\\n-]{2}', "ab c\n -- ab", "ab c\n --"),
        ('root ::= [^"\\]\\\\]+ "\\"" "\\x41\\u00e9" .?', 'été^-"Aé\n!', 'été^-"Aé\n'),
        ('root ::= a | \n  b\na ::= "1"\nb ::= "2"? "3"', "234", "23"),
        ("root ::= [^\\n?]{3,5} \"?\"", "abcdefg", "abcde"),
    ],
)  # fmt: skip
def test_the_longest_beginning(grammar: str, text: str, expected: str) -> None:
    assert allowed(text, grammar) == expected


@pytest.mark.parametrize(
    "grammar",
    ['word ::= "a"', 'root ::= word', 'root ::= "a" root', 'root ::= "a', 'root ::= ("a"', '"a"', "root ::= $", ""],
)  # fmt: skip
def test_a_grammar_that_cannot_be_read_is_said(grammar: str) -> None:
    with pytest.raises(ModelError):
        allowed("a", grammar)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            "M. Roux, dit « Le Grand. », paie 3.5 millions à l'U.S. Air [1] [2].",
            "M. Roux, dit « Le Grand. », paie 3.5 millions à l'U.S. Air [1] [2].",
        ),
        ("Le pont ferme [1]. Il rouvre [12].", "Le pont ferme [1]. Il rouvre [12]."),
        ("Le pont ferme [3].", "Le pont ferme ["),
        ("Le pont ferme. [1]", "Le pont ferme"),
        ("Le pont <b>ferme</b> [1].", "Le pont "),
        ("Le pont ferme [1](https://e.example).", "Le pont ferme [1]"),
        ("Voici :\n- Le pont", "Voici :"),
        ("« [1] » dit-il", "« "),
        (" Le pont", ""),
        ("", ""),
    ],
)
def test_an_answer_is_cut_where_it_leaves_the_grammar(reply: str, expected: str) -> None:
    assert allowed(reply, ANSWERS) == expected


def test_one_sentence_has_no_marker() -> None:
    assert allowed("Le pont ferme. Oui", sentence_grammar()) == "Le pont ferme."
    assert allowed("Le pont [1]", sentence_grammar()) == "Le pont "


@given(st.text(alphabet="aM. [12]5«»<\n", max_size=40), st.integers(0, 40))
def test_a_beginning_stays_one_when_more_is_written(text: str, cut: int) -> None:
    begun = allowed(text[:cut], ANSWERS)
    whole = allowed(text, ANSWERS, len(begun))
    assert whole == allowed(text, ANSWERS)
    assert whole.startswith(begun)
    assert begun == text[:cut] or whole == begun
    assert not re.search(r"\[(?!1\]?|2\]?|12\]?|$)|[<\n]", whole)


@pytest.mark.parametrize("repeated", ["a", "1.1", "A.B.", " M. M", "«a»", '"a', "a [1]. ", "« “ "])
def test_hostile_replies_cost_no_time(repeated: str) -> None:
    started = time.perf_counter()
    allowed(repeated * 3000, ANSWERS)
    assert time.perf_counter() - started < 3
