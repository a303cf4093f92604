"""BM25 over stems, with bm25s and Snowball; and only here.

Each passage is tokenized in the language of its article, title included; a question in its own
language and in those of the archive, so that names and figures meet across languages.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w\w+|\d", re.UNICODE)
_DIGIT_GROUPS = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)")
_ACCENTS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "nb": "norwegian", "nn": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip


def _fold(text: str) -> str:
    """Put in lower case without the accents of Latin letters, which readers leave out and capitals lose."""
    lower = text.lower().replace("œ", "oe")
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", lower)))


@lru_cache(maxsize=64)
def _stemmer(language: str) -> Any:
    import Stemmer

    return Stemmer.Stemmer(_SNOWBALL[language]) if language in _SNOWBALL else None


@lru_cache(maxsize=64)
def _stop_words(language: str) -> frozenset[str]:
    import stop_words

    name = language if language in stop_words.LANGUAGE_MAPPING else None
    words = stop_words.get_stop_words(name) if name else []
    # contracted words are cut at the apostrophe by _WORD, so their halves are looked up
    return frozenset(part for word in words for part in _WORD.findall(_fold(word)))


def tokens(text: str, language: str | None) -> list[str]:
    """Return the stems of a text without its stop words; with or without its accents, they are the same."""
    language = language or "fr"
    words = _WORD.findall(_fold(_DIGIT_GROUPS.sub(lambda group: re.sub(r"\D", "", group[0]), text)))
    stopped = _stop_words(language)
    kept = [word for word in words if word not in stopped]
    stemmer = _stemmer(language)
    return list(stemmer.stemWords(kept)) if stemmer else kept


def question_tokens(question: str, languages: Iterable[str]) -> list[str]:
    """Return the distinct stems of a question in each of the languages, in a stable order."""
    return list(dict.fromkeys(token for language in languages for token in tokens(question, language)))


class LexicalIndex:
    """BM25 (Lucene's variant; Robertson and Zaragoza 2009) over n tokenized passages."""

    def __init__(self, model: Any, size: int) -> None:
        self._model = model
        self._size = size

    @classmethod
    def build(cls, passages: Sequence[list[str]]) -> LexicalIndex:
        import bm25s

        if not any(passages):
            return cls(None, len(passages))
        model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        model.index(list(passages), show_progress=False)
        return cls(model, len(passages))

    def save(self, folder: Path) -> None:
        """Write NumPy arrays and JSON into `folder`; nothing where no passage has a word."""
        folder.mkdir()
        if self._model is not None:
            self._model.save(str(folder), show_progress=False)

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        import bm25s

        if not any(folder.iterdir()):
            return cls(None, size)
        return cls(bm25s.BM25.load(str(folder), mmap=True, show_progress=False), size)

    def scores(self, query: list[str]) -> NDArray[np.float32]:
        """Return the (n,) float32 BM25 scores, 0 where no word is shared."""
        if self._model is None or not query:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._model.get_scores(query), dtype=np.float32)
