"""The command `sourcier`: parses, calls a room, prints."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from errors import ModelError, SourcierError
from evaluation.commands import bench, eval_group
from settings import USERS_FILE, Settings, flags_of, load_settings

Command = TypeVar("Command", bound=Callable[..., Any])


class _Group(click.Group):
    """Prints what is meant for the user as one line, with exit code 2 and no traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except SourcierError as error:
            click.echo(f"sourcier: {error}", err=True)
            context.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "sourcier: interrupted; the index is as it was before, and what was done so far is kept", err=True
            )
            context.exit(130)


def _settings(command: Command) -> Command:
    """Give a command --home and --set; it receives what they make as `settings`."""

    @wraps(command)
    def with_settings(home: Path | None, pairs: tuple[str, ...], **arguments: Any) -> Any:
        return command(settings=load_settings(home, **flags_of(pairs)), **arguments)

    click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of docs/settings.md.")(
        with_settings
    )
    click.option("--home", type=click.Path(path_type=Path), help="Folder of the index.")(with_settings)
    return with_settings  # type: ignore[return-value]


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")(command)


def _filter_options(command: Command) -> Command:
    for option in (
        click.option("--author", "authors", multiple=True, help="Only articles with this in their byline."),
        click.option("--language", "languages", multiple=True, help="Only articles in this language (fr, en …)."),
        click.option("--source", "sources", multiple=True, help="Only articles of this source; may be repeated."),
        click.option("--to", "published_before", metavar="DATE", help="Only articles of this day or earlier."),
        click.option("--from", "published_after", metavar="DATE", help="Only articles of this day or later."),
    ):
        command = option(command)
    return command


@click.group(cls=_Group)
@click.version_option(package_name="sourcier")
def main() -> None:
    """Ask questions of a news archive on your own computer; every sentence shows its source."""


@main.command()
@_settings
@click.argument("question")
@click.option("--json", "as_json", is_flag=True, help="Print the answer, its citations and timings as JSON.")
@_filter_options
def ask(settings: Settings, question: str, as_json: bool, **filters: Any) -> None:
    """Answer QUESTION from the archive."""
    from qa import Answer, EvidenceFound, stream

    told = not sys.stderr.isatty()
    for event in stream(question, settings=settings, **filters):
        if isinstance(event, EvidenceFound) and event.enough and not told:
            told = True
            click.echo(f"{len(event.evidence)} sentences found, writing the answer…", err=True)
    made = cast(Answer, event)
    if as_json:
        click.echo(json.dumps(made.as_json(), ensure_ascii=False, indent=2))
        return
    click.echo(made.text)
    click.echo()
    for citation in made.citations:
        article = citation.evidence.article
        click.echo(f"[{citation.marker}] {' '.join(citation.evidence.quote.split())}\n    {_reference(article)}")
    if made.refused:
        for article in {hit.article.id: hit.article for hit in made.nearest[:3]}.values():
            click.echo(f"  · {_reference(article)}")


def _reference(article: Any) -> str:
    published = article.published.isoformat() if article.published else None
    return ", ".join(part for part in (article.title, article.source, published, article.url) if part)


@main.command()
@_settings
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--rebuild", is_flag=True, help="Start over: only PATH, or again the articles of the index if none is given."
)
@_json_option
def index(settings: Settings, paths: tuple[str, ...], rebuild: bool, as_json: bool) -> None:
    """Add or update the articles of files, folders and patterns; - is standard input."""
    from dataclasses import asdict

    from index.embedder import configured_embedder
    from index.rebuild import update

    if not paths and not rebuild:
        raise click.UsageError("name files or folders of articles: sourcier index PATH...")
    started = time.perf_counter()
    with _Bar() as bar:
        report = update(
            settings.home,
            paths,
            configured_embedder(settings),
            passage_tokens=settings.passage_tokens,
            rebuild=rebuild,
            progress=bar.show,
        )
    seconds = round(time.perf_counter() - started, 1)
    if as_json:
        click.echo(json.dumps(asdict(report) | {"seconds": seconds}, ensure_ascii=False, indent=2))
        return
    for item in report.skipped:
        click.echo(f"skipped {item.origin}: {item.reason}", err=True)
    click.echo(
        f"{_counts(report)} in {seconds} s; {report.embedded} passages embedded\n"
        f"the index in {settings.home} holds {report.articles} articles in {report.passages} passages"
    )


def _counts(report: Any) -> str:
    return (
        f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged, {len(report.skipped)} skipped"
    )


