"""How quick the list of a large archive is: sorted every way, searched, filtered, paged through, read.

    python -m evaluation.catalogue_speed --articles 100000

The archive is that of evaluation/store_speed.py, with titles of some words, accents and all, in four
languages, one article in fifty without a date, and one in a hundred replaced by a newer version. Times are wall
time in milliseconds unless said otherwise.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click

from evaluation.store_speed import PASSAGE_TOKENS, MadeUpEmbedder, rows, seconds_of, timed
from index.catalogue import Catalogue, Order
from index.generation import EVERYTHING, Filters, status
from index.rebuild import update

_FILTERS = {
    "no filter": EVERYTHING,
    "dates, half": Filters(published_after=date(2020, 1, 1)),
    "source, a twentieth": Filters(sources=["Journal 3"]),
}
_LANGUAGES = {3: "en", 5: "de", 7: "es"}


def listed_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the rows of store_speed, with titles to be sorted, and some without a date."""
    for number, row in enumerate(rows(count, seed)):
        words = row["text"].split()
        title = f"{row['title']} {' '.join(words[:9]).replace('ce', 'cé')}"
        yield (
            row | {"title": title, "lang": _LANGUAGES.get(number % 10, "fr")} | ({} if number % 50 else {"date": None})
        )


def newer(count: int) -> Iterator[dict[str, Any]]:
    """Yield newer versions of one in a hundred of the articles."""
    for row in list(listed_rows(count))[::100]:
        yield row | {"text": row["text"] + " Corrigé."}


def measure(home: Path, articles: int, times: int) -> dict[str, Any]:
    """Return every figure; `home` is a folder of its own."""
    embedder = MadeUpEmbedder()

    def add(made: Iterator[dict[str, Any]]) -> None:
        path = home.parent / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        update(home, [path], embedder, passage_tokens=PASSAGE_TOKENS)

    figures: dict[str, Any] = {"ingestion, seconds": seconds_of(lambda: add(listed_rows(articles)))}
    add(newer(articles))
    held = status(home)
    figures |= {"articles": held.articles, "older": held.older, "segments": held.segments}

    catalogue = Catalogue(home)
    figures["first page, the newest first, ms"] = 1000 * seconds_of(catalogue.page)
    figures["first page by title, ms"] = 1000 * seconds_of(lambda: catalogue.page(order=Order.TITLE))

    def paged(**asked: Any) -> Callable[[], object]:
        """Return what reads the first page, one in the middle and the last in turn."""
        total = catalogue.page(**asked).total
        places = iter([0, total // 2, max(total - 50, 0)] * times)
        return lambda: catalogue.page(first=next(places), **asked)

    figures["a page, ms"] = {
        name: {order.value: timed(paged(filters=filters, order=order), times) for order in Order}
        for name, filters in _FILTERS.items()
    }
    words = [row["text"].split()[5] for row in rows(20, seed=1)]
    frequent = max(words, key=lambda word: catalogue.page(words=word).total)
    found = {
        "a rare word": min(words, key=lambda word: catalogue.page(words=word).total),
        "the most frequent of twenty": frequent,
        "three words": " ".join([frequent, *words[:2]]),
        "a URL": "https://valmorin.example/0/77",
    }
    figures["found"] = {name: catalogue.page(words=asked).total for name, asked in found.items()}
    figures["words, ms"] = {
        name: {order.value: timed(paged(words=asked, order=order), times) for order in Order}
        for name, asked in found.items()
    }
    identity = catalogue.page(first=articles // 3).rows[0].id
    figures |= {
        "an article read, ms": timed(lambda: catalogue.read(identity), times),
        "recent, twelve, ms": timed(lambda: catalogue.recent(12), times),
    }
    tracemalloc.start()
    other = Catalogue(home)
    other.page(order=Order.TITLE)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    figures |= {
        "kept in memory, the opened index too, MB": round(kept / 1e6, 1),
        "at the peak, MB": round(peak / 1e6, 1),
    }
    return figures


@click.command()
@click.option("--articles", type=click.IntRange(min=1_000), default=100_000, show_default=True)
@click.option("--times", type=click.IntRange(min=1), default=100, show_default=True, help="Each list is read.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make the archive; a temporary one otherwise.")
def main(articles: int, times: int, folder: Path | None) -> None:
    """Make an archive up, and print what was measured with it as JSON."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        json.dump(measure(Path(made) / "home", articles, times), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
