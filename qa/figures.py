"""Numbers and dates in a text, whatever they are written as: "3,2 millions", "quatre-vingts", "le 3 mai".

Numbers in words are read by text2num (Allo-Media), names of months and days come from babel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from text_to_num import find_numbers

_SPELLED = ("fr", "en", "de", "es", "it", "pt", "nl")  # languages of text2num

_SPACE = r"[ \u00a0\u202f\u2009\u2007']"
_DIGITS = re.compile(
    # not within a name such as A380, but in "19h30"
    r"(?:(?<![^\W\d_])|(?<=\dh))(?<!\d)(?<!\d[.,])"
    rf"(?:\d{{1,3}}(?:{_SPACE}\d{{3}})+(?:[.,]\d+)?|\d{{1,3}}(?:\.\d{{3}}){{2,}}(?:,\d+)?|\d{{1,3}}(?:,\d{{3}}){{2,}}(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:,\d{3})+\.\d+|\d+[.,]\d+|\d+)(?!\d)"
)
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|\s+|_")
_MULTIPLIER = re.compile(
    r"[\s-]*(?:(?P<million>mio\b|M(?=\s?€)|millions?\b|millionen\b|mill[oó]n(?:es)?\b|milioni\b)"
    r"|(?P<thousand>k(?=\s?€)|mille\b|thousand\b|tausend\b|mil\b(?!\s+mill))"
    r"|(?P<billion>mrd\b|mds?\b|milliards?\b|milliarden?\b|billions?\b|bn\b|mil\s+millones\b))",
    re.IGNORECASE,
)
_SHORT_MULTIPLIER = re.compile(r"\s?(?:(?P<million>m)|(?P<billion>bn?)|(?P<thousand>k))\b", re.IGNORECASE)
_TIMES = {"million": Decimal(10**6), "thousand": Decimal(10**3), "billion": Decimal(10**9)}
_PER_CENT = re.compile(r"\b(?:pour[\s-]cent|per[\s-]?cent|por ciento?|por cien|von hundert)\b", re.IGNORECASE)
_RANGE = re.compile(r"[\s ]*(?:à|et|ou|to|and|or|bis|und|oder|auf|a|y|o|contre|[-–])[\s ]*", re.IGNORECASE)
_ROMAN = re.compile(r"\b(?P<value>[IVX]+)(?P<ending>e|ème|er|th)?\b")
_CENTURY = re.compile(r"\b(?:siècles?|century|centuries|siglos?|Jahrhundert\w*)\b", re.IGNORECASE)
# Counts that text2num leaves as they are; each means one near it, too.
_ROUGHLY = {
    "fr": {"dizaine": 10, "douzaine": 12, "quinzaine": 15, "vingtaine": 20, "trentaine": 30, "quarantaine": 40,
           "cinquantaine": 50, "soixantaine": 60, "centaine": 100, "millier": 1000},
    "en": {"dozen": 12, "hundreds": 100, "thousands": 1000},
    "de": {"dutzend": 12, "hunderte": 100, "tausende": 1000},
    "es": {"decena": 10, "docena": 12, "veintena": 20, "centenar": 100, "millar": 1000, "cientos": 100, "miles": 1000},
}  # fmt: skip
_ROUGH = {
    language: re.compile(rf"\b({'|'.join(words)})(?:s|es|r|n|rn)?\b", re.IGNORECASE)
    for language, words in _ROUGHLY.items()
}
# Words that say a number without being one: only evidence is searched for them.
_IMPLIED = {
    2: r"twice|doubl\w*|both|couple|pair|second\w*|hal(?:f|ves)|deuxièmes?|moitié|demi\w*|deux|beide\w*|doppel\w*"
    r"|verdoppel\w*|zwei\w*|Hälfte|halb\w*|ambos|ambas|dobl\w*|segund\w*|mitad|medi[oa]s?",
    3: r"tripl\w*|tiers|thirds?|verdreifach\w*|drei\w*|dritt\w*|tercios?|tercer\w*",
    4: r"quadrupl\w*|quarts?|quarters?|viertel\w*|vier\w*|cuart\w*",
}
_IMPLYING = {value: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for value, words in _IMPLIED.items()}
_DECADE = re.compile(r"\b(?:années|años|anni)\s+$", re.IGNORECASE)
_HEDGE = re.compile(
    r"\b(?:environ|près de|presque|plus d[e’']|moins d[e’']|quelque|quelques|autour d[e’']|about|around|nearly|almost|"
    r"over|some|more than|less than|fewer than|roughly|approximately|fast|rund|etwa|ungefähr|knapp|über|mehr als|"
    r"weniger als|casi|unos|unas|cerca de|más de|menos de|alrededor de)[\s ]*$",
    re.IGNORECASE,
)
_ROUNDED = Decimal("0.05")
_GERMAN_PARTS = re.compile(r"(jährig|monatig|wöchig|tägig|stündig|köpfig|fach|mal|teilig|stöckig)\w*$", re.IGNORECASE)
# "les deux ponts", but "tous les deux mois"
_ONLY_TWO = re.compile(
    r"(?<!tous )(?<!toutes )\b(?:les|ces|the|these|die|diese|los|las|estos|estas)\s+$", re.IGNORECASE
)

_FIRST = {"premier": 1, "first": 1, "ersten": 1, "primero": 1}
_DAY = rf"(?:\d{{1,2}}(?:er|st|nd|rd|th|\.|º)?|{'|'.join(_FIRST)})"
_DAYS = rf"{_DAY}(?:\s*(?:,|au|et|ou|bis|und|oder|to|and|or|al|y|[-–])\s*(?:le\s|the\s|zum\s|dem\s|el\s)?{_DAY}(?!\d))*"
_YEAR = r"(?:1[0-9]|20)\d\d"
_NUMERIC = re.compile(
    rf"\b(?P<y>{_YEAR})-(?P<m>\d\d)-(?P<d>\d\d)\b|\b(?P<first>\d{{1,2}})[./](?P<second>\d{{1,2}})[./](?P<year>{_YEAR})\b"
)
_BEFORE_YEAR = re.compile(
    r"\b(?:en|in|depuis|since|seit|desde|dès|avant|before|vor|antes de|après|after|nach|fin|début|Ende|Anfang|"
    r"end of|year|année|an|Jahr|Jahre|año|de|of|von|été|summer|Sommer|verano)\s+$",
    re.IGNORECASE,
)
_RELATIVE_YEARS = {
    -1: r"année (?:précédente|dernière|passée|d.avant)|l.an (?:dernier|passé)|(?:été|printemps|automne|hiver) dernier|"
    r"un an (?:plus tôt|avant|auparavant)|sur un an|last (?:year|summer|spring|autumn|winter)|previous year|"
    r"a year earlier|Vorjahr\w*|(?:letzte|vergangene|vorige)\w* Jahr\w*|año (?:pasado|anterior)",
    1: r"année (?:prochaine|suivante)|l.an prochain|(?:été|printemps|automne|hiver) prochain|"
    r"next (?:year|summer|spring|autumn)|(?:nächste|kommende)\w* Jahr\w*|(?:año (?:próximo|siguiente)|próximo año)",
}  # fmt: skip
_SOON = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Number:
    """A number at `text[start:end]` with its possible values ("1.500" can be two), and the word behind it.

    `rough` is true for "une centaine" or "environ 100"; `spelled` for words; `year` for what may be one.
    """

    start: int
    end: int
    values: frozenset[Decimal]
    rough: bool = False
    spelled: bool = False
    year: bool = False


@dataclass(frozen=True, slots=True)
class Date:
    """A date at `text[start:end]`, with what is said of it; `weekday` counts from Monday, 0."""

    start: int
    end: int
    day: int | None = None
    month: int | None = None
    year: int | None = None
    weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers and dates of a text, in its order."""

    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]


