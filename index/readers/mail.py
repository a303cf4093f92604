"""Letters to the reader: mail as a file (.eml) and mailboxes (mbox). What is attached is not read."""

from __future__ import annotations

import codecs
import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parseaddr
from typing import BinaryIO

from errors import ArticleError
from index.articles import Draft, clean
from index.readers.encoding import encoding_of
from index.readers.fields import make_draft
from index.readers.html import fragment_text
from index.readers.source import of_bytes

_LARGEST = 50_000_000  # bytes, of one letter
_MOST_PARTS = 1_000
_FIELDS = {"title": "subject", "date": "date", "url": "archived-at", "language": "content-language", "id": "message-id"}

_READ_AS = {"ascii": "utf-8", "iso8859-1": "cp1252"}  # what senders mean by these


def read_mail(content: bytes, name: str) -> Draft:
    """Read one letter: its HTML, else its plain text; who sends it is the source; `name` is used without a subject.

    Raises ArticleError if it holds neither.
    """
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    fields = {field: value for field, header in _FIELDS.items() if (value := _header(message, header))}
    fields |= {field: fields[field].strip("<> ") for field in ("url", "id") if field in fields}
    if sender := _header(message, "from"):
        shown, address = parseaddr(sender)
        fields["source"] = shown or address
    text = _body(message)
    if not text:
        raise ArticleError("it holds no text; what is attached to a letter is not read")
    return make_draft(fields, title=name, text=text)


def letters(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield the letters of a mailbox one after the other; None for one that is too large.

    A letter begins where a line after an empty one begins with "From ", as RFC 4155 says.
    """
    lines: list[bytes] = []
    size = 0
    after_empty, begun = True, False
    while line := file.readline(_LARGEST):
        if after_empty and line.startswith(b"From "):
            if begun:
                yield b"".join(lines) if size <= _LARGEST else None
            lines, size, begun = [], 0, True
        elif begun:
            size += len(line)
            if size <= _LARGEST:
                lines.append(line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line)
            else:
                lines = []
        after_empty = not line.strip()
    if begun:
        yield b"".join(lines) if size <= _LARGEST else None


def _header(message: EmailMessage, name: str) -> str:
    try:
        return clean(str(message.get(name) or ""))
    except Exception:  # the parser of headers fails in many ways on what is none; the letter is kept
        return ""


def _body(message: EmailMessage) -> str:
    """Return the longest of HTML text and plain text, of which the HTML is preferred."""
    plain = ""
    for number, part in enumerate(message.walk()):
        if number >= _MOST_PARTS:
            break
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        kind = part.get_content_type()
        if kind == "text/html" and (text := fragment_text(_decoded(part))):
            return text
        if kind == "text/plain" and not plain:
            plain = clean(_decoded(part))
    return plain


def _decoded(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        encoding = _READ_AS.get(name := codecs.lookup(str(part.get_content_charset() or "ascii")).name, name)
        return content.decode(encoding)
    except (LookupError, ValueError):  # ValueError: the letter is not in the encoding that it names
        return content.decode(encoding_of(of_bytes("", content).open()), "replace")
