"""How texts are batched, in which turns the ways are timed, and what is searched; nothing is embedded here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from evaluation.datasets import Question
from evaluation.embedding_speed import (
    PRECISIONS,
    Embed,
    Searched,
    Speed,
    Text,
    Way,
    by_count,
    by_tokens,
    embedded,
    main,
    measure,
    speed_table,
    stored,
    take_turns,
)
from index.vectors import Vectors


def texts_of(*tokens: int) -> list[Text]:
    return [Text(str(row), "", "mot " * count, "fr", count) for row, count in enumerate(tokens)]


def test_longest_first_so_many_at_once() -> None:
    assert by_count(2)(texts_of(10, 30, 20, 40, 5)) == [[3, 1], [2, 0], [4]]


def test_as_many_as_fill_the_tokens() -> None:
    # 2 x 10 fill 20; 15 x 2 would be 30; 50 is more than 20 by itself
    assert by_tokens(20)(texts_of(15, 10, 50, 10)) == [[1, 3], [0], [2]]


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(1, 100))
def test_each_text_is_in_one_batch_of_at_most_so_many_tokens(tokens: list[int], most: int) -> None:
    batches = by_tokens(most)(texts_of(*tokens))
    assert sorted(row for batch in batches for row in batch) == list(range(len(tokens)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(tokens[row] for row in batch) <= most


def test_ways_take_turns() -> None:
    # after a and b began, a is at 1/2 and b at 1/4: b goes on until it is as far, then the first of equals
    turns = list(take_turns({"a": [2, 2], "b": [1, 1, 1, 1]}))
    assert turns == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("b", 2), ("b", 3)]


def unit(*angles: float) -> Vectors:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_vectors_are_put_back_in_order_and_compared_with_the_first_way() -> None:
    def turned(by: float) -> Embed:
        return lambda batch: unit(*(float(text.article_id) + by for text in batch))

    ways = {name: Way(lambda _: turned(0), plan) for name, plan in (("one", by_count(2)), ("other", by_tokens(30)))}
    speeds = measure(ways, {"one": turned(0), "other": turned(np.pi / 3)}, texts_of(15, 10, 50, 10))
    assert [speed.passages for speed in speeds.values()] == [4, 4]
    assert speeds["one"].cosine_min == pytest.approx(1)
    assert (speeds["other"].cosine_mean, speeds["other"].cosine_min) == pytest.approx((0.5, 0.5))


def test_the_table_has_ratios_to_the_first_way_and_errors() -> None:
    speeds = {"first": Speed(10, 5, 4, 1, 1), "second": Speed(10, 2.5, 1, 0.99951, 0.998)}
    lines = speed_table(speeds, {"third": "ImportError: no module"}, {}).splitlines()
    assert lines[2] == "| first | 2.00 | 1.00 | 2.50 | 1.00 | 1.0000 | 1.0000 |  |  |"
    assert lines[3] == "| second | 4.00 | 2.00 | 10.00 | 4.00 | 0.9995 | 0.9980 |  |  |"
    assert lines[4] == "| third | ImportError: no module |"


def test_vectors_are_computed_once(tmp_path: Path) -> None:
    calls = []

    def embed(batch: object) -> Vectors:
        calls.append(batch)
        return unit(0, 1)

    way, texts = Way(lambda _: embed, by_count(2)), texts_of(3, 2)
    first = embedded("a way, of two", way, embed, texts, tmp_path)
    assert np.array_equal(first, embedded("a way, of two", way, embed, texts, tmp_path))
    assert len(calls) == 1
    assert [path.name[:13] for path in tmp_path.iterdir()] == ["a-way--of-two"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_narrow_vectors_are_nearly_of_unit_length(precision: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    narrow = stored(vectors, 8, precision)
    expected = vectors[:, :8] / np.linalg.norm(vectors[:, :8], axis=1, keepdims=True)
    # 255 steps over a range of at most 2: off by half a step at most, or a little more
    assert np.abs(narrow - expected).max() < (1e-7 if precision == "float32" else 0.005)


def test_the_words_decide_where_the_vectors_are_wrong() -> None:
    # more articles than count, so that the last by the vectors is not found by them alone
    texts = [Text(str(row), "", "Il pleut." if row else "Le pont ouvre.", "fr") for row in range(12)]
    question = Question("q", "Quand le pont ouvre-t-il ?", True, gold=("0",))
    searched = Searched([question], unit(0), texts, weight=1.0)
    figures = searched.figures(unit(*([1.0] + [0.5] * 11)))
    values = {name: estimate.value for name, estimate in figures.items()}
    # cos 1 = .54 and the best BM25: 1.54 / 2 against cos .5 = .88: .88 / 2
    assert values == {"R@10, alone": 0, "MRR@10, alone": 0, "R@10, fused": 1, "MRR@10, fused": 1}


def test_an_unknown_way_is_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text("{}")
    result = CliRunner().invoke(main, [str(data), "--rank", "no such way"])
    assert result.exit_code == 2
    assert "there is no way 'no such way'" in result.output
