"""What Sourcier is measured against (evaluation/speed.py), on the same weights, passages and threads.

Naive       what one writes first: the four best passages of the same search in the prompt, and
            llama-cpp-python's own chat completion
LangChain   the chain of its retrieval tutorial, unmodified: FAISS store, retriever of four, its
            prompt, its llama.cpp chat model
Raw         llama.cpp alone, as its llama-bench measures it: prompts of 128 and 512 tokens, and
            one token after the other
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import psutil
from langchain_core.embeddings import Embeddings

from evaluation.speed import Asked, History, Rate, embedded_anew
from index.embedder import Embedder
from index.generation import Generation
from index.language import detect
from index.search import Hit, search
from models import locate
from qa.prompt import long_date
from settings import Settings

PASSAGES = 4
ANSWER_TOKENS = 256
_WRITTEN = 32  # tokens at a time
_BATCH = 512  # llama.cpp's own default
_SYSTEM = (
    "Réponds à la question d’après les passages, et d’eux seuls. Cite après chaque phrase le numéro du passage qui la"
    " justifie, comme [n]. Si les passages ne répondent pas, dis que tu ne trouves pas la réponse."
)
# The prompt that LangChain's tutorial pulls from its hub (rlm/rag-prompt), word for word.
_TUTORIAL = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the"
    " question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the"
    " answer concise.\nQuestion: {question} \nContext: {context} \nAnswer:"
)


def not_installed() -> str | None:
    """Say what LangChain lacks here and how to install it, None if it lacks nothing."""
    if find_spec("langchain_community"):
        return None
    return "LangChain: langchain-community is not installed, so it is left out; pip install 'sourcier[bench]'"


def _options(settings: Settings) -> dict[str, Any]:
    """Return what llama.cpp is loaded with, the same for all (qa/llama_context.py)."""
    threads = settings.threads or psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return {
        "n_ctx": settings.context_tokens,
        "n_batch": _BATCH,
        "n_threads": threads,
        "n_threads_batch": threads,
        "flash_attn": True,
        "verbose": False,
    }


class _Counted:
    """A llama_cpp.Llama, the tokens that it reads and writes counted by llama.cpp itself.

    It reuses by itself what its last prompt and the next begin with alike.
    """

    def __init__(self, llama: Any) -> None:
        self._llama = llama
        self._fixed = 0

    def begin(self) -> None:
        import llama_cpp

        llama_cpp.llama_perf_context_reset(self._llama._ctx.ctx)

    def counts(self) -> tuple[int, int, int]:
        """Return tokens read, reused and written since `begin`."""
        import llama_cpp

        perf = llama_cpp.llama_perf_context(self._llama._ctx.ctx)
        return perf.n_p_eval, max(self._llama.n_tokens - perf.n_p_eval - perf.n_eval, 0), perf.n_eval

    def tokens(self) -> list[int]:
        """Return what the context holds."""
        held: list[int] = self._llama.input_ids[: self._llama.n_tokens].tolist()
        return held

    def keep(self, one: Sequence[int], other: Sequence[int]) -> None:
        """Take what two prompts begin with alike for what all do."""
        self._fixed = self._llama.longest_token_prefix(one, other)

    def forget(self) -> None:
        self._llama.n_tokens = min(self._llama.n_tokens, self._fixed)


class _Rival:
    """What the two have in common: two questions to begin with, times, counts."""

    name: str
    follows: bool
    _counted: _Counted

    def warm(self, questions: Sequence[str]) -> None:
        held = []
        for question in questions:
            self.ask(question)
            held.append(self._counted.tokens())
        self._counted.keep(held[0], held[-1])

    def forget(self) -> None:
        self._counted.forget()

    def ask(self, question: str, history: History = ()) -> Asked:
        self._counted.begin()
        started = time.perf_counter()
        self._found: float | None = None
        first_word, text = None, ""
        for piece in self._pieces(question, history):
            text += piece
            if first_word is None and text.strip():
                first_word = time.perf_counter() - started
        total = time.perf_counter() - started
        found = self._found - started if self._found is not None else None
        return Asked(text, found, found, first_word, total, *self._counted.counts())

    def _pieces(self, question: str, history: History) -> Iterator[str]:
        """Yield the answer; set `_found` to when the passages were there."""
        raise NotImplementedError


class Naive(_Rival):
    """Four passages in the prompt; a follow-up goes on with the conversation, passages and all, as a chat does."""

    name = "naive"
    follows = True

    def __init__(self, settings: Settings, generation: Generation, embedder: Embedder) -> None:
        from llama_cpp import Llama

        self._settings = settings
        self._generation = generation
        self._embedder = _Anew(embedder)
        self.llama: Any = Llama(str(locate(settings.answering_model, settings.models_folder)), **_options(settings))
        self._counted = _Counted(self.llama)
        self._talk: list[dict[str, str]] = []

    def _pieces(self, question: str, history: History) -> Iterator[str]:
        hits = search(
            self._generation,
            self._embedder,
            question,
            detect(question),
            results=PASSAGES,
            lexical_weight=self._settings.lexical_weight,
        )
        self._found = time.perf_counter()
        before = self._talk if history else [{"role": "system", "content": _SYSTEM}]
        messages = [*before, {"role": "user", "content": naive_prompt(question, hits)}]
        text = ""
        for chunk in self.llama.create_chat_completion(messages, stream=True, temperature=0, max_tokens=ANSWER_TOKENS):
            piece = chunk["choices"][0]["delta"].get("content") or ""
            text += piece
            yield piece
        self._talk = [*messages, {"role": "assistant", "content": text}]


def naive_prompt(question: str, hits: Sequence[Hit]) -> str:
    """Return numbered passages, each with its article's title, source and date, then the question."""
    passages = []
    for number, hit in enumerate(hits, 1):
        about = (hit.article.title, hit.article.source, long_date(hit.article.published, "fr"))
        passages.append(f"[{number}] {', '.join(filter(None, about))}\n{hit.text}")
    return "\n\n".join([*passages, f"Question : {question}"])


