"""Web pages: the article without what surrounds it, and what the page says about itself."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from errors import ArticleError
from index.articles import Draft, clean
from index.readers.dates import dateline, read_date
from index.readers.fields import make_draft

_CONTAINERS = "|".join(
    f".//{name}" for name in ("article", "main", "section", "div", "nav", "header", "footer", "aside", "table", "form")
)
_PUBLISHED = (
    "//meta[@property='article:published_time' or @itemprop='datePublished' or @name='date']/@content"
    " | //time[@itemprop='datePublished']/@datetime"
)
_PUBLISHED_DATA = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins",
    "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var",
))  # fmt: skip
_WHITE = re.compile(r"\s+")
_KEPT = 0.5  # of the letters of a fragment, that are enough to trust what was taken for its article
_LANGUAGE = "/html/@lang | /html/@*[name()='xml:lang'] | //meta[@property='og:locale']/@content"


def read_html(content: str, name: str) -> Draft:
    """Read the article of a page; `name` is the title where the page shows none.

    Nothing that the page refers to is fetched, nothing in it is run.
    Raises ArticleError if no article can be found.
    """
    import trafilatura
    from trafilatura.settings import Document

    page = trafilatura.load_html(content)
    if page is None:
        raise ArticleError("it is not a web page")
    _wrap_bare_body(page)
    found = trafilatura.bare_extraction(
        page,
        with_metadata=True,
        include_comments=False,
        include_tables=False,
        date_extraction_params={"original_date": True, "extensive_search": False},
    )
    if not isinstance(found, Document) or not found.text:
        raise ArticleError("no article was found in the page")
    lines = [line for line in clean(found.text).split("\n") if line]
    title = clean(found.title or "")
    if lines and title and lines[0].casefold() == title.casefold():
        del lines[0]
    text = "\n\n".join(lines)
    fields = {
        "title": title,
        "source": found.sitename,
        "url": found.url,
        "date": _published(page, content) or dateline(text) or found.date,
        "author": found.author,
        "language": next(iter(page.xpath(_LANGUAGE)), None),
    }
    return make_draft({field: value for field, value in fields.items() if value}, title=name, text=text)


def fragment_text(content: str) -> str:
    """Return the text of a piece of HTML that is an article already, such as feeds and letters hold.

    It is what trafilatura takes for the article, unless that loses much, or breaks paragraphs as it
    does with text that stands in none: then it is all the text there is.
    """
    import trafilatura
    from trafilatura.settings import Document

    page = trafilatura.load_html(f"<html><body>{content}</body></html>")
    if page is None:
        return clean(content)
    everything = _all_text(page)
    page = trafilatura.load_html(f"<html><body>{content}</body></html>")
    _wrap_bare_body(page)
    found = trafilatura.bare_extraction(page, include_comments=False, include_tables=False)
    lines = [line for line in clean(found.text or "").split("\n") if line] if isinstance(found, Document) else []
    is_whole = sum(map(len, lines)) >= _KEPT * len(everything) and set(lines) <= set(everything.split("\n"))
    return "\n\n".join(lines) if is_whole else everything


def _all_text(page: Any) -> str:
    """Return the text of every block of a page, which is taken apart. A letter's tables are only its layout."""
    from lxml import etree

    etree.strip_elements(page, "head", "noscript", "script", "style", "template", "title", with_tail=False)
    etree.strip_tags(page, etree.Comment, etree.ProcessingInstruction)
    for element in page.iter():
        inside, after = (_WHITE.sub(" ", text or "") for text in (element.text, element.tail))
        if element.tag == "br":
            after = "\n" + after
        elif element.tag not in _INLINE:
            inside, after = ("\n\n- " if element.tag == "li" else "\n\n") + inside, "\n\n" + after
        element.text, element.tail = inside, after
    return clean("".join(page.itertext()))


def _wrap_bare_body(page: Any) -> None:
    """Call the body of a page without any layout an article, which trafilatura then keeps whole.

    Of such pages it would otherwise lose headings and lists.
    """
    body = page.find("body")
    if body is not None and not body.xpath(_CONTAINERS):
        article = body.makeelement("article")
        article.text, body.text = body.text, None
        article.extend(list(body))
        body.append(article)


def _published(page: Any, content: str) -> date | None:
    """Return the date with its hour, which trafilatura leaves out."""
    for value in (*page.xpath(_PUBLISHED), *_PUBLISHED_DATA.findall(content)[:1]):
        if day := read_date(value):
            return day
    return None
