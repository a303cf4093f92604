"""Is there enough to answer? The probability that the evidence answers, from what search and reader saw.

A logistic regression over `signals`. What it was fitted on stands in the calibration file itself:
the default pair's lies beside the reader's weights, `sourcier calibrate` writes another into a home.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from errors import SettingsError
from index.lexical import tokens
from index.search import Hit
from qa.evidence import Selection
from qa.reader import WEIGHTS

SHIPPED = WEIGHTS.parent / "calibration.json"
FILE_NAME = "calibration.json"

SIGNALS = ("answers", "stands_out", "likeness", "gap", "unseen")
_FEW = 6


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted refusal decision: `weights[i]` goes with `SIGNALS[i]`.

    `embedder` and `reader` are the fingerprints of the models it was fitted with; `data`, `questions`,
    `seed` and `date` say on what and when.
    """

    intercept: float
    weights: tuple[float, ...]
    embedder: str
    reader: str
    data: str
    questions: int
    seed: int
    date: str

    def confidence(self, values: Sequence[float]) -> float:
        """Return the probability, 0 to 1, for the values of `signals`."""
        logit = self.intercept + sum(weight * value for weight, value in zip(self.weights, values, strict=True))
        return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_calibration(home: Path, embedder: str, reader: str) -> Calibration:
    """Return the calibration of a home, else the shipped one.

    Raises SettingsError for a file that cannot be read, and for a home's own that was fitted with
    other models. The shipped one is used with other embedders too: the reader's part holds.
    """
    own = home / FILE_NAME
    path = own if own.is_file() else SHIPPED
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        made = Calibration(**row | {"weights": tuple(float(weight) for weight in row["weights"])})
        if len(made.weights) != len(SIGNALS):
            raise ValueError(f"{len(made.weights)} weights, {len(SIGNALS)} signals")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{path} is no calibration ({error}); run `sourcier calibrate` again") from None
    if path == own and (made.embedder, made.reader) != (embedder, reader):
        raise SettingsError(f"{path} was fitted with other models; run `sourcier calibrate` again, or delete it")
    return made


def signals(hits: Sequence[Hit], selection: Selection, question: str, language: str) -> tuple[float, ...]:
    """Return what confidence is judged from, in the order of SIGNALS.

    The log odds that any sentence read answers; how far the best stands above the mean of the next
    ones; the best passage's cosine similarity; how far its fused score stands above the second's; the
    share of the question's figures and words that neither the best sentence's passage nor its title
    holds, 0 where that is in another language than the question.
    """
    best = max(selection.evidence, key=lambda item: item.score)
    logits = np.array(selection.logits)
    following = logits[1:_FEW].mean() if len(logits) > 1 else logits[0]
    unseen = 0.0
    if best.article.language == language:
        asked = set(tokens(question, language))
        passage = best.article.text[best.passage.start : best.passage.end]
        held = set(tokens(f"{best.article.title} {passage}", language))
        unseen = len(asked - held) / max(len(asked), 1)
    return (
        float(np.logaddexp.reduce(logits)),
        float(logits[0] - following),
        max(hit.dense for hit in hits),
        hits[0].score - hits[1].score if len(hits) > 1 else 0.0,
        unseen,
    )
