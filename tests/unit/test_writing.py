"""Which segments are merged, and that a generation is switched to whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.writing import LARGEST, to_merge


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([5, 5, 5], [], id="too few"),
        pytest.param([5, 5, 5, 5], [0, 1, 2, 3], id="four small ones"),
        pytest.param([1000, 5, 5, 5], [], id="a large one stays"),
        pytest.param([5, 900, 900, 5, 900, 900], [0, 1, 2, 3, 4, 5], id="and what is smaller goes along"),
        pytest.param([40_000] * 4, [], id="the sum would be too large"),
        pytest.param([60_000, 1, 1, 1, 1], [1, 2, 3, 4], id="beside one that is full"),
    ],
)
def test_which_are_merged(sizes: list[int], merged: list[int]) -> None:
    assert to_merge(sizes) == merged


@given(st.lists(st.integers(0, 70_000), max_size=40))
def test_merging_ends_with_few_segments(sizes: list[int]) -> None:
    total = sum(sizes)
    while chosen := to_merge(sizes):
        assert len(chosen) >= 4
        merged = sum(sizes[place] for place in chosen)
        assert merged <= LARGEST
        sizes = [size for place, size in enumerate(sizes) if place not in chosen] + [merged]
    assert sum(sizes) == total
    # three of each of six levels, and those that are too large to be merged
    assert len(sizes) <= 18 + 4 * total // LARGEST + 4


def test_one_article_at_a_time_is_merged_now_and_then() -> None:
    sizes: list[int] = []
    written = 0
    for _ in range(5000):
        sizes.append(1)
        written += 1
        while chosen := to_merge(sizes):
            merged = sum(sizes[place] for place in chosen)
            written += merged
            sizes = [size for place, size in enumerate(sizes) if place not in chosen] + [merged]
        assert len(sizes) <= 20
    assert written < 5000 * 25
