"""The real weights, loaded once."""

from __future__ import annotations

import pytest
from weights import needing_weights

from index.embedder import SentenceTransformerEmbedder, configured_embedder
from models import locate
from qa.llama_cpp_model import LlamaCppModel
from settings import Settings, load_settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def embedder(settings: Settings) -> SentenceTransformerEmbedder:
    with needing_weights():
        return configured_embedder(settings)


@pytest.fixture(scope="session")
def small_model(settings: Settings) -> LlamaCppModel:
    with needing_weights():
        path = locate("qwen2.5-coder-0.5b", settings.models_folder)
    return LlamaCppModel(path, context_tokens=1024, threads=settings.threads, at_once=4)
