"""Hits → evidence: sentences of the best passages, in reading order, numbered, without repeats."""

from __future__ import annotations

import math

import pytest
from fakes import WordReader

from index.articles import Article, Draft, make_article
from index.passages import Passage
from index.search import Hit
from qa.evidence import Evidence, likeliest, select, to_be_said


def article(title: str, text: str) -> Article:
    return make_article(Draft(title, text), language="fr")


def hit(of: Article, start: int = 0, end: int | None = None, score: float = 0.5) -> Hit:
    return Hit(of, Passage(of.id, start, len(of.text) if end is None else end), score, score, 1.0)


BRIDGE = article("Le pont", "Le pont ferme lundi. La mairie paie les travaux. Le chantier dure six mois. Il pleut.")
SCHOOL = article("L'école", "L'école ouvre une classe. La mairie paie les travaux.")


def chosen(hits: list[Hit], question: str, count: int = 6) -> tuple[Evidence, ...]:
    return select(hits, WordReader(), question, count=count).evidence


def test_the_sentence_that_answers_is_chosen() -> None:
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


def test_sentences_that_stay_keep_their_numbers() -> None:
    hits, question = [hit(BRIDGE), hit(SCHOOL, score=0.4)], "Qui paie les travaux ?"
    first = select(hits[:1], WordReader(), question, count=3)
    kept = [item for item in first.evidence if item.quote == "Le chantier dure six mois."]
    assert kept[0].number == 3
    for count in (1, 2, 3, 5):
        both = select(hits, WordReader(), question, count=count, known=first.readings, kept=kept).evidence
        assert next(item for item in both if item.number == 3).quote == kept[0].quote
        assert len(both) == count
        assert [item.number for item in both] == sorted({item.number for item in both})


def test_only_sentences_inside_the_passage_are_read() -> None:
    end = len("Le pont ferme lundi. La mairie paie les travaux.")
    evidence = chosen([hit(BRIDGE, 0, end)], "Combien de mois dure le chantier ?")
    assert {item.quote for item in evidence} == {"Le pont ferme lundi.", "La mairie paie les travaux."}


def test_a_heading_is_no_evidence_but_a_list_item_is() -> None:
    text = "380 logements touchés\n\n380 logements ont été touchés par la crue.\n\n• 64 commerces\n• 12 ateliers"
    quotes = {item.quote for item in chosen([hit(article("La crue", text))], "Combien de logements ?")}
    assert quotes == {"380 logements ont été touchés par la crue.", "64 commerces", "12 ateliers"}


def test_nothing_gives_nothing() -> None:
    made = select([], WordReader(), "Qui ?", count=6)
    assert (made.evidence, made.logits) == ((), ())


def test_probabilities_leave_room_for_no_answer_and_follow_the_logits() -> None:
    made = select([hit(BRIDGE), hit(SCHOOL)], WordReader(), "Combien de mois dure le chantier ?", count=6)
    scores = sorted((item.score for item in made.evidence), reverse=True)
    assert 0 < sum(scores) < 1
    assert len(made.logits) == 6  # of every sentence that was read, the repeated one too
    assert list(made.logits) == sorted(made.logits, reverse=True)
    nothing = 1 / (1 + sum(math.exp(logit) for logit in made.logits))
    assert scores[0] == pytest.approx(math.exp(made.logits[0]) * nothing)


def test_the_words_that_would_answer_are_a_slice_of_their_sentence() -> None:
    one = article("Le pont", "Le pont ferme lundi. Le chantier dure 6 mois.")
    (item,) = chosen([hit(one)], "Combien de mois dure le chantier ?", count=1)
    assert item.words is not None
    assert item.start <= item.words[0] < item.words[1] <= item.end
    assert item.short == "6"


def of(*scores: float) -> list[Evidence]:
    passage = Passage(BRIDGE.id, 0, 20)
    return [Evidence(number, BRIDGE, passage, 0, 20, score) for number, score in enumerate(scores, 1)]


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        pytest.param((0.9, 0.02, 0.01, 0.03, 0.02), [1, 4], id="one stands out: two"),
        pytest.param((0.01, 0.5, 0.4, 0.01, 0.01), [2, 3], id="two are near"),
        pytest.param((0.01, 0.5, 0.4, 0.02, 0.005), [2, 3, 4], id="three, the last a twenty-fifth as likely"),
        pytest.param((0.1, 0.1, 0.1, 0.12, 0.1, 0.09), [1, 2, 3, 4], id="no more than four"),
    ],
)
def test_only_sentences_near_the_best_reach_the_model(scores: tuple[float, ...], kept: list[int]) -> None:
    assert [item.number for item in likeliest(of(*scores))] == kept


def test_what_an_answer_may_not_leave_out() -> None:
    assert [item.number for item in to_be_said(of(0.1, 0.6, 0.01))] == [2]
    assert [item.number for item in to_be_said(of(0.2, 0.3, 0.15))] == [2, 1]


@pytest.mark.parametrize("count", [1, 3])
def test_no_more_than_asked_for(count: int) -> None:
    assert len(chosen([hit(BRIDGE)], "Que se passe-t-il ?", count=count)) == count
