"""The default pair over real articles: structure and proof, never wording. No test here may touch the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_socket

from index.embedder import SentenceTransformerEmbedder
from index.rebuild import update
from qa import Answer, EvidenceFound, PartialAnswer, Turn, answer, stream
from settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT.parent / "shared" / "data" / "seed"


@pytest.fixture(scope="module", autouse=True)
def _no_network(embedder: SentenceTransformerEmbedder) -> Iterator[None]:
    """Once the weights are there, nothing opens a socket: loading, indexing, searching, answering."""
    pytest_socket.disable_socket()
    yield
    pytest_socket.enable_socket()


@pytest.fixture(scope="module")
def demo(_no_network: None, settings: Settings, embedder: SentenceTransformerEmbedder) -> Settings:
    """The demo archive's first dozen articles, indexed."""
    paths = sorted((ROOT / "demo" / "articles").glob("*.txt"))[:12]
    report = update(settings.home, paths, embedder, passage_tokens=settings.passage_tokens)
    assert report.articles == len(paths)
    return settings


def proven(made: Answer) -> None:
    """Hold an answer to what is promised of every answer."""
    assert made.refused == (not made.citations)
    for citation in made.citations:
        evidence = citation.evidence
        assert evidence.article.text[evidence.start : evidence.end] == evidence.quote
        assert all(made.text.startswith(f"[{citation.marker}]", position) for position in citation.positions)
    if not made.refused:
        markers = [int(number) for number in re.findall(r"\[(\d+)\]", made.text)]
        assert set(markers) == {citation.marker for citation in made.citations}
        assert re.search(r"\[\d+\]\.?$", made.text)


def test_a_fact_is_answered_with_the_sentence_that_says_it(demo: Settings) -> None:
    made = answer("Combien de fissures les plongeurs ont-ils relevées sous le pont des Lavandières ?", settings=demo)
    proven(made)
    assert not made.refused
    assert made.language == "fr"
    assert any("onze fissures" in citation.evidence.quote for citation in made.citations)


def test_the_evidence_comes_before_the_first_word(demo: Settings) -> None:
    events = list(stream("Qui est la maire de Valmorin ?", settings=demo))
    assert isinstance(events[0], EvidenceFound)
    assert isinstance(events[-1], Answer)
    assert [event.whole for event in events if isinstance(event, EvidenceFound)] == [False, True]
    texts = [event.text for event in events if isinstance(event, PartialAnswer)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    proven(events[-1])


def test_a_question_that_nothing_answers_is_refused(demo: Settings) -> None:
    made = answer("Quel est le prix du baril de pétrole ?", settings=demo)
    proven(made)
    assert made.refused
    assert made.nearest


def test_an_english_question_over_french_articles_is_answered_in_english(demo: Settings) -> None:
    made = answer("How many cracks did the divers find under the Lavandières bridge?", settings=demo)
    proven(made)
    assert made.language == "en"
    assert not made.refused


def test_a_follow_up_is_understood(demo: Settings) -> None:
    turn = Turn("Combien de fissures a-t-on trouvées sous le pont des Lavandières ?", "On a relevé onze fissures [1].")
    made = answer("Et qui l’a inspecté ?", history=[turn], settings=demo)
    proven(made)
    assert "pont" in made.question.lower()


def test_articles_given_need_no_index(settings: Settings) -> None:
    article = {
        "title": "Le lavoir",
        "text": "Le lavoir de Sainte-Ombre a été restauré en 2022. Il avait brûlé en 1987.",
    }
    made = answer("En quelle année le lavoir a-t-il été restauré ?", articles=[article], settings=settings)
    proven(made)
    assert next(citation.evidence.quote for citation in made.citations).endswith("2022.")


@pytest.mark.skipif(not SEED.is_dir(), reason="the seed article is not on this machine")
def test_the_seed_article(tmp_path: Path, settings: Settings, embedder: SentenceTransformerEmbedder) -> None:
    seed = settings.model_copy(update={"home": tmp_path})
    update(seed.home, [SEED], embedder, passage_tokens=seed.passage_tokens)
    made = answer("Combien de soldats nord-coréens ont été déployés en Russie ?", settings=seed)
    proven(made)
    assert any("10 000 à 12 000" in citation.evidence.quote for citation in made.citations)
    proven(answer("Quel est le prix du baril de pétrole ?", settings=seed))
