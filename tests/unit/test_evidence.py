"""Hits → evidence: sentences of the best passages, in reading order, numbered, without repeats."""

from __future__ import annotations

import pytest
from fakes import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from index.articles import Article, Draft, make_article
from index.passages import Passage
from index.search import Hit
from qa.evidence import PASSAGES_READ, Evidence, confidence, select


def article(title: str, text: str) -> Article:
    return make_article(Draft(title, text), language="fr")


def hit(of: Article, start: int = 0, end: int | None = None, score: float = 0.5) -> Hit:
    return Hit(of, Passage(of.id, start, len(of.text) if end is None else end), score, score, 1.0)


BRIDGE = article("Le pont", "Le pont ferme lundi. La mairie paie les travaux. Le chantier dure six mois. Il pleut.")
SCHOOL = article("L'école", "L'école ouvre une classe. La mairie paie les travaux.")


def chosen(hits: list[Hit], question: str, count: int = 6) -> tuple[Evidence, ...]:
    return select(hits, WordEmbedder(), question, "fr", count=count, lexical_weight=0.15)


def test_the_sentence_that_resembles_the_question_is_chosen() -> None:
    (only,) = chosen([hit(BRIDGE)], "Combien de mois dure le chantier ?", count=1)
    assert only.quote == "Le chantier dure six mois."
    assert only.number == 1


def test_sentences_come_in_reading_order_and_none_is_said_twice() -> None:
    evidence = chosen([hit(BRIDGE), hit(SCHOOL)], "Qui paie les travaux ?")
    assert [item.number for item in evidence] == list(range(1, len(evidence) + 1))
    articles = [item.article.title for item in evidence]
    assert articles == sorted(articles, key=[BRIDGE.title, SCHOOL.title].index)
    assert [item.quote for item in evidence].count("La mairie paie les travaux.") == 1
    starts = [item.start for item in evidence if item.article == BRIDGE]
    assert starts == sorted(starts)


def test_only_sentences_inside_the_passage_are_read() -> None:
    end = len("Le pont ferme lundi. La mairie paie les travaux.")
    evidence = chosen([hit(BRIDGE, 0, end)], "Combien de mois dure le chantier ?")
    assert {item.quote for item in evidence} == {"Le pont ferme lundi.", "La mairie paie les travaux."}


def test_only_the_best_passages_are_read() -> None:
    many = [article(f"Titre {number}", f"Le fait numéro {number} est ici.") for number in range(PASSAGES_READ + 3)]
    assert len(chosen([hit(one) for one in many], "Quel fait ?", count=20)) == PASSAGES_READ


def test_a_heading_is_no_evidence_but_a_list_item_is() -> None:
    text = "380 logements touchés\n\n380 logements ont été touchés par la crue.\n\n• 64 commerces\n• 12 ateliers"
    quotes = {item.quote for item in chosen([hit(article("La crue", text))], "Combien de logements ?")}
    assert quotes == {"380 logements ont été touchés par la crue.", "64 commerces", "12 ateliers"}


def test_nothing_gives_nothing() -> None:
    assert chosen([], "Qui ?") == ()
    assert confidence([], ()) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_confidence_is_a_probability_that_grows_with_the_best_sentence(
    scores: list[float], first: float, second: float
) -> None:
    def of(best: float) -> float:
        found = [Evidence(1, BRIDGE, Passage(BRIDGE.id, 0, 20), 0, 20, score) for score in (*scores, best)]
        return confidence([hit(BRIDGE, score=first), hit(SCHOOL, score=min(first, second))], found)

    top = max(scores)
    assert 0 <= of(top) <= of(top + 0.1) <= 1


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_than_asked_for(count: int) -> None:
    assert len(chosen([hit(BRIDGE)], "Que se passe-t-il ?", count=count)) == count
