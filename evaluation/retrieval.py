"""Passage retrieval on a SQuAD file: each paragraph an article, each question's paragraph the one to find.

    python -m evaluation.retrieval ../shared/data/piaf/piaf-v1.0.json [--sample 600]

Prints R@1, R@5, R@10 and MRR@10 of articles, for the vectors alone, BM25 alone and both fused. The
index is kept in .bench/, so that a second run embeds the questions only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from index.articles import clean
from index.embedder import SentenceTransformerEmbedder, configured_embedder
from index.generation import Generation, open_current
from index.lexical import question_tokens
from index.rebuild import update
from index.search import search
from settings import Settings, load_settings


def read_squad(path: Path) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    """Return the paragraphs as rows {id, title, text}, and the questions as (question, paragraph id)."""
    articles: list[dict[str, str]] = []
    questions: list[tuple[str, str]] = []
    for document in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in document["paragraphs"]:
            identity = str(len(articles))
            title = document["title"].replace("_", " ")
            articles.append({"id": identity, "title": title, "text": paragraph["context"]})
            questions.extend((asked["question"], identity) for asked in paragraph["qas"] if asked.get("answers"))
    return articles, questions


@dataclass(frozen=True, slots=True)
class Opened:
    """An index of a SQuAD file, and its questions as (question, id of the article that answers)."""

    generation: Generation
    embedder: SentenceTransformerEmbedder
    settings: Settings
    questions: list[tuple[str, str]]


def open_squad(path: Path, language: str) -> Opened:
    """Index a SQuAD file in .bench/, embedding only what is new, and open it."""
    settings = load_settings(Path(".bench") / path.stem)
    settings.home.mkdir(parents=True, exist_ok=True)
    articles, questions = read_squad(path)
    rows = settings.home / "articles.jsonl"
    rows.write_text("".join(json.dumps(row | {"language": language}) + "\n" for row in articles), encoding="utf-8")
    embedder = configured_embedder(settings)
    update(settings.home, [rows], embedder, passage_tokens=settings.passage_tokens)
    generation = open_current(settings.home, embedder.fingerprint)
    by_text = {article.text: article.id for article in generation.store.articles()}
    article_of = {row["id"]: by_text[clean(row["text"])] for row in articles}
    return Opened(
        generation, embedder, settings, [(question, article_of[identity]) for question, identity in questions]
    )


@click.command()
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sample", type=int, help="Only so many questions, drawn with seed 0.")
@click.option("--language", default="fr", show_default=True)
def main(data: Path, sample: int | None, language: str) -> None:
    """Measure retrieval on DATA, a SQuAD 1.1 file."""
    opened = open_squad(data, language)
    generation, embedder, questions = opened.generation, opened.embedder, opened.questions
    if sample:
        chosen = np.random.default_rng(0).permutation(len(questions))[:sample]
        questions = [questions[place] for place in chosen]
    number = {name: place for place, name in enumerate(sorted({p.article_id for p in generation.passages}))}
    owner = np.array([number[passage.article_id] for passage in generation.passages])
    ranks: dict[str, list[int]] = {"vectors": [], "BM25": [], "fused, as searched": []}
    for question, identity in tqdm(questions, unit=" question"):
        gold = number[identity]
        dense = generation.vectors.similarities(embedder.embed_question(question), np.arange(len(owner)))
        lexical = generation.lexical.scores(question_tokens(question, [language]))
        for way, scores in {"vectors": dense, "BM25": lexical}.items():
            best = np.full(len(number), -np.inf)
            np.maximum.at(best, owner, scores)
            ranks[way].append(int((best > best[gold]).sum()) + int((best == best[gold]).sum() - 1) // 2)
        hits = search(
            generation, embedder, question, language, results=40, lexical_weight=opened.settings.lexical_weight
        )
        order = list(dict.fromkeys(number[hit.article.id] for hit in hits))
        ranks["fused, as searched"].append(order.index(gold) if gold in order else len(number))
    print(f"\n{len(number)} articles, {len(owner)} passages, {len(questions)} questions\n")
    print("| | R@1 | R@5 | R@10 | MRR@10 |\n|---|---|---|---|---|")
    for way, found in ranks.items():
        rank = np.array(found)
        recalls = [float((rank < k).mean()) for k in (1, 5, 10)]
        mrr = float(np.where(rank < 10, 1 / (rank + 1), 0).mean())
        print(f"| {way} | " + " | ".join(f"{value:.3f}" for value in (*recalls, mrr)) + " |")


if __name__ == "__main__":
    main()
