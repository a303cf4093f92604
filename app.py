"""The chat page. `python app.py` serves it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import NothingFoundError, SettingsError, SourcierError
from settings import Settings, load_settings

RECENT = 20  # articles that questions are suggested from
SECONDS_BETWEEN_LOOKS_FOR_ARTICLES = 20

if TYPE_CHECKING:
    import gradio as gr

    from index.articles import Article
    from index.rebuild import Progress, Report
    from page.services import Services
    from qa import Answer, EvidenceFound, PartialAnswer


def build(settings: Settings, **stand_ins: Any) -> gr.Blocks:
    """Return the page, not yet served; `stand_ins` take the place of its Services of the same name."""
    from page.blocks import build_blocks

    return build_blocks(replace(services(settings), **stand_ins))


def services(settings: Settings) -> Services:
    """Return what the page works with, over the home of these settings.

    Where others than who sits at this machine reach it without a login, nothing is kept and nothing
    of the archive changed.
    """
    import qa
    from index import generation, maintenance
    from index.catalogue import Catalogue
    from models import known_models
    from page.access import Limits, is_open
    from page.conversations import Conversations
    from page.line import Line
    from page.services import Services

    home, changes = settings.home, not is_open(settings)

    def ask(question: str, **options: Any) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        return qa.stream(question, settings=settings, **options)

    def add(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        return add_dropped(paths, settings, progress)

    return Services(
        ask=ask,
        about=lambda: generation.status(home),
        catalogue=Catalogue(home),
        add=add,
        paste=pasted,
        remove=lambda names: maintenance.remove(home, maintenance.Selected(names)),
        rollback=lambda: maintenance.rollback(home),
        verify=lambda: generation.verify(home),
        conversations=Conversations(home) if changes else None,
        models=[(model, model.name in settings.local_models) for model in known_models().values()],
        changes=changes,
        line=Line(settings.answers_at_once),
        admitted=Limits(settings.questions_per_minute, settings.questions_waiting).admitted,
    )


def pasted(article: Mapping[str, str]) -> Path:
    """Write a pasted article (title, text, date, source, url) into a file of its own, named after its title."""
    name = re.sub(r"[^\w-]+", "-", article["title"]).strip("-")[:80] or "article"
    path = Path(tempfile.mkdtemp(prefix="sourcier-")) / f"{name}.json"
    path.write_text(json.dumps({key: value for key, value in article.items() if value}, ensure_ascii=False), "utf-8")
    return path


def add_dropped(paths: Sequence[Path], settings: Settings, progress: Callable[[Progress], None]) -> Report:
    """Move dropped files into the home for as long as they are read, and add their articles.

    There each has the same path every time, by which the index knows it: dropped again, a file
    updates its article.
    """
    from index import rebuild
    from index.embedder import configured_embedder

    embedder = configured_embedder(settings)
    folder = settings.home / "dropped"
    shutil.rmtree(folder, ignore_errors=True)
    places = []
    try:
        for path in paths:
            place = folder / path.name
            if place.exists():  # two of one name, from two folders
                place = folder / path.parent.name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            places.append(Path(shutil.move(path, place)))
            with suppress(OSError):
                path.parent.rmdir()  # it was made for this file
        return rebuild.update(
            settings.home, places, embedder, passage_tokens=settings.passage_tokens, progress=progress
        )
    except NothingFoundError as error:  # its folder is ours, and means nothing to who dropped the file
        raise NothingFoundError(str(error).replace(f"{folder}/", "")) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(blocks: gr.Blocks, settings: Settings) -> str:
    """Serve a page and return its address at once; `blocks.close()` ends it.

    Raises SettingsError where the address cannot be listened on, or there is no user to log in.
    """
    from page.serving import launch

    try:
        launch(blocks, settings)
    except OSError:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}; another program may be using it: set another port with"
            " --port or SOURCIER_PORT"
        ) from None
    host = settings.host.strip("[]")
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def serve(settings: Settings) -> None:
    """Serve the page until interrupted; the models load beside it once it is up.

    Raises ModelMissingError where their weights are not here, and what `start` raises.
    """
    import qa
    from page.access import is_open
    from page.blocks import build_blocks

    assistant = qa.assistant(settings)
    offered = services(settings)
    suggested = Suggested(settings, offered)
    blocks = build_blocks(replace(offered, suggestions=suggested, suggesting=suggested.making))
    print(f"Sourcier: {start(blocks, settings)}", flush=True)
    if is_open(settings):
        print(
            "The page is open: others can ask without a login, so nothing can be added or removed on it and nothing is"
            " remembered; for a login: sourcier password NAME, then sourcier serve --auth",
            flush=True,
        )

    if settings.server_elsewhere:
        print(
            f"Answers are written by {settings.server_elsewhere} (answering_server): each question leaves this machine,"
            " with the sentences of the archive that it is answered from, and what suggestions are made from",
            flush=True,
        )

    def prepare() -> None:
        try:
            assistant.warm()
            print("Sourcier: models loaded", flush=True)
        except SourcierError as error:  # said again to who asks
            print(f"Sourcier: {error}", file=sys.stderr, flush=True)
        suggested.make()

    threading.Thread(target=prepare, name="sourcier-prepare", daemon=True).start()
    blocks.block_thread()


class Suggested:
    """Questions suggested from the newest articles, made while nobody asks; called, those that there are."""

    def __init__(self, settings: Settings, offered: Services) -> None:
        from qa.suggestions import configured_suggestions

        self._catalogue = offered.catalogue
        self._suggestions = configured_suggestions(settings, lambda: offered.line.busy)
        self._making = True

    def __call__(self) -> list[tuple[str, str]]:
        return [(made.question, made.language) for made in self._suggestions.ready(self._recent())]

    def making(self) -> bool:
        return self._making

    def make(self) -> None:
        """Make them, and again when the newest articles are others; never ends."""
        tried: list[str] = []
        while True:
            recent = self._recent()
            if (ids := [article.id for article in recent]) != tried:
                self._making, tried = True, ids
                try:
                    with suppress(SourcierError):  # no archive, no model: the page says so to who asks
                        self._suggestions.make(recent, threading.Event())
                finally:
                    self._making = False
            time.sleep(SECONDS_BETWEEN_LOOKS_FOR_ARTICLES)

    def _recent(self) -> list[Article]:
        try:
            return self._catalogue.recent(RECENT)
        except SourcierError:
            return []


def main() -> int:
    """Serve the page with the settings of the default home; return the exit code."""
    try:
        serve(load_settings())
    except SourcierError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
