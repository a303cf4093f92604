"""Prompt → text, piece by piece: the LanguageModel protocol, and llama.cpp behind it."""

from __future__ import annotations

import codecs
import ctypes
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from errors import ModelError, QuestionError
from qa.prompt import Prompt
from qa.sampling import GrammarGreedy

# Tokens of a prompt; between two such batches, a request that was given up is noticed.
_READ_AT_ONCE = 256


class LanguageModel(Protocol):
    """What answering needs of a language model. Safe to call from several threads."""

    @property
    def context_tokens(self) -> int:
        """Longest prompt and reply together, in tokens."""
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of a prompt as the model reads it."""
        ...

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        """Yield the most probable reply that the grammar (GBNF) allows, in pieces of whole characters.

        Closing the iterator frees the model. Raises QuestionError where prompt and reply exceed the
        context.
        """
        ...


@dataclass(slots=True)
class _Job:
    prompt: Prompt
    grammar: str
    max_tokens: int
    pieces: queue.SimpleQueue[str | Exception | None] = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False


class LlamaCppModel:
    """A GGUF file in llama.cpp, decoded greedily.

    One thread owns the context and takes the jobs in the order of their arrival, so that callers
    never touch it together, and one that stops listening holds up nobody.
    """

    def __init__(self, path: Path, *, context_tokens: int, threads: int = 0) -> None:
        self.context_tokens = context_tokens
        self._path = path
        self._threads = threads or psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._loaded: Any = None
        self._worker: threading.Thread | None = None

    def load(self) -> Any:
        """Read the weights, unless that was done before; raises ModelError for a file that is no model."""
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._path, self.context_tokens, self._threads)
                self._worker = threading.Thread(target=self._work, name="llama.cpp", daemon=True)
                self._worker.start()
            return self._loaded

    def count_tokens(self, prompt: Prompt) -> int:
        return len(_tokenize(self.load(), prompt))

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        self.load()
        job = _Job(prompt, grammar, max_tokens)
        self._jobs.put(job)
        try:
            while (piece := job.pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            job.cancelled = True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                if not job.cancelled:
                    for piece in self._decode(job):
                        if piece:
                            job.pieces.put(piece)
                        if job.cancelled:
                            break
                job.pieces.put(None)
            except Exception as error:  # it belongs to the caller, and the next job must be served
                job.pieces.put(error)

    def _decode(self, job: _Job) -> Iterator[str]:
        from llama_cpp import llama_token_to_piece, llama_vocab_is_eog

        model = self._loaded
        tokens = _tokenize(model, job.prompt)
        if len(tokens) + job.max_tokens > self.context_tokens:
            raise QuestionError(
                f"the prompt has {len(tokens)} tokens and the answer may have {job.max_tokens}, but the context holds"
                f" {self.context_tokens}; ask a shorter question or raise context_tokens"
            )
        # what the context holds of the same beginning is not read again; the last token is, for its logits
        kept = model.longest_token_prefix(model.input_ids[: model.n_tokens].tolist(), tokens[:-1])
        model.n_tokens = kept
        for first in range(kept, len(tokens), _READ_AT_ONCE):
            model.eval(tokens[first : first + _READ_AT_ONCE])
            yield ""

        vocabulary, buffer = model._model.vocab, ctypes.create_string_buffer(256)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        sampler = GrammarGreedy(model, job.grammar)
        try:
            for _ in range(job.max_tokens):
                token = sampler.choose()
                if llama_vocab_is_eog(vocabulary, token):
                    return
                size = llama_token_to_piece(vocabulary, token, buffer, len(buffer), 0, False)
                yield decoder.decode(buffer.raw[: max(size, 0)])
                model.eval([token])
        finally:
            sampler.close()


def _load(path: Path, context_tokens: int, threads: int) -> Any:
    from llama_cpp import Llama

    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path} is not a GGUF file; name one with answering_model")
    try:
        return Llama(
            str(path), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, flash_attn=True, verbose=False
        )
    except (ValueError, RuntimeError, AssertionError) as error:
        raise ModelError(f"{path} does not load in llama.cpp: {error}") from None


def _tokenize(model: Any, prompt: Prompt) -> list[int]:
    """Tokenize a prompt; control tokens come from the chat template only, never from what fills it."""
    holes = [f"SOURCIERHOLE{place}ELOHREICRUOS" for place in range(len(prompt.messages))]
    rest = _apply_template(model, [message.role for message in prompt.messages], holes)
    tokens = [model.token_bos()] if model._model.add_bos_token() else []
    for hole, message in zip(holes, prompt.messages, strict=True):
        before, _, rest = rest.partition(hole)
        tokens += model.tokenize(before.encode(), add_bos=False, special=True)
        tokens += model.tokenize(message.content.encode(), add_bos=False, special=False)
    return tokens + list(model.tokenize(rest.encode(), add_bos=False, special=True))


def _apply_template(model: Any, roles: list[str], contents: list[str]) -> str:
    """Lay turns out as the model was trained.

    llama.cpp recognises the template that lies in the file among those it knows; the template itself,
    a program from whoever made the file, is not run. One that it does not know is taken for ChatML.
    """
    import llama_cpp

    messages = (llama_cpp.llama_chat_message * len(roles))(
        *(
            llama_cpp.llama_chat_message(role=role.encode(), content=content.encode())
            for role, content in zip(roles, contents, strict=True)
        )
    )
    size = 4096 + 2 * sum(map(len, contents))
    buffer = ctypes.create_string_buffer(size)
    for template in (model.metadata.get("tokenizer.chat_template", "chatml"), "chatml"):
        length = llama_cpp.llama_chat_apply_template(template.encode(), messages, len(roles), True, buffer, size)
        if 0 < length <= size:
            return buffer.raw[:length].decode()
    raise ModelError("the model's chat template cannot be applied; choose another answering_model")
