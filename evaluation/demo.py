"""The demo questions, asked over the demo archive: is the right sentence cited, is the rest refused?

python -m evaluation.demo [--kind figure] [--only q003] [--show]
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from index.articles import clean
from index.embedder import configured_embedder
from index.rebuild import update
from qa import Answer, Turn, answer
from settings import load_settings

DEMO = Path(__file__).resolve().parent.parent / "demo"


def right(item: dict[str, Any], quotes: list[str]) -> bool:
    """True if one of the quotes is a sentence that answers, or holds it, or is held by it."""
    wanted = [" ".join(clean(sentence).split()) for sentence in (item["sentence"], *item["also"])]
    return any(quote in sentence or sentence in quote for quote in quotes for sentence in wanted)


@click.command()
@click.option("--kind", help="Only questions of this kind.")
@click.option("--only", help="Only the question of this id.")
@click.option("--show", is_flag=True, help="Print each answer that is wrong.")
@click.option("--out", type=click.Path(path_type=Path), help="Write every answer to this JSON lines file.")
def main(kind: str | None, only: str | None, show: bool, out: Path | None) -> None:
    """Ask the demo questions and print what came of them."""
    settings = load_settings(Path(".bench") / "demo")
    report = update(
        settings.home, [DEMO / "articles"], configured_embedder(settings), passage_tokens=settings.passage_tokens
    )
    items = [json.loads(line) for line in (DEMO / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    items = [item for item in items if kind in (None, item["kind"]) and only in (None, item["id"])]
    counts: dict[str, list[bool]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    written = []
    for item in tqdm(items, unit=" question"):
        history = [Turn(*turn) for turn in item.get("history", [])]
        made: Answer = answer(item["question"], settings=settings, history=history)
        quotes = [" ".join(citation.evidence.quote.split()) for citation in made.citations]
        shown = [" ".join(evidence.quote.split()) for evidence in made.evidence]
        verdict = {}
        if item["answerable"]:
            verdict["right sentence among those shown"] = right(item, shown)
            verdict["right sentence cited"] = right(item, quotes)
            verdict["answer words in the answer"] = item["answer"].lower() in made.text.lower()
            verdict["refused though answerable"] = made.refused
        else:
            verdict["refused the unanswerable"] = made.refused
        verdict["language of the question recognised"] = made.language == item["language"]
        for name, value in verdict.items():
            counts[name].append(value)
        for name in ("search", "evidence", "first_word", "total"):
            if (value := getattr(made.timings, name)) is not None:
                seconds[name].append(value)
        wrong = not verdict.get("right sentence cited", verdict.get("refused the unanswerable"))
        written.append({"id": item["id"], "wrong": wrong, **made.as_json()})
        if show and wrong:
            tqdm.write(f"{item['id']} {item['question']}\n    {made.confidence:.2f} {made.text}")
            tqdm.write(f"    wanted: {item.get('sentence')}\n    cited: {quotes}\n    asked: {made.question}")
    print(f"\n{report.articles} articles, {report.passages} passages, {len(items)} questions\n")
    for name, values in counts.items():
        print(f"{name:<34} {sum(values):>3} of {len(values):>3}  {sum(values) / len(values):.2f}")
    for name, times in seconds.items():
        print(f"seconds to {name:<23} median {statistics.median(times):.1f}, longest {max(times):.1f}")
    if out:
        out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in written), encoding="utf-8")


if __name__ == "__main__":
    main()
