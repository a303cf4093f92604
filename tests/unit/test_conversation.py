"""A follow-up is completed from its history; what stands alone is left alone."""

from __future__ import annotations

import pytest
from fakes import ScriptedModel

from qa.conversation import Turn, standalone

HISTORY = [
    Turn("Quel était le budget de la ville en 2018 ?", "Le budget de la ville était de 12 millions d'euros [1].")
]


@pytest.mark.parametrize("question", ["Et en 2019 ?", "Pourquoi ?", "Qui l'a voté ?"])
def test_a_short_question_is_completed_by_the_model(question: str) -> None:
    model = ScriptedModel("Quel était le budget de la ville en 2019 ?")
    assert standalone(question, HISTORY, "fr", model) == "Quel était le budget de la ville en 2019 ?"
    last = model.prompts[0].messages[-1].content
    assert question in last
    assert HISTORY[0].question in last
    assert "[1]" not in last


@pytest.mark.parametrize(
    ("question", "history"),
    [
        pytest.param("Et en 2019 ?", [], id="first question"),
        pytest.param("Combien de visiteurs le musée de Valmorin a-t-il reçus cet été ?", HISTORY, id="stands alone"),
    ],
)
def test_the_model_is_not_asked(question: str, history: list[Turn]) -> None:
    model = ScriptedModel()
    assert standalone(question, history, "fr", model) == question
    assert model.prompts == []


@pytest.mark.parametrize(
    ("question", "leans"),
    [
        pytest.param("Et qui l’a voté ?", True, id="pronoun"),
        pytest.param("Pourquoi ?", True, id="one word"),
        pytest.param("Quel est le prix du pétrole ?", False, id="about something else"),
        pytest.param("Qui est l’évêque de Gap ?", False, id="an article that looks like a pronoun"),
        pytest.param("Quand les suspects ont-ils été arrêtés à Dreux ?", False, id="a subject taken up again"),
        pytest.param("Quand Ferrandeau a-t-elle quitté Valmorin ?", False, id="a name taken up again"),
        pytest.param("Où a-t-elle vécu à Valmorin ?", True, id="a subject in the question before"),
    ],
)
def test_a_question_that_leans_and_comes_back_as_it_was_gets_the_one_before(question: str, leans: bool) -> None:
    whole = standalone(question, HISTORY, "fr", ScriptedModel(question))
    assert whole == (f"{HISTORY[-1].question} {question}" if leans else question)


def test_a_reply_that_is_no_question_is_not_used() -> None:
    model = ScriptedModel("Le budget était de")
    assert standalone("Et en 2019 ?", HISTORY, "fr", model) == f"{HISTORY[0].question} Et en 2019 ?"
