"""Article → Passages: spans of whole sentences, sized in tokens of the embedder.

langchain-text-splitters does the packing. Its own start index is searched for in the text, and
repeats on repetitive text; here the pieces are contiguous and nothing is stripped from them, so
that offsets are sums of lengths and cannot be wrong.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from langchain_text_splitters import RecursiveCharacterTextSplitter, TextSplitter

from index.articles import Article
from index.sentences import split

# It warns of each sentence that is longer than the size aimed at, which is as it should be.
logging.getLogger("langchain_text_splitters.base").setLevel(logging.ERROR)

_SLACK = 1.1  # sentences do not divide evenly

CountTokens = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Passage:
    """The span `article.text[start:end]`; the text itself is never stored twice."""

    article_id: str
    start: int
    end: int


class _SentencePacker(TextSplitter):
    """Packs given pieces, each as long as it is, into chunks of at most `chunk_size` tokens."""

    def pack(self, pieces: list[str]) -> list[str]:
        return self._merge_splits(pieces, "")

    def split_text(self, text: str) -> list[str]:  # the abstract method; pack() is what is used
        return self.pack([text])


def cut(article: Article, longest: int, count_tokens: CountTokens) -> list[Passage]:
    """Cut an article into passages of whole sentences, `longest` tokens each at most.

    Only a sentence that is longer than that by itself is cut inside, at its commas or spaces.
    """
    text = article.text
    starts = [0, *(sentence.start for sentence in split(text, article.language)[1:]), len(text)]
    pieces = [text[start:end] for start, end in pairwise(starts) if end > start]
    tokens = {"": 0, **dict(zip(pieces, count_tokens(pieces), strict=True))}

    def length(piece: str) -> int:
        if piece not in tokens:
            # white space may be no token, but a piece of length 0 would be packed twice
            tokens[piece] = max(count_tokens([piece])[0], 1)
        return tokens[piece]

    # of nearly equal size, rather than full ones and a last with a sentence in it
    total = sum(map(length, pieces))
    target = min(longest, math.ceil(total / math.ceil(total / longest) * _SLACK)) if total else longest
    by_words = RecursiveCharacterTextSplitter(
        separators=["\n", "; ", ", ", " ", ""],
        keep_separator="end",
        chunk_size=longest,
        chunk_overlap=0,
        length_function=length,
        strip_whitespace=False,
    )
    packer = _SentencePacker(chunk_size=target, chunk_overlap=0, length_function=length, strip_whitespace=False)
    small = [part for piece in pieces for part in ([piece] if length(piece) <= longest else by_words.split_text(piece))]

    passages: list[Passage] = []
    end = 0
    for chunk in packer.pack(small):
        start, end = end, end + len(chunk)
        lead = len(chunk) - len(chunk.lstrip())
        stripped = chunk.strip()
        if stripped:
            passages.append(Passage(article.id, start + lead, start + lead + len(stripped)))
    return passages
