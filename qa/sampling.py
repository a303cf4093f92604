"""Greedy decoding under a grammar, at nearly the cost of decoding without one.

llama.cpp's grammar sampler tests every token of the vocabulary (151,936 for the default model) at
every step; in a sampler chain that took longer than the model itself. Here the most probable token
is tested alone, and others only when it is rejected, as in llama.cpp's own `common_sampler_sample`:
the same token is chosen.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ModelError

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_FEW = 64


class GrammarGreedy:
    """Chooses, token by token, the most probable one that the grammar (GBNF, rule `root`) allows."""

    def __init__(self, vocabulary: Any, grammar: str) -> None:
        """Parse the grammar for a llama.cpp vocabulary; raises ModelError for one that does not parse."""
        import llama_cpp

        self._llama = llama_cpp
        self._sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
        if not self._sampler:
            raise ModelError(f"the grammar does not parse: {grammar[:200]!r}")

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the next token, given the (vocabulary size,) logits behind the last one."""
        for count in (1, _FEW, len(logits)):
            chosen = self._allowed(_most_probable(logits, count), logits)
            if chosen is not None:
                self._llama.llama_sampler_accept(self._sampler, chosen)
                return chosen
        raise ModelError("the grammar allows no token here")

    def close(self) -> None:
        self._llama.llama_sampler_free(self._sampler)

    def _allowed(self, tokens: NDArray[Any], logits: NDArray[np.float32]) -> int | None:
        """Return the most probable of the tokens that the grammar allows next, None if it allows none."""
        candidates = np.zeros(len(tokens), dtype=_CANDIDATE)
        candidates["id"], candidates["logit"] = tokens, logits[tokens]
        data = candidates.ctypes.data_as(ctypes.POINTER(self._llama.llama_token_data))
        array = self._llama.llama_token_data_array(data=data, size=len(tokens), selected=-1, sorted=False)
        self._llama.llama_sampler_apply(self._sampler, ctypes.byref(array))
        left = candidates[: array.size]
        best = left[left["logit"].argmax()] if len(left) else None
        return int(best["id"]) if best is not None and np.isfinite(best["logit"]) else None


def _most_probable(logits: NDArray[np.float32], count: int) -> NDArray[Any]:
    """Return the tokens of the `count` greatest logits, in no order."""
    if count == 1:
        return np.array([logits.argmax()])
    return np.argpartition(-logits, min(count, len(logits)) - 1)[:count]
