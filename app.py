"""The chat page. `python app.py` serves it."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from errors import SettingsError, SourcierError
from settings import Settings, load_settings

if TYPE_CHECKING:
    import gradio as gr

    from index.generation import Status
    from index.rebuild import Progress, Report
    from page.blocks import Add, Ask
    from qa import Answer, EvidenceFound, PartialAnswer


def build(
    settings: Settings,
    ask: Ask | None = None,
    add: Add | None = None,
    about: Callable[[], Status] | None = None,
) -> gr.Blocks:
    """Return the page, not yet served.

    `ask`, `add` and `about` stand in for qa.stream, index.rebuild.update and
    index.generation.status with these settings.
    """
    import qa
    from index import generation
    from page.blocks import build_blocks

    def stream(
        question: str, *, history: Sequence[tuple[str, str]]
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        return qa.stream(question, history=history, settings=settings)

    def update(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        return add_dropped(paths, settings, progress)

    def status() -> Status:
        return generation.status(settings.home)

    return build_blocks(ask or stream, add or update, about or status)


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
        return rebuild.update(
            settings.home, places, embedder, passage_tokens=settings.passage_tokens, progress=progress
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(blocks: gr.Blocks, settings: Settings) -> str:
    """Serve a page and return its address at once; `blocks.close()` ends it.

    Raises SettingsError where the address cannot be listened on.
    """
    from page.blocks import launch

    try:
        launch(blocks, settings.host, settings.port)
    except OSError:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port}; another program may be using it: set another port with"
            " --port or SOURCIER_PORT"
        ) from None
    return f"http://{settings.host}:{settings.port}"


def serve(settings: Settings) -> None:
    """Serve the page until interrupted; the models load beside it once it is up.

    Raises ModelMissingError where their weights are not here, and what `start` raises.
    """
    import qa

    assistant = qa.assistant(settings)
    blocks = build(settings)
    print(f"Sourcier: {start(blocks, settings)}", flush=True)
    threading.Thread(target=assistant.warm, name="sourcier-warm", daemon=True).start()
    blocks.block_thread()


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
