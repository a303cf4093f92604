"""Word documents (.docx), with python-docx: paragraphs and tables, as they read with all changes accepted."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from errors import ArticleError
from index.articles import Draft, clean
from index.readers.fields import make_draft

_LARGEST = 200_000_000  # bytes, unpacked
_WORDS = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LEFT_OUT = frozenset(  # what was deleted or moved away, and the second version of what has two
    (f"{_WORDS}del", f"{_WORDS}moveFrom", f"{_WORDS}pPr", f"{_WORDS}rPr", f"{_COMPATIBILITY}Fallback")
)
_LETTERS = {f"{_WORDS}tab": " ", f"{_WORDS}br": "\n", f"{_WORDS}cr": "\n", f"{_WORDS}noBreakHyphen": "-"}
_TITLES = ("title", "titre", "titel", "heading 1", "heading1", "titre1", "berschrift1")


def read_word(file: BinaryIO, name: str) -> Draft:
    """Read one article; its title is its first paragraph if that is styled as one, else the document's, else `name`.

    Pictures, comments, notes and headers of pages are left out; nothing it refers to is fetched.
    Raises ArticleError if it is damaged or unpacks to too much.
    """
    import docx

    with zipfile.ZipFile(file) as package:
        if sum(part.file_size for part in package.infolist()) > _LARGEST:
            raise ArticleError(f"it unpacks to more than {_LARGEST // 1_000_000} MB")
    file.seek(0)
    try:
        document = docx.Document(file)
        properties = document.core_properties
        fields = {"title": properties.title, "author": properties.author, "language": properties.language}
        body = document.element.body
    except Exception as error:  # python-docx lets the errors of zip, XML and its own tree through
        raise ArticleError(f"it is no Word document, or damaged: {type(error).__name__} {error}") from None
    blocks = [(style, text) for style, text in _blocks(body) if text.strip(" •")]
    title = next((text for style, text in blocks[:5] if style.startswith(_TITLES)), None)
    if title is not None and len(blocks) > 1:
        blocks.remove(next(block for block in blocks if block[1] == title))
        fields["title"] = " ".join(title.split())
    return make_draft(
        {field: clean(value) for field, value in fields.items() if value and value != "python-docx"},
        title=name,
        text="\n\n".join(text for _, text in blocks),
    )


def _blocks(body: Any) -> Iterator[tuple[str, str]]:
    """Yield (style, text) of each paragraph and table row, in the order of the page.

    The tree is walked with a list of what is open, as a stranger may nest it deeper than functions go.
    """
    paragraphs: list[tuple[str, list[str]]] = []  # a text box is a paragraph in a paragraph
    rows: list[list[str]] = []  # and a cell may hold a table
    waiting: list[tuple[Any, bool]] = [(body, False)]
    while waiting:
        element, is_over = waiting.pop()
        tag = element.tag
        if is_over:
            style, text = "", ""
            if tag == f"{_WORDS}p":
                style, words = paragraphs.pop()
                text = clean("".join(words))
            elif tag == f"{_WORDS}tr":
                text = " | ".join(rows.pop())
            if text and rows:
                rows[-1].append(text)
            elif text:
                yield style, text
            continue
        if tag in _LEFT_OUT or not isinstance(tag, str):
            continue
        if tag == f"{_WORDS}p":
            found = element.find(f"{_WORDS}pPr/{_WORDS}pStyle")
            style = "" if found is None else str(found.get(f"{_WORDS}val", "")).lower()
            is_item = style.startswith("list") or element.find(f"{_WORDS}pPr/{_WORDS}numPr") is not None
            paragraphs.append((style, ["• "] if is_item else []))
        elif tag == f"{_WORDS}tr":
            rows.append([])
        elif paragraphs:
            paragraphs[-1][1].append(element.text or "" if tag == f"{_WORDS}t" else _LETTERS.get(tag, ""))
        waiting.append((element, True))
        waiting.extend((child, False) for child in reversed(element))
