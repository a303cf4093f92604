"""What the reader is trained on: which questions, and which passages are put beside each.

A group is a question and some passages, under one softmax over all their sentences and the zero that
stands for "nothing here does":
- the paragraph that answers with near ones that do not (of the same document, or like the question);
- the paragraph without the sentence that answers, and the question with another year or name in it:
  nothing answers, though everything is near;
- questions of XQuAD over the parallel paragraph in the same or in another language;
- NoMIRACL: of ten passages one answers, nobody says which; or none does;
- our own (training/): articles about invented places, and more questions over PIAF's and NoMIRACL's;
  half of them near misses, which ask for another detail than the one that is there.

`split` is the only place where it is decided what is trained on: documents of PIAF and XQuAD and
questions of NoMIRACL, shuffled with seed 0.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from evaluation.datasets import DataSet, Question, flat
from index.articles import Article
from index.embedder import SentenceTransformerEmbedder
from index.lexical import tokens
from qa.reader import Text, tokens_in

_YEAR = re.compile(r"\b(1[0-9]{3}|20[0-2][0-9])\b")
_NAME = re.compile(r"(?<=[\s'’])[A-ZÉÈÀ][\wéèêàôîïüç-]{3,}")

PARTS = ("train", "calibrate", "report")


def split(data: DataSet, shares: tuple[float, float]) -> dict[str, str]:
    """Return the part, one of PARTS, of each question's id.

    Whole documents (a title, where questions have a gold article) go to one part: `shares` are what
    the first two get of them.
    """
    unit = {q.id: data.by_id[q.gold[0]].title if q.gold else q.id for q in data.questions}
    units = sorted(set(unit.values()))
    random.Random(0).shuffle(units)
    ends = [int(shares[0] * len(units)), int((shares[0] + shares[1]) * len(units))]
    part = {name: PARTS[sum(place >= end for end in ends)] for place, name in enumerate(units)}
    return {identity: part[name] for identity, name in unit.items()}


PIAF_SHARES = (0.62, 0.10)
XQUAD_SHARES = (0.5, 0.0)
NOMIRACL_SHARES = (0.5, 0.0)
_READ_TOGETHER = 4  # passages of a question of our own


@dataclass(slots=True)
class Passage:
    """A passage with the states of its tokens after the lower layers, (n, 768)."""

    article: Article
    text: Text
    states: Any = None
    offsets: Sequence[tuple[int, int]] = ()
    ranges: list[tuple[int, int]] = field(default_factory=list)  # of tokens, for each sentence


@dataclass(frozen=True, slots=True)
class Group:
    """`right`: sentences of the first passage that answer, None if nothing does, () if one of any does."""

    question: str
    passages: tuple[Passage, ...]
    right: tuple[int, ...] | None
    words: tuple[int, int] | None = None  # tokens of the first passage


class ReadsApart(Protocol):
    """What groups are made with: it reads through the lower layers, whose output is computed once."""

    embedder: SentenceTransformerEmbedder
    chance: random.Random

    def passages(self, articles: Sequence[Article]) -> dict[str, list[Passage]]:
        """Cut articles as the index does, and read them."""
        ...

    def read_apart(self, passages: Sequence[Passage]) -> None:
        """Read passages that were made otherwise."""
        ...

    def put(self, questions: Sequence[str]) -> None:
        """Read questions."""
        ...


def _answer(passages: Sequence[Passage], question: Question) -> tuple[Passage, tuple[int, ...], tuple[int, int]] | None:
    """Return the passage of the sentence that answers, that sentence, and the tokens of the words."""
    for passage in passages:
        for number, (start, end) in enumerate(passage.text.sentences):
            if not any(flat(passage.text.text[start:end]) in sentence for sentence in question.sentences):
                continue
            place = passage.text.text.find(question.answers[0], start, end)
            if place >= 0 and (inside := tokens_in(passage.offsets, place, place + len(question.answers[0]))):
                return passage, (number,), (inside[0], inside[1] - 1)
    return None


def _without(passage: Passage, sentence: int) -> Passage:
    """Return the passage without one of its sentences, not yet read."""
    start, end = passage.text.sentences[sentence]
    text = passage.text.text
    rest = text[end:].lstrip()
    gone = len(text) - start - len(rest)
    kept = tuple(
        span if span[1] <= start else (span[0] - gone, span[1] - gone)
        for span in passage.text.sentences
        if span != (start, end)
    )
    return Passage(passage.article, Text(passage.text.title, text[:start] + rest, kept))


class Squad:
    """Groups of a SQuAD set whose questions have one answer each; `parallel` are the same in other languages."""

    def __init__(
        self, reads: ReadsApart, data: DataSet, part: dict[str, str], *, near: bool, own: Sequence[Question] = ()
    ) -> None:
        self.reads, self.data, chance = reads, data, reads.chance
        trained = [question for question in data.questions if part[question.id] == "train"] + list(own)
        self.own = {question.id for question in own}
        self.unanswerable = [question for question in trained if not question.answerable]
        wanted = [question for question in trained if question.answerable]
        ids = {identity for question in trained for identity in (*question.gold, *question.among)}
        articles = data.articles if near else [article for article in data.articles if article.id in ids]
        self.passages = reads.passages(articles)
        self.same_title = defaultdict(list)
        for some in self.passages.values():
            self.same_title[some[0].article.title].extend(some)
        self.found = {
            question.id: found
            for question in wanted
            if (found := _answer(self.passages[question.gold[0]], question)) is not None
        }
        self.questions = [question for question in wanted if question.id in self.found]
        self.all = [passage for some in self.passages.values() for passage in some]
        self.nearest = self._nearest() if near else {}
        self.minus = {}
        for question in self.questions:
            passage, (number,), _ = self.found[question.id]
            cut_out = _without(passage, number)
            if len(passage.text.sentences) > 2 and not _holds(cut_out, question) and chance.random() < 0.6:
                self.minus[question.id] = cut_out
        reads.read_apart(list(self.minus.values()))
        pool = sorted({name for question in self.questions for name in _NAME.findall(question.text)})
        self.changed = {
            question.id: changed
            for question in self.questions
            if (changed := _changed(question.text, self.found[question.id][0].text.text, pool, chance))
        }
        reads.put([question.text for question in (*self.questions, *self.unanswerable)] + list(self.changed.values()))

    def _nearest(self) -> dict[str, list[Passage]]:
        """Return the passages most like each question, of articles that do not answer it."""
        embedder = self.reads.embedder
        vectors = embedder.embed_passages([p.text.text for p in self.all], [p.text.title for p in self.all])
        nearest = {}
        questions = [*self.questions, *self.unanswerable]
        asked = embedder.embed_questions([question.text for question in questions])
        for question, scores in zip(questions, asked @ vectors.T, strict=True):
            order = np.argsort(-scores)[:12]
            nearest[question.id] = [
                self.all[place]
                for place in order
                if self.all[place].article.id not in question.gold and not _holds(self.all[place], question)
            ]
        return nearest

    def groups(self, share: float = 1.0) -> Iterator[Group]:
        """Yield an epoch's groups, of a random `share` of the questions; all of our own are among them."""
        chance = self.reads.chance
        for question in self.unanswerable:
            among = [passage for identity in question.among for passage in self.passages[identity]]
            yield Group(question.text, tuple((among or self.nearest[question.id])[:_READ_TOGETHER]), None)
        for question in self.questions:
            if question.id not in self.own and chance.random() >= share:
                continue
            passage, right, words = self.found[question.id]
            near = list(self.nearest.get(question.id, ()))
            others: list[Passage] = []
            while near and len(others) < 2:
                others.append(near.pop(min(int(chance.expovariate(0.45)), len(near) - 1)))
            same = [
                other
                for other in self.same_title[passage.article.title]
                if other.article is not passage.article and not _holds(other, question) and other not in others
            ]
            if same and chance.random() < (0.3 if self.nearest else 0.6):
                others.append(chance.choice(same))
            yield Group(question.text, (passage, *others), right, words)
            if question.id in self.minus and chance.random() < 0.75:
                extra = others[:1] if chance.random() < 0.5 else []
                yield Group(question.text, (self.minus[question.id], *extra), None)
            if question.id in self.changed and chance.random() < 0.5:
                yield Group(self.changed[question.id], (passage,), None)


