"""Are copies of a dispatch recognised, and updates not taken for copies? python -m evaluation.copies ARTICLES

ARTICLES is a file of JSON lines as evaluation/datasets.py reads it, with a `heading`, such as
../shared/data/orangesum_5k/articles.jsonl. Of 500 of its articles copies and updates are made by
rule, as papers make them of wire copy, and each is compared with all of its articles. The share of a
text that makes a copy is chosen on one half of the 500, and what it does is told of the other half.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from evaluation.datasets import DataSet, read
from evaluation.metrics import Estimate
from index.articles import Article
from index.copies import LEAST_SHARE, shares, sketch
from index.sentences import split

SAMPLE = 500
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # of the share of the shorter text
_SHOWN = 20  # pairs
_PARAGRAPH = 3  # sentences, where the data tells of no paragraphs
_OFTEN = 0.8  # how often a rule of rewriting is applied where it could be

# Each is put in the place of the other.
_SYNONYMS = (
    ("selon", "d'après"), ("également", "aussi"), ("notamment", "entre autres"), ("cependant", "toutefois"),
    ("afin de", "pour"), ("lors de", "pendant"), ("environ", "à peu près"), ("plusieurs", "de nombreux"),
    ("alors que", "tandis que"), ("grâce à", "à l'aide de"), ("par ailleurs", "en outre"), ("ainsi", "de la sorte"),
    ("désormais", "à présent"), ("actuellement", "en ce moment"), ("a indiqué", "a fait savoir"),
    ("a déclaré", "a affirmé"), ("a expliqué", "a exposé"), ("a précisé", "a ajouté"), ("mais", "or"),
    ("très", "fort"), ("encore", "toujours"), ("depuis", "à partir de"), ("au moins", "pas moins de"),
    ("avant de", "puis"), ("dans le cadre de", "au titre de"), ("a été", "fut"), ("ont été", "furent"),
    ("tous les", "l'ensemble des"), ("a annoncé", "a fait connaître"), ("en effet", "de fait"),
    ("permettre de", "donner le moyen de"), ("en raison de", "à cause de"), ("près de", "non loin de"),
)  # fmt: skip
_OTHER_WORD = {one: other for pair in _SYNONYMS for one, other in (pair, pair[::-1])}
_SYNONYM = re.compile(rf"\b(?:{'|'.join(sorted(_OTHER_WORD, key=len, reverse=True))})\b", re.IGNORECASE)

_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})([ .])(\d{3})(?![\d.,])")
_TYPOGRAPHY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\S)\"\s?([^\"]*?)\s?\"(?!\w)"), "«\u00a0\\1\u00a0»"),
    (re.compile(r"'"), "’"),
    (re.compile(r"(?<=\d),(?=\d)"), "."),
    (re.compile(r"\s?%"), "\u00a0%"),
    (re.compile(r"(\d) ?h ?(?=\d\d\b)"), "\\1\u00a0h\u00a0"),
    (re.compile(r"\s?([:;?!])(?=\s)"), "\u202f\\1"),
    (re.compile(r" - "), " — "),
    (re.compile(r"\.\.\."), "…"),
    (re.compile(r"oe"), "œ"),
    (re.compile(r"[ÀÂ](?=\s)"), "A"),
)

_FIGURE = re.compile(r"(?<![\w.,/:])\d+(?:[ .]\d{3})*(?:,\d+)?(?![\w/:]|[.,]\d)")
_OF_A_DATE = re.compile(
    r"(?:er)?\s+(?:janv|févr|mars|avril|mai|juin|juil|août|sept|oct|nov|déc)|\s?h\b|\s?heures?\b", re.IGNORECASE
)
_BEFORE_A_DATE = re.compile(r"\b(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|le)\s+$", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Source:
    """An article to make copies of: its sentences, and a sentence that could be its lead as well."""

    article: Article
    sentences: tuple[str, ...]
    heading: str


# Makes a text of an article; None where the article holds nothing to make it of.
Maker = Callable[[Source, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one kind: `n` texts, of which `found` were called copies of the article they are made of.

    `pairs` counts the articles that were called copies of any of the texts, that article or not.
    """

    kind: str
    copy: bool
    n: int
    found: int
    pairs: int


