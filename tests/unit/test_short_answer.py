"""Which questions get a few words for an answer, and which words."""

from __future__ import annotations

import pytest

from index.articles import Draft, make_article
from index.passages import Passage
from qa.evidence import Evidence
from qa.short_answer import short_answer

ARTICLE = make_article(Draft("Le pont", "La mairie paie 340 000 euros. Le chantier dure six mois."), language="fr")
PASSAGE = Passage(ARTICLE.id, 0, len(ARTICLE.text))


def evidence(number: int, words: str, score: float) -> Evidence:
    start = ARTICLE.text.index(words)
    return Evidence(number, ARTICLE, PASSAGE, 0, len(ARTICLE.text), score, (start, start + len(words)))


CITED = [evidence(1, "six mois", 0.3), evidence(2, "340 000 euros", 0.6)]


def test_the_words_of_the_likeliest_sentence() -> None:
    assert short_answer("Combien la mairie paie-t-elle ?", "fr", CITED) == "340 000 euros"
    assert short_answer("Combien de temps ?", "fr", CITED[:1]) == "six mois"
    assert short_answer("Combien ?", "fr", []) is None


@pytest.mark.parametrize(
    ("question", "language", "short"),
    [
        ("Pourquoi le pont ferme-t-il ?", "fr", False),
        ("Comment le pont a-t-il été réparé ?", "fr", False),
        ("Comment s’appelle la maire ?", "fr", True),
        ("How was the bridge repaired?", "en", False),
        ("How many months does it take?", "en", True),
        ("Warum ist die Brücke zu?", "de", False),
        ("Wie viele Monate dauert es?", "de", True),
        ("Wie heißt die Bürgermeisterin?", "de", True),
        ("¿Por qué cierra el puente?", "es", False),
        ("¿Cuánto paga el ayuntamiento?", "es", True),
        ("Quanto custa?", "pt", True),
    ],
)
def test_questions_for_a_reason_or_an_account_get_none(question: str, language: str, short: bool) -> None:
    assert (short_answer(question, language, CITED) is not None) == short


def test_a_long_passage_is_no_short_answer() -> None:
    long = make_article(Draft("", "mot " * 40), language="fr")
    item = Evidence(1, long, Passage(long.id, 0, 100), 0, 100, 0.9, (0, 100))
    assert short_answer("Qui ?", "fr", [item]) is None
