"""A follow-up and its history → a question that stands alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from index.lexical import tokens
from qa.language_model import LanguageModel
from qa.prompt import fill, name_of, one_line, wording

# A question with more words of its own than this is taken as it stands.
_SHORT = 3
_TURNS = 2
_MARKERS = re.compile(r"\s*\[\d+\]")
_WORD = re.compile(r"\w+")
# "Quand les suspects ont-ils été arrêtés ?": the pronoun stands for a subject within the question itself.
_INVERSION = re.compile(
    r"""((?:\b(?:le|la|les|un|une|des|ce|cet|cette|ces)\s|\bl['’])\w.*?|\s[A-ZÀ-Þ]\w*.*?)(\s\w+)-(?:t-)?(?:ils?|elles?)\b"""
)
_GRAMMAR = r'root ::= [^\n?]{3,300} "?"'


class Turn(NamedTuple):
    """A question asked before, and the text of its answer."""

    question: str
    answer: str


def standalone(question: str, history: Sequence[Turn], language: str, model: LanguageModel) -> str:
    """Return the question completed from the last turns: "Et en 2019 ?" becomes whole.

    Only a question with few words that carry meaning is handed to the model; a longer one, or the
    first one, is returned as it is. Where the model adds nothing to a question that leans on what was
    said ("Quel âge a-t-elle ?"), the question before stands in front of it.
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
    added = set(tokens(whole, language)) - set(tokens(question, language))
    if not whole.endswith("?") or (not added and _leans(question, language)):
        return f"{history[-1].question} {question}"
    return whole


def _leans(question: str, language: str) -> bool:
    """True for a question with a pronoun or an "and", or with no more than a word of its own."""
    words = set(_WORD.findall(_INVERSION.sub(r"\1\2", question).lower()))
    return len(tokens(question, language)) <= 1 or not words.isdisjoint(wording("leaning", language).split())
