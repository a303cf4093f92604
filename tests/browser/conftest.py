"""A served page in a real Chromium; the page is given the `ask`, `about` and other services of the test."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from answers import COST, HELD, added
from homes import home_of
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from app import build, start
from page.line import Line
from settings import Settings, load_settings

expect.set_options(timeout=15_000)  # milliseconds; the machine may have other work

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Visit:
    """A page being visited, and what has happened on it since it was opened."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def foreign(self) -> list[str]:
        """The requests that went to any other host than the page's own."""
        own = urllib.parse.urlsplit(self.address).netloc
        addresses = [urllib.parse.urlsplit(request) for request in self.requests]
        return [one.geturl() for one in addresses if one.scheme not in {"data", "blob"} and one.netloc != own]

    def dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def ask(self, question: str) -> None:
        """Type and send a question, once the one before is over."""
        self.page.locator("#send").wait_for()
        self.page.wait_for_timeout(300)
        self.page.locator("#asking textarea").fill(question)
        self.page.locator("#asking textarea").press("Enter")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of this machine; without one the test is skipped, or fails where CI=true."""
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        message = f"no browser: none of {', '.join(CHROMIUM)} is on the PATH; install Debian's package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    around = "On attend le pont depuis longtemps. " * 80
    bridge = {"name": "pont", "title": "Le pont rouvre", "source": "La Gazette"}
    first = [
        bridge | {"date": "2024-03-01", "text": "Le pont de Valmorin reste fermé."},
        {"name": "fete", "title": "La fête du pont", "source": "Le Courrier", "date": "2024-05-04",
         "text": "La fête a lieu samedi."},
        {"name": "flood", "title": "The flood", "source": "The Herald", "date": "2023-01-10", "lang": "en",
         "text": "The flood closed the bridge for weeks."},
    ]  # fmt: skip
    second = [bridge | {"date": "2024-03-09", "text": f"{around}{COST} {around}".strip()}]
    return home_of(tmp_path_factory.mktemp("archive") / "home", first, second)


@pytest.fixture
def home(_archive: Path, tmp_path: Path) -> Path:
    """The home of an archive: the bridge in a long version, which says what it COST, and a short older one; a
    French and an English article beside it, each of another year and source."""
    return Path(shutil.copytree(_archive, tmp_path / "home"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """serve(ask=…, add=…, about=…, settings=…) → the address of a page served with these Services.

    What is left out is the real thing, over `settings` (an empty home unless given).
    """
    with ExitStack() as stack:

        def serve(settings: Settings | None = None, **functions: Any) -> str:
            given = settings or load_settings(home=tmp_path)
            blocks = build(given, **{"line": Line(), **functions})  # one question at a time, unless told otherwise
            address = start(blocks, given.model_copy(update={"port": _free_port()}))
            stack.callback(blocks.close, verbose=False)
            return address.replace("//0.0.0.0:", "//127.0.0.1:")

        yield serve


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """visit(address, locale="fr-FR", width=1400, …) → a Visit; further options go to the browser's context."""
    with ExitStack() as stack:

        def visit(address: str, locale: str = "fr-FR", width: int = 1400, height: int = 900, **options: Any) -> Visit:
            context = chromium.new_context(locale=locale, viewport={"width": width, "height": height}, **options)
            stack.callback(context.close)
            visited = Visit(context.new_page(), address)
            visited.page.set_default_timeout(15_000)
            context.on("request", lambda request: visited.requests.append(request.url))
            visited.page.on("websocket", lambda opened: visited.requests.append(opened.url))
            visited.page.on("pageerror", lambda error: visited.errors.append(str(error)))
            visited.page.on("dialog", visited.dismiss)
            visited.page.goto(address)
            visited.page.locator("#conversation .conversation").wait_for()
            return visited

        yield visit


@pytest.fixture
def visit_with(serve: Callable[..., str], visit: Callable[..., Visit]) -> Callable[..., Visit]:
    """visit_with(ask, about=…, services={…}, locale="fr-FR", …) → a Visit of a page over that ask."""

    def visit_with(ask: Any, about: Any = lambda: HELD, services: Any = None, **options: Any) -> Visit:
        return visit(serve(**{"ask": ask, "about": about, "add": added} | (services or {})), **options)

    return visit_with


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
