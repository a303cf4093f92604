"""The rivals of sourcier bench with real weights: they answer, what they read is counted, and they forget."""

from __future__ import annotations

import pytest
from fakes import WordEmbedder
from weights import needing_weights

from evaluation.rivals import LangChain, Naive, Raw, not_installed
from evaluation.speed import Asker
from index.articles import Draft, make_article
from index.generation import Generation
from index.rebuild import embed_articles
from models import locate
from settings import Settings, load_settings

BRIDGE = "Combien coûtent les travaux du pont ?"
SCHOOL = "Combien d'élèves l'école accueille-t-elle ?"
RIVALS = ["naive", *(["LangChain"] if not_installed() is None else [])]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.rivals.ANSWER_TOKENS", 12)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    chosen = load_settings(tmp_path_factory.mktemp("home"), answering_model="qwen2.5-coder-0.5b", context_tokens=1024)
    with needing_weights():
        locate(chosen.answering_model, chosen.models_folder)
    return chosen


@pytest.fixture(scope="module")
def generation() -> Generation:
    texts = {
        "Le pont": "Le pont ferme lundi. La mairie paie 340 000 euros de travaux.",
        "L'école": "L'école ouvre une classe. Elle accueille vingt élèves.",
    }
    articles = [make_article(Draft(title, text), language="fr") for title, text in texts.items()]
    return embed_articles(articles, WordEmbedder(), 256)


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_answers_and_reads_again_what_it_forgot(name: str, small: Settings, generation: Generation) -> None:
    rival: Asker = {"naive": Naive, "LangChain": LangChain}[name](small, generation, WordEmbedder())
    rival.warm([BRIDGE, SCHOOL])
    rival.forget()
    first = rival.ask(BRIDGE)
    again = rival.ask(BRIDGE)
    rival.forget()
    anew = rival.ask(BRIDGE)
    for asked in (first, again, anew):
        assert asked.text.strip()
        assert asked.evidence is not None
        assert asked.first_word is not None
        assert 0 < asked.evidence < asked.first_word <= asked.total
        assert asked.written
    assert first.read is not None
    assert again.read is not None
    assert first.reused  # the prompt's fixed beginning
    assert first.read > 20 > again.read
    assert (anew.read, anew.reused) == (first.read, first.reused)


def test_a_follow_up_goes_on_with_the_conversation(small: Settings, generation: Generation) -> None:
    naive = Naive(small, generation, WordEmbedder())
    first = naive.ask(BRIDGE)
    held = len(naive._counted.tokens())
    then = naive.ask("Et l'école ?", [(BRIDGE, first.text)])
    assert then.reused is not None
    assert then.reused > held - 10  # the end of its own answer is tokenized otherwise, perhaps


def test_llama_cpp_has_rates_of_its_own(small: Settings, generation: Generation) -> None:
    raw = Raw(Naive(small, generation, WordEmbedder()).llama)
    rates = {rate.kind: rate.tokens_per_second for rate in (*raw.decode(), *raw.prompts())}
    assert list(rates) == ["decode", "prompt of 128", "prompt of 512", "decode behind 512"]
    assert min(rates.values()) > 0
    assert rates["prompt of 128"] > rates["decode"]