@main.command()
@_settings
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def watch(settings: Settings, folder: Path) -> None:
    """Add what arrives in FOLDER, until interrupted; says a line when something was added."""
    from index.embedder import configured_embedder
    from index.watch import watched

    for report in watched(settings.home, folder, configured_embedder(settings), settings.passage_tokens):
        for item in report.skipped:
            click.echo(f"skipped {item.origin}: {item.reason}", err=True)
        if report.added or report.updated:
            click.echo(f"{time.strftime('%H:%M:%S')} {_counts(report)}")


@main.command()
@_settings
@click.argument("names", nargs=-1, metavar="[ID|URL|FILE]...")
@_filter_options
@click.option("--words", default="", help="Only articles that hold all these words.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@_json_option
def remove(
    settings: Settings, names: tuple[str, ...], words: str, dry_run: bool, as_json: bool, **filters: Any
) -> None:
    """Remove the articles that match everything given, with their older versions."""
    from index.maintenance import Selected
    from index.maintenance import remove as remove_articles

    gone = remove_articles(settings.home, Selected(names, _filters(**filters), words), dry_run=dry_run)
    if as_json:
        rows = [{"id": article.id, "title": article.title, "url": article.url} for article in gone]
        click.echo(json.dumps({"removed": not dry_run, "articles": rows}, ensure_ascii=False, indent=2))
        return
    for article in gone:
        click.echo(f"{article.id} {_reference(article)}")
    done = "would be removed" if dry_run else "removed; sourcier rollback undoes it, sourcier compact makes it final"
    click.echo(f"{len(gone)} articles {done}")


def _filters(published_after: str | None, published_before: str | None, **others: Any) -> Any:
    from index.generation import Filters

    return Filters(_day("--from", published_after), _day("--to", published_before), **others)


def _day(option: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise click.BadParameter(f"{value} is not a date; write it as 2024-05-31", param_hint=option) from None


@main.command()
@_settings
def compact(settings: Settings) -> None:
    """Make what was removed vanish from every file, and merge small segments; no rollback afterwards."""
    from index.maintenance import compact as compact_index

    made = compact_index(settings.home)
    click.echo(
        f"{made.before / 1e6:.1f} MB before, {made.after / 1e6:.1f} MB now; {made.forgotten} kept embeddings forgotten"
    )


@main.command()
@_settings
def rollback(settings: Settings) -> None:
    """Restore the index as it was before the last change; a second rollback undoes the first."""
    from index.generation import status as index_status
    from index.maintenance import rollback as roll_back

    before, now = roll_back(settings.home)
    click.echo(f"generation {now} is as before {before}; it holds {index_status(settings.home).articles} articles")


@main.command()
@_settings
def verify(settings: Settings) -> None:
    """Read every byte of the index and name each file that is not as it was written; exit code 1 if there is one."""
    from index.generation import verify as verify_index

    faults = list(verify_index(settings.home))
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise click.exceptions.Exit(1)
    click.echo("every file is as it was written")


@main.command()
@_settings
@click.argument("name", metavar="ID|URL|FILE")
@click.option("--history", is_flag=True, help="Its older versions too, the oldest first.")
@_json_option
def show(settings: Settings, name: str, history: bool, as_json: bool) -> None:
    """Print one article of the index."""
    from index.maintenance import versions

    found = versions(settings.home, name)
    chosen = found if history else found[-1:]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in chosen], ensure_ascii=False, indent=2))
        return
    for one in chosen:
        click.echo(f"{one.article.title}\n{_reference(one.article)}\n{one.article.id}, added {one.added},"
                   f" {'searched' if one.live else 'replaced by a newer version'}\n\n{one.article.text}\n")  # fmt: skip


_UNITS = {"reading": "file", "embedding": "passage", "writing": "segment"}


class _Bar:
    """A progress bar for each stage of a rebuild."""

    def __enter__(self) -> _Bar:
        self._stage, self._bar = "", cast(Any, None)
        return self

    def show(self, progress: Any) -> None:
        from tqdm import tqdm

        if progress.stage != self._stage:
            self.__exit__()
            self._stage = progress.stage
            unit = f" {_UNITS[progress.stage]}"
            self._bar = tqdm(desc=progress.stage, total=progress.total, unit=unit, file=sys.stderr, dynamic_ncols=True)
        self._bar.update(progress.done - self._bar.n)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


