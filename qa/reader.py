"""Question and passage read together: which sentence answers, in which words, or that none does.

EmbeddingGemma's lower layers read question and passage apart, exactly as they do for the index; its
upper layers, with low-rank adapters (Hu et al. 2021, "LoRA"), read them joined. Reading apart first
costs little quality (Cao et al. 2020, "DeFormer"). What was trained lies in models/reader/, with the
model card that says on what; evaluation/train_reader.py trains it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from cachetools import LRUCache

from errors import ModelError
from index.embedder import SentenceTransformerEmbedder, configured_embedder
from settings import Settings

WEIGHTS = Path(__file__).resolve().parent.parent / "models" / "reader" / "reader.safetensors"
# What the reader was trained upon; with another embedder for the index, this one is loaded beside it.
BASE = "embeddinggemma-300m"

_LONGEST_PASSAGE = 1024  # tokens; what stands behind them is not read
_LONGEST_WORDS = 24  # tokens of a short answer
_TOKENS_AT_ONCE = 1024  # padding counted; more leaves the processor's cache: 4,096 take 1.5 times as long
_UNREAD = -20.0
_KEPT_BYTES = 128_000_000  # of passages read apart: some 450 of the usual length

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Text:
    """A passage to read: `sentences` are spans of `text`, in characters."""

    title: str
    text: str
    sentences: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question found in one passage, a value for each of its n sentences.

    `logits[i]` is the log odds that sentence i answers, against that nothing here does: over all
    passages read for one question, P(i) = exp(l_i) / (1 + Σ exp(l)). `words[i]` is the span of the
    text, inside the sentence, that would answer most shortly.
    """

    logits: tuple[float, ...]
    words: tuple[Span, ...]


