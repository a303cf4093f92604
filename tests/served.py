"""A page served with the API alone, over a small archive, with stand-ins for the models."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from fakes import ScriptedModel, WordEmbedder, WordReader

from index.catalogue import Catalogue
from index.generation import status
from index.rebuild import update
from page.access import Limits, set_password
from page.api import add_api
from page.line import Line
from page.serving import launch
from qa import Assistant
from settings import Settings, load_settings

LOGIN = ("anna", "correct horse battery")
QUESTION = "Qui paie les travaux du pont ?"


@dataclass(frozen=True, slots=True)
class Served:
    """A page, its address, and what it stands on."""

    address: str
    blocks: gr.Blocks
    settings: Settings
    model: ScriptedModel


def archive(home: Path) -> Path:
    """Make an archive of two articles, one with an older version, and a file of users in `home`."""
    folder = home.parent / "articles"
    folder.mkdir()
    (folder / "gare.txt").write_text("La gare ouvre\n\nSource : AVP\n\nLa gare de Valmorin ouvre lundi.", "utf-8")
    for state in ("La mairie paiera les travaux.", "La mairie paie les travaux du pont. Il rouvre en mai."):
        (folder / "pont.txt").write_text(f"Le pont ferme\n\nDate : 2 mars 2024\n\n{state}", "utf-8")
        update(home, [folder], WordEmbedder(), passage_tokens=256)
    set_password(home / "users", *LOGIN)
    return home


@contextmanager
def served(home: Path, **settings: Any) -> Iterator[Served]:
    """Serve until the context ends; `settings` beside the home and the port."""
    chosen = load_settings(home, port=_free_port(), refuse_below=0, **settings)
    model = ScriptedModel("La mairie paie les travaux du pont [1].")
    assistant = Assistant(chosen, WordEmbedder(), WordReader(), model)
    limits = Limits(chosen.questions_per_minute, chosen.questions_waiting)
    with gr.Blocks(title="Sourcier", analytics_enabled=False) as blocks:
        box = gr.Textbox(label="A box")
        box.submit(lambda text: f"{text} answered", box, box, api_visibility="private")
        add_api(assistant.stream, lambda: status(home), Catalogue(home), limits.admitted, Line())
    for name in ("mcp", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    launch(blocks, chosen)
    try:
        yield Served(f"http://127.0.0.1:{chosen.port}", blocks, chosen, model)
    finally:
        blocks.close(verbose=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
