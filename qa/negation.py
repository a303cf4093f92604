"""Does a sentence deny what its evidence says, or say what its evidence denies?

Rules over words, for French, English, German and Spanish; other languages are not judged. What is
compared is what stands next to the negation, so that the negation of another clause changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from index.lexical import tokens

_WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*")
_PAUSE = re.compile(r"[,;:.!?…()«»“”\"„–—\n]")
_REACH = 8  # words behind a negation that are looked at for what it denies
_AS_LONG = 0.5  # of the words of its evidence: a sentence in another language that should deny what that denies
_DENIED = 3  # and how many of them that carry meaning are kept

# Where another clause begins.
_CLAUSES = {
    "fr": {"mais", "et", "car", "parce", "puisque", "tandis", "alors", "qui", "dont", "où", "lorsque", "quand", "si"},
    "en": {"but", "and", "because", "since", "while", "although", "who", "which", "when", "if", "whereas"},
    "de": {"aber", "und", "weil", "da", "während", "obwohl", "sondern", "wenn", "als", "denn"},
    "es": {"pero", "y", "porque", "mientras", "aunque", "quien", "cuando", "si", "sino"},
}
# Beginnings of words that say by themselves that something is not so: "privés d'électricité".
_UNSAID = {
    "fr": r"interdi|défen|refus|renonc|priv|manqu|absen|suspen|ferm|annul|empêch|exclu|faute|sauf|échou|perd|perte"
    r"|rejet|abandonn|supprim|impossib|inconn|illég|incapab|cess|arrêt|fin$|fini|dispar|oppos|démen|ignor|évit|inchang"
    r"|stable|interromp|gratuit|report|retard|dépourv|non$|jusqu",
    "en": r"bann|refus|fail|lack|without|den[iy]|stop|cancel|suspen|clos|reject|except|avoid|prevent|los[est]|unab|miss"
    r"|drop|abandon|free$|late$|delay|forbid|prohib|impossib|unknown|unchang|stable|exclu|shut|ceas|halt|until|hardly|non|un(?!der|i|til|e$)",
    "de": r"verb[oi]t|weiger|fehl|absag|abgesag|schließ|schloss|geschlossen|verhinder|abgelehnt|ablehn|außer|verl[io]er"
    r"|verlor|einstell|eingestellt|verzicht|unmög|unbekannt|unverändert|kaum|aufgehört|beend|ausgesetzt|bis$|nicht|un(?!d$|ter|s|i)",
    "es": r"prohib|neg[aó]|niega|rechaz|suspen|cerr|cierr|cancel|falt|evit|impid|impos|perd|except|abandon|renunci"
    r"|salvo|desconoc|estable|desaparec|dej[aó]|apenas|hasta",
}
_ALIKE = 4  # letters that two forms of a word begin with
_NE = {"ne", "n"}
_BEHIND_NE = {"pas", "plus", "jamais", "rien", "aucun", "aucune", "personne", "ni", "guère", "point", "nul", "nulle"}
_BEFORE_NE = {"personne", "rien", "aucun", "aucune", "nul", "nulle", "jamais", "ni"}
_ONLY = {"seulement", "uniquement", "que", "qu", "moins"}
_NEGATIONS = {
    "en": {"not", "no", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without", "cannot"},
    "de": {"nicht", "nie", "niemals", "niemand", "niemandem", "niemanden", "nichts", "ohne", "weder", "nirgends",
           "kein", "keine", "keinen", "keinem", "keiner", "keines"},
    "es": {"no", "nunca", "jamás", "ningún", "ninguna", "ninguno", "nada", "nadie", "sin", "tampoco", "ni"},
}  # fmt: skip
# What these deny stands before them.
_BACK = {"nothing": 1, "none": 1, "nobody": 1, "nada": 1}
# Behind a negation, these take it back.
_TAKEN_BACK = {
    "fr": {"doute", "cesse", "précédent", "attendre", "tarder"},
    "en": {"only", "just", "merely", "less", "fewer", "later", "until", "before", "doubt", "least"},
    "de": {"nur", "zuletzt", "bloß", "vor", "weniger", "bis"},
    "es": {"solo", "sólo", "solamente", "obstante", "embargo", "duda", "menos", "hasta", "antes"},
}


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int
    clause: int
    stem: str | None


@dataclass(frozen=True, slots=True)
class _Denial:
    """A negation at `text[start:end]`, and the words that it denies, the nearest first.

    `plain` is false where leaving it out changes little, as with "sans".
    """

    start: int
    end: int
    words: tuple[_Word, ...]
    plain: bool

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word.stem for word in self.words if word.stem))


@dataclass(frozen=True, slots=True)
class _Reading:
    words: tuple[_Word, ...]
    denials: tuple[_Denial, ...]

    def stems(self) -> set[str]:
        return {word.stem for word in self.words if word.stem}

    def denied(self) -> set[str]:
        return {stem for denial in self.denials for stem in denial.stems}

    def unsaid(self, language: str, near: Sequence[str], other: _Reading | None = None) -> bool:
        """True if a clause with one of the stems `near`, or any, denies by a word that `other` lacks."""
        clauses = {word.clause for word in self.words if not near or word.stem in near}
        known = {word.text[:_ALIKE] for word in other.words} if other else set()
        return any(
            word.clause in clauses
            and word.text[:_ALIKE] not in known
            and re.match(_UNSAID[language], word.text) is not None
            for word in self.words
        )


def contradicted(sentence: str, quotes: Sequence[str], language: str, quotes_language: str) -> list[str]:
    """Return the words of a sentence that deny what the quotes say, or say what they deny.

    Across languages, only a sentence that denies over quotes that never do is noticed, and the
    contrary where the sentence says about as much as they do.
    """
    if language not in _UNSAID or quotes_language not in _UNSAID:
        return []
    said = _read(sentence, language)
    held = _read("\n".join(quotes), quotes_language)
    found: list[str] = []
    if language != quotes_language:
        if any(denial.plain for denial in said.denials):
            if not held.denials and not held.unsaid(quotes_language, ()):
                first = next(denial for denial in said.denials if denial.plain)
                found.append(sentence[first.start : first.end])
        elif any(denial.plain for denial in held.denials) and not said.denials and not said.unsaid(language, ()):
            found += [sentence] if len(said.words) >= _AS_LONG * len(held.words) else []
        return found
    for denial in said.denials:
        if denial.plain and not _also_denied(denial, said, held, language):
            found.append(sentence[denial.start : denial.end])
    for denial in held.denials:
        if denial.plain and _is_affirmed(denial, said, held, language):
            spans = [word for word in said.words if word.stem in denial.stems]
            found.append(sentence[spans[0].start : spans[-1].end])
    return found


def _also_denied(denial: _Denial, said: _Reading, held: _Reading, language: str) -> bool:
    shared = [stem for stem in denial.stems if stem in held.stems()]
    if not shared:
        return bool(held.denials) or held.unsaid(language, (), said)
    return not held.denied().isdisjoint(shared) or held.unsaid(language, shared, said)


def _is_affirmed(denial: _Denial, said: _Reading, held: _Reading, language: str) -> bool:
    nearest = denial.stems[:2]
    denied = {word for other in held.denials for word in other.words}
    return (
        bool(nearest)
        and said.stems() >= set(nearest)
        and said.denied().isdisjoint(nearest)
        and not any(word.stem in nearest and word not in denied for word in held.words)
        and not said.unsaid(language, nearest, held)
    )


@lru_cache(maxsize=4096)
def _read(text: str, language: str) -> _Reading:
    words: list[_Word] = []
    clause, last = 0, 0
    plain = text.replace("’", "'")
    for match in _WORD.finditer(plain):
        word = match[0].lower()
        if _PAUSE.search(plain, last, match.start()) or word in _CLAUSES[language]:
            clause += 1
        stems = tokens(word, language) if len(word) > 1 and not word[0].isdigit() else []
        # without its accent, "blessée" keeps an e that "blessé" loses
        words.append(_Word(word, *match.span(), clause, stems[0].removesuffix("e") if stems else None))
        last = match.end()
    find = _french if language == "fr" else _other
    return _Reading(tuple(words), tuple(find(words, plain, language)))


def _denial(words: Sequence[_Word], first: int, place: int, back: int = 0, plain: bool = True) -> _Denial:
    """Return the negation at `place`, which begins at `first`, with what stands behind it and up to `back` before."""
    behind = [word for word in words[place + 1 : place + 1 + _REACH] if word.stem and word.text not in _BEHIND_NE]
    same = [word for word in behind if word.clause == words[place].clause] or behind[:1]
    before = [word for word in words[:place] if word.stem and word.clause == words[place].clause]
    kept = [*same[: _DENIED if not back else 2], *reversed(before[-back:] if back else [])]
    end = max(kept[0].end if kept else 0, words[place].end)
    return _Denial(words[first].start, end, tuple(kept), plain)


def _french(words: Sequence[_Word], text: str, language: str) -> list[_Denial]:
    found: list[_Denial] = []
    used: set[int] = set()
    for place, word in enumerate(words):
        if word.text not in _NE or (word.text == "n" and text[word.end : word.end + 1] != "'"):
            continue
        behind = list(range(place + 1, min(place + 1 + _REACH, len(words))))
        behind = behind[: next((step for step, other in enumerate(behind) if words[other].text in _NE), _REACH)]
        mark = next((other for other in behind if words[other].text in _BEHIND_NE), None)
        only = next((other for other in behind if words[other].text in ("que", "qu")), None)
        before = [other for other in range(place) if words[other].text in _BEFORE_NE and other not in used]
        before = [other for other in before if words[other].clause == word.clause]
        if before and before[-1] == place - 1:
            used.update(before)
            found.append(_denial(words, before[-1], place))
        elif mark is not None and (only is None or mark < only):
            used.add(mark)
            following = {other.text for other in words[mark + 1 : mark + 3]}
            if words[mark].text == "plus" and following & {"que", "qu"}:
                continue  # "il ne reste plus que deux"
            if words[mark + 1 : mark + 2] and words[mark + 1].text in _ONLY and words[mark].text == "pas":
                continue  # "pas seulement"
            found.append(_denial(words, place, place))
        elif before:
            used.update(before)
            found.append(_denial(words, before[0], place))
        # else "ne … que", or a "ne" that denies nothing
    for place, word in enumerate(words):
        if place in used:
            continue
        behind_it = words[place + 1].text if place + 1 < len(words) else ""
        if word.text == "sans" and behind_it not in _TAKEN_BACK["fr"]:
            found.append(_denial(words, place, place, plain=False))
        elif (word.text == "pas" and behind_it in ("de", "d", "un", "encore")) or word.text in ("aucun", "aucune"):
            found.append(_denial(words, place, place))
        elif word.text in ("jamais", "ni"):
            found.append(_denial(words, place, place, plain=False))
    return found


def _other(words: Sequence[_Word], text: str, language: str) -> list[_Denial]:
    found = []
    for place, word in enumerate(words):
        shortened = language == "en" and word.text == "t" and text[word.start - 2 : word.start].lower() == "n'"
        if word.text not in _NEGATIONS[language] and not shortened:
            continue
        following = {other.text for other in words[place + 1 : place + 2]}
        if language == "en" and word.text == "no" and re.match(r"\. ?\d", text[word.end :]):
            continue  # "No. 81"
        later = {other.text for other in words[place + 1 : place + 4] if other.clause == word.clause}
        if following & _TAKEN_BACK[language] or later & {"until", "before", "bis", "hasta"}:
            continue
        plain = word.text not in ("without", "ohne", "sin", "nor", "ni")
        found.append(
            _denial(
                words, place - shortened, place, back=_BACK.get(word.text, 2 if language == "de" else 0), plain=plain
            )
        )
    return found
