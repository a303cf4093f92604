"""Figures: short answers, rankings, intervals, and what a confidence is worth.

Rankings are measured by ir-measures (trec_eval underneath), intervals by scipy, calibration by
scikit-learn; what is our own is the comparison of words, since it depends on the language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ARTICLES = {
    "fr": re.compile(r"\b(?:de\s+la\b|(?:de\s+)?l['’]|(?:les?|la|une?|des|du)\b)"),
    "en": re.compile(r"\b(?:an?|the)\b"),
    "de": re.compile(r"\b(?:der|die|das|de[nms]|ein(?:e[nmrs]?)?)\b"),
    "es": re.compile(r"\b(?:el|l[ao]s?|un[ao]?s?)\b"),
}
_GROUPED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:[ \u00a0\u202f.,]\d{3})+(?!\d)")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_WORD = re.compile(r"\d+(?:\.\d+)+|\w+")

_RESAMPLES = 2000
_BATCH = 100  # resamples held in memory at once
_BINS = 10


def normalised(text: str, language: str) -> tuple[str, ...]:
    """Return the words of a text as SQuAD's evaluation compares them (Rajpurkar et al. 2016).

    Lower case; accents kept; punctuation and white space only part words. Left out are the articles
    of French (le la les l' un une des du, de la, de l'), English (a an the), German and Spanish, as
    in MLQA's evaluation (Lewis et al. 2020), unless nothing else is there ("un"). Figures are
    written one way: "10 000", "10.000" and "10,000" are 10000, and "3,2" is 3.2.
    """
    lower = unicodedata.normalize("NFC", text).lower()
    lower = _DECIMAL_COMMA.sub(".", _GROUPED.sub(lambda group: re.sub(r"\D", "", group[0]), lower))
    without = _ARTICLES[language].sub(" ", lower) if language in _ARTICLES else lower
    return tuple(_WORD.findall(without) or _WORD.findall(lower))


def token_f1(prediction: str, answers: Collection[str], language: str) -> float:
    """Return the greatest F1, 0 to 1, of the words of a prediction and those of an answer; 0 without any."""
    return max((_f1(normalised(prediction, language), normalised(answer, language)) for answer in answers), default=0.0)


def _f1(prediction: tuple[str, ...], answer: tuple[str, ...]) -> float:
    shared = sum((Counter(prediction) & Counter(answer)).values())
    return 2 * shared / (len(prediction) + len(answer)) if shared else 0.0


def exact_match(prediction: str, answers: Collection[str], language: str) -> bool:
    """True if the words of a prediction are those of one of the answers, in that order."""
    return normalised(prediction, language) in [normalised(answer, language) for answer in answers]


def holds(text: str, answers: Collection[str], language: str) -> bool:
    """True if the words of one of the answers stand one after the other in the text, as whole words."""
    words = normalised(text, language)
    for answer in answers:
        wanted = normalised(answer, language)
        if wanted and any(words[start : start + len(wanted)] == wanted for start in range(len(words))):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of `n` values, with the ends of its 95 % interval; written as ".803 [.790, .815]"."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{share(self.value)} [{share(self.low)}, {share(self.high)}]"


def share(value: float) -> str:
    """Write a number of -1 to 1 as tables have it: .803, 1.000, -.020."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean and its percentile bootstrap interval, 2,000 resamples (Efron and Tibshirani 1993).

    Of fewer than two values the interval is the value itself. Raises ValueError without any value.
    """
    from scipy.stats import bootstrap

    if not len(values):
        raise ValueError("there is no value to take the mean of")
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, mean, mean, len(values))
    interval = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high), len(values))


def ranking(gold: Mapping[str, Collection[str]], found: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Return {measure: a value for each question} for R@1, R@5, R@10, MRR@10 and nDCG@10.

    `gold` maps a question to the articles that are right, `found` to those found, best first. R@k is
    1 where one of the right articles is among the first k (ir-measures calls it Success@k); with one
    right article, as in SQuAD, it is recall.
    """
    import ir_measures
    from ir_measures import RR, Success, nDCG

    names = {Success @ 1: "R@1", Success @ 5: "R@5", Success @ 10: "R@10", RR @ 10: "MRR@10", nDCG @ 10: "nDCG@10"}
    judged = {question: dict.fromkeys(right, 1) for question, right in gold.items()}
    # trec_eval sorts by score and breaks ties by name; so every score is another
    run = {question: {name: -float(rank) for rank, name in enumerate(order)} for question, order in found.items()}
    values = {name: dict.fromkeys(gold, 0.0) for name in names.values()}
    for metric in ir_measures.iter_calc(list(names), judged, run):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return {name: list(by_question.values()) for name, by_question in values.items()}


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """`risk[i]` is the share of wrong answers among the surest `coverage[i]` of all questions, (n,) each.

    `area` is the mean risk over the coverages reached: 0 where nothing is wrong.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float


def risk_coverage(confidence: ArrayLike, wrong: ArrayLike, questions: int) -> RiskCoverage:
    """Return the curve of selective answering (El-Yaniv and Wiener 2010; area: Geifman et al. 2019).

    `confidence` and `wrong` are (m,), of the questions that were answered, out of `questions`.
    Answers of equal confidence are one step. Raises ValueError if m is 0.
    """
    sure, bad = np.asarray(confidence, dtype=float), np.asarray(wrong, dtype=float)
    if not len(sure):
        raise ValueError("no question was answered")
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.diff(sure[order], append=-np.inf))
    risk = np.cumsum(bad[order])[ends] / (ends + 1)
    return RiskCoverage((ends + 1) / questions, risk, float(np.average(risk, weights=np.diff(ends, prepend=-1))))


@dataclass(frozen=True, slots=True)
class Reliability:
    """For each tenth of the confidence that occurs: its mean, the share that came true, how many; (b,) each.

    `error` is the expected calibration error, the mean distance of the two: 0 is perfect.
    """

    confidence: NDArray[np.float64]
    share: NDArray[np.float64]
    count: NDArray[np.int64]
    error: float


def reliability(confidence: ArrayLike, true: ArrayLike) -> Reliability:
    """Return the reliability diagram in ten equal bins, and its error (Naeini et al. 2015).

    Both are (n,), n > 0; `confidence` is a probability, 0 to 1.
    """
    from sklearn.calibration import calibration_curve

    sure = np.asarray(confidence, dtype=float)
    share, mean = calibration_curve(np.asarray(true, dtype=int), sure, pos_label=1, n_bins=_BINS)
    # in the bins of calibration_curve, which does not tell how many fell in each
    count = np.bincount(np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], sure))
    count = count[count > 0]
    return Reliability(mean, share, count, float(np.average(np.abs(share - mean), weights=count)))
