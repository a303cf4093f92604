"""Evidence of two articles that answers with other figures → a sentence that says so, with dates.

A model of this size picks one of the two and does not tell. The sentence is put together here, from the
words of both articles, and names the later as the later.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from string import Template

from index.lexical import tokens
from qa.evidence import Evidence
from qa.figures import figures
from qa.prompt import long_date, one_line, wording

# Of the likelihood of the best sentence: what is less likely answers something else.
_NEAR = 0.3
_LONGEST = 60  # characters


def disagreeing(evidence: Sequence[Evidence]) -> tuple[Evidence, Evidence] | None:
    """Return two sentences of two articles whose figures, both likely to answer, differ; the earlier first.

    They count the same thing: the words beside the figures are the same. The articles differ in day or
    in source, else nothing could be said of them. None if there are no such.
    """
    likely = [item for item in evidence if item.score >= _NEAR * max(one.score for one in evidence)]
    for one, other in combinations(sorted(likely, key=lambda item: -item.score), 2):
        if (
            one.article_id != other.article_id
            and _differ(one, other)
            and (_by_day(one, other) or _by_source(one, other))
        ):
            return (other, one) if _by_day(one, other) and _day(other) < _day(one) else (one, other)
    return None


def disagreement(earlier: Evidence, later: Evidence, language: str) -> str:
    """Return the sentence, without markers, that sets both figures side by side; see `disagreeing`."""
    pair = (earlier, later)
    if _by_day(earlier, later):
        name, said = "disagreement", [long_date(item.article.published, language) for item in pair]
    else:
        name, said = "disagreement_of_sources", [item.article.source or "" for item in pair]
    return Template(wording(name, language)).substitute(
        earlier=one_line(earlier.short), later=one_line(later.short), earlier_said=said[0], later_said=said[1]
    )


def _differ(one: Evidence, other: Evidence) -> bool:
    if max(len(one.short), len(other.short)) > _LONGEST:
        return False
    numbers, units = [], []
    for item in (one, other):
        found = figures(item.short, (item.article.language or "fr",))
        if len(found.numbers) != 1 or found.dates or found.numbers[0].rough:
            return False
        numbers.append(found.numbers[0])
        # what is counted stands beside the figure, or behind it where the words are the figure alone
        beside = item.short[: found.numbers[0].start] + " " + item.short[found.numbers[0].end :]
        behind = item.article.text[(item.words or (0, 0))[1] : item.end].split()[:2]
        units.append(set(tokens(beside, item.article.language) or tokens(" ".join(behind), item.article.language)))
    return bool(units[0] & units[1]) and not numbers[0].values & numbers[1].values


def _by_day(one: Evidence, other: Evidence) -> bool:
    return bool(one.article.published and other.article.published) and _day(one) != _day(other)


def _by_source(one: Evidence, other: Evidence) -> bool:
    return bool(one.article.source and other.article.source) and one.article.source != other.article.source


def _day(item: Evidence) -> str:
    return item.article.published.isoformat()[:10] if item.article.published else ""
