"""Markdown, with or without front matter, as plain text."""

from __future__ import annotations

import re

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.articles import Draft, clean
from index.readers.fields import known_fields, make_draft

_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.{0,65536}?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_MARKDOWN = MarkdownIt("commonmark").enable("table")


def read_markdown(content: str, name: str) -> Draft:
    """Read one article; the title is that of the front matter, else the first heading, else `name`.

    Links become their text; images and raw HTML vanish.
    """
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    fields: dict[str, object] = {}
    if matter := _FRONT_MATTER.match(content):
        fields, content = known_fields(_named_values(matter[1])), content[matter.end() :]
    blocks = _blocks(content)
    heading = next((position for position, (kind, _) in enumerate(blocks) if kind == "heading"), None)
    title = blocks[heading][1] if heading is not None else name
    if (
        heading == 0
        and len(blocks) > 1
        and clean(str(fields.get("title", title))).casefold() == clean(title).casefold()
    ):
        del blocks[0]
    return make_draft(fields, title=title, text="\n\n".join(text for _, text in blocks))


def _named_values(matter: str) -> dict[str, object]:
    try:
        values = yaml.safe_load(matter)
    except (yaml.YAMLError, ValueError, RecursionError):  # « titre: Budget : le vote » is no YAML, but common
        values = dict(re.findall(r"^([\w ]{1,40}?)[ \t]*:[ \t]*(\S.*)$", matter, re.MULTILINE))
    return {str(name): value for name, value in values.items()} if isinstance(values, dict) else {}


def _blocks(content: str) -> list[tuple[str, str]]:
    """Return (kind, text) of each heading, paragraph, list item, table row and piece of code."""
    blocks: list[tuple[str, str]] = []
    kind, mark = "paragraph", ""
    for token in _MARKDOWN.parse(content):
        if token.type in {"heading_open", "heading_close"}:
            kind = "heading" if token.nesting == 1 else "paragraph"
        elif token.type == "list_item_open":
            mark = "• "
        elif token.type == "tr_open":
            blocks.append(("row", ""))
        elif token.type == "tr_close":
            kind = "paragraph"
        elif token.type in {"th_open", "td_open"}:
            kind = "cell"
        elif token.type in {"fence", "code_block"}:
            blocks.append(("code", token.content))
        elif token.type == "inline" and (text := _words(token)):
            if kind == "cell":
                row = blocks.pop()[1]
                blocks.append(("row", f"{row} | {text}" if row else text))
            else:
                blocks.append((kind, mark + text))
            mark = ""
    return [block for block in blocks if block[1].strip()]


def _words(token: Token) -> str:
    words = ""
    for child in token.children or []:
        if child.type in {"text", "code_inline"}:
            words += child.content
        elif child.type == "softbreak":
            words += " "
        elif child.type == "hardbreak":
            words += "\n"
    return words.strip()
