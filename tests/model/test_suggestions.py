"""The default pair makes questions of real articles: structure, never wording."""

from __future__ import annotations

import threading
from pathlib import Path

from weights import needing_weights

from index.embedder import SentenceTransformerEmbedder
from index.generation import open_current
from index.language import detect
from index.rebuild import update
from qa.suggestions import configured_suggestions
from settings import Settings

ARTICLES = Path(__file__).resolve().parents[2] / "demo" / "articles"


def test_articles_give_questions_that_can_be_shown(
    tmp_path: Path, settings: Settings, embedder: SentenceTransformerEmbedder
) -> None:
    own = settings.model_copy(update={"home": tmp_path})
    paths = [*sorted(ARTICLES.glob("2024-1*.txt")), ARTICLES / "2023-11-04-flood-volunteers.txt"]
    update(own.home, paths, embedder, passage_tokens=own.passage_tokens)
    generation = open_current(own.home, embedder.fingerprint)
    articles = [part.segment.store.article(row) for part in generation.parts for row in range(len(part.states))]
    with needing_weights():
        suggestions = configured_suggestions(own)
    suggestions.make(articles, threading.Event())
    made = suggestions.ready(articles)
    assert made
    languages = {article.id: article.language for article in articles}
    for suggestion in made:
        assert suggestion.question.endswith("?")
        assert len(suggestion.question.split()) <= 26  # a French mark stands apart
        assert not set(suggestion.question) & set("<>[]\n")
        assert suggestion.language == languages[suggestion.article_id] == detect(suggestion.question)
