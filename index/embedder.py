"""Texts → unit vectors: the Embedder protocol, and sentence-transformers behind it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from errors import ModelError
from index.vectors import Vectors
from models import fingerprint, locate
from settings import Settings

# How EmbeddingGemma (and models that copy its convention) write a passage without a title.
_NO_TITLE = "title: none | text: "


class Embedder(Protocol):
    """What the index needs of an embedding model. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """For people: the name or folder of the model."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of weights and prompts: equal fingerprints give comparable vectors."""
        ...

    @property
    def dimensions(self) -> int:
        """Width d of the vectors."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without those that mark its ends."""
        ...

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        """Return (n, d) float32 unit vectors of n passages, each with its article's title."""
        ...

    def embed_question(self, question: str) -> Vectors:
        """Return the (d,) float32 unit vector of a question."""
        ...


class SentenceTransformerEmbedder:
    """A sentence-transformers folder, with the prompts that lie in it; loaded when first used.

    bfloat16 where the processor computes in it, else float32; texts of about the same length at once, so
    that little is padded, and few, so that what is computed stays in the processor's cache
    (docs/benchmarks.md).
    """

    def __init__(self, folder: Path, *, weights_hash: str, name: str, threads: int = 0, tokens: int = 1024) -> None:
        self.name = name
        self.fingerprint = weights_hash
        self._folder = folder
        self._threads = threads or os.cpu_count() or 1
        self._tokens = tokens
        self._lock = threading.Lock()
        self._question = lru_cache(maxsize=256)(self._embed_question)

    @cached_property
    def _model(self) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        from index.token_table import leave_on_disk

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(self._threads)
        numbers: dict[str, Any] = {"dtype": torch.float32}
        if _computes_bfloat16():
            # "eager" multiplies matrices, which is faster than torch's own attention in bfloat16
            numbers = {"dtype": torch.bfloat16, "attn_implementation": "eager"}
        try:
            model = SentenceTransformer(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={**numbers, "use_safetensors": True},
            )
            leave_on_disk(model[0].auto_model, self._folder / "model.safetensors")
            return model
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{self._folder} does not load as a sentence-transformers model: {error}") from None

    @property
    def dimensions(self) -> int:
        with self._lock:
            return int(self._model.get_embedding_dimension())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._lock:
            encoded = self._model.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        return self._encode([self._with_title(text, title) for text, title in zip(texts, titles, strict=True)])

    def embed_question(self, question: str) -> Vectors:
        return self._question(question)  # asked for by every stage of an answer

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """Return the vectors of many questions at once, (n, d); none is kept."""
        return self._encode([self._model.prompts.get("query", "") + question for question in questions])

    def network(self) -> tuple[Any, Any, dict[str, str]]:
        """Return the transformer, its tokenizer and the prompts, for what is trained upon them (qa/reader.py)."""
        with self._lock:
            return self._model[0].auto_model, self._model.tokenizer, dict(self._model.prompts)

    def _embed_question(self, question: str) -> Vectors:
        vector: Vectors = self.embed_questions([question])[0]
        vector.flags.writeable = False
        return vector

    def _with_title(self, text: str, title: str) -> str:
        prompt: str = self._model.prompts.get("document", "") or ""
        if prompt == _NO_TITLE:
            return f"title: {title or 'none'} | text: {text}"
        return f"{prompt}{title}\n{text}" if title else prompt + text

    def _encode(self, texts: list[str]) -> Vectors:
        with self._lock:
            encoded = self._model.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            vectors = np.empty((len(texts), int(self._model.get_embedding_dimension())), dtype=np.float32)
            for batch in batches([len(ids) for ids in encoded], self._tokens):
                made = self._model.encode(
                    [texts[place] for place in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    convert_to_tensor=True,
                )
                vectors[batch] = made.float().cpu().numpy()
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the places of texts of (n,) tokens, the longest first, in batches of at most `most` tokens.

    What is padded counts; a text longer than that is alone.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _computes_bfloat16() -> bool:
    """True where matrix products in bfloat16 are done by the processor, not emulated."""
    import torch

    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported")
    return any(getattr(torch.cpu, name)() for name in names if hasattr(torch.cpu, name))


@lru_cache(maxsize=2)
def _embedder(model: str, models_folder: Path, threads: int, tokens: int) -> SentenceTransformerEmbedder:
    folder = locate(model, models_folder)
    return SentenceTransformerEmbedder(
        folder, weights_hash=fingerprint(folder, models_folder), name=model, threads=threads, tokens=tokens
    )


def configured_embedder(settings: Settings) -> SentenceTransformerEmbedder:
    """Return the embedder that the settings name, one for the whole process.

    Raises ModelMissingError if its weights are not here.
    """
    return _embedder(settings.embedding_model, settings.models_folder, settings.threads, settings.embedding_tokens)