def first_part(share: float, source: Source, chance: random.Random) -> str | None:
    """Keep the first sentences, as many as make up this share of the characters, at least one."""
    reached = list(accumulate(map(len, source.sentences)))
    number = sum(length <= share * reached[-1] for length in reached)
    return " ".join(source.sentences[: max(1, number)])


def without_paragraphs(source: Source, chance: random.Random) -> str | None:
    """Drop a third of the paragraphs, at least one; None where there is only one."""
    starts = range(0, len(source.sentences), _PARAGRAPH)
    paragraphs = [source.sentences[start : start + _PARAGRAPH] for start in starts]
    if len(paragraphs) < 2:
        return None
    dropped = chance.sample(range(len(paragraphs)), max(1, len(paragraphs) // 3))
    return " ".join(
        sentence
        for place, paragraph in enumerate(paragraphs)
        if place not in dropped
        for sentence in paragraph
    )  # fmt: skip


def reordered(source: Source, chance: random.Random) -> str | None:
    """Put the sentences in any order."""
    return " ".join(chance.sample(source.sentences, len(source.sentences)))


def rewritten(source: Source, chance: random.Random) -> str | None:
    """Put most words that have one in the place of another, and figures in another typography."""

    def other(match: re.Match[str]) -> str:
        word = match[0]
        if chance.random() > _OFTEN:
            return word
        new = _OTHER_WORD[word.lower()]
        return new[0].upper() + new[1:] if word[0].isupper() else new

    return _thousands(_SYNONYM.sub(other, " ".join(source.sentences)))


def typeset(source: Source, chance: random.Random) -> str | None:
    """Write quotation marks, apostrophes, spaces, dashes and figures another way."""
    text = _thousands(" ".join(source.sentences))
    for pattern, replacement in _TYPOGRAPHY:
        text = pattern.sub(replacement, text)
    return text


def _thousands(text: str) -> str:
    return _THOUSANDS.sub(lambda figure: figure[1] + {" ": ".", ".": "\u202f"}[figure[2]] + figure[3], text)


def signed(source: Source, chance: random.Random) -> str | None:
    """Put a place and a day before the text, and who and when behind it."""
    day, hour, minute = chance.randint(1, 28), chance.randint(6, 22), chance.randint(10, 59)
    month = chance.choice(("janvier", "mars", "avril", "juin", "septembre", "novembre"))
    text = " ".join(source.sentences)
    return (
        f"VALMORIN, {day} {month} {chance.randint(2011, 2020)} (AVP) — {text}\n\n"
        f"Le Courrier d'Orselle, avec AVP\nPublié le {day} {month} à {hour}h{minute}, mis à jour à {hour + 1}:{minute}"
    )


def other_figure(source: Source, chance: random.Random) -> str | None:
    """Change one figure that is no date, year or hour, by a tenth to a half, at least by 1."""
    return _with_other(source, chance, dates=False)


def other_date(source: Source, chance: random.Random) -> str | None:
    """Change the figure of one date, year or hour."""
    return _with_other(source, chance, dates=True)


def _with_other(source: Source, chance: random.Random, *, dates: bool) -> str | None:
    text = " ".join(source.sentences)
    figures = [match for match in _FIGURE.finditer(text) if _is_of_a_date(match) is dates]
    if not figures:
        return None
    chosen = chance.choice(figures)
    digits = re.sub(r"\D", "", chosen[0].partition(",")[0])
    changed = str(int(digits) + max(1, round(int(digits) * chance.uniform(0.1, 0.5) * (not dates))))
    _, comma, decimals = chosen[0].partition(",")
    return f"{text[: chosen.start()]}{changed}{comma}{decimals}{text[chosen.end() :]}"


def _is_of_a_date(figure: re.Match[str]) -> bool:
    text, start, end = figure.string, *figure.span()
    return bool(
        _YEAR.fullmatch(figure[0])
        or _OF_A_DATE.match(text, end)
        or (_BEFORE_A_DATE.search(text[max(0, start - 12) : start]) and len(figure[0]) < 3)
    )


def other_lead(source: Source, chance: random.Random) -> str | None:
    """Put the heading, which tells the same in other words, in the place of the first two sentences.

    None where it is shorter than ten words, or a third of it is in the article's own words.
    """
    heading, text = _triples(source.heading), _triples(source.article.text)
    if len(heading) < 8 or len(heading & text) * 3 > len(heading):
        return None
    return " ".join((source.heading, *source.sentences[2:]))


def _triples(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def both(first: Maker, second: Maker, source: Source, chance: random.Random) -> str | None:
    """Make a text of what the first maker leaves; None where either makes none."""
    text = first(source, chance)
    return None if text is None else second(_source(source, text), chance)


COPIES: dict[str, Maker] = {
    "first half": partial(first_part, 0.5),
    "first 70 %": partial(first_part, 0.7),
    "without some paragraphs": without_paragraphs,
    "sentences reordered": reordered,
    "lightly rewritten": rewritten,
    "other typography": typeset,
    "signed and dated": signed,
}
COPIES["cut, reordered, rewritten, signed"] = partial(
    both, partial(both, partial(both, COPIES["first 70 %"], reordered), rewritten), signed
)
UPDATES: dict[str, Maker] = {
    "one figure changed": other_figure,
    "one figure changed, cut": partial(both, partial(first_part, 0.7), other_figure),
    "one figure changed, rewritten, signed": partial(both, partial(both, other_figure, rewritten), signed),
    "one date, year or hour changed": other_date,
    "another lead": other_lead,
    "another lead, one figure changed": partial(both, other_lead, other_figure),
}


def sources(data: DataSet, number: int, seed: int = 0) -> list[Source]:
    """Choose articles with a heading and at least four sentences, the same for the same data and seed."""
    made: list[Source] = []
    for question in random.Random(seed).sample(data.questions, len(data.questions)):
        if len(made) == number:
            break
        article = data.by_id[question.gold[0]]
        source = _source(Source(article, (), question.text), article.text)
        if len(source.sentences) >= 4:
            made.append(source)
    return made


def _source(source: Source, text: str) -> Source:
    sentences = tuple(text[span.start : span.end] for span in split(text, source.article.language))
    return Source(source.article, sentences, source.heading)


def is_for_choosing(article: Article) -> bool:
    """True for the half of all articles on which the threshold is chosen: those of an even id."""
    return int(article.id, 16) % 2 == 0


@dataclass(frozen=True, slots=True)
class Compared:
    """The shares (m,) that one made text has with each article of the data, `place` being its own."""

    kind: str
    place: int
    shares: NDArray[np.float32]


def compare(chosen: Sequence[Source], data: DataSet, sketches: NDArray[np.uint32], seed: int = 0) -> list[Compared]:
    """Make every kind of each source, and compare it with all (m, WIDTH) sketches of the data's articles."""
    places = {article.id: place for place, article in enumerate(data.articles)}
    compared = []
    for source in tqdm(chosen, unit=" article", mininterval=5):
        for kind, make in (COPIES | UPDATES).items():
            text = make(source, random.Random(f"{seed} {kind} {source.article.id}"))
            if text is not None:
                compared.append(Compared(kind, places[source.article.id], shares(sketch(text), sketches)))
    return compared


def outcomes(compared: Sequence[Compared], threshold: float) -> list[Outcome]:
    """Count for each kind what is called a copy at this threshold."""
    counted = []
    for kind in COPIES | UPDATES:
        some = [item for item in compared if item.kind == kind]
        found = sum(bool(item.shares[item.place] >= threshold) for item in some)
        pairs = sum(int((item.shares >= threshold).sum()) for item in some)
        counted.append(Outcome(kind, kind in COPIES, len(some), found, pairs))
    return counted


def chosen_threshold(compared: Sequence[Compared]) -> float:
    """Return the threshold of the most copies found less wrong pairs; of equals the middle one."""
    values = []
    for threshold in THRESHOLDS:
        counted = outcomes(compared, threshold)
        right = sum(item.found for item in counted if item.copy)
        values.append(2 * right - sum(item.pairs for item in counted))
    best = [threshold for threshold, value in zip(THRESHOLDS, values, strict=True) if value == max(values)]
    return best[len(best) // 2]


def wilson(hits: int, n: int) -> Estimate | None:
    """Return hits / n with its 95 % interval (Wilson 1927); None of none."""
    from scipy.stats import binomtest

    if not n:
        return None
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return Estimate(hits / n, float(interval.low), float(interval.high), n)


def as_markdown(counted: Sequence[Outcome]) -> str:
    """Return the tables, as docs/ has them."""
    lines = ["| copies | n | found | right of those found |", "|---|---|---|---|"]
    for item in counted:
        if item.copy:
            lines.append(f"| {item.kind} | {item.n} | {_of(item.found, item.n)} | {_of(item.found, item.pairs)} |")
    lines += ["", "| updates | n | taken for a copy |", "|---|---|---|"]
    lines += [f"| {item.kind} | {item.n} | {_of(item.found, item.n)} |" for item in counted if not item.copy]
    return "\n".join(lines)


def _of(hits: int, n: int) -> str:
    return str(wilson(hits, n) or "–")


def genuine(sketches: NDArray[np.uint32], threshold: float) -> list[tuple[float, int, int]]:
    """Return (share, row, row) of the pairs among the (m, WIDTH) sketches that are called copies, surest first."""
    pairs = []
    for row in range(len(sketches) - 1):
        alike = shares(sketches[row], sketches[row + 1 :])
        pairs += [(float(alike[other]), row, row + 1 + int(other)) for other in np.flatnonzero(alike >= threshold)]
    return sorted(pairs, reverse=True)


@click.command()
@click.argument("path", metavar="ARTICLES", type=click.Path(exists=True, path_type=Path))
@click.option("--number", default=SAMPLE, show_default=True, help="How many articles to make copies of.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn by chance.")
def main(path: Path, number: int, seed: int) -> None:
    """Measure how copies and updates are told apart, on a file of articles that have a heading."""
    data = read(path, query_field="heading")
    sketches = np.stack([sketch(article.text) for article in data.articles])
    chosen = sources(data, number, seed)
    compared = compare(chosen, data, sketches, seed)
    choosing = [item for item in compared if is_for_choosing(data.articles[item.place])]
    telling = [item for item in compared if not is_for_choosing(data.articles[item.place])]
    threshold = chosen_threshold(choosing)
    articles = len({item.place for item in telling})
    pairs = genuine(sketches, threshold)
    click.echo(
        f"{articles} articles against {len(data.articles)}; in brackets the 95 % Wilson interval."
        f" Threshold {threshold}, chosen on {len(chosen) - articles} others; index/copies.py has {LEAST_SHARE}.\n"
    )
    click.echo(as_markdown(outcomes(telling, threshold)))
    click.echo(f"\n{len(pairs)} pairs of the {len(data.articles)} articles themselves are called copies.")
    for share, one, other in pairs[:_SHOWN]:
        first, second = data.articles[one], data.articles[other]
        click.echo(f"{share:.2f} {first.id} {first.title}\n     {second.id} {second.title}", err=True)


if __name__ == "__main__":
    main()
