"""How quick the store stays as it grows: an archive of made-up articles, opened, searched, added to.

    python -m evaluation.store_speed --articles 100000

The vectors are made up too (a cluster for each subject), so that no model is needed: what is timed is
everything but the embedding. Times are wall time in milliseconds unless said otherwise.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np

from index.generation import EVERYTHING, Filters, open_current, status, verify
from index.maintenance import Selected, compact, remove
from index.rebuild import Progress, update
from index.search import search
from index.vectors import Vectors

_WORDS, _SUBJECTS, _SOURCES = 60_000, 2_000, 20
PASSAGE_TOKENS = 80  # words
_NEAR = 0.8  # how near to its subject's a passage's vector is


class MadeUpEmbedder:
    """A unit vector near that of the subject, which is a text's first word, and always the same for a text."""

    name = "made up"
    fingerprint = hashlib.sha256(b"made up 1").hexdigest()
    dimensions = 768

    def __init__(self) -> None:
        drawn = np.random.default_rng(0).normal(size=(_SUBJECTS, self.dimensions)).astype(np.float32)
        self._subjects = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        return np.stack([self._vector(title, text) for title, text in zip(titles, texts, strict=True)])

    def embed_question(self, question: str) -> Vectors:
        return self._vector(question, question)

    def _vector(self, title: str, text: str) -> Vectors:
        digest = hashlib.sha256(f"{title}\0{text}".encode()).digest()
        noise = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big"))).standard_normal(
            self.dimensions, dtype=np.float32
        )
        vector = _NEAR * self._subjects[_subject(title)] + np.sqrt(1 - _NEAR**2) * noise / np.linalg.norm(noise)
        made: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
        return made


def _subject(title: str) -> int:
    return int(title.split()[1]) % _SUBJECTS


def rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield made-up articles of about 120 words, of Zipf's frequencies, as rows of a JSON lines file."""
    generator = np.random.default_rng(seed)
    words = np.array([_word(number) for number in range(_WORDS)])
    for number in range(count):
        places = (generator.zipf(1.15, size=(10, 12)) - 1) % _WORDS
        yield {
            "title": f"Sujet {int(generator.pareto(1.0) * 20) % _SUBJECTS} {number}",
            "text": " ".join(" ".join(words[line]).capitalize() + "." for line in places),
            "url": f"https://valmorin.example/{seed}/{number}",
            "date": (date(2015, 1, 1) + timedelta(days=int(generator.integers(3650)))).isoformat(),
            "source": f"Journal {int(generator.integers(_SOURCES))}",
            "lang": "fr",
        }


def _word(number: int) -> str:
    syllables = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo", "jo", "ka")
    word = ""
    while True:
        number, place = divmod(number, len(syllables))
        word += syllables[place]
        if not number:
            return word + "r"


def timed(work: Callable[[], object], times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - started))
    return {"p50": round(float(np.percentile(taken, 50)), 2), "p99": round(float(np.percentile(taken, 99)), 2)}


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def measure(home: Path, articles: int, questions: int) -> dict[str, Any]:
    """Return every figure; `home` is a folder of its own."""
    embedder = MadeUpEmbedder()

    def write(name: str, made: Iterator[dict[str, Any]]) -> Path:
        path = home.parent / name
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        return path

    def add(path: Path, told: Callable[[Progress], None] = lambda progress: None) -> None:
        update(home, [path], embedder, passage_tokens=PASSAGE_TOKENS, progress=told)

    figures: dict[str, Any] = {"ingestion, seconds": seconds_of(lambda: add(write("all.jsonl", rows(articles))))}
    figures["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    held = status(home)
    figures |= {
        "articles": held.articles,
        "passages": held.passages,
        "segments": held.segments,
        "bytes an article, index": held.size // held.articles,
        "bytes an article, kept embeddings": (home / "embeddings.sqlite").stat().st_size // held.articles,
        "opening, ms": timed(lambda: open_current(home, embedder.fingerprint).close(), 20),
    }
    asked = [f"Sujet {row['title'].split()[1]} {' '.join(row['text'].split()[:10])}" for row in rows(questions, seed=1)]
    ways = {
        "no filter": EVERYTHING,
        "dates, half": Filters(published_after=date(2020, 1, 1)),
        "dates, a tenth": Filters(published_after=date(2024, 1, 1)),
        "source, a twentieth": Filters(sources=["Journal 3"]),
        "source and dates, one in 200": Filters(published_after=date(2024, 1, 1), sources=["Journal 3"]),
    }
    with closing(open_current(home, embedder.fingerprint)) as generation:
        vectors = {question: embedder.embed_question(question) for question in asked}

        class Kept(MadeUpEmbedder):
            def embed_question(self, question: str) -> Vectors:
                return vectors[question]

        kept = Kept()
        found: dict[str, Any] = {}
        for name, filters in ways.items():
            waiting = iter(asked * 2)

            def ask(filters: Filters = filters, waiting: Iterator[str] = waiting) -> None:
                hits = search(generation, kept, next(waiting), "fr", results=10, lexical_weight=0.15, filters=filters)
                assert len(hits) == 10

            ask()
            found[name] = timed(ask, questions)
        figures["search, ms"] = found
    one = write("one.jsonl", rows(1, seed=2))
    switched: list[float] = []

    def told(progress: Progress) -> None:
        if progress.stage == "writing":
            switched.append(time.perf_counter())

    started = time.perf_counter()
    add(one, told)
    figures["one article added, seconds"] = round(time.perf_counter() - started, 2)
    figures["one article added, seconds until its segment is written"] = round(switched[-1] - started, 2)
    added = []
    for number in range(12):
        path = write("one.jsonl", rows(1, seed=3 + number))
        added.append(seconds_of(lambda path=path: add(path)))  # type: ignore[misc]
    figures["twelve more, one by one, longest, seconds"] = max(added)
    figures["verify, seconds"] = seconds_of(lambda: list(verify(home)))
    figures["a source removed, seconds"] = seconds_of(
        lambda: remove(home, Selected(filters=Filters(sources=["Journal 3"])))
    )
    figures["compact, seconds"] = seconds_of(lambda: compact(home))
    figures["articles at the end"] = status(home).articles
    return figures


@click.command()
@click.option("--articles", default=100_000, show_default=True)
@click.option("--questions", default=200, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make the archive; a temporary one otherwise.")
def main(articles: int, questions: int, folder: Path | None) -> None:
    """Make an archive up, and print what was measured with it as JSON."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        json.dump(measure(Path(made) / "home", articles, questions), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