@lru_cache(maxsize=4096)
def figures(text: str, languages: tuple[str, ...], readings: tuple[str, ...] = ()) -> Figures:
    """Return the numbers and dates of a text in one of `languages`.

    Digits are read as in `languages` and `readings`: "1.500" is 1500 in German, 1.5 in English.
    """
    dates = _dates(text, languages)
    taken = [(found.start, found.end) for found in dates]
    plain = _PER_CENT.sub(lambda match: "%" * len(match[0]), text)
    numbers = [number for number in _digits(plain, (*languages, *readings)) if not _within(number, taken)]
    taken += [(number.start, number.end) for number in numbers]
    for language in languages:
        spelled = [number for number in _in_words(plain, language) if not _within(number, taken)]
        numbers += spelled
        taken += [(number.start, number.end) for number in spelled]
    numbers.sort(key=lambda number: number.start)
    return Figures(tuple(_with_shared_multiplier(text, numbers)), tuple(dates))


def _within(number: Number, taken: Iterable[tuple[int, int]]) -> bool:
    return any(start < number.end and number.start < end for start, end in taken)


def _digits(text: str, languages: tuple[str, ...]) -> list[Number]:
    found = []
    for match in _DIGITS.finditer(text):
        values = {value for language in languages for value in _values(match[0], language)}
        end, year = match.end(), bool(re.fullmatch(_YEAR, match[0]))
        multiplier = _MULTIPLIER.match(text, end)
        if multiplier is None and text[: match.start()].rstrip()[-1:] in ("€", "$", "£"):
            multiplier = _SHORT_MULTIPLIER.match(text, end)
        if multiplier and multiplier.lastgroup:
            values, end, year = {value * _TIMES[multiplier.lastgroup] for value in values}, multiplier.end(), False
        elif re.match(r"\s?p\.?m\b", text[end:]):
            values |= {value + 12 for value in values}
        elif year and (
            text[end : end + 1] == "s" or text[end : end + 2] == "er" or _DECADE.search(text[: match.start()])
        ):
            values |= {value % 100 for value in values}
        found.append(Number(match.start(), end, frozenset(values), _hedged(text, match.start()), year=year))
    for match in _ROMAN.finditer(text):
        near = text[max(match.start() - 20, 0) : match.end() + 20]
        if match["ending"] or (len(match["value"]) > 1) or _CENTURY.search(near):
            value = _roman(match["value"])
            if value and (value > 1 or match["ending"]):
                found.append(Number(match.start(), match.end(), frozenset({Decimal(value)}), spelled=True))
    return found


