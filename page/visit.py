"""What a browser sends: events, addresses, languages. All of it is a stranger's, and read with care."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import wraps
from typing import Any

import gradio as gr
from markupsafe import Markup

from errors import SourcierError
from page.access import login_of
from page.record import Narrowing
from page.words import LANGUAGES, Texts, language_of, texts

Updates = dict[Any, Any]
Html = Callable[[str], gr.HTML]  # makes a component of the page's own HTML with that id
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
SECONDS_BETWEEN_LOOKS = 0.3  # at what goes on in another thread

_MOST_VALUES, _LONGEST_VALUE = 100, 200

_log = logging.getLogger("sourcier.page")


def on(triggers: Sequence[Any], do: Any, inputs: Any, outputs: Any, **more: Any) -> list[Any]:
    """Have all of these events do the same. gr.on knows nothing of the events of gr.HTML's own script."""
    return [trigger(_updating(do), inputs, outputs, **QUIET, **more) for trigger in triggers]


def _updating(do: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same with gr.update around each value that it gives a component.

    What is left out of a result is an update to Gradio too; of a component that is given values and updates in
    turn, Gradio 6.31 keeps every value for as long as the page is open.
    """

    def updates(made: Any) -> Any:
        if not isinstance(made, dict):
            return made
        plain = {key for key, value in made.items() if not isinstance(key, gr.State) and isinstance(value, str)}
        return {key: gr.update(value=value) if key in plain else value for key, value in made.items()}

    @wraps(do)
    def once(*given: Any) -> Any:
        return updates(do(*given))

    @wraps(do)
    def bit_by_bit(*given: Any) -> Iterator[Any]:
        with closing(do(*given)) as results:
            yield from map(updates, results)

    return bit_by_bit if inspect.isgeneratorfunction(do) else once


def data_of(event: gr.EventData) -> Mapping[str, Any]:
    """Return what events.js sent with an event."""
    return event._data if isinstance(event._data, dict) else {}


def address_of(request: gr.Request) -> Mapping[str, Any]:
    """Return the parameters of the page's address, each with all its values."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items() if request.query_params else ():
        found.setdefault(name, []).append(str(value))
    return found


def text_of(value: Any) -> str:
    """Return a text without halves of UTF-16 pairs, which no file and no answer can hold; empty for anything else."""
    return value.encode("utf-8", "ignore").decode("utf-8") if isinstance(value, str) else ""


def _values(data: Mapping[str, Any], name: str) -> list[str]:
    """Return the values of a name; whatever is no text is left out."""
    value = data.get(name)
    return [text for one in (value if isinstance(value, list) else [value]) if (text := text_of(one))]


def first(data: Mapping[str, Any], name: str) -> str:
    """Return the first value of a name, without the space around it; empty where there is none."""
    return next(iter(_values(data, name)), "").strip()


def number_of(data: Mapping[str, Any], name: str) -> int:
    """Return the whole number that a name stands for; 0 where it is none."""
    value = first(data, name)
    return int(value) if value.isdecimal() and len(value) < 10 else 0


def narrowing_of(data: Mapping[str, Any]) -> Narrowing:
    """Return what narrows a question; a date that is none, and what is too much, is left out."""
    sources, languages = (
        tuple(value[:_LONGEST_VALUE] for value in _values(data, name)[:_MOST_VALUES]) for name in ("source", "language")
    )
    return Narrowing(_day(data, "from"), _day(data, "to"), sources, languages)


def _day(data: Mapping[str, Any], name: str) -> str:
    try:
        return date.fromisoformat(first(data, name)).isoformat()
    except ValueError:
        return ""


def words_of(language: Any, request: gr.Request) -> Texts:
    """Return the words of the language that was chosen, else of the one that the browser asks for."""
    if language not in LANGUAGES:
        language = language_of(request.headers.get("accept-language"))
    return texts(language)


def owner_of(request: gr.Request) -> str:
    """Whose conversations are meant: the name they have logged in with, nobody's where no one need log in."""
    return login_of(request) or ""


def line_of(error: Exception, words: Texts) -> str:
    """The one line that the reader sees; what nobody foresaw goes to the log with its traceback."""
    if isinstance(error, SourcierError):
        return str(error)
    _log.error("unexpected error", exc_info=error)
    return words["unexpected"].format(name=type(error).__name__)


def within(name: str, inner: Markup, words: Texts, there: bool = True) -> Markup:
    """Put HTML in an element of that class, in the language of the page; nothing where nothing is there."""
    return Markup('<div class="{}" lang="{}">{}</div>').format(name, words["language"], inner) if there else Markup("")
