"""Errors planted in supported sentences: how many does qa/check.py catch, how often is it wrong?

A row is a sentence that its evidence bears out. From each, at most one error of each kind is made: a
number, a date or a name is exchanged for another that the evidence does not hold, a negation is added
or taken away. The right rows themselves give the false alarms.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from babel.dates import get_month_names

from errors import ArticleError
from index.articles import Article
from index.language import detect
from index.passages import Passage
from qa.check import Kind, problems
from qa.evidence import Evidence
from qa.figures import Known, figures

_NAME = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w-]*\w(?: [A-ZÀ-ÖØ-Þ][\w-]*\w)*")
_DIGITS = re.compile(
    r"(?<![\w.,])\d{1,3}(?:[ \u00a0\u202f.,]\d{3})*(?:[.,]\d+)?(?: (?:millions?|milliards?|million|Millionen))?(?!\d)"
)
_SMALL = {
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente cent",
    "en": "two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand",
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig hundert tausend",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce veinte treinta cien mil",
}
_WORDS = {
    language: re.compile(rf"\b(?:{one})s?(?:[ -](?:et )?(?:{one})s?)*\b(?!-)", re.IGNORECASE)
    for language, one in ((language, "|".join(words.split())) for language, words in _SMALL.items())
}

PLANTED = (Kind.NUMBER, Kind.DATE, Kind.NAME, Kind.NEGATION)


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence and the sentences of an article that bear it out."""

    sentence: str
    evidence: tuple[Evidence, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Planted:
    """A row's sentence with one error in it."""

    kind: Kind
    row: Row
    sentence: str


@dataclass(frozen=True, slots=True)
class Table:
    """`caught` is how many of the `planted` errors of a kind were noticed; `alarms` rows were wrongly accused."""

    planted: dict[str, int]
    caught: dict[str, int]
    rows: int
    alarms: int
    missed: tuple[Planted, ...]
    accused: tuple[tuple[str, str], ...]

    def as_text(self) -> str:
        lines = [f"{'kind':<12}{'planted':>9}{'caught':>9}{'share':>8}"]
        for kind, count in self.planted.items():
            lines.append(f"{kind:<12}{count:>9}{self.caught[kind]:>9}{self.caught[kind] / max(count, 1):>8.3f}")
        lines.append(f"{'false alarms':<12}{self.rows:>9}{self.alarms:>9}{self.alarms / max(self.rows, 1):>8.3f}")
        return "\n".join(lines)


def read_rows(path: Path) -> list[Row]:
    """Read rows from JSON lines: "sentence", "evidence" (a list of quotes), "language"; perhaps "title",
    "published" (2024-05-31), "source" and "article_language".

    Raises ArticleError naming the line that is malformed.
    """
    rows = []
    for place, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(row(**{key: value for key, value in json.loads(line).items() if key in _FIELDS}))
        except (ValueError, TypeError) as error:
            raise ArticleError(f"{path}, line {place}: {error}; sentence, evidence and language are needed") from None
    return rows


_FIELDS = ("sentence", "evidence", "language", "title", "published", "source", "article_language")


def row(
    sentence: str,
    evidence: Sequence[str],
    language: str,
    title: str = "",
    published: str | None = None,
    source: str | None = None,
    article_language: str | None = None,
) -> Row:
    """Make a row, with an article that holds nothing but its evidence. Raises ValueError for a date that is none."""
    if not evidence or isinstance(evidence, str) or not all(isinstance(quote, str) and quote for quote in evidence):
        raise ValueError("evidence is not a list of sentences")
    text = "\n".join(evidence)
    day = date.fromisoformat(published[:10]) if published else None
    spoken = article_language or detect(text)
    article = Article("0" * 32, title, text, source, published=day, language=spoken)
    items, start = [], 0
    for number, quote in enumerate(evidence, 1):
        items.append(Evidence(number, article, Passage(article.id, 0, len(text)), start, start + len(quote), 1.0))
        start += len(quote) + 1
    return Row(sentence, tuple(items), language)


def from_predictions(predictions: Iterable[dict[str, Any]]) -> list[Row]:
    """Make rows of an evaluation's answers: the sentences as the model wrote them whose evidence holds the gold answer.

    Each prediction has "language", "golds" (a list of answers) and "answer", an Answer.as_json().
    """
    rows = []
    for prediction in predictions:
        answer = prediction["answer"]
        shown = {item["number"]: item for item in answer["evidence"]}
        for statement in answer["statements"]:
            cited = [shown[marker] for marker in statement["markers"] if marker in shown]
            quotes = [item["quote"] for item in cited]
            if statement["standing"] != "written" or not any(
                gold.lower() in quote.lower() for gold in prediction["golds"] for quote in quotes
            ):
                continue
            about = {key: cited[0].get(key) for key in ("title", "published", "source")}
            rows.append(row(statement["text"], quotes, prediction["language"], **about))
    return rows


def plant(rows: Sequence[Row], seed: int) -> list[Planted]:
    """Return the errors that can be planted in rows; the same for the same seed."""
    chance = random.Random(seed)
    numbers, names = _pool(rows, _numbers), _pool(rows, _names)
    made = []
    for item in rows:
        for kind in PLANTED:
            if kind is Kind.NUMBER:
                changed = _other_number(item, numbers, chance)
            elif kind is Kind.DATE:
                changed = _other_date(item, chance)
            elif kind is Kind.NAME:
                changed = _other_name(item, names, chance)
            else:
                changed = _negated(item, chance)
            if changed is not None and changed != item.sentence:
                made.append(Planted(kind, item, changed))
    return made


def measure(rows: Sequence[Row], seed: int) -> Table:
    """Plant errors in rows, check them and the rows themselves, and count."""
    made = plant(rows, seed)
    noticed = [bool(problems(item.sentence, item.row.evidence, item.row.language)) for item in made]
    found = [(item.sentence, problems(item.sentence, item.evidence, item.language)) for item in rows]
    accused = tuple((sentence, "; ".join(f"{p.kind}: {p.words}" for p in wrong)) for sentence, wrong in found if wrong)
    return Table(
        planted={kind.value: sum(item.kind is kind for item in made) for kind in PLANTED},
        caught={
            kind.value: sum(caught for item, caught in zip(made, noticed, strict=True) if item.kind is kind)
            for kind in PLANTED
        },
        rows=len(rows),
        alarms=len(accused),
        missed=tuple(item for item, caught in zip(made, noticed, strict=True) if not caught),
        accused=accused,
    )


def _pool(rows: Sequence[Row], find: Callable[[Row], Sequence[re.Match[str]]]) -> list[tuple[str, str]]:
    """Return what is found in all sentences, with their languages, each once."""
    return list(dict.fromkeys((match[0], item.language) for item in rows for match in find(item)))


def _texts(item: Row) -> list[str]:
    return [text for evidence in item.evidence for text in (evidence.quote, evidence.article.title)]


def _names(item: Row) -> list[re.Match[str]]:
    """Return the capitalised words of a sentence that its evidence writes so too, not as its first word.

    Not by the rules of qa/check.py, so that what those do not see is planted too.
    """
    inside = "\n".join(_texts(item))
    nouns = item.language == "de" and all(evidence.article.language == "de" for evidence in item.evidence)
    return [] if nouns else [match for match in _NAME.finditer(item.sentence) if _is_inside(match[0], inside)]


def _is_inside(name: str, text: str) -> bool:
    return re.search(rf"(?:[a-zà-ÿ,] |[’'(])(?<!« ){re.escape(name)}\b", text) is not None


def _numbers(item: Row) -> list[re.Match[str]]:
    """Return the numbers of a sentence that are no part of a date: digits, and words from a list."""
    taken = [match.span() for match in _dates(item)]
    found = [*_DIGITS.finditer(item.sentence), *_WORDS[item.language].finditer(item.sentence)]
    return [match for match in found if not any(start < match.end() and match.start() < end for start, end in taken)]


def _dates(item: Row) -> list[re.Match[str]]:
    """Return the dates of a sentence: a month, with the day and the year where they are said, or a year."""
    months = "|".join(get_month_names("wide", locale=item.language).values())
    month = rf"(?:\d{{1,2}}(?:er)?\.? (?:de )?)?\b(?:{months})\b(?: (?:de )?\d{{4}})?"
    year = r"(?<![\d,.])(?:1[4-9]|20)\d\d\b(?! Euro)"
    return list(re.finditer(rf"{month}|{year}", item.sentence))


def _known(item: Row) -> Known:
    known = Known()
    for evidence in item.evidence:
        for text in (evidence.quote, evidence.article.title):
            known.add(text, evidence.article.language or item.language, evidence.article.published)
    return known


def _other_number(item: Row, pool: Sequence[tuple[str, str]], chance: random.Random) -> str | None:
    """Exchange a number for another of the set, written like it: digits for digits, words for words."""
    found = _numbers(item)
    if not found:
        return None
    known, match = _known(item), chance.choice(found)
    others = []
    for words, language in pool:
        read = figures(words, (language,)).numbers
        # the same value written otherwise, or one that the evidence has as well, would be no error
        true = any(known.holds_number(number) for number in read) or match[0].lower() == words.lower()
        if language == item.language and words[0].isdigit() == match[0][0].isdigit() and not true:
            others.append(words)
    return _exchanged(item.sentence, *match.span(), chance.choice(others)) if others else None


def _other_date(item: Row, chance: random.Random) -> str | None:
    """Change the day, the month or the year of a date."""
    known, made = _known(item), []
    for match in _dates(item):
        for change in ("day", "month", "year"):
            for _ in range(8):
                other = _changed(match[0], change, item.language, chance)
                if other is None:
                    break
                read = figures(other, (item.language,))
                if not all(map(known.holds_date, read.dates)) or not all(map(known.holds_number, read.numbers)):
                    made.append(item.sentence[: match.start()] + other + item.sentence[match.end() :])
                    break
    return chance.choice(made) if made else None


def _changed(words: str, change: str, language: str, chance: random.Random) -> str | None:
    if change == "month":
        months = list(get_month_names("wide", locale=language).values())
        said = next((month for month in months if month in words), None)
        return said and words.replace(said, chance.choice([month for month in months if month != said]))
    pattern = r"(?<!\d)\d{1,2}(?!\d)" if change == "day" else r"\d{4}"
    match = re.search(pattern, words)
    if not match:
        return None
    other = chance.randint(2, 28) if change == "day" else int(match[0]) + chance.choice([-2, -1, 1, 2])
    return words[: match.start()] + str(other) + re.sub(r"^er\b", "", words[match.end() :])


def _other_name(item: Row, pool: Sequence[tuple[str, str]], chance: random.Random) -> str | None:
    """Exchange a name for another of the set, no word of which stands in the evidence."""
    found = _names(item)
    if not found:
        return None
    match = chance.choice(found)
    held = {word.lower() for text in (*_texts(item), item.sentence) for word in re.findall(r"\w+", text)}
    others = [
        words
        for words, language in pool
        if language == item.language and held.isdisjoint(word.lower() for word in re.findall(r"\w+", words))
    ]
    return _exchanged(item.sentence, *match.span(), chance.choice(others)) if others else None


def _exchanged(sentence: str, start: int, end: int, words: str) -> str:
    if start == 0:
        words = words[:1].upper() + words[1:]
    return sentence[:start] + words + sentence[end:]


# (what to look for, what to write instead): a verb that a negation goes round, and a negation that goes.
_ADDED: dict[str, list[tuple[str, str]]] = {
    "fr": [
        (r"\b(se sont|s’est|s'est)\b", r"ne \1 pas"),
        (r"\b(sont|sera|seront|doit|doivent|porte|veut|peut|peuvent|paie|va|vont|compte|coûtera|coûte|dirige|reste|fond"
         r"|servent|vivent|demandent|recommande|garde|gardent|menace|emploie|augmente|payera|paiera|dureront|aura)\b",
         r"ne \1 pas"),
        (r"\b(est|a|ont|était|avait|avaient|étaient|estime)\b(?! pas)", r"n’\1 pas"),
    ],
    "en": [
        (r"\b(is|are|was|were|has|have|had|will|would|can|could|must|may)\b", r"\1 not"),
    ],
    "de": [(r"\b(ist|sind|war|waren|hat|haben|wird|werden|soll|sollen)\b", r"\1 nicht")],
    "es": [(r"\b(es|son|fue|fueron|será|serán|ha|han|está|están|subirá|mantiene|murieron|abre|tiene)\b", r"no \1")],
}  # fmt: skip
_TAKEN: dict[str, list[tuple[str, str]]] = {
    "fr": [
        (r"\b(?:ne |n[’'])((?:\w|[’'])+(?: presque)?) (?:pas|plus|jamais)\b", r"\1"),
        (r"\b[Nn]e (?:pas|plus|jamais) ", ""),
        (r"\bn[’'](?=avait plus)|\b(?<=avait) plus\b", ""),
    ],
    "en": [(r"\b(did|do|does) not (\w+)", r"\2"), (r" (?:not|no longer|never)\b", ""), (r"n[’']t\b", "")],
    "de": [(r" (?:nicht|nie)\b", "")],
    "es": [(r"\b[Nn]o ", "")],
}


def _negated(item: Row, chance: random.Random) -> str | None:
    """Take a negation away where there is one; else put one round the first verb that the rules know."""
    sentence = item.sentence
    if re.search(r"\b(?:ne|n[’'])\s?\w+ qu[e’']", sentence):
        return None  # "ne … que": neither added nor taken away by a rule as simple as this
    for pattern, instead in _TAKEN.get(item.language, []):
        changed = re.sub(pattern, instead, sentence, count=1)
        if changed != sentence:
            return changed
    if re.search(r"\b(?:ne|sans|aucune?|personne|rien|ni|not|no|nicht|kein\w*)\b|\bn[’']", sentence, re.IGNORECASE):
        return None
    for pattern, instead in _ADDED.get(item.language, []):
        found = list(re.finditer(pattern, sentence))
        if found:
            place = chance.choice(found)
            return sentence[: place.start()] + place.expand(instead) + sentence[place.end() :]
    return None


def as_json_lines(planted: Iterable[Planted]) -> str:
    """Return a line for each planted error, with the sentence as it was and its evidence."""
    lines = (
        {
            "kind": item.kind,
            "sentence": item.sentence,
            "right": item.row.sentence,
            "evidence": [evidence.quote for evidence in item.row.evidence],
            "language": item.row.language,
        }
        for item in planted
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
