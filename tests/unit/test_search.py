"""Search: filters, fusion against brute force, and no passage twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from index.articles import Article, Draft, make_article
from index.generation import Filters, Generation
from index.lexical import question_tokens
from index.rebuild import embed_articles
from index.search import NO_PREFERENCE, Hit, Recency, fuse, say_the_same, search

EMBEDDER = WordEmbedder()
SUBJECTS = ("pont", "budget", "école", "rivière", "musée", "hôpital", "feu", "usine", "gare", "ferry", "bal", "lac")
VERBS = ("débordé", "fermé", "rouvert", "brûlé", "voté")


def article(title: str, text: str, **more: Any) -> Article:
    return make_article(Draft(title, text, language="fr", **more))


def generation_of(articles: Sequence[Article], passage_tokens: int = 32) -> Generation:
    return embed_articles(articles, EMBEDDER, passage_tokens)


def find(
    generation: Generation, question: str, results: int = 10, weight: float = 0.15,
    recency: Recency = NO_PREFERENCE, **filters: Any,
) -> list[Hit]:  # fmt: skip
    return search(
        generation, EMBEDDER, question, "fr",
        results=results, lexical_weight=weight, filters=Filters(**filters), recency=recency,
    )  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Generation:
    """60 articles on 12 subjects, of two sources, one every month from January 2020 on."""
    return generation_of(
        [
            article(
                f"Numéro {number}",
                f"Selon {number} témoins, {SUBJECTS[number % 12]} et {SUBJECTS[number % 7]} ont {VERBS[number % 5]}.",
                source=("AVP", "Courrier")[number % 2],
                published=date(2020 + number // 12, 1 + number % 12, 15),
            )
            for number in range(60)
        ]
    )


class TestFilters:
    def test_both_days_are_included(self, small: Generation) -> None:
        days: dict[str, Any] = {"published_after": date(2021, 3, 15), "published_before": date(2021, 6, 15)}
        found = {hit.article.published for hit in find(small, "rivière", **days)}
        assert found == {date(2021, month, 15) for month in (3, 4, 5, 6)}
        days = {"published_after": date(2021, 3, 16), "published_before": date(2021, 6, 14)}
        assert {hit.article.published for hit in find(small, "rivière", **days)} == {
            date(2021, 4, 15),
            date(2021, 5, 15),
        }

    def test_one_end_only(self, small: Generation) -> None:
        assert len(find(small, "pont", results=60, published_before=date(2020, 3, 15))) == 3
        assert len(find(small, "pont", results=60, published_after=date(2024, 12, 15))) == 1

    def test_hours_count_as_their_day_and_no_date_as_no_match(self) -> None:
        generation = generation_of(
            [
                article("Un", "Le pont est fermé.", published=datetime(2024, 5, 31, 23, 59, tzinfo=UTC)),
                article("Deux", "Le musée est ouvert."),
            ]
        )
        day = date(2024, 5, 31)
        assert [hit.article.title for hit in find(generation, "pont", published_after=day, published_before=day)] == [
            "Un"
        ]
        assert len(find(generation, "pont")) == 2

    def test_sources(self, small: Generation) -> None:
        assert {hit.article.source for hit in find(small, "pont", sources=["AVP"])} == {"AVP"}
        assert {hit.article.source for hit in find(small, "pont", results=30, sources=["AVP", "Courrier"])} == {
            "AVP",
            "Courrier",
        }

    def test_languages_and_authors(self) -> None:
        generation = generation_of(
            [
                make_article(Draft("Un", "Le pont est fermé.", language="fr", author="Anne Roux, Luc Le Gall")),
                make_article(Draft("Two", "The pont is closed.", language="en", author="J. Roe")),
                make_article(Draft("Drei", "Der pont ist zu.", language="de")),
            ]
        )
        assert {hit.article.title for hit in find(generation, "pont", languages=["fr", "de"])} == {"Un", "Drei"}
        assert [hit.article.title for hit in find(generation, "pont", authors=["luc le gall"])] == ["Un"]
        assert [hit.article.title for hit in find(generation, "pont", authors=["roe"], languages=["en"])] == ["Two"]
        assert find(generation, "pont", authors=["roe"], languages=["fr"]) == []

    def test_left_out_by_id(self, small: Generation) -> None:
        first = find(small, "Numéro 33")[0].article
        assert first.id not in {hit.article.id for hit in find(small, "Numéro 33", results=60, leave_out=[first.id])}

    def test_all_at_once(self, small: Generation) -> None:
        hits = find(
            small, "pont", published_after=date(2021, 1, 1), published_before=date(2021, 12, 31), sources=["AVP"]
        )
        assert len(hits) == 6
        assert {(hit.article.source, hit.article.published.year) for hit in hits if hit.article.published} == {
            ("AVP", 2021)
        }

    @pytest.mark.parametrize(
        "filters",
        [
            {"sources": ["Gazette"]},
            {"published_after": date(2031, 1, 1)},
            {"published_after": date(2021, 2, 1), "published_before": date(2021, 1, 1)},
        ],
        ids=str,
    )
    def test_nothing_passes(self, small: Generation, filters: dict[str, Any]) -> None:
        assert find(small, "pont", **filters) == []

    def test_nothing_is_there(self) -> None:
        empty = Generation("empty", [])
        assert find(empty, "pont") == []
        assert find(empty, "pont", sources=["AVP"], published_after=date(2020, 1, 1)) == []


class TestOrder:
    @pytest.mark.parametrize("weight", [0.0, 0.15, 1.0])
    @pytest.mark.parametrize("question", ["le pont a-t-il débordé", "Numéro 33", "festival et ferry", "xylophone"])
    def test_is_that_of_brute_force(self, small: Generation, question: str, weight: float) -> None:
        rows = range(small.rows)
        articles = [small.passage(row)[0] for row in rows]
        vectors = EMBEDDER.embed_passages(
            [article.text for article in articles], [article.title for article in articles]
        )
        dense = vectors @ EMBEDDER.embed_question(question)
        (lexical,) = small.lexical_scores(question_tokens(question, ["fr"]))
        most = max(lexical.max(), 1e-9)
        fused = [max(dense[row] + weight * lexical[row] / most, 0) / (1 + weight) for row in rows]

        hits = find(small, question, results=60, weight=weight)
        assert len(hits) == 60
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx(sorted(fused, reverse=True), abs=1e-3)
        place = {article.id: row for row, article in enumerate(articles)}
        for hit in hits:
            row = place[hit.article.id]
            assert (hit.score, hit.dense, hit.lexical) == pytest.approx(
                (fused[row], dense[row], lexical[row]), abs=1e-3
            )

    def test_the_best_is_first(self, small: Generation) -> None:
        assert find(small, "Numéro 33")[0].article.title == "Numéro 33"

    def test_a_word_of_the_title_counts(self) -> None:
        generation = generation_of([article("Crue", "Le pont cède."), article("Fête", "Le pont tient.")])
        assert find(generation, "crue")[0].article.title == "Crue"
        assert find(generation, "crue")[0].lexical > 0 == find(generation, "crue")[1].lexical

    def test_fewer_are_asked_for(self, small: Generation) -> None:
        assert find(small, "pont", results=3) == find(small, "pont", results=10)[:3]

    def test_what_only_words_find_is_found(self) -> None:
        """The vectors propose 100 of 300; the one with the rare word is not among them."""
        texts = [f"Le conseil {number} parle du pont et du conseil." for number in range(299)]
        lost = "Un tout autre sujet que voilà : les xylophones du grand orchestre de la ville voisine et rien de plus."
        generation = generation_of([article("Titre", text) for text in [*texts, lost]])
        hits = find(generation, "conseil pont conseil pont conseil pont xylophone", weight=1.0)
        assert any("xylophones" in hit.text for hit in hits)


class TestRecency:
    def test_by_hand(self) -> None:
        today = date(2024, 5, 31)
        days = np.array([today.toordinal(), today.toordinal() - 30, today.toordinal() - 60, 0, today.toordinal() + 1])
        bonus = Recency(0.2, 30.0).bonus(days.astype(np.int32), today)
        assert bonus.tolist() == pytest.approx([0.2, 0.1, 0.05, 0, 0.2])

    def test_the_newer_of_two_equals_is_first(self) -> None:
        generation = generation_of(
            [
                article("Ancien", "Le pont est fermé, dit le maire.", published=date(2020, 1, 1)),
                article("Récent", "Le pont est fermé, dit la préfète.", published=date(2024, 5, 30)),
                article("Sans date", "Le pont est fermé, dit le curé."),
            ]
        )
        for day, first in ((date(2024, 6, 1), "Récent"), (date(2020, 2, 1), "Ancien")):  # age is as of that day
            hits = find(generation, "pont fermé", recency=Recency(0.5, 30.0), published_before=day)
            assert hits[0].article.title == first
        assert find(generation, "pont fermé", recency=Recency(0.5, 30.0))  # and without a day, as of today


class TestFuse:
    def test_by_hand(self) -> None:
        fused = fuse(np.array([0.5, 0.4, -0.2], np.float32), np.array([0, 8, 2], np.float32), 0.5)
        assert fused.dtype == np.float32
        assert fused.tolist() == pytest.approx([0.5 / 1.5, 0.9 / 1.5, 0])

    def test_without_words(self) -> None:
        nothing = np.zeros(2, np.float32)
        assert fuse(np.array([0.5, 1], np.float32), nothing, 0.25).tolist() == pytest.approx([0.4, 0.8])
        assert fuse(nothing[:0], nothing[:0], 0.25).tolist() == []


DISPATCH = (
    "Le bilan de la crue de l'Orselle s'élève à {} morts, selon la préfecture, qui a ouvert une enquête mardi matin."
)


LEAD = (
    "Un incendie a détruit dans la nuit de lundi à mardi la verrerie de Rochamel, fondée en 1871, sans faire de"
    " victime, a annoncé la préfecture. Les pompiers de quatre casernes ont lutté six heures contre les flammes,"
    " attisées par un vent du nord. La directrice, Jeanne Aubry, a promis que"
    " les 84 salariés seraient payés jusqu'à la reprise."
)
MORE = (
    " Le maire a ouvert le gymnase aux riverains dont les fenêtres ont éclaté sous la chaleur. Une enquête a été"
    " confiée à la gendarmerie, qui n'écarte aucune piste, pas même celle d'un four mal éteint la veille au soir."
)


class TestCopies:
    def test_are_folded_into_one_that_lists_them(self) -> None:
        generation = generation_of(
            [
                article("La verrerie brûle", LEAD + MORE, source="AVP"),
                article("Rochamel : la verrerie détruite", LEAD, source="Courrier"),
                article("Incendie", LEAD + MORE + " (avec AVP)", source="Herald"),
                article(
                    "Le musée", "Le musée de la verrerie rouvre mardi à Rochamel, après des travaux.", source="AVP"
                ),
            ],
            passage_tokens=200,
        )
        hits = find(generation, "incendie de la verrerie de Rochamel")
        assert [hit.article.title == "Le musée" for hit in hits] == [False, True]
        assert hits[0].article.source != "Courrier"  # the fuller one stands for all
        assert {hits[0].article.source, *(other.source for other in hits[0].copies)} == {"AVP", "Courrier", "Herald"}
        assert hits[1].copies == ()

    def test_what_only_the_longer_copy_says_is_still_found(self) -> None:
        generation = generation_of(
            [article("Court", LEAD, source="Courrier"), article("Long", LEAD + MORE, source="AVP")], passage_tokens=45
        )
        assert any("gymnase" in hit.text for hit in find(generation, "incendie verrerie Rochamel préfecture"))

    def test_another_figure_is_another_article(self) -> None:
        generation = generation_of(
            [article("Un", LEAD + MORE), article("Deux", (LEAD + MORE).replace("84", "97"))], passage_tokens=200
        )
        hits = find(generation, "incendie de la verrerie")
        assert len(hits) == 2
        assert hits[0].copies == hits[1].copies == ()


class TestRepeats:
    def test_wire_copy_is_shown_once_and_other_figures_both(self) -> None:
        generation = generation_of(
            [
                article("Bilan", DISPATCH.format(120), source="AVP"),
                article("Le bilan", "Vu de Valmorin. " + DISPATCH.format(120), source="Courrier"),
                article("Nouveau bilan", DISPATCH.format(150), source="AVP"),
            ]
        )
        texts = [hit.text for hit in find(generation, "bilan de la crue")]
        assert len(texts) == 2
        assert [sum(figure in text for text in texts) for figure in ("120 morts", "150 morts")] == [1, 1]

    @pytest.mark.parametrize("copies", [20, 250])
    def test_ten_come_whenever_ten_exist(self, copies: int) -> None:
        others = [article(f"Autre {n}", f"{SUBJECTS[n]} {VERBS[n % 5]} : {n} personnes sont venues.") for n in range(9)]
        same = [article("Bilan", DISPATCH.format(120), author=f"Agence {n}") for n in range(copies)]
        generation = generation_of(same + others)
        assert generation.passage_count == copies + 9
        hits = find(generation, DISPATCH.format(120))
        assert len(hits) == 10
        assert sum("120 morts" in hit.text for hit in hits) == 1
        assert len(find(generation, DISPATCH.format(120), results=11)) == 10
        assert len(find(generation, "xylophone")) == 10

    def test_no_two_say_the_same(self, small: Generation) -> None:
        hits = find(small, "pont", results=60)
        assert not any(say_the_same(one.text, other.text) for one in hits for other in hits if one is not other)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            pytest.param(DISPATCH, DISPATCH, True, id="equal"),
            pytest.param(DISPATCH.format(120), DISPATCH.format(150), False, id="another figure"),
            pytest.param(DISPATCH, DISPATCH.upper(), True, id="capitals"),
            pytest.param(DISPATCH, DISPATCH.replace("mardi matin", "mardi"), True, id="retouched"),
            pytest.param(
                "Le pont est fermé.", "Le pont est rouvert au public depuis ce matin.", False, id="other news"
            ),
            pytest.param("", "", True, id="empty"),
        ],
    )
    def test_say_the_same(self, one: str, other: str, same: bool) -> None:
        assert say_the_same(one, other) is same

    @given(*[st.lists(st.sampled_from(["le", "pont", "120", "150", "crue", "."]), max_size=8).map(" ".join)] * 2)
    def test_say_the_same_either_way(self, one: str, other: str) -> None:
        assert say_the_same(one, other) == say_the_same(other, one)
        assert say_the_same(one, one)
