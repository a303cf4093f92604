"""A sentence of an answer and what it cites → what of it the evidence does not bear out.

Rules only, a few milliseconds a sentence: figures, dates, names and negations are compared one by one,
the rest by the words that are shared. Title, source and day of a cited article count as evidence, for
the model sees them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache

from babel import Locale, UnknownLocaleError

from index.language import COMMON, detect
from index.lexical import tokens
from qa.evidence import Evidence
from qa.figures import Figures, Known, Number, figures, is_no_claim, is_year
from qa.negation import contradicted

QUOTATION_MARKS = {"fr": ("« ", " »"), "en": ("“", "”"), "de": ("„", "“"), "es": ("«", "»")}

_LEAST_SHARED = 0.35  # of the words that carry meaning; half of demo/supported.jsonl has .43 and more
_LEAST_OF_ITS_OWN = 0.15  # shared with what is cited itself: a title alone proves nothing
_LEAST_WORDS = 6  # of a sentence whose language can be told

_ALIKE = 0.6  # ratio of Ratcliff and Obershelp of two names that may be one

_PIECE = re.compile(r"[^\W\d_]+\d*")  # "L214" too
_QUOTED = re.compile(r"«([^«»]*)(?:»|$)|„([^„“”]*)(?:[“”]|$)|“([^“”]*)(?:”|$)|\"([^\"]*)(?:\"|$)")
_SHORT = {"us": r"\bu ?s(?: ?a)?\b|\bee uu\b|\bamerica\w*\b", "gb": r"\bu ?k\b|\bbriti\w+\b|\bbrit\w+\b"}
_OPENING = re.compile(r"[.!?:…«“„\"]")
_JOINED = re.compile(r"[\s\-'’.&]{1,2}")
_TITLES = frozenset(
    [
        "m",
        "mm",
        "mme",
        "mmes",
        "mlle",
        "dr",
        "pr",
        "me",
        "mgr",
        "monsieur",
        "madame",
        "mr",
        "mrs",
        "ms",
        "herr",
        "frau",
        "sr",
        "sra",
        "señor",
        "señora",
        "don",
        "doña",
        "st",
        "saint",
        "ste",
        "sainte",
    ]
)
_SAINT = {"st": "saint", "ste": "sainte"}
# A name at the head of a sentence is told by the verb behind it.
_VERBS = frozenset(
    [
        "a",
        "ont",
        "avait",
        "avaient",
        "aura",
        "auront",
        "est",
        "sont",
        "était",
        "étaient",
        "sera",
        "seront",
        "va",
        "vont",
        "fut",
        "ne",
        "n",
        "has",
        "have",
        "had",
        "is",
        "are",
        "was",
        "were",
        "will",
        "would",
        "ha",
        "han",
        "había",
        "es",
        "son",
        "fue",
        "será",
        "hat",
        "ist",
        "war",
        "wird",
    ]
)
_SUBJECTS = frozenset(
    [
        "personne",
        "rien",
        "tout",
        "cela",
        "ceci",
        "nul",
        "aucun",
        "plusieurs",
        "nobody",
        "nothing",
        "everything",
        "nadie",
        "nada",
    ]
)
# Adverbs, participles and plurals without a determiner.
_FRENCH_OPENING = re.compile(
    r"(?:ment|é|ée|és|ées|i|ie|is|ies|u|ue|us|ues)$|^(?:plusieurs|certaine?s?|quelques|chaque|divers\w*|différent\w*|"
    r"environ|quelque|beaucoup|désormais|aujourd|bref|ainsi|seul\w*|nombre|moins|hier|demain|jamais|ancien\w*|premi\w+)$"
)
# Nouns of other languages are small; German names are told by what stands before them.
_GERMAN_PLACE = re.compile(r"\b(?:in|aus|nach|bei|von|Herr|Frau)\s$")
_GERMAN_NOUN = re.compile(r"(?:ung|heit|keit|schaft|tion|en|er|e|ern|ß|t)$")


class Kind(StrEnum):
    """What is wrong with words of a sentence."""

    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    NEGATION = "negation"
    SUPPORT = "support"
    QUOTATION = "quotation"
    LANGUAGE = "language"
    ANSWER = "answer"  # it leaves out the words that answer; found in qa/verify.py


@dataclass(frozen=True, slots=True)
class Problem:
    """`words` of the answer that nothing cited holds."""

    kind: Kind
    words: str


def problems(sentence: str, evidence: Sequence[Evidence], language: str, question: str = "") -> tuple[Problem, ...]:
    """Return what of a sentence of an answer (without markers) its evidence does not bear out; () if it does.

    `language` (ISO 639-1) is the one that the answer is to be in. Names may come from the question as
    well; numbers and dates may not, since a question can be wrong.
    """
    quotes = [item.quote for item in evidence]
    languages = tuple(dict.fromkeys(item.article.language or language for item in evidence))
    found = [*_figures(sentence, evidence, language, languages)]
    found += [Problem(Kind.NAME, name) for name in _strange_names(sentence, evidence, language, question)]
    if len(languages) == 1:
        denied = contradicted(sentence, quotes, language, languages[0])
        found += [Problem(Kind.NEGATION, words) for words in denied]
    if languages == (language,):
        unshared, share, own = _unshared(sentence, evidence, language, question)
        if share < _LEAST_SHARED or own < _LEAST_OF_ITS_OWN:
            found.append(Problem(Kind.SUPPORT, ", ".join(unshared)))
    found += [Problem(Kind.QUOTATION, words) for words in misquoted(sentence, quotes)]
    if _is_in_another_language(sentence, language):
        found.append(Problem(Kind.LANGUAGE, sentence))
    return tuple(dict.fromkeys(found))


def names(sentence: str, language: str) -> list[str]:
    """Return the names in a sentence, in its order."""
    return [sentence[run[0].start() : run[-1].end()] for run in _names(sentence, language)]


def quotations(sentence: str) -> list[str]:
    """Return what stands between quotation marks, an opening one alone reaching to the end."""
    found = ("".join(filter(None, match.groups())).strip() for match in _QUOTED.finditer(sentence))
    return [words for words in found if any(map(str.isalnum, words))]


def misquoted(sentence: str, quotes: Sequence[str]) -> list[str]:
    """Return the quotations of a sentence that stand in none of the quotes.

    Spaces, apostrophes, quotation marks, a capital at the beginning and the stop at the end do not count.
    """
    held = [_bare(quote) for quote in quotes]
    return [words for words in quotations(sentence) if not any(_stands_in(_bare(words), quote) for quote in held)]


def _bare(text: str) -> str:
    text = re.sub(r"[«»“”„\"]", " ", unicodedata.normalize("NFC", text).replace("’", "'").replace("‘", "'"))
    return " ".join(re.sub(r"\s+(?=[.,;:!?…])", "", text).split())


def _stands_in(words: str, quote: str) -> bool:
    words = words.strip(" .,;:!?…")
    places = {quote.find(words), quote.find(words[:1].swapcase() + words[1:])} - {-1}
    return any(
        not quote[max(place - 1, 0) : place].isalnum() and not quote[place + len(words) :][:1].isalnum()
        for place in places
    )


def _figures(
    sentence: str, evidence: Sequence[Evidence], language: str, languages: tuple[str, ...]
) -> Iterable[Problem]:
    known = Known()
    for item in evidence:
        article = item.article
        for text in (item.quote, article.title):
            known.add(text, article.language or language, article.published)
    said = figures(sentence, (language,), languages)
    read = [figures(item.quote, (item.article.language or language,)) for item in evidence]
    for number in said.numbers:
        words = sentence[number.start : number.end]
        if not known.holds_number(number) and not is_no_claim(sentence, number):
            yield Problem(Kind.DATE if is_year(sentence, number) else Kind.NUMBER, words)
        elif languages == (language,) and _counts_another(sentence, number, evidence, read, language):
            yield Problem(Kind.NUMBER, words)
    for day in said.dates:
        if not known.holds_date(day):
            yield Problem(Kind.DATE, sentence[day.start : day.end])


def _counts_another(
    sentence: str, number: Number, evidence: Sequence[Evidence], read: Sequence[Figures], language: str
) -> bool:
    """True if the evidence says this number of something else, and another number of this."""
    unit = _unit(sentence, number, language)
    pairs = [
        (other, _unit(item.quote, other, language))
        for item, found in zip(evidence, read, strict=True)
        for other in found.numbers
    ]
    own = {counted for other, counted in pairs if not other.values.isdisjoint(number.values)}
    others = {counted for other, counted in pairs if other.values.isdisjoint(number.values)}
    return unit is not None and None not in own and bool(own) and unit not in own and unit in others


def _unit(text: str, number: Number, language: str) -> str | None:
    """Return the stem of the word that a number counts, if it is the next one."""
    behind = re.match(r"\s*(%|€|\$|(?:(?:d[e’']|of)\s*)?[^\W\d_]+)", text[number.end :])
    if not behind:
        return None
    if behind[1] in "%€$":
        return {"€": "euro"}.get(behind[1], behind[1])
    stems = tokens(re.sub(r"^(?:d[e’']|of)\s*", "", behind[1]), language)
    return stems[0] if stems else None


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _strange_names(sentence: str, evidence: Sequence[Evidence], language: str, question: str) -> list[str]:
    """Return the names in a sentence that neither the evidence nor the question holds."""
    texts = [question, *(text for item in evidence for text in (*_head(item), item.quote))]
    pieces = [piece for text in texts for piece in _PIECE.findall(text)]
    held = {_SAINT.get(folded, folded) for folded in map(_fold, pieces)}
    languages = {item.article.language or language for item in evidence}
    abroad = languages != {language}
    strange = []
    for run in _names(sentence, language):
        words = [match[0] for match in run]
        missing = [word for word in words if not _is_held(word, held, pieces, abroad)]
        if abroad or language == "de":
            missing = missing if len(missing) == len(words) else []
        if missing and not _is_same_place(words, language, languages, texts):
            strange.append(" ".join(missing))
    if abroad:
        # a word alone may be the translation of a name; not where the evidence has none that is left over
        own = {_fold(piece) for piece in _PIECE.findall(sentence)}
        left = any(
            not any(_is_alike(_fold(piece), other) for other in own)
            for item in evidence
            for piece in _capitals(item.quote, item.article.language or language)
        )
        strange = [name for name in strange if " " in name or not left]
    return strange


def _capitals(text: str, language: str) -> list[str]:
    """Return the words that may be names, in German all the nouns."""
    if language == "de":
        return [match[0] for match in list(_PIECE.finditer(text))[1:] if match[0][0].isupper()]
    return [match[0] for run in _names(text, language) for match in run]


def _head(item: Evidence) -> tuple[str, str]:
    return item.article.title, item.article.source or ""


def _names(sentence: str, language: str) -> list[list[re.Match[str]]]:
    """Return the runs of capitalised words that are names."""
    runs: list[list[re.Match[str]]] = []
    matches = list(_PIECE.finditer(sentence))
    calendar = _calendar(language)
    for place, match in enumerate(matches):
        word = match[0]
        if not word[0].isupper() or len(word) < 2 or word.lower() in _TITLES or word.lower() in calendar:
            continue
        between = sentence[matches[place - 1].end() : match.start()] if place else sentence[: match.start()]
        opens = place == 0 or bool(_OPENING.search(between))
        if opens and place and matches[place - 1][0].lower() in _TITLES:
            opens = False  # "M. Dupont"
        if opens and not _opens_as_name(matches, place, sentence, language):
            continue
        if runs and runs[-1][-1] is matches[place - 1] and _JOINED.fullmatch(between):
            runs[-1].append(match)
        else:
            runs.append([match])
    if language == "de":
        runs = [run for run in runs if len(run) > 1 or _is_german_name(run[0], sentence)]
    return runs


def _opens_as_name(matches: Sequence[re.Match[str]], place: int, sentence: str, language: str) -> bool:
    word, behind = matches[place][0], matches[place + 1 : place + 2]
    if len(word) > 1 and word.isupper():
        return True
    if not behind or _is_small(word, language):
        return False
    joined = _JOINED.fullmatch(sentence, matches[place].end(), behind[0].start())
    if behind[0][0][0].isupper() and len(behind[0][0]) > 1:
        return joined is not None and language != "de"
    if behind[0][0].lower() in _VERBS:
        return word.lower() not in _SUBJECTS
    # French puts a determiner before a noun, so that a bare word before another is a name
    bare = language == "fr" and joined is not None and not _is_small(behind[0][0], language)
    return bare and not _FRENCH_OPENING.search(word.lower()) and not figures(word, (language,)).numbers


def _is_german_name(match: re.Match[str], sentence: str) -> bool:
    return bool(_GERMAN_PLACE.search(sentence[: match.start()])) and not _GERMAN_NOUN.search(match[0])


def _is_held(word: str, held: set[str], pieces: Sequence[str], abroad: bool) -> bool:
    folded = _SAINT.get(_fold(word), _fold(word))
    if folded in held or folded.removesuffix("s") in held:
        return True
    for other in held:
        short, long = sorted((folded, other), key=len)
        if len(short) >= 4 and long.startswith(short) and len(long) - len(short) <= 3:
            return True
        if abroad and _is_alike(folded, other):
            return True
    if word.isupper() and 2 <= len(word) <= 6:
        return _is_acronym(word, pieces) or (abroad and any(_are_same_letters(word, piece) for piece in pieces))
    return False


def _is_alike(one: str, other: str) -> bool:
    """True for what may be one name in two languages: Londres and London, Rin and Rhein."""
    short = min(len(one), len(other))
    return short >= 3 and ((short >= 4 and one[:3] == other[:3]) or SequenceMatcher(None, one, other).ratio() >= _ALIKE)


def _is_acronym(word: str, pieces: Sequence[str]) -> bool:
    """True for "ONU" beside "Organisation des Nations unies"."""
    initials = "".join(_fold(piece)[0] for piece in pieces if len(piece) > 3)
    return _fold(word) in initials


def _are_same_letters(word: str, piece: str) -> bool:
    """True for "OTAN" and "NATO", "ONU" and "UN"."""
    return piece.isupper() and len(piece) > 1 and (set(word) <= set(piece) or set(piece) <= set(word))


def _is_same_place(words: Sequence[str], language: str, languages: Iterable[str], texts: Sequence[str]) -> bool:
    """True for a country, or its language, that the evidence names in its own language."""
    code = _world(language).get(" ".join(map(_fold, words)))
    if code is None:
        return False
    folded = " ".join(_fold(piece) for text in texts for piece in _PIECE.findall(text))
    if code in _SHORT and re.search(_SHORT[code], folded):
        return True
    names = [name for other in (*languages, language) for name, its in _world(other).items() if its == code]
    return any(re.search(rf"\b{re.escape(name)}\w{{0,3}}\b", folded) for name in names)


@lru_cache(maxsize=32)
def _world(language: str) -> dict[str, str]:
    """Return the folded names of countries and languages, with codes in which France and French are one."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return {}
    names = [*locale.territories.items(), *locale.languages.items()]
    return {" ".join(map(_fold, _PIECE.findall(name))): code.lower() for code, name in names if code.isalpha()}


