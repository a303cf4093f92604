"""Recent articles → questions that they answer, to be shown before anybody has asked one.

A sentence near the beginning of an article and a figure, date or name in it are put before the model,
which writes the question that they answer. That question is then asked: it is kept where search, reader
and confidence come back to those words (Alberti et al. 2019, "Synthetic QA Corpora Generation with
Roundtrip Consistency"), as they would for a person who asks it.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from errors import QuestionError
from index.articles import Article
from index.language import detect
from index.lexical import tokens
from index.sentences import split
from models.local import write_whole
from qa.answer import Assistant, EvidenceFound, assistant, configured_model
from qa.check import names, quotations
from qa.figures import figures
from qa.language_model import LanguageModel
from qa.prompt import PROMPTS, fill, name_of, one_line
from settings import Settings

FILE_NAME = "suggestions.json"
MOST = 50  # entries of the file

_SURE = 0.6
_RULES = 1  # to be raised with what is below, so that articles are tried again
_TRIED = 4  # candidates of one article
_READ = 8000  # characters of an article
_BEGINNING = 10  # sentences
_SHORTEST, _LONGEST = 40, 320  # characters of a sentence
_LONGEST_TITLE = 200  # characters
_MOST_NAMES = 5
_MOST_WORDS = 25
_MOST_TOKENS = 80
_MOST_STRANGE = 1  # stems of a question that the article's beginning does not hold
_COPIED = 0.7  # of the stems of title and question, those that are in both
_PAUSE = 0.5  # seconds


class _Kind(IntEnum):
    """What a question asks for; figures make the best ones."""

    COUNT = 0  # at the head of its sentence
    FIGURE = 1
    DATE = 2
    NAME = 3


# A small model that may begin as it likes asks for something else, or what yes would answer.
_OPENINGS = {
    "fr": ('"Combien "', '"Quand "', '"Qui "'),
    "en": ('"How many " | "How much "', '"When "', '"Who "'),
    "de": ('"Wie viel" "e"? " "', '"Wann "', '"Wer "'),
    "es": ('"¿Cuánt" [oa] "s"? " "', '"¿Cuándo "', '"¿Quién "'),
}
# What cannot be understood alone; and "de euros", with which a small model betrays that it has lost the thread.
_SPOILT = {
    "fr": re.compile(r"\b(?:il|elle|ils|elles|cet article|de (?!onz)[aeiouéèêâî]\w+)\b", re.IGNORECASE),
    "en": re.compile(r"\b(?:he|she|it|they|this article)\b", re.IGNORECASE),
}
_CHARACTER = r"[^<>\[\]{}()|\\/*_#@:`~\n\r\t ?!;]"  # no markup, no link
_WELL_FORMED = re.compile(rf"{_CHARACTER}+(?: {_CHARACTER}+){{2,{_MOST_WORDS - 1}}} ?\?")
_MARKUP = re.compile(r"[<>\[\]{}|\\@#]|://|www\.")
# "58 ans" is asked for in another way, and "16 heures" is rather a time of day.
_UNIT = re.compile(r"[\s-]+(?:d['’]|de\s)?(?!(?:ans?|years?|Jahre|años|heures?|hours?|Uhr|horas?)\b)(\w+)")
_COUNTED = re.compile(r"(?:Combien (?:d['’]|de )|How many |Wie viele? |¿Cuánt[oa]s? )(\w+)")


class Interrupted(Exception):
    """Somebody asks, or the making is to end; what was begun is given up."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question in the language (ISO 639-1) of the article that answers it."""

    question: str
    article_id: str
    language: str


# By article and by what it was made with; None for an article that gave no question.
_Entries = dict[tuple[str, str], Suggestion | None]


class _Candidate(NamedTuple):
    """Words to ask for, in offsets of the article's text, with the sentence and what stands before it.

    `names` are those of title and sentence, one of which tells what the question is about: one that stands
    elsewhere in the article may have nothing to do with it.
    """

    kind: _Kind
    start: int
    end: int
    sentence: str
    context: str
    names: tuple[str, ...]


def suggest(
    article: Article,
    assistant: Assistant,
    model: LanguageModel,
    *,
    sure: float = _SURE,
    interrupted: Callable[[], bool] = lambda: False,
) -> Suggestion | None:
    """Return a question that the archive answers from this article with a confidence of at least `sure`, or None.

    Raises Interrupted once `interrupted()` is true, which is asked between steps, and what
    `Assistant.stream` raises.
    """
    language = article.language or detect(article.text)
    for candidate in _candidates(article, language)[:_TRIED]:
        try:
            question = _written(article, candidate, language, model, interrupted)
        except QuestionError:  # no room for it in the model's context
            continue
        if not _is_fit(question, article, candidate, language):
            continue
        if interrupted():
            raise Interrupted
        if _comes_back(question, article, candidate, assistant, sure):
            return Suggestion(question, article.id, language)
    return None


