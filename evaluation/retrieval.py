"""Are the right articles found, and the right sentences of them? For vectors, words, and both fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from errors import DataError
from evaluation.datasets import DataSet, Question
from evaluation.metrics import Estimate, estimate, ranking
from evaluation.verdicts import answers_it
from index.embedder import Embedder
from index.generation import Generation
from index.language import detect
from index.lexical import question_tokens
from index.search import Hit, search
from qa.evidence import Evidence, select
from qa.reader import Reader
from settings import Settings

DEEPEST = 10  # articles of a ranking that count
_PASSAGES = 40  # retrieved, since several of one article are one place of the ranking
_NOWHERE = 1_000_000  # the place of a sentence that was not chosen


@dataclass(frozen=True, slots=True)
class Retrieval:
    """`ranks` is {way of searching: {measure: estimate}}, `sentences` {measure: estimate}, {} if not measured."""

    ranks: dict[str, dict[str, Estimate]]
    sentences: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def askable(data: DataSet, questions: Sequence[Question]) -> tuple[Question, ...]:
    """Keep the questions of which it is known which articles answer; raises DataError if there is none."""
    found = tuple(question for question in questions if right_articles(question))
    if not found:
        raise DataError(f"no question of {data.name} names an article that answers it; there is nothing to look for")
    return found


def right_articles(question: Question) -> tuple[str, ...]:
    """Return the ids of the articles of which one is to be found.

    NoMIRACL does not say which of a question's passages answers; there it is any of them.
    """
    return (question.gold or question.among) if question.answerable else ()


def measure(
    questions: Sequence[Question],
    generation: Generation,
    embedder: Embedder,
    reader: Reader,
    settings: Settings,
    *,
    with_sentences: int = 0,
    seed: int = 0,
) -> Retrieval:
    """Search for each question and compare with the articles that answer it.

    An article's place is that of its best passage. Of the first `with_sentences` questions that have
    a known answer, the sentences are chosen too, out of the passages that `search` gives.
    """
    owners = generation.owners()
    found: dict[str, dict[str, list[str]]] = {"vectors": {}, "words (BM25)": {}, "fused, as searched": {}}
    places: list[int] = []
    for question in tqdm(questions, unit=" question"):
        language = detect(question.text)
        dense = generation.similarities(embedder.embed_question(question.text))
        stems = question_tokens(question.text, (language, *generation.languages))
        lexical = np.concatenate(generation.lexical_scores(stems))
        hits = search(
            generation,
            embedder,
            question.text,
            language,
            results=_PASSAGES,
            lexical_weight=settings.lexical_weight,
        )
        found["vectors"][question.id] = _order(dense, owners)
        found["words (BM25)"][question.id] = _order(np.where(lexical > 0, lexical, -np.inf), owners)
        found["fused, as searched"][question.id] = list(dict.fromkeys(hit.article.id for hit in hits))[:DEEPEST]
        if len(places) < with_sentences and (question.answers or question.sentences):
            chosen = _evidence(hits[: settings.results], reader, question.text, settings)
            best = sorted(chosen, key=lambda item: -item.score)
            right = [place for place, item in enumerate(best, 1) if answers_it(question, item.quote)]
            places.append(right[0] if right else _NOWHERE)
    gold = {question.id: right_articles(question) for question in questions}
    return Retrieval(
        {
            way: {name: estimate(values, seed) for name, values in ranking(gold, orders).items()}
            for way, orders in found.items()
        },
        {
            name: estimate([float(place <= deepest) for place in places], seed)
            for name, deepest in (("top 1", 1), ("top 3", 3), ("all that are shown", _NOWHERE - 1))
            if places
        },
    )


def _order(scores: NDArray[np.float32], owners: NDArray[np.str_]) -> list[str]:
    """Return the ids of the best articles by their best passage, without those of score -inf."""
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(str(owners[row]) for row in order if scores[row] > -np.inf))[:DEEPEST]


def _evidence(hits: Sequence[Hit], reader: Reader, question: str, settings: Settings) -> tuple[Evidence, ...]:
    return select(hits, reader, question, count=settings.evidence_sentences).evidence


def as_markdown(measured: Retrieval) -> str:
    """Return the tables, as docs/ has them."""
    names = list(next(iter(measured.ranks.values())))
    number = next(iter(measured.ranks["vectors"].values())).n
    lines = [f"{number} questions; in brackets the 95 % bootstrap interval", ""]
    lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for way, row in measured.ranks.items():
        lines.append(f"| {way} | " + " | ".join(str(row[name]) for name in names) + " |")
    if measured.sentences:
        number = next(iter(measured.sentences.values())).n
        lines += ["", f"The sentence that holds the answer, {number} questions", ""]
        lines += ["| " + " | ".join(measured.sentences) + " |", "|---" * len(measured.sentences) + "|"]
        lines.append("| " + " | ".join(map(str, measured.sentences.values())) + " |")
    return "\n".join(lines)
