"""Stand-ins for the three models: quick, and the same on every machine. tests/contracts.py holds them to it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from errors import QuestionError
from index.vectors import Vectors
from qa.prompt import Prompt
from qa.reader import Reading, Text

Reply = str | Sequence[str]


class WordEmbedder:
    """Counts the lower-cased words of title and text in `dimensions` slots, chosen by a hash.

    `embedded` is how many passages it has embedded so far. Embedders of two names are two models.
    """

    def __init__(self, name: str = "words", dimensions: int = 64) -> None:
        self.name = name
        self.fingerprint = hashlib.sha256(name.encode()).hexdigest()
        self.dimensions = dimensions
        self.embedded = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return np.stack([self.embed_question(f"{title} {text}") for text, title in zip(texts, titles, strict=True)])

    def embed_question(self, question: str) -> Vectors:
        counts = np.zeros(self.dimensions, dtype=np.float32)
        for word in re.findall(r"\w+", question.lower()) or [""]:
            digest = hashlib.sha256(f"{self.name} {word}".encode()).digest()
            counts[int.from_bytes(digest[:4], "big") % self.dimensions] += 1
        return counts / np.linalg.norm(counts)

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        return np.stack([self.embed_question(question) for question in questions])


class WordReader:
    """Takes the share of the question's words that a sentence holds for the likelihood that it answers.

    The words that would answer most shortly are the sentence's first figure, else its first word.
    """

    fingerprint = hashlib.sha256(b"words shared").hexdigest()

    def read(self, question: str, passages: Sequence[Text]) -> list[Reading]:
        asked = set(re.findall(r"\w+", question.lower()))
        readings = []
        for passage in passages:
            logits, words = [], []
            for start, end in passage.sentences:
                sentence = passage.text[start:end]
                shared = asked & set(re.findall(r"\w+", sentence.lower()))
                logits.append(12 * len(shared) / max(len(asked), 1) - 4)
                found = re.search(r"\d[\d  ]*\d|\d", sentence) or re.search(r"\w+", sentence)
                left, right = found.span() if found else (0, len(sentence))
                words.append((start + left, start + right))
            readings.append(Reading(tuple(logits), tuple(words)))
        return readings


class ScriptedModel:
    """Gives its replies in turn, the last again and again; a token is a word.

    A reply is a text, given word by word, the pieces of one, or what makes either of the prompt.
    `prompts` are those it was given; `closed` counts the replies that were not listened to until
    their end.
    """

    def __init__(self, *replies: Reply | Callable[[Prompt], Reply], context_tokens: int = 4096) -> None:
        self.context_tokens = context_tokens
        self.prompts: list[Prompt] = []
        self.closed = 0
        self._replies = replies
        self._lock = threading.Lock()

    def count_tokens(self, prompt: Prompt) -> int:
        return sum(len(message.content.split()) for message in prompt.messages)

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        with self._lock:
            reply = self._replies[min(len(self.prompts), len(self._replies) - 1)]
            self.prompts.append(prompt)
        tokens = self.count_tokens(prompt)
        if tokens + max_tokens > self.context_tokens:
            raise QuestionError(f"{tokens} + {max_tokens} tokens do not fit {self.context_tokens}")
        if callable(reply):
            reply = reply(prompt)
        pieces = re.findall(r"\s*\S+", reply) if isinstance(reply, str) else reply
        try:
            yield from pieces[:max_tokens]
        except GeneratorExit:
            self.closed += 1
            raise