class Reader(Protocol):
    """What choosing evidence needs of a trained reader. Safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Identity of the weights."""
        ...

    def read(self, question: str, passages: Sequence[Text]) -> list[Reading]:
        """Read the question against each passage."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderUsage:
    """Passages so far: those read apart, and those of which that was kept."""

    read: int = 0
    reused: int = 0


class AdaptedReader:
    """The upper layers of an EmbeddingGemma with trained adapters, and the two heads upon them.

    Passages read before are not read apart again: the states of those last used are kept in memory.
    """

    def __init__(self, base: SentenceTransformerEmbedder, weights: Path = WEIGHTS) -> None:
        self._base = base
        self._weights = weights
        self._lock = threading.Lock()
        self._apart: LRUCache[Text, tuple[Any, list[Span]]] = LRUCache(_KEPT_BYTES, getsizeof=lambda one: one[0].nbytes)
        self._usage = ReaderUsage()

    @property
    def fingerprint(self) -> str:
        return self._network.fingerprint

    @cached_property
    def _network(self) -> Network:
        return _load(self._base, self._weights)

    def read(self, question: str, passages: Sequence[Text]) -> list[Reading]:
        if not passages:
            return []
        import torch

        with self._lock, torch.inference_mode():
            network = self._network
            (asked,) = network.lower_questions([question])
            apart = {passage: self._apart[passage] for passage in passages if passage in self._apart}
            new = [passage for passage in dict.fromkeys(passages) if passage not in apart]
            apart.update(zip(new, zip(*network.lower_passages(new), strict=True), strict=True) if new else ())
            for passage in new:
                states, offsets = apart[passage]
                with suppress(ValueError):  # one that is larger than all that is kept
                    self._apart[passage] = states.clone(), offsets  # not a view that holds its whole batch
            self._usage = ReaderUsage(self._usage.read + len(new), self._usage.reused + len(apart) - len(new))
            upper = network.upper([(asked, apart[passage][0]) for passage in passages])
            return [
                network.reading(passage, seen, apart[passage][1]) for passage, seen in zip(passages, upper, strict=True)
            ]

    def usage(self) -> ReaderUsage:
        """Return what was read since the weights were."""
        return self._usage

    def forget(self) -> None:
        """Forget the passages read before."""
        with self._lock:
            self._apart.clear()


@dataclass(slots=True)
class Network:
    """The layers and heads. Token states are (n, 768), in the base's number format.

    `first` is the number of lower layers, `layers` are the upper ones with their adapters; `heads`
    holds "seg" (2, 768), added to the states of question and passage before they are joined, and the
    weights and biases of "sent.0", "sent.2" (a sentence's logit from the mean of its tokens' states)
    and "span" (the logits of beginning and end of the words that answer).
    """

    transformer: Any
    tokenizer: Any
    question_prompt: str
    layers: Any
    first: int
    heads: dict[str, Any]
    fingerprint: str = ""

    def lower_questions(self, questions: Sequence[str]) -> list[Any]:
        """Return the states of each question's tokens after the lower layers."""
        return self._lower([self.question_prompt + question for question in questions])[0]

    def lower_passages(self, passages: Sequence[Text]) -> tuple[list[Any], list[list[Span]]]:
        """Return the same for passages, and each token's span of the text, negative before it begins."""
        leads = [f"title: {passage.title or 'none'} | text: " for passage in passages]
        states, offsets = self._lower([lead + passage.text for lead, passage in zip(leads, passages, strict=True)])
        return states, [
            [(left - len(lead), right - len(lead)) for left, right in where]
            for lead, where in zip(leads, offsets, strict=True)
        ]

    def _lower(self, texts: Sequence[str]) -> tuple[list[Any], list[list[Span]]]:
        import torch

        encoded = self.tokenizer(
            list(texts), return_offsets_mapping=True, truncation=True, max_length=_LONGEST_PASSAGE, verbose=False
        )
        embedded = [self.transformer.embed_tokens(torch.tensor(ids)) for ids in encoded["input_ids"]]
        return self._through(self.transformer.layers[: self.first], 0, embedded), encoded["offset_mapping"]

    def upper(self, pairs: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Return float32 states of each passage's tokens, read together with its question."""
        import torch

        asked, read = self.heads["seg"].to(pairs[0][0].dtype)
        joined = [torch.cat([question + asked, passage + read]) for question, passage in pairs]
        states = self._through(self.layers, self.first, joined)
        return [
            self.transformer.norm(state[len(question) :]).float()
            for state, (question, _) in zip(states, pairs, strict=True)
        ]

    def sentence_logits(self, states: Any, tokens: Sequence[Span]) -> Any:
        """Return (n,) logits of n sentences, given the places of their tokens."""
        import torch

        if not tokens:
            return torch.zeros(0)
        pooled = torch.stack([states[first:last].mean(0) for first, last in tokens])
        hidden = torch.nn.functional.gelu(pooled @ self.heads["sent.0.weight"].T + self.heads["sent.0.bias"])
        return (hidden @ self.heads["sent.2.weight"].T + self.heads["sent.2.bias"])[:, 0]

    def word_logits(self, states: Any) -> Any:
        """Return (2, n) logits of n tokens: that the words begin there, that they end there."""
        return self.heads["span.weight"] @ states.T + self.heads["span.bias"][:, None]

    def _through(self, layers: Any, first: int, rows: Sequence[Any]) -> list[Any]:
        """Pass rows of states through layers, those of like length together; every token sees its whole row."""
        import torch

        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        out: list[Any] = [None] * len(rows)
        while order:
            count = 1
            while count < len(order) and len(rows[order[count]]) * (count + 1) <= _TOKENS_AT_ONCE:
                count += 1
            batch, order = order[:count], order[count:]
            longest = max(len(rows[place]) for place in batch)
            states = torch.nn.utils.rnn.pad_sequence([rows[place] for place in batch], batch_first=True)
            lengths = torch.tensor([len(rows[place]) for place in batch])
            padding = (torch.arange(longest)[None] >= lengths[:, None])[:, None, None, :].expand(-1, 1, longest, -1)
            mask = torch.zeros(padding.shape, dtype=states.dtype).masked_fill(padding, torch.finfo(states.dtype).min)
            kinds = self.transformer.config.layer_types
            positions = torch.arange(longest)[None]
            rotary = {kind: self.transformer.rotary_emb(states, positions, kind) for kind in set(kinds)}
            for number, layer in enumerate(layers, first):
                states = layer(states, attention_mask=mask, position_embeddings=rotary[kinds[number]])
            for row, place in enumerate(batch):
                out[place] = states[row, : len(rows[place])]
        return out

    def reading(self, passage: Text, states: Any, offsets: Sequence[Span]) -> Reading:
        """Score the sentences of one passage and point at the words in each."""
        begin, finish = self.word_logits(states).numpy()
        inside = [tokens_in(offsets, *sentence) for sentence in passage.sentences]
        read = iter(self.sentence_logits(states, [tokens for tokens in inside if tokens]).tolist())
        logits: list[float] = []
        words: list[Span] = []
        for (start, end), tokens in zip(passage.sentences, inside, strict=True):
            if tokens is None:
                logits.append(_UNREAD)
                words.append((start, end))
                continue
            logits.append(next(read))
            left, right = best_span(begin[slice(*tokens)], finish[slice(*tokens)], _LONGEST_WORDS)
            first, last = offsets[tokens[0] + left][0], offsets[tokens[0] + right][1]
            words.append(_trimmed(passage.text, max(first, start), min(last, end)))
        return Reading(tuple(logits), tuple(words))


def tokens_in(offsets: Sequence[Span], start: int, end: int) -> Span | None:
    """Return the places (first, last + 1) of the tokens of which a part lies in text[start:end]."""
    inside = [place for place, (left, right) in enumerate(offsets) if left < min(right, end) and right > start]
    return (inside[0], inside[-1] + 1) if inside else None


def best_span(begin: Any, finish: Any, longest: int) -> Span:
    """Return the places i ≤ j < i + longest of greatest begin[i] + finish[j]; both are (n,)."""
    total = np.asarray(begin)[:, None] + np.asarray(finish)[None, :]
    allowed = np.triu(np.ones_like(total, dtype=bool)) & ~np.triu(np.ones_like(total, dtype=bool), longest)
    place = int(np.where(allowed, total, -np.inf).argmax())
    return place // total.shape[1], place % total.shape[1]


def _trimmed(text: str, start: int, end: int) -> Span:
    """Widen a span to whole words, then leave out the white space and punctuation around it."""
    while start > 0 and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    while start < end and not (text[start].isalnum() or text[start] in '«“"([+-−$€£'):
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] in '»”")]%€$£°²³'):
        end -= 1
    return start, end


