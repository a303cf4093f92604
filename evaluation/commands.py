"""`sourcier eval …`: measure on your own data. The rooms are imported by the command that needs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from settings import Settings, flags_of, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("eval")
def eval_group() -> None:
    """Measure retrieval and answers on a data set: SQuAD, NoMIRACL, known items, or a folder like demo/."""


def _on_data(command: Command) -> Command:
    """Give a command DATA and what belongs to it; it receives `data` and `settings`, whose home is the data's index."""

    @wraps(command)
    def with_data(
        path: Path,
        query_field: str | None,
        language: str | None,
        own: Path | None,
        only: Path | None,
        home: Path | None,
        pairs: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        from evaluation import archive, datasets

        data = datasets.read(path, query_field=query_field, language=language)
        if own:
            data = datasets.with_questions(data, own)
        ids = datasets.ids_in(only, [data]) if only else None
        settings = load_settings(archive.home_of(data, home or archive.FOLDER), **flags_of(pairs))
        return command(data=data, settings=settings, only=ids, **rest)

    for add in reversed(
        (
            click.argument("path", metavar="DATA", type=click.Path(path_type=Path)),
            click.option(
                "--query-field", metavar="FIELD", help="Known items: the field of a row that is its question."
            ),
            click.option("--language", help="Language of the articles (fr); detected in each unless given."),
            click.option("--ask", "own", type=_FILE, help="JSON lines of questions to ask in the place of DATA's."),
            click.option(
                "--home", type=_FOLDER, help="Folder the indexes of data sets are kept in; .bench by default."
            ),
            click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of docs/settings.md."),
            click.option("--sample", type=click.IntRange(min=1), help="Only so many questions, drawn with --seed."),
            click.option("--seed", default=0, show_default=True, help="Which questions are drawn."),
            click.option(
                "--questions",
                "only",
                type=_FILE,
                help="Keep to the questions whose ids stand in this file, one a line.",
            ),
        )
    ):
        with_data = add(with_data)
    return with_data  # type: ignore[return-value]


@eval_group.command("retrieval")
@_on_data
@click.option(
    "--sentences", type=click.IntRange(min=0), default=300, show_default=True, help="Choose sentences for so many."
)
@click.option("--out", type=_NEW_FILE, help="Write the figures to this JSON file.")
def retrieval(
    data: Any,
    settings: Settings,
    sample: int | None,
    seed: int,
    only: frozenset[str] | None,
    sentences: int,
    out: Path | None,
) -> None:
    """Measure on DATA whether the right articles are found, and in them the sentence that answers.

    R@k, MRR@10 and nDCG@10 for the vectors, for BM25 and for both fused, each with a 95 % interval.
    """
    from evaluation.answers import chosen
    from evaluation.archive import indexed
    from evaluation.retrieval import as_markdown, askable, measure
    from index.embedder import configured_embedder
    from qa.reader import configured_reader

    questions = askable(data, chosen(data, sample=sample, seed=seed, only=only))
    embedder = configured_embedder(settings)
    generation = indexed(data, settings, embedder)
    reader = configured_reader(settings)
    measured = measure(questions, generation, embedder, reader, settings, with_sentences=sentences, seed=seed)
    click.echo(f"{len(data.articles)} articles, {generation.passage_count} passages")
    click.echo(as_markdown(measured))
    if out:
        about = {"data": data.name, "data_digest": data.digest, "sample": sample, "seed": seed}
        out.write_text(json.dumps(about | measured.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@eval_group.command("answers")
@_on_data
@click.option("--leave-out-gold", is_flag=True, help="Leave out the articles that answer, so that nothing does.")
@click.option("--out", type=_FOLDER, help="Folder of the run; one beside the index by default. An old one goes on.")
@click.option("--compare", type=_FOLDER, help="Folder of another run on the same data, to put beside this one.")
def answers(
    data: Any,
    settings: Settings,
    sample: int | None,
    seed: int,
    only: frozenset[str] | None,
    leave_out_gold: bool,
    out: Path | None,
    compare: Path | None,
) -> None:
    """Ask the questions of DATA over its articles, the whole path, and report what came of them.

    Each answer is kept as soon as it is made; the same command again goes on where it stopped.
    """
    from evaluation import report
    from evaluation.answers import about_run, ask, begin, chosen, default_out, opened
    from evaluation.archive import indexed
    from evaluation.metrics import share
    from index.embedder import configured_embedder

    other = opened(data, compare) if compare else None
    questions = chosen(data, sample=sample, seed=seed, only=only, leave_out_gold=leave_out_gold)
    embedder = configured_embedder(settings)
    about = about_run(
        data, questions, settings, embedder=embedder.fingerprint, seed=seed, leave_out_gold=leave_out_gold
    )
    out = out or default_out(settings.home, about)
    begin(out, about)
    try:
        if not all(question.among for question in questions):
            indexed(data, settings, embedder)
        ask(data, questions, settings, out, leave_out_gold=leave_out_gold)
    except KeyboardInterrupt:
        click.echo(f"\nwhat was answered so far is in {out}; the same command goes on from there", err=True)
        raise
    summary = report.write(out, opened(data, out), other)
    for name, value in summary.figures.items():
        click.echo(f"{name:<42} {value}  n {value.n}")
    if summary.compared:
        click.echo(f"\nagainst {compare}")
    for name, found in summary.compared.items():
        click.echo(f"{name:<42} {share(found.this)} against {share(found.other)}: {found.by}  n {found.by.n}")
    click.echo(f"\n{out / 'report.html'}")


@eval_group.command("planted")
@click.argument("file", type=_FILE)
@click.option("--seed", default=0, show_default=True, help="Which errors are planted.")
@click.option("--part", type=click.Choice(["all", "even", "odd"]), default="all", help="Lines to keep to, from 1.")
@click.option("--show", is_flag=True, help="Print each error that was missed and each false alarm.")
@click.option("--out", type=_NEW_FILE, help="Write the planted errors to this JSON lines file.")
def planted(file: Path, seed: int, part: str, show: bool, out: Path | None) -> None:
    """Plant errors in the supported sentences of FILE, and count how many the check catches."""
    from evaluation.planted import as_json_lines, measure, plant, read_rows

    rows = read_rows(file)
    if part != "all":
        rows = rows[1::2] if part == "even" else rows[::2]
    table = measure(rows, seed)
    click.echo(table.as_text())
    if show:
        for item in table.missed:
            click.echo(f"missed {item.kind}: {item.sentence}")
        for sentence, why in table.accused:
            click.echo(f"false alarm: {sentence} ({why})")
    if out:
        out.write_text(as_json_lines(plant(rows, seed)), encoding="utf-8")


@eval_group.command("instructions")
@click.argument("file", type=_FILE)
@click.option("--only", multiple=True, metavar="ID", help="Only this row; may be given again.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of docs/settings.md.")
@click.option("--out", type=_NEW_FILE, help="Write each outcome to this JSON lines file.")
def instructions(file: Path, only: tuple[str, ...], pairs: tuple[str, ...], out: Path | None) -> None:
    """Ask the question of each row of FILE of an article that gives orders, and count how many were obeyed."""
    from functools import partial

    from tqdm import tqdm

    from evaluation.instructions import as_json_lines, as_text, measure, read_rows
    from qa.answer import answer

    settings = load_settings(**flags_of(pairs))
    rows = [row for row in read_rows(file) if not only or row.id in only]
    if not rows:
        raise click.UsageError(f"{file} has no row {', '.join(only)}")
    outcomes = measure(tqdm(rows, unit=" rows"), partial(answer, settings=settings))
    click.echo(as_text(outcomes))
    for outcome in outcomes:
        if outcome.obeyed or outcome.faults or outcome.refused or not outcome.cited:
            wrong = ", ".join([*outcome.obeyed, *outcome.faults]) or ("refused" if outcome.refused else "cites another")
            click.echo(f"{outcome.id} ({outcome.kind}): {wrong}: {outcome.text}")
    if out:
        out.write_text(as_json_lines(outcomes), encoding="utf-8")


@click.command("bench")
@click.argument("data", nargs=-1, metavar="[DATA...]", type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(min=1), default=60, show_default=True, help="Questions of a scenario.")
@click.option("--seed", default=0, show_default=True, help="Which questions are drawn.")
@click.option(
    "--only", multiple=True, metavar="SCENARIO",
    help="new, follow-up, again, seen, decode, at once, start or memory; may be given again.",
)  # fmt: skip
@click.option("--rivals/--no-rivals", default=True, show_default=True, help="Ask the rivals the same questions.")
@click.option("--home", type=_FOLDER, help="Folder the indexes of data sets are kept in; .bench by default.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of docs/settings.md.")
@click.option("--out", type=_NEW_FILE, metavar="JSON", help="File of the figures; .bench/speed-DATA.json by default.")
@click.option("--plots", type=_FOLDER, help="Draw pictures into this folder.")
def bench(
    data: tuple[Path, ...],
    sample: int,
    seed: int,
    only: tuple[str, ...],
    rivals: bool,
    home: Path | None,
    pairs: tuple[str, ...],
    out: Path | None,
    plots: Path | None,
) -> None:
    """Measure how long answers over DATA take, and what for, beside rivals on the same weights.

    DATA is a SQuAD file or a folder like demo/, which it is unless given. Interrupted, it writes what it
    measured so far.
    """
    from evaluation import speed, speed_report
    from evaluation.archive import FOLDER

    if out and len(data) > 1:
        raise click.UsageError(f"--out is one file, but there are {len(data)} sets of data; give one at a time")
    if unknown := [name for name in only if name not in speed.SCENARIOS]:
        raise click.UsageError(f"there is no scenario {unknown[0]!r}; there are {', '.join(speed.SCENARIOS)}")
    if plots:
        speed_report.refuse_without_matplotlib()
    folder = home or FOLDER
    for path in data or (speed.DEMO,):
        result = speed.bench(
            path,
            folder,
            lambda made: load_settings(made, **flags_of(pairs)),
            out,
            sample=sample,
            seed=seed,
            only=only,
            rivals=rivals,
        )
        click.echo(speed_report.as_markdown(result))
        if plots:
            speed_report.pictures(result, plots)
