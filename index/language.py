"""Which language a text is in (ISO 639-1), with py3langid's own small model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

# A question is a few words, where a detector of a hundred languages guesses at random. Unless it
# is sure, a short text is judged among these: those of the prompts first, then their neighbours.
COMMON = ("fr", "en", "de", "es", "it", "pt", "nl")
_SURE = 0.999
_LAST_LATIN = "\u024f"  # other scripts are none of these languages


@lru_cache(maxsize=2)
def _identifier(common: bool) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if common:
        identifier.set_languages(list(COMMON))
    return identifier


def detect(text: str) -> str:
    """Return the language of an article or a question; French for a text without letters.

    On 400 questions each, the right one of fr/en/de/es: .99, .99, 1.0, 1.0 (docs/benchmarks.md).
    """
    if not any(character.isalpha() for character in text):
        return "fr"
    language, probability = _identifier(common=False).classify(text[:5000])
    if (
        language in COMMON
        or probability >= _SURE
        or any(character > _LAST_LATIN for character in text if character.isalpha())
    ):
        return str(language)
    return str(_identifier(common=True).classify(text[:5000])[0])
