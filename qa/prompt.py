"""Evidence and question → Prompt, within the token budget. The words are in prompts/."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from string import Template

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from errors import QuestionError
from qa.evidence import Evidence

PROMPTS = Path(__file__).resolve().parent.parent / "prompts"
_FALLBACK = "en"
_TURN = re.compile(r"^--- (system|user|assistant)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The turns put before the model, which writes the next one."""

    messages: tuple[Message, ...]


@lru_cache(maxsize=64)
def wording(name: str, language: str) -> str:
    """Return the text of prompts/LANGUAGE/NAME.txt, in English where there is none."""
    path = PROMPTS / language / f"{name}.txt"
    if not language.isalpha() or not path.is_file():
        path = PROMPTS / _FALLBACK / f"{name}.txt"
    return path.read_text(encoding="utf-8").strip()


def fill(name: str, prompt_language: str, /, **values: str) -> Prompt:
    """Fill a prompt file, whose turns stand below lines such as `--- user`, with values.

    Raises KeyError naming a variable of the file for which there is no value. What stands in a
    value is never expanded.
    """
    parts = _TURN.split(wording(name, prompt_language) + "\n")[1:]
    messages = []
    for role, content in zip(parts[::2], parts[1::2], strict=True):
        messages.append(Message(role, Template(content.strip()).substitute(values)))
    return Prompt(tuple(messages))


def answer_prompt(
    question: str,
    evidence: Sequence[Evidence],
    language: str,
    count_tokens: Callable[[Prompt], int],
    budget: int,
) -> tuple[Prompt, tuple[Evidence, ...]]:
    """Return the prompt of at most `budget` tokens, and the evidence that found place in it.

    The sentences that least answer are left out first; the rest keep their numbers.
    Raises QuestionError if the question leaves no room for a single sentence.
    """
    kept = tuple(evidence)
    while kept:
        prompt = fill(
            "answer",
            language,
            question=one_line(question),
            evidence=written(kept, language),
            language=name_of(language),
        )
        if count_tokens(prompt) <= budget:
            return prompt, kept
        weakest = min(kept, key=lambda item: item.score)
        kept = tuple(item for item in kept if item is not weakest)
    raise QuestionError("the question and the sentences found do not fit the model's context; ask a shorter question")


def rewrite_prompt(sentence: str, evidence: Sequence[Evidence], question: str, language: str) -> Prompt:
    """Return the prompt that asks for a sentence once more, saying only what the evidence says."""
    return fill(
        "rewrite",
        language,
        sentence=one_line(sentence),
        evidence=written(evidence, language),
        question=one_line(question),
        language=name_of(language),
    )


def written(evidence: Sequence[Evidence], language: str) -> str:
    """Write evidence as the model reads it: each article's title, source and date, then its sentences."""
    blocks = []
    for _, group in groupby(evidence, key=lambda item: item.article_id):
        items = list(group)
        article = items[0].article
        when = long_date(article.published, language)
        about = ", ".join(part for part in (article.source, when) if part)
        head = f"{article.title} ({about})" if about else article.title
        blocks.append("\n".join([head, *(f"[{item.number}] {one_line(item.quote)}" for item in items)]))
    return "\n\n".join(blocks)


def long_date(day: date | None, language: str) -> str:
    """Write a day in words, as "3 mai 2024"; nothing for None."""
    return format_date(day, "long", _locale(language)) if day else ""


def one_line(text: str) -> str:
    return " ".join(text.split())


def name_of(language: str) -> str:
    """Return a language's English name, as "German" for "de"."""
    return _locale(language).get_language_name("en") or language


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_FALLBACK)
