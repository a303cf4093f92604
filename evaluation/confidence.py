"""Fits the confidence of qa/evidence.py on a SQuAD file, and says how well it tells.

    python -m evaluation.confidence ../shared/data/piaf/piaf-v1.0.json

Each question is taken twice through search and the choice of sentences: as it is (something
answers), and with its paragraph left out (nothing does; near paragraphs remain). The first half of
the documents is fitted on, the second half reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from evaluation.retrieval import open_squad
from index.embedder import Embedder
from index.search import search
from index.vectors import Vectors
from qa.evidence import select, signals

QUESTIONS = 600


class Remembering:
    """An Embedder that embeds each sentence once."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.fingerprint, self.dimensions = embedder.name, embedder.fingerprint, embedder.dimensions
        self.count_tokens, self.embed_question = embedder.count_tokens, embedder.embed_question
        self._embedder = embedder
        self._known: dict[tuple[str, str], Vectors] = {}

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        pairs = list(zip(texts, titles, strict=True))
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        if new:
            made = self._embedder.embed_passages([text for text, _ in new], [title for _, title in new])
            self._known.update(zip(new, made, strict=True))
        return np.stack([self._known[pair] for pair in pairs])


@click.command()
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--language", default="fr", show_default=True)
def main(data: Path, language: str) -> None:
    """Fit on DATA, a SQuAD 1.1 file."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    opened = open_squad(data, language)
    settings, embedder = opened.settings, Remembering(opened.embedder)
    half = len(opened.questions) // 2
    samples = []
    for questions in (opened.questions[:half], opened.questions[half:]):
        chosen = np.random.default_rng(0).permutation(len(questions))[: QUESTIONS // 2]
        seen, answered = [], []
        for question, identity in tqdm([questions[place] for place in chosen], unit=" question"):
            hits = search(
                opened.generation, embedder, question, language, results=40, lexical_weight=settings.lexical_weight
            )
            for left_out in (False, True):
                kept = [hit for hit in hits if not (left_out and hit.article.id == identity)][: settings.results]
                evidence = select(
                    kept,
                    embedder,
                    question,
                    language,
                    count=settings.evidence_sentences,
                    lexical_weight=settings.lexical_weight,
                )
                seen.append(signals(kept, evidence))
                answered.append(not left_out)
        samples.append((np.array(seen), np.array(answered)))
    (fitted_on, labels), (held_out, truth) = samples
    model = LogisticRegression(C=10).fit(fitted_on, labels)
    probabilities = model.predict_proba(held_out)[:, 1]
    print(f"\nintercept {model.intercept_[0]:.2f}, weights {np.round(model.coef_[0], 2).tolist()}")
    print(f"area under the curve on the other half: {roc_auc_score(truth, probabilities):.3f}\n")
    print("| refuse below | refused though answerable | refused, nothing answers |\n|---|---|---|")
    for threshold in (0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        refused = probabilities < threshold
        print(f"| {threshold} | {refused[truth].mean():.2f} | {refused[~truth].mean():.2f} |")


if __name__ == "__main__":
    main()
