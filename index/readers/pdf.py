"""PDF: the lines of its pages, joined to paragraphs again, with pdfium."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, BinaryIO

from errors import ArticleError
from index.articles import Draft, clean
from index.readers.fields import make_draft

_MOST_PAGES = 5_000
_MOST_CHARACTERS = 20_000_000
_LONGEST_TITLE = 250  # characters
_LARGER = 1.15  # times the usual letters: a title
_GAP = 1.4  # times the usual step from line to line: a new paragraph
_SHORT = 0.85  # of the usual width, ended by a full stop: the last line of a paragraph
_LINE_HYPHEN = "\ufffe"  # pdfium's mark for a hyphen at the end of a line, which it has joined to the next
_BROKEN_WORD = re.compile(r"([^\W\d_]+)\ufffe([^\W\d_]+)")
_PRESENTATION = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_ENDED = (".", "!", "?", "…", "»", "”", '"', ":")
_BULLETS = ("•", "–", "—", "-", "■", "▪", "◦", "\uf0b7")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NO_TITLE = re.compile(r"untitled|sans titre|(?:microsoft )?(?:word|powerpoint|excel)\b.*|.*\.\w{2,4}", re.IGNORECASE)

# Parts of compounds that keep their hyphen though a line ends with it, and that hardly begin or end a longer word.
_KEEP_AFTER = frozenset((
    "après", "arrière", "avant", "celle", "celles", "celui", "ceux", "chef", "cinquante", "demi", "elle", "elles",
    "eux", "franco", "grand", "grande", "lui", "nord", "petit", "petite", "peut", "porte", "quarante", "quasi",
    "quatre", "quelques", "rendez", "saint", "sainte", "semi", "soixante", "sous", "sud", "trente", "vice", "vingt",
    "week",
))  # fmt: skip
_KEEP_BEFORE = frozenset(("elle", "elles", "être", "il", "ils", "là", "lui", "même", "mêmes", "nous", "on", "vous"))


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a page: where it begins and ends, and how large its letters are, in points."""

    text: str
    left: float
    right: float
    bottom: float
    size: float


def read_pdf(file: BinaryIO, name: str) -> Draft:
    """Read one article; its title is what is set largest on the first page, else that of the file, else `name`.

    Scanned pages give nothing. Raises ArticleError if the file is protected, damaged or holds no text.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(file.read())
    except pypdfium2.PdfiumError as error:
        protected = "password" in str(error).lower() or "security" in str(error).lower()
        raise ArticleError("it is protected by a password" if protected else f"it is damaged: {error}") from None
    try:
        if len(document) > _MOST_PAGES:
            raise ArticleError(f"it has more than {_MOST_PAGES} pages; split it")
        pages = list(_pages(document))
        told = clean(str(document.get_metadata_dict().get("Title") or ""))
    finally:
        document.close()
    if not any(pages):
        raise ArticleError("it holds no text; pages that were scanned are not read")
    size = median(line.size for page in pages for line in page)
    title, pages[0] = _take_title(pages[0], size)
    if not title and told and not _NO_TITLE.fullmatch(told):
        title = told
    text = whole_words("\n\n".join(_paragraphs(pages)))
    return make_draft({"title": whole_words(title)} if title else {}, title=name, text=text)


def whole_words(text: str) -> str:
    """Join the words that the end of a line cut in two.

    A hyphen stays where the word is written with it elsewhere in the text, where it belongs to a
    known compound (« peut-être », « dit-il ») or where a capital follows (« Saint-Denis »); a word
    written elsewhere without it has none.
    """
    written = Counter(word.casefold() for word in _WORD.findall(text))

    def joined(found: re.Match[str]) -> str:
        before, after = found[1], found[2]
        together, apart = f"{before}{after}".casefold(), f"{before}-{after}".casefold()
        if written[apart] != written[together]:
            keep = written[apart] > written[together]
        else:
            keep = after[0].isupper() or before.casefold() in _KEEP_AFTER or after.casefold() in _KEEP_BEFORE
            keep = keep or 1 in {len(before), len(after)}  # « va-t-il », as no word is cut after one letter
        return f"{before}-{after}" if keep else before + after

    return _BROKEN_WORD.sub(joined, text).replace(_LINE_HYPHEN, "-").translate(_PRESENTATION)


def _pages(document: Any) -> Iterator[list[_Line]]:
    length = 0
    for number in range(len(document)):
        try:
            page = document[number]
        except Exception:  # one damaged page leaves the others
            yield []
            continue
        written = page.get_textpage()
        lines = list(_lines(written))
        written.close()
        page.close()
        length += sum(len(line.text) for line in lines)
        if length > _MOST_CHARACTERS:
            raise ArticleError(f"it holds more than {_MOST_CHARACTERS // 1_000_000} million characters; split it")
        yield lines


def _lines(page: Any) -> Iterator[_Line]:
    import pypdfium2.raw as pdfium

    characters = page.count_chars()
    if characters <= 0:
        return
    content = page.get_text_range(0, characters)
    # above U+FFFF a character of the text is two of pdfium's
    wide = len(content.encode("utf-16-le", "surrogatepass")) // 2 != len(content)
    start = 0
    for raw in content.split("\n"):
        text = raw.strip()
        if text and not wide:
            first = start + raw.index(text[0])
            last = first + len(text) - 1
            left, bottom, _, _ = page.get_charbox(first)
            _, _, right, _ = page.get_charbox(last)
            size = pdfium.FPDFText_GetFontSize(page, first)
            yield _Line(text, left, right, bottom, size)
        elif text:
            yield _Line(text, 0, 0, 0, 0)
        start += len(raw) + 1


def _take_title(lines: list[_Line], usual: float) -> tuple[str, list[_Line]]:
    """Take the lines in the largest letters of the first page, if they are few and larger than `usual`."""
    largest = max((line.size for line in lines), default=0)
    if largest < _LARGER * usual:
        return "", lines
    first = next(number for number, line in enumerate(lines) if line.size == largest)
    end = first
    while end < len(lines) and lines[end].size == largest:
        end += 1
    title = " ".join(line.text for line in lines[first:end])
    if len(title) > _LONGEST_TITLE or end - first == len(lines):
        return "", lines
    return title, lines[:first] + lines[end:]


def _paragraphs(pages: list[list[_Line]]) -> Iterator[str]:
    lines = [line for page in pages for line in page]
    steps = [above.bottom - below.bottom for above, below in pairwise(lines)]
    step = median([found for found in steps if found > 0] or [0])
    rights = sorted(line.right for line in lines)
    right = rights[len(rights) * 9 // 10] if rights else 0
    paragraph: list[str] = []
    above: _Line | None = None
    for line in lines:
        if above is not None and _begins(above, line, step, right):
            yield " ".join(paragraph)
            paragraph = []
        paragraph.append(line.text)
        above = line
    if paragraph:
        yield " ".join(paragraph)


def _begins(above: _Line, line: _Line, step: float, right: float) -> bool:
    """Tell whether a new paragraph begins with `line`."""
    ended = above.text.endswith(_ENDED)
    if line.text.startswith(_BULLETS) or abs(line.size - above.size) > 0.1 * above.size:
        return True
    down = above.bottom - line.bottom
    if down <= 0:  # the next column or page
        return ended
    width = right - above.left
    short = width > 0 and above.right - above.left < _SHORT * width
    return down > _GAP * step or (ended and (short or line.left > above.left + line.size / 2))