def _candidates(article: Article, language: str) -> list[_Candidate]:
    """Return what can be asked for near the beginning of an article, the most promising first."""
    spans = split(article.text[:_READ], language)[:_BEGINNING]
    sentences = [article.text[span.start : span.end] for span in spans]
    found = []
    for place, (span, sentence) in enumerate(zip(spans, sentences, strict=True)):
        if not _SHORTEST <= len(sentence) <= _LONGEST or _MARKUP.search(sentence) or _quotes(sentence):
            continue
        asked = _askable(sentence, language)
        if asked is None:
            continue
        kind, start, end = asked
        before = [
            one_line(other)[:_LONGEST] for other in (*sentences[: min(place, 2)], *sentences[max(place - 1, 2) : place])
        ]
        context = " ".join((*before, one_line(sentence)))
        words = sentence[start:end]
        named = (name for part in (article.title, sentence) for name in names(part, language) if name not in words)
        about = tuple(dict.fromkeys(map(one_line, named)))[:_MOST_NAMES]
        if not about:
            continue
        found.append(_Candidate(kind, span.start + start, span.start + end, one_line(sentence), context, about))
    return sorted(found, key=lambda candidate: candidate.kind)


def _quotes(sentence: str) -> bool:
    """True where somebody speaks, who says "we"; a title in quotation marks is one word or two."""
    return any(len(words.split()) > 2 for words in quotations(sentence))


def _askable(sentence: str, language: str) -> tuple[_Kind, int, int] | None:
    """Return what a question can ask for in a sentence: a number and what it counts, else a day, else a name."""
    seen = figures(sentence, (language,))
    for number in seen.numbers:
        unit = _UNIT.match(sentence, number.end)
        if unit and not number.year and max(number.values) > 2 and tokens(unit[1], language):
            kind = _Kind.FIGURE if sentence[: number.start].strip() else _Kind.COUNT
            return kind, number.start, unit.end()
    for day in seen.dates:
        if day.month and day.day:
            return _Kind.DATE, day.start, day.end
    for name in names(sentence, language)[:1]:
        if sentence.startswith(name):
            return _Kind.NAME, 0, len(name)
    return None


def _written(
    article: Article, candidate: _Candidate, language: str, model: LanguageModel, interrupted: Callable[[], bool]
) -> str:
    prompt = fill(
        "suggestion",
        language,
        title=one_line(article.title)[:_LONGEST_TITLE],
        text=candidate.context,
        sentence=candidate.sentence,
        words=one_line(article.text[candidate.start : candidate.end]),
        names=", ".join(candidate.names),
        language=name_of(language),
    )
    question = ""
    for piece in model.generate(prompt, grammar=_grammar(candidate.kind, language), max_tokens=_MOST_TOKENS):
        if interrupted():
            raise Interrupted
        question += piece
    return one_line(question)


def _grammar(kind: _Kind, language: str) -> str:
    """Return the grammar of one question for something of this kind."""
    openings = _OPENINGS.get(language)
    opening = openings[max(kind - 1, 0)] if openings else 'word " "'
    return "\n".join(
        (
            f'root ::= opening word (" " word){{1,{_MOST_WORDS - 3}}} " "? "?"',
            f"opening ::= {opening}",
            "word ::= letter{1,30}",
            f"letter ::= {_CHARACTER}",
        )
    )


def _is_fit(question: str, article: Article, candidate: _Candidate, language: str) -> bool:
    """True for a question that can be shown: in the right words and language, no copy, understood by itself."""
    asked, title = set(tokens(question, language)), set(tokens(article.title, language))
    held = title | set(tokens(candidate.context, language))
    about = title | set(tokens(candidate.sentence, language))
    words = article.text[candidate.start : candidate.end]
    opening, _, rest = question.partition(" ")
    named = names(f"{opening.lower()} {rest}", language)
    counted = _COUNTED.match(question)
    return (
        _WELL_FORMED.fullmatch(question) is not None
        and detect(question) == language
        and one_line(words).lower() not in question.lower()
        and len(asked & title) < _COPIED * max(len(asked | title), 1)
        and len(set(tokens(rest, language)) - held) <= _MOST_STRANGE
        and (counted is None or held.issuperset(tokens(counted[1], language)))
        and bool(named)
        and about.issuperset(tokens(" ".join(named), language))
        and not (language in _SPOILT and _SPOILT[language].search(question))
        and all(day.weekday is None for day in figures(question, (language,)).dates)
    )


