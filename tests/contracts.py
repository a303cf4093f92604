"""What every Embedder, every Reader and every LanguageModel must do, the fakes as well as the real ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from errors import QuestionError
from index.embedder import Embedder
from qa.language_model import LanguageModel
from qa.prompt import Message, Prompt
from qa.reader import Reader, Text

TEXTS = ("La rivière a débordé dans la nuit.", "Le conseil a voté le budget.", "Le musée rouvre mardi.")
TITLES = ("Crue", "", "Musée")
WRITE = "Écris : "


def embedder_contract(embedder: Embedder) -> None:
    """Check shapes, types, unit length, and that a batch changes nothing."""
    together = embedder.embed_passages(TEXTS, TITLES)
    assert together.dtype == np.float32
    assert together.shape == (3, embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row, (text, title) in enumerate(zip(TEXTS, TITLES, strict=True)):
        alone = embedder.embed_passages([text], [title])
        assert alone.shape == (1, embedder.dimensions)
        np.testing.assert_allclose(alone[0], together[row], atol=2e-2)  # bfloat16, and padding

    titled, bare = embedder.embed_passages([TEXTS[0]] * 2, ["Musée", ""])
    assert not np.allclose(titled, bare, atol=2e-2)

    question = embedder.embed_question("Pourquoi la rivière a-t-elle débordé dans la nuit ?")
    assert question.dtype == np.float32
    assert question.shape == (embedder.dimensions,)
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-5)
    assert (together @ question).argmax() == 0

    assert embedder.count_tokens([]) == []
    short, long = embedder.count_tokens(["oui", "oui " * 100])
    assert 0 < short < 10
    assert long >= 100
    assert embedder.name
    assert embedder.fingerprint


def reader_contract(reader: Reader) -> None:
    """Check that each sentence gets its logit and its words, alone and in a batch, and that the right one wins."""
    bridge = "Le pont de Brassac ferme lundi. La mairie paie 340 000 euros de travaux. Il pleut souvent."
    ends = [place + 1 for place, character in enumerate(bridge) if character == "."]
    starts = [0, *(end + 1 for end in ends[:-1])]
    passages = [
        Text("Le pont", bridge, tuple(zip(starts, ends, strict=True))),
        Text("", "Le musée rouvre mardi.", ((0, 22),)),
        Text("Vide", "", ()),
    ]
    question = "Combien la mairie paie-t-elle pour les travaux du pont de Brassac ?"
    readings = reader.read(question, passages)
    assert [len(reading.logits) for reading in readings] == [3, 1, 0]
    for passage, reading in zip(passages, readings, strict=True):
        assert len(reading.words) == len(reading.logits)
        for (start, end), (left, right) in zip(passage.sentences, reading.words, strict=True):
            assert start <= left <= right <= end
    assert readings[0].logits.index(max(readings[0].logits)) == 1
    assert "340 000" in bridge[slice(*readings[0].words[1])]
    assert max(readings[0].logits) > readings[1].logits[0]
    (alone,) = reader.read(question, passages[:1])
    np.testing.assert_allclose(alone.logits, readings[0].logits, atol=0.3)  # bfloat16, and padding
    assert reader.read(question, []) == []
    assert reader.fingerprint


def language_model_contract(model: LanguageModel) -> None:
    """Check that the grammar, the limits, closing and several threads are honoured.

    Whatever the model, the grammar leaves it one reply; a scripted one writes what stands after
    WRITE.
    """
    assert _written(model, "oui", 'root ::= "oui" | "non"') in {"oui", "non"}

    text = "un deux trois quatre cinq six sept huit neuf dix"
    assert _written(model, text) == text
    pieces = [piece for piece in model.generate(_prompt(text), grammar=_only(text), max_tokens=3) if piece]
    assert 0 < len(pieces) <= 3
    assert text.startswith("".join(pieces))
    assert len("".join(pieces)) < len(text)

    closed = model.generate(_prompt(text), grammar=_only(text), max_tokens=60)
    assert text.startswith(next(closed))
    closed.close()  # type: ignore[attr-defined]
    never_begun = model.generate(_prompt(text), grammar=_only(text), max_tokens=60)
    never_begun.close()  # type: ignore[attr-defined]
    assert _written(model, "après") == "après"

    texts = ["alpha bêta gamma", "rouge vert bleu"] * 2
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda text: _written(model, text), texts)) == texts

    assert 0 < model.count_tokens(_prompt("un")) < model.count_tokens(_prompt("un deux trois"))
    with pytest.raises(QuestionError):
        list(model.generate(_prompt("mot " * model.context_tokens), grammar=_only("oui"), max_tokens=1))
    with pytest.raises(QuestionError):
        list(model.generate(_prompt("oui"), grammar=_only("oui"), max_tokens=model.context_tokens))
    assert _written(model, "encore") == "encore"


def _prompt(text: str) -> Prompt:
    return Prompt((Message("user", WRITE + text),))


def _only(text: str) -> str:
    return f'root ::= "{text}"'


def _written(model: LanguageModel, text: str, grammar: str = "") -> str:
    return "".join(model.generate(_prompt(text), grammar=grammar or _only(text), max_tokens=60))
