"""The stand-ins keep the promises of what they stand in for."""

from __future__ import annotations

from contracts import WRITE, embedder_contract, language_model_contract, reader_contract
from fakes import ScriptedModel, WordEmbedder, WordReader

from qa.prompt import Message, Prompt

PROMPT = Prompt((Message("user", "Quoi ?"),))


def test_word_embedder() -> None:
    embedder = WordEmbedder()
    embedder_contract(embedder)
    assert embedder.embedded == 8


def test_word_reader() -> None:
    reader_contract(WordReader())


def test_scripted_model() -> None:
    model = ScriptedModel(lambda prompt: prompt.messages[-1].content.removeprefix(WRITE), context_tokens=200)
    language_model_contract(model)
    assert model.closed == 1


def test_replies_come_in_turn_and_the_last_again() -> None:
    model = ScriptedModel("un deux", ["tr", "ois"])
    replies = [list(model.generate(PROMPT, grammar="", max_tokens=9)) for _ in range(3)]
    assert replies == [["un", " deux"], ["tr", "ois"], ["tr", "ois"]]
    assert model.prompts == [PROMPT] * 3
