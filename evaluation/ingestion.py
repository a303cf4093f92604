"""How fast real articles are added: where the time of an ingestion goes, its memory, its bytes on disk.

python -m evaluation.ingestion ../shared/data/orangesum_5k/articles.jsonl --sample 300
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from index.embedder import Embedder, configured_embedder
from index.generation import status
from index.rebuild import update
from index.vectors import Vectors
from settings import Settings, load_settings


class _Timed:
    """An embedder that notes how long it takes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.fingerprint, self.dimensions = embedder.name, embedder.fingerprint, embedder.dimensions
        self.seconds = 0.0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed_question(self, question: str) -> Vectors:
        return self._embedder.embed_question(question)

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        started = time.perf_counter()
        made = self._embedder.embed_passages(texts, titles)
        self.seconds += time.perf_counter() - started
        return made


def measure(path: Path, sample: int, seed: int, settings: Settings, home: Path) -> dict[str, Any]:
    """Index a sample of the lines of a JSON lines file in a new home; the model is loaded before the clock starts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    chosen = np.random.default_rng(seed).permutation(len(lines))[:sample]
    rows = home.parent / "articles.jsonl"
    rows.write_text("\n".join(lines[place] for place in chosen), encoding="utf-8")
    embedder = _Timed(configured_embedder(settings))
    embedder.embed_passages(["Valmorin"], [""])
    embedder.seconds = 0.0
    started = time.perf_counter()
    report = update(home, [rows], embedder, passage_tokens=settings.passage_tokens)
    seconds = time.perf_counter() - started
    cut = time.perf_counter()
    update(home, [], embedder, passage_tokens=settings.passage_tokens, rebuild=True)
    again = time.perf_counter() - cut
    held = status(home)
    return {
        "articles": report.articles,
        "passages": report.passages,
        "skipped": len(report.skipped),
        "seconds": round(seconds, 1),
        "articles a second": round(report.articles / seconds, 2),
        "passages a second, embedding alone": round(report.passages / embedder.seconds, 2),
        "share of all else (reading, cutting, words, storage)": round(1 - embedder.seconds / seconds, 4),
        "seconds of a rebuild with every vector kept": round(again, 1),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "bytes an article, index": held.size // held.articles,
        "bytes an article, kept embeddings": (home / "embeddings.sqlite").stat().st_size // held.articles,
        "bytes an article, its text": sum(len(lines[place].encode()) for place in chosen) // sample,
    }


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sample", default=300, show_default=True, help="So many articles.")
@click.option("--seed", default=0, show_default=True)
def main(path: Path, sample: int, seed: int) -> None:
    """Print what was measured as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        json.dump(measure(path, sample, seed, load_settings(home), home), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