def _values(digits: str, language: str) -> set[Decimal]:
    """Return what digits can mean in a language."""
    digits = re.sub(_SPACE, "", digits)
    marks = re.sub(r"\d", "", digits)
    if not marks:
        return {Decimal(digits)}
    if len(set(marks)) == 2 or (len(marks) == 1 and not re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits)):
        return {_decimal(digits, marks[-1])}
    whole = Decimal(re.sub(r"[.,]", "", digits))
    if len(marks) > 1:
        return {whole}
    # one mark and three digits behind it: thousands or a fraction
    if language == "fr" and marks == ".":
        return {whole, _decimal(digits, ".")}
    thousands = "," if language == "en" else "" if language == "fr" else "."
    return {whole} if marks == thousands else {_decimal(digits, marks)}


def _decimal(digits: str, mark: str) -> Decimal:
    whole, _, fraction = digits.rpartition(mark)
    return Decimal(re.sub(r"\D", "", whole) + "." + fraction)


def _roman(letters: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10}[letter] for letter in letters]
    return sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )


class _Word:
    """A token as text2num wants it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: object) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


def _in_words(text: str, language: str) -> list[Number]:
    found = []
    for rough in _ROUGH[language].finditer(text) if language in _ROUGH else ():
        value = Decimal(_ROUGHLY[language][rough[1].lower()])
        found.append(Number(*rough.span(), frozenset({value}), rough=True, spelled=True))
    if language not in _SPELLED:
        return found
    spans = [match.span() for match in _TOKEN.finditer(text)]
    words = [
        _Word(_GERMAN_PARTS.sub("", text[start:end]) or "-" if language == "de" else text[start:end])
        for start, end in spans
    ]
    for number in find_numbers(words, language, 0):
        start, end = spans[number.start][0], spans[number.end - 1][1]
        if (
            text[start].isdigit()
            or (number.is_ordinal and number.value <= 2)
            or _is_no_number(text, start, end, language)
        ):
            continue
        if any(start < other.end and other.start < end for other in found):
            continue
        found.append(
            Number(start, end, frozenset({Decimal(str(number.value)).normalize()}), _hedged(text, start), spelled=True)
        )
    return found


def _is_no_number(text: str, start: int, end: int, language: str) -> bool:
    """True for what only looks like a number: O, "seconds", the "neufs" of "capteurs neufs"."""
    word = text[start:end]
    if len(word) == 1 or (language == "en" and word.lower() in ("second", "seconds", "thirds")):
        return True
    word = word.lower()
    return language == "fr" and (word == "neufs" or (word == "neuf" and not re.match(r"\s+\w", text[end:])))


def _hedged(text: str, start: int) -> bool:
    return bool(_HEDGE.search(text[max(start - 20, 0) : start]))


def _with_shared_multiplier(text: str, numbers: Sequence[Number]) -> list[Number]:
    """Let "de 14,5 à 18,9 millions" be 14.5 million too."""
    made = list(numbers)
    for place in range(len(made) - 2, -1, -1):
        left, right = made[place], made[place + 1]
        multiplier = _MULTIPLIER.search(text, right.start + 1, right.end)
        if left.spelled or not multiplier or not multiplier.lastgroup or multiplier.end() != right.end:
            continue
        if _RANGE.fullmatch(text, left.end, right.start):
            times = _TIMES[multiplier.lastgroup]
            made[place] = replace(left, values=left.values | {value * times for value in left.values})
    return made


@dataclass(frozen=True, slots=True)
class _Names:
    months: dict[str, int]
    days: dict[str, int]
    pattern: re.Pattern[str]


@lru_cache(maxsize=32)
def _names(language: str) -> _Names | None:
    """Return the names of months and days of a language, and the pattern of its dates."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
    wide: dict[str, int] = {}
    short: dict[str, int] = {}
    for context in ("format", "stand-alone"):
        wide |= {name: month for month, name in locale.months[context]["wide"].items()}
        short |= {name.rstrip("."): month for month, name in locale.months[context]["abbreviated"].items()}
    if not all(name[:1].isupper() for name in wide):  # else a small "may" or "march" is another word
        short |= {name.capitalize(): month for name, month in (short | wide).items()}
    days = {name.lower(): day for day, name in locale.days["format"]["wide"].items()}
    whole = "|".join(map(re.escape, sorted(wide, key=len, reverse=True)))
    either = "|".join(
        map(re.escape, sorted({*wide, *(name for name in short if len(name) > 2)}, key=len, reverse=True))
    )
    year = rf"(?:,?\s+(?:de\s+|del\s+)?(?P<%s>{_YEAR}))?"
    pattern = re.compile(
        rf"\b(?P<days>{_DAYS})\s*(?:de\s+|of\s+)?(?P<month>{either})\b\.?{year % 'year'}"
        rf"|\b(?P<month2>{either})\.?\s+(?P<days2>{_DAYS})\b(?!\s*(?:%|[ap]\.?m)){year % 'year2'}"
        rf"|\b(?P<month3>{whole}){year % 'year3'}(?!\w)"
    )
    return _Names({**short, **wide}, days, pattern)


