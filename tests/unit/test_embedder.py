"""Which texts are embedded at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.embedder import batches


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [
        pytest.param([], 100, [], id="none"),
        pytest.param([10, 50, 40], 100, [[1, 2], [0]], id="the longest first, padding counted"),
        pytest.param([300, 5], 100, [[0], [1]], id="longer than allowed, alone"),
        pytest.param([25, 25, 25, 25, 25], 100, [[0, 1, 2, 3], [4]], id="equal ones in their order"),
    ],
)
def test_batches(lengths: list[int], most: int, expected: list[list[int]]) -> None:
    assert list(batches(lengths, most)) == expected


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 1000))
def test_every_text_once_and_none_too_large(lengths: list[int], most: int) -> None:
    made = list(batches(lengths, most))
    assert sorted(place for batch in made for place in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or max(lengths[place] for place in batch) * len(batch) <= most for batch in made)