@lru_cache(maxsize=32)
def _calendar(language: str) -> frozenset[str]:
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return frozenset()
    names = [*locale.months["format"]["wide"].values(), *locale.days["format"]["wide"].values()]
    return frozenset(form for name in names for form in (name.lower(), name.lower() + "s"))


def _unshared(
    sentence: str, evidence: Sequence[Evidence], language: str, question: str
) -> tuple[list[str], float, float]:
    """Return the words of a sentence that evidence, title and question lack, the share of those they have,
    and the share of those that the evidence has by itself.
    """
    own = {stem for item in evidence for stem in tokens(item.quote, language)}
    beside = [question, *(text for item in evidence for text in _head(item))]
    held = own | {stem for text in beside for stem in tokens(text, language)}
    words = [word for word in dict.fromkeys(_PIECE.findall(sentence)) if len(word) > 1]
    stems = {word: stem for word in words for stem in tokens(word, language)[:1]}

    def lacking(among: set[str]) -> list[str]:
        return [
            word
            for word, stem in stems.items()
            if stem not in among and not any(len(stem) > 4 and stem[:5] == other[:5] for other in among)
        ]

    unshared, count = lacking(held), max(len(stems), 1)
    return unshared, 1 - len(unshared) / count, 1 - len(lacking(own)) / count


def _is_in_another_language(sentence: str, language: str) -> bool:
    """True if detector and small words agree that a sentence is in another of the common languages."""
    words = [word.lower() for word in _PIECE.findall(re.sub(_QUOTED, " ", sentence))]
    if len(words) < _LEAST_WORDS:
        return False
    other = detect(sentence)
    if other == language or other not in COMMON:
        return False

    def small(spoken: str) -> int:
        return sum(_is_small(word, spoken) for word in words)

    return small(other) > small(language)


def _is_small(word: str, language: str) -> bool:
    """True for a word that carries no meaning by itself, such as "the"."""
    return len(word) > 1 and not tokens(word, language)
