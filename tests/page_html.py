"""What the tests of the page read its HTML with."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import page

# The names of the events that the page's own script knows.
EVENTS = set(
    re.findall(
        r'"(\w+)"',
        "".join(
            line
            for line in (Path(page.__path__[0]) / "events.js").read_text(encoding="utf-8").splitlines()
            if line.startswith("//")
        ),
    )
)
# The contrast ratio of an element's text and what is behind it, by WCAG 2.2; for a browser.
CONTRAST = """element => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => {
        const [r, g, b] = parts(colour).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = element;
    while (parts(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


class Reader(HTMLParser):
    """Reads HTML as a browser would: its tags with their attributes, its text, the text behind each opening tag.

    `pieces` are [what is opened, text up to the next opening tag]; where `cut`, to the next tag of any kind.
    """

    cut = False

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[list[str]] = [["", ""]]
        self.text = ""
        self.feed(str(html))  # slices of Markup would be escaped again when they are put together
        self.close()

    def opened(self, tag: str, attributes: dict[str, str | None]) -> str:
        """What a piece is called."""
        return tag

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self.pieces.append([self.opened(tag, dict(attributes)), ""])

    def handle_endtag(self, tag: str) -> None:
        if self.cut:
            self.pieces.append(["", ""])

    def handle_data(self, data: str) -> None:
        self.text += data
        self.pieces[-1][1] += data

    def after(self, opened: str) -> list[str]:
        """The texts behind each opening tag of that name."""
        return [text for name, text in self.pieces if name == opened]

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes.get(attribute) for name, attributes in self.tags if name == tag]

    def with_(self, attribute: str, value: str) -> list[dict[str, str | None]]:
        """The attributes of the tags that have this one."""
        return [attributes for _, attributes in self.tags if attributes.get(attribute) == value]

    def events(self) -> list[str | None]:
        names = ("data-act", "data-live", "data-submit")
        return [attributes[name] for _, attributes in self.tags for name in names if name in attributes]
