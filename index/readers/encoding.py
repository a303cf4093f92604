"""Bytes → the name of the encoding that they are written in."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from charset_normalizer import from_bytes

from errors import ArticleError

_CHUNK = 1 << 16  # bytes
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARED = re.compile(
    rb"""<(?:meta[^>]{1,200}?charset|\?xml[^>]{1,100}?encoding)\s*=\s*["']?([\w-]{1,40})""", re.IGNORECASE
)
_TRUSTED = re.compile(r"(?:windows|cp|iso|koi8|shift|euc|gb|big5|mac)[\w-]*", re.IGNORECASE)
_REALLY_WINDOWS = frozenset({"iso8859-1", "ascii"})


def encoding_of(file: BinaryIO) -> str:
    """Name the encoding of a text file, reading it piece by piece from where it stands.

    A byte order mark decides, then UTF-8 if the bytes are UTF-8 (a few damaged ones do not
    matter), then what the page declares, then charset-normalizer, where Windows-1252 wins
    whenever it is one of the candidates. Decode with `errors="replace"`.

    Raises ArticleError if the bytes are not text, OSError if they cannot be read.
    """
    start = chunk = file.read(_CHUNK)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    utf8 = codecs.getincrementaldecoder("utf-8")()
    while True:
        if b"\0" in chunk:
            raise ArticleError("it is binary, not text")
        following = file.read(_CHUNK)
        try:
            utf8.decode(chunk, final=not following)
        except UnicodeDecodeError:
            return _damaged_utf8(chunk) or _declared(start) or _guess(chunk)
        if not following:
            return "utf-8"
        chunk = following


def _damaged_utf8(sample: bytes) -> str | None:
    text = sample.decode("utf-8", "replace")
    bad = text.count("\N{REPLACEMENT CHARACTER}")
    return "utf-8" if sum(character > "\x7f" for character in text) > 2 * bad else None


def _declared(start: bytes) -> str | None:
    found = _DECLARED.search(start, 0, 2048)
    if found is None or not _TRUSTED.fullmatch(name := found[1].decode("ascii", "replace")):
        return None
    try:
        name = codecs.lookup(name).name
    except LookupError:
        return None
    return "cp1252" if name in _REALLY_WINDOWS else name  # as the HTML standard reads these names


def _guess(sample: bytes) -> str:
    matches = from_bytes(sample)
    if any("cp1252" in match.could_be_from_charset for match in matches):
        return "cp1252"
    best = matches.best()
    if best is None:
        raise ArticleError("it is binary, or written in an unknown encoding; save it as UTF-8")
    return best.encoding
