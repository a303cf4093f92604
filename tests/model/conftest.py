"""The real weights, loaded once; without them a test is skipped here, and fails where CI is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from errors import ModelMissingError
from index.embedder import SentenceTransformerEmbedder, configured_embedder
from models import locate
from qa.language_model import LlamaCppModel
from settings import Settings, load_settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def embedder(settings: Settings) -> SentenceTransformerEmbedder:
    with _weights():
        return configured_embedder(settings)


@pytest.fixture(scope="session")
def small_model(settings: Settings) -> LlamaCppModel:
    with _weights():
        path = locate("qwen2.5-coder-0.5b", settings.models_folder)
    return LlamaCppModel(path, context_tokens=1024, threads=settings.threads)


@contextmanager
def _weights() -> Iterator[None]:
    try:
        yield
    except ModelMissingError as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
