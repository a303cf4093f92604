"""A served page in a real Chromium; the page is given the `ask`, `add` and `about` of the test."""

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
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from app import build, start
from settings import Settings, load_settings

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

    def ask(self, question: str) -> None:
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


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """serve(ask=…, add=…, about=…, settings=…) → the address of a page served with them.

    What is left out is the real thing, over `settings` (an empty home unless given).
    """
    with ExitStack() as stack:

        def serve(settings: Settings | None = None, **functions: Any) -> str:
            given = settings or load_settings(home=tmp_path)
            blocks = build(given, **functions)
            address = start(blocks, given.model_copy(update={"port": _free_port()}))
            stack.callback(blocks.close, verbose=False)
            return address

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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