def _load(base: SentenceTransformerEmbedder, weights: Path) -> Network:
    import hashlib

    import torch
    from safetensors.torch import load_file

    about = _about(weights)
    if about.get("base") != base.fingerprint:
        raise ModelError(f"{weights} was trained upon {BASE}, whose weights and prompts are not those of {base.name}")
    tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    transformer, tokenizer, prompts = base.network()
    first, scale = int(about["first_layer"]), float(about["scale"])
    layers = copy.deepcopy(transformer.layers[first:])
    with torch.no_grad():
        for number, layer in enumerate(layers):
            for name, module in layer.named_modules():
                if (left := tensors.pop(f"layers.{number}.{name}.a", None)) is not None:
                    right = tensors.pop(f"layers.{number}.{name}.b")
                    module.weight += (left @ right * scale).T.to(module.weight.dtype)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return Network(transformer, tokenizer, prompts.get("query", ""), layers, first, tensors, digest)


@lru_cache(maxsize=2)
def _reader(base: SentenceTransformerEmbedder) -> AdaptedReader:
    return AdaptedReader(base)


def configured_reader(settings: Settings) -> AdaptedReader:
    """Return the trained reader, one for the whole process.

    It shares the weights of the index's embedder where that is the model it was trained upon, under
    whatever name; else that model is loaded beside it. Raises ModelMissingError if it is not here.
    """
    embedder = configured_embedder(settings)
    if embedder.fingerprint != _about(WEIGHTS).get("base"):
        embedder = configured_embedder(settings.model_copy(update={"embedding_model": BASE}))
    return _reader(embedder)


@lru_cache(maxsize=2)
def _about(weights: Path) -> dict[str, str]:
    """Return what the file of weights says about itself."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="np") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the reader's weights {weights} cannot be read ({error}); install Sourcier again") from None
