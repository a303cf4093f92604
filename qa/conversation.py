"""A follow-up and its history → a question that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from index.lexical import tokens
from qa.language_model import LanguageModel
from qa.prompt import fill, name_of, one_line

# A question with more words of its own than this is taken as it stands.
_SHORT = 3
_TURNS = 2
_MARKERS = re.compile(r"\s*\[\d+\]")
_GRAMMAR = r'root ::= [^\n?]{3,300} "?"'


class Turn(NamedTuple):
    """A question asked before, and the text of its answer."""

    question: str
    answer: str


def standalone(question: str, history: Sequence[Turn], language: str, model: LanguageModel) -> str:
    """Return the question completed from the last turns: "Et en 2019 ?" becomes whole.

    Only a question with few words that carry meaning is handed to the model; a longer one, or the
    first one, is returned as it is.
    """
    if not history or len(tokens(question, language)) > _SHORT:
        return question
    turns = (
        fill("turn", language, question=one_line(turn.question), answer=_MARKERS.sub("", one_line(turn.answer))[:300])
        for turn in history[-_TURNS:]
    )
    written = "\n".join(turn.messages[0].content for turn in turns)
    prompt = fill("standalone", language, history=written, question=one_line(question), language=name_of(language))
    whole = "".join(model.generate(prompt, grammar=_GRAMMAR, max_tokens=80)).strip()
    return whole if whole.endswith("?") else f"{history[-1].question} {question}"