def _dates(text: str, languages: tuple[str, ...]) -> list[Date]:
    found: list[Date] = []

    def free(start: int, end: int) -> bool:
        return not any(item.start < end and start < item.end for item in found)

    for match in _NUMERIC.finditer(text):
        if match["y"]:
            found.append(Date(*match.span(), int(match["d"]), int(match["m"]), int(match["y"])))
        else:
            day, month = int(match["first"]), int(match["second"])
            if month > 12 or ("en" in languages and day <= 12):  # American order, where it can be
                day, month = month, day
            found.append(Date(*match.span(), day, month, int(match["year"])))
    for language in languages:
        names = _names(language)
        if names is None:
            continue
        for match in names.pattern.finditer(text):
            if not free(*match.span()):
                continue
            month = names.months[match["month"] or match["month2"] or match["month3"]]
            year = match["year"] or match["year2"] or match["year3"]
            days = re.findall(rf"\d+|{'|'.join(_FIRST)}", match["days"] or match["days2"] or "")
            for day in days or [None]:
                number = None if day is None else _FIRST.get(day) or int(day)
                found.append(Date(*match.span(), number, month, int(year) if year else None))
        for match in re.finditer(r"[^\W\d_]+", text):
            word = match[0].lower()
            weekday = names.days.get(word, names.days.get(word.removesuffix("s")))
            if weekday is None and language == "de":  # "Donnerstagmorgen"
                weekday = next((day for name, day in names.days.items() if word.startswith(name)), None)
            if weekday is not None and free(*match.span()):
                found.append(Date(*match.span(), weekday=weekday))
    return sorted(found, key=lambda item: item.start)


