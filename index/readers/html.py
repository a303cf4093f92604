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
