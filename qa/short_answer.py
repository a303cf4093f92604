"""The few words that answer, where the question asks for such: a date, a name, a figure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.evidence import Evidence

_LONGEST = 80  # characters

# Questions for a reason, a manner or an account, which no few words answer; "how many" asks for a figure.
_ASKS_FOR_MORE = {
    "fr": r"pourquoi|comment(?! s['’]appelle| se nomme)|expliqu\w+|décri\w+|raconte\w*|raisons?|motifs?|à quoi est dû",
    "en": r"why|how(?! (?:many|much|long|old|far|often|tall|big|high))|explain|describe|reasons?",
    "de": r"warum|wieso|weshalb|wie(?! (?:viele?|lange?|alt|hoch|oft|groß|heißt|weit))|erkläre?|beschreibe?|gründe?",
    "es": r"por qué|cómo(?! se llama)|expli\w+|describ\w+|razón|razones|motivos?",
}


def asks_for_words(question: str, language: str) -> bool:
    """True unless a question asks for more than a few words can say: for a reason, a manner, an account."""
    more = _ASKS_FOR_MORE.get(language)
    return not more or not re.search(rf"\b(?:{more})\b", question, re.IGNORECASE)


def short_answer(question: str, language: str, cited: Sequence[Evidence]) -> str | None:
    """Return the words of the likeliest cited sentence that answer, a slice of it.

    None if the question asks for more than a few words can say, or if they are no few.
    """
    if not cited or not asks_for_words(question, language):
        return None
    words = max(cited, key=lambda item: item.score).short
    return words if 0 < len(words) <= _LONGEST else None
