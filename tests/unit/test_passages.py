"""Passages: whole sentences, nothing lost, nothing twice, none too long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import Article, Draft, make_article
from index.passages import Passage, cut
from index.sentences import split

WORDS = st.sampled_from(
    ["Non", "oui.", "Non.", "la,", "crue;", "2024.", "M.", "!", "«", "…", "anticonstitutionnellement"]
)
TEXTS = st.lists(WORDS | st.sampled_from(["\n", "\n\n"]), min_size=1, max_size=60).map(" ".join)
COUNTS: dict[str, Callable[[Sequence[str]], list[int]]] = {
    "words": lambda texts: [len(text.split()) for text in texts],
    "letters": lambda texts: [-(-len(text) // 4) for text in texts],
}


def article(text: str) -> Article:
    return make_article(Draft("Titre", text, language="fr"))


def shown(made: Article, passages: list[Passage]) -> list[str]:
    return [made.text[passage.start : passage.end] for passage in passages]


def test_whole_sentences_as_many_as_fit() -> None:
    made = article("Un deux trois. Quatre cinq. Six sept huit neuf.\n\nDix. Onze douze.")
    passages = cut(made, 5, COUNTS["words"])
    assert shown(made, passages) == ["Un deux trois. Quatre cinq.", "Six sept huit neuf.\n\nDix.", "Onze douze."]
    assert {passage.article_id for passage in passages} == {made.id}


def test_repetitive_text_is_cut_where_it_stands() -> None:
    made = article("Non. " * 10)
    passages = cut(made, 3, COUNTS["words"])
    assert [(passage.start, passage.end) for passage in passages] == [(0, 14), (15, 29), (30, 44), (45, 49)]


def test_only_a_sentence_too_long_is_cut_inside() -> None:
    made = article("Court. Un très long propos, avec une incise, et une fin. Court.")
    assert shown(made, cut(made, 4, COUNTS["words"])) == [
        "Court.", "Un très long propos,", "avec une incise,", "et une fin. Court.",
    ]  # fmt: skip


def test_white_space_that_is_no_token_is_not_packed_twice() -> None:
    made = article("Non\n\nNon. Un propos trop long\n\nNon.")
    assert shown(made, cut(made, 2, COUNTS["words"])) == ["Non\n\nNon.", "Un propos", "trop long", "Non."]


@pytest.mark.parametrize("text", ["", "\n"])
def test_nothing_to_cut(text: str) -> None:
    assert cut(article(text), 8, COUNTS["words"]) == []


@settings(max_examples=100)
@given(TEXTS, st.integers(1, 12), st.sampled_from(sorted(COUNTS)))
def test_passages_cover_the_article(text: str, longest: int, counting: str) -> None:
    made, count = article(text), COUNTS[counting]
    passages = cut(made, longest, count)
    end = 0
    for passage in passages:
        assert end <= passage.start < passage.end
        assert not made.text[end : passage.start].strip()
        end = passage.end
    assert not made.text[end:].strip()
    assert all(length <= longest for length in count(shown(made, passages)))

    # a cut lies between sentences, unless what it cuts is longer than a passage by itself
    starts = [0, *(sentence.start for sentence in split(made.text, "fr")[1:]), len(made.text)]
    too_long = [(start, stop) for start, stop in pairwise(starts) if count([made.text[start:stop]])[0] > longest]
    for passage in passages[1:]:
        assert passage.start in starts or any(start < passage.start < stop for start, stop in too_long)
