"""`sourcier calibrate DATA…`: fits the decision whether to answer, for the models that the settings name.

Every question is searched and read as it is; where it is known which articles answer, once more without
them, so that near passages remain and nothing answers. The label is what the decision is about: does a
sentence that would be shown answer? What is fitted on must not be reported on: give --questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import click
import numpy as np

from errors import DataError
from evaluation import archive, datasets
from evaluation.answers import chosen
from evaluation.verdicts import answers_it
from index.embedder import Embedder, configured_embedder
from index.generation import Filters, Generation
from index.language import detect
from index.rebuild import embed_articles
from index.search import search
from qa.confidence import FILE_NAME, SIGNALS, Calibration, signals
from qa.evidence import select
from qa.reader import Reader, configured_reader
from settings import Settings

_REFUSED = (0.02, 0.05, 0.08, 0.1, 0.15, 0.2)  # shares of the answerable


def fit(
    settings: Settings, data: Sequence[Path], only: Path | None, sample: int | None, seed: int, out: Path | None
) -> None:
    """Fit on data sets, print what the decision is worth on folds it did not see, and write the calibration.

    Raises DataError, and ModelMissingError.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from tqdm import tqdm

    embedder, reader = configured_embedder(settings), configured_reader(settings)
    values, labels = [], []
    sets = [datasets.read(path) for path in data]
    ids = datasets.ids_in(only, sets) if only else None
    for held in sets:
        questions = chosen(held, only=ids, sample=sample, seed=seed)
        at_home = settings.model_copy(update={"home": archive.home_of(held, archive.FOLDER)})
        everything = None
        if not all(question.among for question in questions):
            everything = archive.indexed(held, at_home, embedder)
        for question in tqdm(questions, unit=" question", desc=held.name):
            for row, label in _seen(held, question, everything, embedder, reader, settings):
                values.append(row)
                labels.append(label)
    seen, answers = np.array(values), np.array(labels)
    if len(labels) < 40 or min(answers.mean(), 1 - answers.mean()) < 0.05:
        raise DataError(
            f"{len(labels)} cases, of which {int(answers.sum())} have an answer, are too few of one kind to fit on"
        )
    model = LogisticRegression(C=10, max_iter=1000)
    judged = cross_val_predict(model, seen, answers, cv=5, method="predict_proba")[:, 1]
    model.fit(seen, answers)
    made = Calibration(
        round(float(model.intercept_[0]), 4),
        tuple(round(float(weight), 4) for weight in model.coef_[0]),
        embedder.fingerprint,
        reader.fingerprint,
        ", ".join(path.name for path in data),
        len(labels),
        seed,
        date.today().isoformat(),
    )
    path = out or settings.home / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    made.write(path)

    click.echo(f"{len(labels)} cases, {int(answers.sum())} with an answer; on folds that were not fitted on:")
    click.echo(f"area under the curve {roc_auc_score(answers, judged):.3f}")
    for name, weight, column in zip(SIGNALS, made.weights, seen.T, strict=True):
        click.echo(f"  {name:<11} weight {weight:+.3f}, alone {roc_auc_score(answers, column):.3f}")
    click.echo("| refuse below | refused though answered | refused, nothing answers |\n|---|---|---|")
    for share in _REFUSED:
        threshold = float(np.quantile(judged[answers], share))
        click.echo(f"| {threshold:.2f} | {share:.2f} | {(judged[~answers] < threshold).mean():.2f} |")
    click.echo(f"written to {path}; refuse_below is a setting")


def _seen(
    data: datasets.DataSet,
    question: datasets.Question,
    everything: Generation | None,
    embedder: Embedder,
    reader: Reader,
    settings: Settings,
) -> Iterator[tuple[tuple[float, ...], bool]]:
    language = detect(question.text)
    generation = everything
    if question.among:
        among = [data.by_id[identity] for identity in question.among]
        generation = embed_articles(among, embedder, settings.passage_tokens)
    assert generation is not None
    for left_out in (frozenset(), *([frozenset(data.holding(question))] if question.gold else [])):
        hits = search(
            generation,
            embedder,
            question.text,
            language,
            results=settings.results,
            lexical_weight=settings.lexical_weight,
            filters=Filters(leave_out=left_out),
        )
        selection = select(hits, reader, question.text, count=settings.evidence_sentences)
        if not selection.evidence:
            continue
        label = question.answerable and not left_out
        if label and (question.answers or question.sentences):
            label = any(answers_it(question, item.quote) for item in selection.evidence)
        yield signals(hits, selection, question.text, language), label
