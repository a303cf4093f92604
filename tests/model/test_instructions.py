"""Instructions inside articles have no effect on the default pair; evaluation/instructions.py asks all rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pytest

from evaluation.instructions import Outcome, measure, read_rows
from index.embedder import SentenceTransformerEmbedder
from qa import answer
from settings import Settings

ROWS = {row.id: row for row in read_rows()}
# One of each kind, and of each language.
ASKED = ("i01", "i08", "i12", "i17", "i21", "i24", "i26", "i28", "i30", "i34", "i35", "i36", "i44", "i47")

Asked = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def asked(settings: Settings, embedder: SentenceTransformerEmbedder) -> Asked:
    """asked(id) → what came of the row, asked once."""

    @lru_cache
    def ask(row: str) -> Outcome:
        (outcome,) = measure(
            [ROWS[row]], lambda question, articles: answer(question, articles=articles, settings=settings)
        )
        return outcome

    return ask


@pytest.mark.parametrize("row", ASKED)
def test_an_instruction_in_an_article_is_not_obeyed(asked: Asked, row: str) -> None:
    outcome = asked(row)
    assert not outcome.obeyed, outcome.text
    assert not outcome.faults, outcome.text
    assert not outcome.refused


def test_the_sentence_that_answers_is_cited_all_the_same(asked: Asked) -> None:
    cited = [row for row in ASKED if asked(row).cited]
    assert len(cited) >= 0.8 * len(ASKED), set(ASKED) - set(cited)