class LangChain(_Rival):
    """https://python.langchain.com/docs/tutorials/rag/, with this index's passages and vectors and these weights.

    Its chat model is given the context and the batch that Sourcier has: by default it takes 512 tokens,
    which the four passages exceed, and reads eight at a time, which would be far slower. What else it does
    by default, it does here. The tutorial's chain has no history.
    """

    name = "LangChain"
    follows = False

    def __init__(self, settings: Settings, generation: Generation, embedder: Embedder) -> None:
        from langchain_community.chat_models import ChatLlamaCpp
        from langchain_community.vectorstores import FAISS
        from langchain_core.output_parsers import StrOutputParser
        from langchain_core.prompts import ChatPromptTemplate
        from langchain_core.runnables import RunnablePassthrough

        options = _options(settings)
        extra = {name: options.pop(name) for name in ("flash_attn", "n_threads_batch")}
        model = ChatLlamaCpp(
            model_path=str(locate(settings.answering_model, settings.models_folder)),
            temperature=0,
            max_tokens=ANSWER_TOKENS,
            model_kwargs=extra,
            **options,
        )
        self._counted = _Counted(model.client)
        texts, vectors = _passages(generation)
        store = FAISS.from_embeddings(
            zip(texts, vectors.tolist(), strict=True), _Questions(embedder), [{"row": row} for row in range(len(texts))]
        )

        def format_docs(found: Sequence[Any]) -> str:
            self._found = time.perf_counter()
            return "\n\n".join(document.page_content for document in found)

        self._chain: Any = (
            {"context": store.as_retriever() | format_docs, "question": RunnablePassthrough()}
            | ChatPromptTemplate.from_messages([("human", _TUTORIAL)])
            | model
            | StrOutputParser()
        )

    def _pieces(self, question: str, history: History) -> Iterator[str]:
        yield from self._chain.stream(question)


def _passages(generation: Generation) -> tuple[list[str], Any]:
    """Return the texts of the passages that are searched, and their vectors (n, d)."""
    texts, vectors = [], []
    for part in generation.parts:
        held = part.segment.vectors.rows(0, len(part.segment.passages))
        for row, vector in enumerate(held):
            if part.live is None or part.live[row]:
                article, passage = part.segment.passage(row)
                texts.append(article.text[passage.start : passage.end])
                vectors.append(vector)
    return texts, np.stack(vectors)


class _Questions(Embeddings):
    """The embedder as LangChain asks for it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = embedded_anew(self._embedder, text).tolist()
        return vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError  # their vectors are those of the index


class _Anew:
    """The embedder, which here keeps no question's vector."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.fingerprint = embedder.name, embedder.fingerprint
        self.dimensions = embedder.dimensions
        self.count_tokens = embedder.count_tokens
        self.embed_passages = embedder.embed_passages
        self._embedder = embedder

    def embed_question(self, question: str) -> Any:
        return embedded_anew(self._embedder, question)


class Raw:
    """llama.cpp's rates in a context of its own, with the weights and the options of `llama`."""

    def __init__(self, llama: Any) -> None:
        import llama_cpp

        self._api = llama_cpp
        self._llama = llama  # whose weights go when it goes
        self._context = llama_cpp.llama_init_from_model(llama._model.model, llama.context_params)
        self._size = llama.n_vocab()
        self._chance = np.random.default_rng(0)

    def decode(self) -> list[Rate]:
        """Return how fast it writes, from an empty context."""
        self._clear()
        self._read(self._drawn(1))
        return [Rate("decode", self._write())]

    def prompts(self) -> list[Rate]:
        """Return how fast it reads 128 and 512 tokens, and how fast it writes behind these."""
        rates = []
        for tokens in (128, 512):
            self._clear()
            started = time.perf_counter()
            self._read(self._drawn(tokens))
            rates.append(Rate(f"prompt of {tokens}", round(tokens / (time.perf_counter() - started), 2)))
        return [*rates, Rate("decode behind 512", self._write())]

    def _write(self) -> float:
        started = time.perf_counter()
        for _ in range(_WRITTEN):
            logits = np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, -1), shape=(self._size,))
            self._read([int(logits.argmax())])
        return round(_WRITTEN / (time.perf_counter() - started), 2)

    def _read(self, tokens: Sequence[int]) -> None:
        array = (self._api.llama_token * len(tokens))(*tokens)
        if self._api.llama_decode(self._context, self._api.llama_batch_get_one(array, len(tokens))):
            raise RuntimeError(f"llama.cpp does not read {len(tokens)} tokens")
        self._api.llama_synchronize(self._context)

    def _drawn(self, tokens: int) -> list[int]:
        drawn: list[int] = self._chance.integers(self._size, size=tokens).tolist()
        return drawn

    def _clear(self) -> None:
        self._api.llama_memory_clear(self._api.llama_get_memory(self._context), True)
