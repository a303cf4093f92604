"""What may come next is what stood behind the same two tokens before."""

from __future__ import annotations

from qa.sampling import drafted


def test_what_stood_behind_the_last_two_is_guessed() -> None:
    assert drafted([1, 2, 3, 4, 5, 6, 7, 1, 2]) == [3, 4, 5, 6]
    assert drafted([1, 2, 3, 4, 5, 6, 7, 1, 2], most=2) == [3, 4]
    assert drafted([1, 2, 3, 1, 2, 9, 9, 1, 2], most=1) == [9]
    assert drafted([1, 2, 3, 9, 1]) == drafted([1, 2]) == drafted([1]) == drafted([]) == []
    assert drafted([7, 7, 7]) == [7]