@main.command()
@_settings
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(settings: Settings, as_json: bool) -> None:
    """Say what the index holds."""
    from dataclasses import asdict

    from index.generation import status as index_status

    held = index_status(settings.home)
    if as_json:
        click.echo(json.dumps(asdict(held), ensure_ascii=False, indent=2, default=str))
        return
    dates = f"{held.oldest} to {held.newest}" if held.oldest else "none known"
    rows = {
        "home": held.home,
        "generation": f"{held.generation}, made {held.created}" + (f", before it {held.before}" if held.before else ""),
        "articles": held.articles,
        "older": f"{held.older} older versions",
        "passages": f"{held.passages} in {held.segments} segments",
        "dates": dates,
        "sources": ", ".join(f"{name} ({count})" for name, count in list(held.sources.items())[:10]) or "none known",
        "languages": ", ".join(f"{name} ({count})" for name, count in held.languages.items()) or "none known",
        "embedder": f"{held.embedder}, {held.dimensions} dimensions",
        "size": f"{held.size / 1e6:.1f} MB",
    }
    for name, value in rows.items():
        click.echo(f"{name:<11} {value}")


@main.command()
@_settings
@click.option("--host", help="Address to listen on; 127.0.0.1 unless told otherwise.")
@click.option("--port", type=int, help="Port to listen on; 7860 unless told otherwise.")
@click.option(
    "--auth",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Ask for a login; the users are those of FILE, or of the home: see sourcier password.",
)
@click.option("--mcp", is_flag=True, default=None, help="Let assistants ask, over MCP.")
@click.option("--root-path", metavar="PATH", help="Path, or whole address, at which a reverse proxy shows the page.")
def serve(settings: Settings, **flags: Any) -> None:
    """Serve the chat page."""
    import app

    given = {key: value for key, value in flags.items() if value is not None}
    if given.get("auth") == "":
        given["auth"] = settings.home / USERS_FILE
    app.serve(load_settings(settings.home, **(settings.model_dump(exclude={"home"}, exclude_unset=True) | given)))


@main.command()
@_settings
@click.argument("name")
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="File of users; the home's.")
@click.option("--remove", "gone", is_flag=True, help="Take the user out of the file.")
def password(settings: Settings, name: str, path: Path | None, gone: bool) -> None:
    """Set the password of the user NAME, who may then log in where --auth is given."""
    from page.access import remove_user, set_password

    path = path or settings.auth or settings.home / USERS_FILE
    if gone:
        remove_user(path, name)
        click.echo(f"{name} is no longer in {path}")
        return
    if sys.stdin.isatty():
        word = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        word = sys.stdin.readline().rstrip("\r\n")
    set_password(path, name, word)
    click.echo(f"{name} can log in where the page is served with --auth {path}")


@main.command()
@_settings
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--questions",
    "only",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Keep to the questions whose ids stand in this file, one a line.",
)
@click.option("--sample", type=click.IntRange(min=20), help="Only so many questions, drawn with --seed.")
@click.option("--seed", default=0, show_default=True, help="Which questions are drawn.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the calibration goes; the home by default."
)
def calibrate(settings: Settings, **options: Any) -> None:
    """Fit the decision whether to answer on DATA: SQuAD, NoMIRACL or a folder like demo/."""
    from evaluation.calibrate import fit

    fit(settings=settings, **options)


@main.group()
def models() -> None:
    """Weights: what is known, fetch, check, find."""


@models.command("list")
@_settings
def models_list(settings: Settings) -> None:
    """List the known models, with licence, size and whether they are here."""
    from models import known_models, locate

    for model in known_models().values():
        try:
            locate(model.name, settings.models_folder)
            here = "here"
        except ModelError:
            here = "not fetched"
        chosen = " (in use)" if model.name in settings.local_models else ""
        click.echo(f"{model.name}{chosen}\n    {model.title}: {model.role}, {model.bytes / 1e9:.2f} GB, {here}")
        click.echo(f"    {model.licence}: {model.licence_text}")


@models.command("pull")
@_settings
@click.argument("names", nargs=-1, metavar="[NAME...]")
def models_pull(settings: Settings, names: tuple[str, ...]) -> None:
    """Fetch and verify weights; without NAME, those that the settings name."""
    from models import fetch_named

    for name in names or settings.local_models:
        click.echo(fetch_named(name, settings.models_folder, weights_from=settings.weights_from))


@models.command("verify")
@_settings
@click.argument("names", nargs=-1, metavar="[NAME...]")
def models_verify(settings: Settings, names: tuple[str, ...]) -> None:
    """Hash the weights again; without NAME, those that the settings name."""
    from models import find, known_models
    from models import verify as verify_model

    for name in names or [name for name in settings.local_models if name in known_models()]:
        verify_model(find(name), settings.models_folder)
        click.echo(f"{name}: every file has the SHA-256 of the catalog")


@models.command("path")
@_settings
@click.argument("name")
def models_path(settings: Settings, name: str) -> None:
    """Print where the weights of NAME lie."""
    from models import locate

    click.echo(locate(name, settings.models_folder))


main.add_command(bench)
main.add_command(eval_group)


if __name__ == "__main__":
    main()
