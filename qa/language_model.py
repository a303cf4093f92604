"""Prompt → text, piece by piece: the protocol that answering needs of a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from qa.prompt import Prompt


class LanguageModel(Protocol):
    """What answering needs of a language model. Safe to call from several threads."""

    @property
    def context_tokens(self) -> int:
        """Longest prompt and reply together, in tokens."""
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of a prompt as the model reads it."""
        ...

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        """Yield the most probable reply that the grammar (GBNF) allows, in pieces of whole characters.

        Some pieces may be empty, while the model reads or others are served, so that who listens can
        leave. Closing the iterator frees the model. Raises QuestionError where prompt and reply exceed
        the context.
        """
        ...