def _comes_back(question: str, article: Article, candidate: _Candidate, assistant: Assistant, sure: float) -> bool:
    """True if the archive answers the question with the very words that it was made for; no answer is written."""
    events = assistant.stream(question)  # what follows the evidence is never begun
    found = next(event for event in events if isinstance(event, EvidenceFound) and event.enough)
    if not found.evidence or found.confidence < sure:
        return False
    best = max(found.evidence, key=lambda item: item.score)
    start, end = best.words or (best.start, best.end)
    return best.article_id == article.id and start < candidate.end and candidate.start < end


class Suggestions:
    """What was made for the articles of one home, kept in HOME/suggestions.json; articles that gave none are, too.

    An entry counts for one article, one model and one wording of the prompts. Safe to use from several
    threads, of which one makes.
    """

    def __init__(
        self,
        settings: Settings,
        assistant: Assistant,
        model: LanguageModel,
        *,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`busy` is true while somebody asks: nothing is begun then, and what was begun is given up."""
        self._path = settings.home / FILE_NAME
        self._sure = max(_SURE, settings.refuse_below)
        self._assistant = assistant
        self._model = model
        self._busy = busy
        self._made_with = _made_with(settings.answering_identity)
        self._entries = _read(self._path)

    def ready(self, articles: Iterable[Article], language: str | None = None) -> list[Suggestion]:
        """Return at once what is known for these articles, in their order, no question twice."""
        entries = self._entries
        known = (entries.get((article.id, self._made_with)) for article in articles)
        found = {
            suggestion.question: suggestion
            for suggestion in reversed([*filter(None, known)])
            if language in (None, suggestion.language)
        }
        return list(reversed(found.values()))

    def make(self, articles: Sequence[Article], stop: threading.Event) -> None:
        """Try the first 50 of these articles that were not tried before, until `stop` is set.

        What is known of other articles is forgotten, so that nothing of a removed one stays on disk. Raises
        what `suggest` raises but for Interrupted; what was made until then is kept.
        """
        articles = articles[:MOST]
        given = {article.id for article in articles}
        self._keep({key: entry for key, entry in self._entries.items() if key[0] in given})
        missing = [article for article in articles if (article.id, self._made_with) not in self._entries]
        for article in missing:
            while not stop.is_set():
                if self._busy():
                    stop.wait(_PAUSE)
                    continue
                with suppress(Interrupted):
                    made = suggest(
                        article,
                        self._assistant,
                        self._model,
                        sure=self._sure,
                        interrupted=lambda: stop.is_set() or self._busy(),
                    )
                    self._keep(self._entries | {(article.id, self._made_with): made})
                    break
        if missing and not stop.is_set() and not self._busy():
            self._assistant.warm()  # the model's context holds other prompts now

    def _keep(self, entries: _Entries) -> None:
        """Take entries, those of other models first to go; one that cannot be written is kept in memory."""
        if entries == self._entries:
            return
        ordered = sorted(entries.items(), key=lambda one: one[0][1] == self._made_with)
        self._entries = dict(ordered[-MOST:])
        rows = [
            {"article": article, "made_with": made_with}
            | ({"question": made.question, "language": made.language} if made else {})
            for (article, made_with), made in self._entries.items()
        ]
        with suppress(OSError):
            write_whole(self._path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def _read(path: Path) -> _Entries:
    """Return the entries of a file, none of one that is not there or damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            (str(row["article"]), str(row["made_with"])): Suggestion(
                str(row["question"]), str(row["article"]), str(row["language"])
            )
            if "question" in row
            else None
            for row in rows[-MOST:]
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _made_with(model: str) -> str:
    """Return the identity of model, prompts and rules."""
    prompts = [path.read_text(encoding="utf-8") for path in sorted(PROMPTS.glob("*/suggestion.txt"))]
    return hashlib.sha256("\0".join([model, str(_RULES), *prompts]).encode()).hexdigest()[:16]


def configured_suggestions(settings: Settings, busy: Callable[[], bool] = lambda: False) -> Suggestions:
    """Return the suggestions of a home, with its models, which load when something is made.

    Raises ModelMissingError if their weights are not here.
    """
    return Suggestions(settings, assistant(settings), configured_model(settings), busy=busy)
