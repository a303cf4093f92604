"""The index of a data set, kept in a folder of its own, so that a second run embeds the questions only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from errors import DataError, IncompatibleArchiveError, NoArchiveError
from evaluation.datasets import DataSet
from index.articles import Article
from index.embedder import Embedder
from index.generation import Generation, open_current, read_manifest
from index.rebuild import Progress, update
from settings import Settings

FOLDER = Path(".bench")


def home_of(data: DataSet, folder: Path) -> Path:
    """Return folder/NAME-HASH; the hash is that of the articles, so that other articles have another home."""
    return folder / f"{data.name}-{data.articles_digest[:8]}"


def indexed(data: DataSet, settings: Settings, embedder: Embedder) -> Generation:
    """Open the index of the articles of a data set in `settings.home`, made first where it is not there yet.

    Raises ArchiveError and its kin, ModelMissingError, and DataError if the index does not hold
    exactly the articles of the data set.
    """
    if not _there(settings, embedder):
        settings.home.mkdir(parents=True, exist_ok=True)
        rows = settings.home / "articles.jsonl"
        rows.write_text("".join(json.dumps(_row(article)) + "\n" for article in data.articles), encoding="utf-8")
        with _Bar() as bar:
            update(
                settings.home, [rows], embedder, passage_tokens=settings.passage_tokens, rebuild=True, progress=bar.show
            )
    generation = open_current(settings.home, embedder.fingerprint)
    held = {article.id for article in generation.articles()}
    if held != data.by_id.keys():
        raise DataError(
            f"{settings.home} holds {len(held)} articles, {len(held & data.by_id.keys())} of the {len(data.by_id)} of"
            f" {data.name}; delete that folder, it will be made again"
        )
    return generation


def _there(settings: Settings, embedder: Embedder) -> bool:
    try:
        _, manifest = read_manifest(settings.home)
    except (NoArchiveError, IncompatibleArchiveError):
        return False
    return (manifest.embedder_fingerprint, manifest.passage_tokens) == (embedder.fingerprint, settings.passage_tokens)


def _row(article: Article) -> dict[str, Any]:
    """Return the row that the readers make the same article of."""
    return {
        "id": article.id,
        "title": article.title,
        "text": article.text,
        "source": article.source,
        "url": article.url,
        "date": article.published.isoformat() if article.published else None,
        "author": article.author,
        "language": article.language,
    }


class _Bar:
    """A progress bar for each stage of the indexing."""

    def __enter__(self) -> _Bar:
        self._bar: Any = None
        return self

    def show(self, progress: Progress) -> None:
        if self._bar is None or self._bar.desc != progress.stage:
            self.__exit__()
            self._bar = tqdm(desc=progress.stage, total=progress.total, file=sys.stderr, dynamic_ncols=True)
        self._bar.update(progress.done - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