def _holds(passage: Passage, question: Question) -> bool:
    words = question.answers[0] if question.answers else ""
    return len(words) > 2 and words.lower() in passage.text.text.lower()


def _changed(question: str, passage: str, pool: Sequence[str], chance: random.Random) -> str | None:
    """Return a question about another year or name, which the passage does not mention."""
    if years := _YEAR.findall(question):
        old = chance.choice(years)
        new = str(int(old) + chance.choice([-7, -4, -3, -1, 1, 2, 5, 9]))
    else:
        names = [name for name in _NAME.findall(question) if name in passage]
        if not names or not pool or chance.random() < 0.5:
            return None
        old, new = chance.choice(names), chance.choice(pool)
    return question.replace(old, new) if new not in passage else None


def parallel_groups(sets: Sequence[Squad], chance: random.Random, share: float = 1.0) -> Iterator[Group]:
    """Yield questions over the paragraph in their own or in another language (the ids are the same in all)."""
    for own in sets:
        for question in own.questions:
            other = own if chance.random() < 0.4 else chance.choice(list(sets))
            if chance.random() > 0.3 * share or question.id not in other.found:
                continue
            passage, right, words = other.found[question.id]
            yield Group(question.text, (passage,), right, words)
            if question.id in other.minus and chance.random() < 0.5:
                yield Group(question.text, (other.minus[question.id],), None)


def judged_groups(reads: ReadsApart, data: DataSet, part: dict[str, str], own: Sequence[Question] = ()) -> list[Group]:
    """Return NoMIRACL's questions with their passages, and our own with those that are most like them."""
    questions = [question for question in data.questions if part[question.id] == "train"]
    ids = {identity for question in questions for identity in question.among}
    passages = reads.passages([article for article in data.articles if article.id in ids])
    reads.put([question.text for question in (*questions, *own)])
    made = []
    for question in (*questions, *own):
        among = [passage for identity in question.among for passage in passages[identity]]
        if question.id in part:
            made.append(Group(question.text, tuple(among), () if question.answerable else None))
            continue
        words = set(tokens(question.text, "fr"))
        among.sort(key=lambda passage: -len(words.intersection(tokens(passage.text.text, "fr"))))
        found = _answer(passages[question.gold[0]], question) if question.gold else None
        if found is None and question.answerable:
            continue
        others = [passage for passage in among if not _holds(passage, question)]
        if found is None:
            made.append(Group(question.text, tuple(others[:_READ_TOGETHER]), None))
        else:
            passage, right, span = found
            made.append(Group(question.text, (passage, *others[: _READ_TOGETHER - 1]), right, span))
    return made
