"""A written answer against what is known of its question, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.datasets import Question
from evaluation.verdicts import MEASURES, Verdict, judge, standings

SENTENCE = "Le pont des Tilleuls mesure 120 mètres."
ELSEWHERE = "Le moulin est à 120 mètres du pont."
OTHER = "La mairie ouvre le lundi."
QUESTION = Question(
    "q",
    "Combien mesure le pont des Tilleuls ?",
    answerable=True,
    answers=("120 mètres",),
    sentences=(SENTENCE,),
    gold=("bridge",),
)
UNANSWERABLE = Question("u", "Qui a dessiné le pont des Tilleuls ?", answerable=False)


def row(answer: str, *cited: str, **changed: Any) -> dict[str, Any]:
    """An answer of one statement that cites these sentences; all of them were shown."""
    markers = list(range(1, len(cited) + 1))
    made: dict[str, Any] = {
        "question": QUESTION.text,
        "answer": answer,
        "short": None,
        "refused": not cited,
        "confidence": 0.7,
        "citations": [{"marker": marker, "quote": quote} for marker, quote in zip(markers, cited, strict=True)],
        "statements": [{"text": answer, "markers": markers, "standing": "written"}] if cited else [],
        "remaining": [[]] if cited else [],
        "evidence": [{"quote": quote, "article_id": "bridge" if quote == SENTENCE else "x"} for quote in cited],
        "nearest": [],
    }
    return made | changed


def judged(question: Question, made: dict[str, Any], *, left_out: bool = False) -> Verdict:
    verdict = judge(question, made, left_out=left_out)
    assert verdict.values.keys() <= {measure.name for measure in MEASURES}
    return verdict


def test_a_right_answer() -> None:
    verdict = judged(QUESTION, row("Le pont mesure 120 mètres [1].", SENTENCE, short="120 mètres"))
    assert verdict.values == {
        "right passage among those shown": 1,
        "a sentence shown holds the answer": 1,
        "a cited sentence holds the answer": 1,
        "the very sentence is cited": 1,
        "gold words in the answer": 1,
        "short answer: token F1": 1,
        "short answer: exact match": 1,
        "short answer: token F1 where given": 1,
        "short answer given": 1,
        "refused though answerable": 0,
        "citation precision": 1,
        "citation recall": 1,
        "a number that no cited sentence holds": 0,
        "a date that no cited sentence holds": 0,
        "a name that no cited sentence holds": 0,
        "answered in the language of the question": 1,
    }
    assert (verdict.wrong, verdict.evidence_answers, verdict.failure, verdict.confidence) == (False, True, None, 0.7)


def test_a_marker_is_no_word_of_the_answer() -> None:
    question = Question("q", "Combien de ponts a la ville de Brassac ?", answerable=True, answers=("1",))
    assert judged(question, row("La ville a un pont [1].", OTHER)).values["gold words in the answer"] == 0


def test_a_wrong_answer() -> None:
    verdict = judged(QUESTION, row("La mairie ouvre le lundi [1].", OTHER, short="le lundi"))
    assert verdict.values["right passage among those shown"] == 0
    assert verdict.values["a cited sentence holds the answer"] == 0
    assert verdict.values["gold words in the answer"] == 0
    assert verdict.values["short answer: token F1"] == 0
    assert verdict.values["citation precision"] == 0
    assert (verdict.wrong, verdict.evidence_answers) == (True, False)
    assert verdict.failure == "no cited sentence holds the answer"


def test_the_words_elsewhere_hold_the_answer_but_are_not_the_sentence() -> None:
    verdict = judged(QUESTION, row("Il mesure 120 mètres [1][2].", ELSEWHERE, OTHER))
    assert verdict.values["a cited sentence holds the answer"] == 1
    assert verdict.values["the very sentence is cited"] == 0
    assert verdict.values["citation precision"] == 0.5
    assert verdict.wrong is False


def test_the_sentence_answers_even_in_other_words() -> None:
    question = Question("q", QUESTION.text, answerable=True, answers=("cent vingt mètres",), sentences=(SENTENCE,))
    for quote in (SENTENCE, SENTENCE.replace(" ", "\n", 1), "mesure 120 mètres", f"« {SENTENCE} »"):
        verdict = judged(question, row("Il mesure 120 mètres [1].", quote))
        assert verdict.values["a cited sentence holds the answer"] == 1
        assert verdict.values["the very sentence is cited"] == 1


def test_a_refusal_is_no_right_answer_and_no_wrong_one() -> None:
    verdict = judged(QUESTION, row("Les articles ne permettent pas de répondre."))
    assert verdict.values == {
        "right passage among those shown": 0,
        "a sentence shown holds the answer": 0,
        "a cited sentence holds the answer": 0,
        "the very sentence is cited": 0,
        "gold words in the answer": 0,
        "short answer: token F1": 0,
        "short answer: exact match": 0,
        "refused though answerable": 1,
    }
    assert (verdict.wrong, verdict.failure) == (None, "refused, though an article answers")


@pytest.mark.parametrize(
    ("question", "left_out"),
    [pytest.param(UNANSWERABLE, False, id="unanswerable"), pytest.param(QUESTION, True, id="its articles left out")],
)
def test_where_nothing_answers(question: Question, left_out: bool) -> None:
    answered = judged(question, row("La mairie ouvre le lundi [1].", SENTENCE), left_out=left_out)
    assert answered.values["refused the unanswerable"] == 0
    assert answered.values["answers though unanswerable"] == 1
    assert "a cited sentence holds the answer" not in answered.values
    assert "citation precision" not in answered.values
    assert (answered.wrong, answered.evidence_answers) == (True, False)
    assert answered.failure == "answered, though nothing answers"
    refused = judged(question, row("Non."), left_out=left_out)
    assert refused.values == {"refused the unanswerable": 1, "answers though unanswerable": 0}
    assert (refused.wrong, refused.failure) == (None, None)


def test_a_passage_that_holds_the_sentence_counts_as_shown() -> None:
    near = [{"passage": f"Brassac.\n{SENTENCE} {OTHER}"}]
    assert judged(QUESTION, row("Non.", nearest=near)).values["right passage among those shown"] == 1
    assert judged(QUESTION, row("Non.", nearest=[{"passage": OTHER}])).values["right passage among those shown"] == 0


def test_where_only_the_article_is_known() -> None:
    question = Question("q", "Combien mesure le pont ?", answerable=True, gold=("bridge",))
    verdict = judged(question, row("Il mesure 120 mètres [1].", SENTENCE))
    assert verdict.values["right passage among those shown"] == 1
    assert "a cited sentence holds the answer" not in verdict.values
    assert "citation precision" not in verdict.values
    assert (verdict.wrong, verdict.evidence_answers) == (False, True)


def test_recall_counts_sentences_that_cite_and_are_borne_out() -> None:
    statements = [
        {"text": "a", "markers": [1], "standing": "written"},
        {"text": "b", "markers": [], "standing": "written"},
        {"text": "c", "markers": [1], "standing": "dropped"},
        {"text": "d", "markers": [1], "standing": "recited"},
        {"text": "e", "markers": [1], "standing": "quoted"},
    ]
    remaining = [[], [], [{"kind": "number", "words": "12"}, {"kind": "support", "words": ""}], []]
    made = row("Le pont des Tilleuls est long.", SENTENCE, statements=statements, remaining=remaining)
    values = judged(QUESTION, made).values
    assert values["citation recall"] == 2 / 4
    assert values["a number that no cited sentence holds"] == 1
    assert values["a name that no cited sentence holds"] == 0
    assert standings([made, made]) == {"written": 4, "dropped": 2, "quoted": 2, "recited": 2}


def test_the_language_is_that_of_the_question() -> None:
    english = row("The bridge of the lime trees is very long [1].", SENTENCE)
    assert judged(QUESTION, english).values["answered in the language of the question"] == 0
    named = Question("q", QUESTION.text, answerable=True, language="en")
    assert judged(named, english).values["answered in the language of the question"] == 1
