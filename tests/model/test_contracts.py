"""The real models do what their Protocols say."""

from __future__ import annotations

import numpy as np
from contracts import embedder_contract, language_model_contract, reader_contract

from index.embedder import SentenceTransformerEmbedder
from qa.llama_cpp_model import LlamaCppModel
from qa.reader import AdaptedReader, Text


def test_sentence_transformer_embedder(embedder: SentenceTransformerEmbedder) -> None:
    embedder_contract(embedder)


def test_llama_cpp_model(small_model: LlamaCppModel) -> None:
    language_model_contract(small_model)


def test_adapted_reader(embedder: SentenceTransformerEmbedder) -> None:
    reader_contract(AdaptedReader(embedder))


def test_a_passage_is_read_apart_once(embedder: SentenceTransformerEmbedder) -> None:
    reader, passage = AdaptedReader(embedder), Text("Le pont", "Le pont ferme lundi.", ((0, 20),))
    other = Text("Le pont", "Il pleut.", ((0, 9),))
    first, _ = reader.read("Quand ?", [passage, other])
    assert (reader.usage().read, reader.usage().reused) == (2, 0)
    (again,) = reader.read("Quand ?", [passage])
    assert (reader.usage().read, reader.usage().reused) == (2, 1)
    np.testing.assert_allclose(again.logits, first.logits, atol=0.1)  # bfloat16, and padding
    (otherwise,) = reader.read("Pourquoi pleut-il ?", [passage])
    assert otherwise.logits != again.logits
    reader.forget()
    reader.read("Quand ?", [passage])
    assert reader.usage().read == 3
