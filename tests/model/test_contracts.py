"""The real models do what their Protocols say."""

from __future__ import annotations

from contracts import embedder_contract, language_model_contract, reader_contract

from index.embedder import SentenceTransformerEmbedder
from qa.llama_cpp_model import LlamaCppModel
from qa.reader import AdaptedReader


def test_sentence_transformer_embedder(embedder: SentenceTransformerEmbedder) -> None:
    embedder_contract(embedder)


def test_llama_cpp_model(small_model: LlamaCppModel) -> None:
    language_model_contract(small_model)


def test_adapted_reader(embedder: SentenceTransformerEmbedder) -> None:
    reader_contract(AdaptedReader(embedder))