class Known:
    """What the evidence says of numbers and dates, to hold those of an answer against."""

    def __init__(self) -> None:
        self.values: set[Decimal] = set()
        self._years: set[int] = set()
        self._dates: list[tuple[int | None, int | None, frozenset[int]]] = []
        self._weekdays: set[int] = set()

    def add(self, text: str, language: str, published: date | None) -> None:
        """Add what a text says that was published that day."""
        found = figures(text, (language,))
        years = {item.year for item in found.dates if item.year}
        for number in found.numbers:
            self.values |= number.values
            if number.year:
                years |= {int(value) for value in number.values}
        self.values |= {Decimal(value) for value, words in _IMPLYING.items() if words.search(text)}
        if published:
            day = date(published.year, published.month, published.day)
            self._dates.append((day.day, day.month, frozenset({day.year})))
            self._weekdays.add(day.weekday())
            years.add(day.year)
            years |= {
                day.year + step for step, words in _RELATIVE_YEARS.items() if re.search(words, text, re.IGNORECASE)
            }
            for item in found.dates:
                near = (day + timedelta(days=step) for step in range(-7, 8))
                self._dates += [
                    (other.day, other.month, frozenset({other.year}))
                    for other in near
                    if item.weekday == other.weekday()
                ]
        explicit = years - ({published.year} if published else set())
        for item in found.dates:
            if item.weekday is not None:
                self._weekdays.add(item.weekday)
                continue
            possible = {item.year} if item.year else explicit | _nearest(item, published)
            self._dates.append((item.day, item.month, frozenset(possible)))
            if item.day and item.month:
                self._weekdays |= {
                    made.weekday() for year in possible if (made := _day(year, item.month, item.day)) is not None
                }
        self._years |= years

    def holds_number(self, number: Number) -> bool:
        """True if one of its values was said; near it is enough for what is said roughly."""
        if number.spelled and number.values <= {Decimal(1)}:
            return True  # "un" and "one" are articles, too
        if not number.values.isdisjoint(self.values):
            return True
        if number.year and any(value == year for value in number.values for year in self._years):
            return True
        return number.rough and any(
            abs(value - other) <= _ROUNDED * other for value in number.values for other in self.values
        )

    def holds_date(self, item: Date) -> bool:
        """True if a date that was said agrees with all that this one says; less is fine, more is not."""
        if item.weekday is not None:
            return item.weekday in self._weekdays
        return any(
            (item.day is None or item.day == day)
            and (item.month is None or item.month == month)
            and (item.year is None or item.year in years)
            for day, month, years in self._dates
        )


def is_no_claim(text: str, number: Number) -> bool:
    """True for the "deux" of "les deux ponts", which counts what was named before, and for "Thousand Oaks"."""
    if not number.spelled:
        return False
    named = text[number.start].isupper() and text[: number.start].rstrip()[-1:].isalpha()
    return named or (number.values == {Decimal(2)} and bool(_ONLY_TWO.search(text[: number.start])))


def is_year(text: str, number: Number) -> bool:
    """True for a number that is said as a year: "en 2024"."""
    return number.year and bool(_BEFORE_YEAR.search(text[: number.start]))


def _nearest(item: Date, published: date | None) -> set[int]:
    """Return the years that a day or month without one can mean in an article of that day."""
    if published is None or item.month is None:
        return set()
    today = date(published.year, published.month, published.day)
    apart = {
        year: abs(made - today)
        for year in (today.year - 1, today.year, today.year + 1)
        if (made := _day(year, item.month, item.day or 15)) is not None
    }
    closest = min(apart.values(), default=_SOON)
    if closest <= _SOON:
        return {year for year, days in apart.items() if days == closest}
    return {year for year, days in apart.items() if days <= timedelta(days=366)}


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
