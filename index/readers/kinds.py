"""Which format a file is in: by its suffix, and by its first bytes where they tell for certain."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import zipfile
from pathlib import PurePath
from typing import Literal

from errors import ArticleError
from index.readers.encoding import encoding_of
from index.readers.fields import field_named
from index.readers.source import Source, of_bytes

Kind = Literal[
    "text", "markdown", "html", "json lines", "json", "table", "pdf", "word", "feed", "mail", "mailbox", "zip", "tar"
]

_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys((".txt", ".text"), "text"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "json lines"),
    **dict.fromkeys((".csv", ".tsv"), "table"),
    **dict.fromkeys((".rss", ".atom", ".rdf", ".xml"), "feed"),
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), "tar"),
    ".json": "json",
    ".pdf": "pdf",
    ".docx": "word",
    ".eml": "mail",
    ".mbox": "mailbox",
    ".zip": "zip",
}
_NO_FORMAT = re.compile(r"(?:\.(?:[\d_-][^.]*|[^.]*\s[^.]*|[^.]{13,}))?", re.DOTALL)  # no suffix, or "no. 12 of May"
_START = 1 << 16  # bytes looked at
_COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an old Office file; save it as .docx or .pdf"),
    (b"{\\rtf", "it is rich text; save it as .docx or .pdf"),
    (b"Rar!\x1a\x07", "archives of this kind are not read; make it a .zip"),
    (b"7z\xbc\xaf\x27\x1c", "archives of this kind are not read; make it a .zip"),
)
_PAGE = re.compile(r"(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.DOTALL)
_PIECE_OF_PAGE = re.compile(r"<(?:head|body|article|main|section|div|p|h[1-6]|meta|title)\b[^>]{0,500}>", re.I)
_FEED = re.compile(
    r"(?:<\?xml[^>]{0,200}>\s*)?(?:<\?xml-stylesheet[^>]{0,500}>\s*|<!--.{0,2000}?-->\s*|<!DOCTYPE[^>\[]{0,500}>\s*)*"
    r"<(?:\w{1,20}:)?(?:rss|feed|RDF)\b",
    re.DOTALL,
)
_HEADERS = re.compile(r"(?:[!-9;-~]{1,80}:[ \t]*[^\n]*\n(?:[ \t][^\n]*\n)*){1,200}")
_OF_MAIL = re.compile(r"^(?:MIME-Version|Message-ID|Received|Return-Path|DKIM-Signature):", re.I | re.MULTILINE)
_FROM_AND_SUBJECT = re.compile(r"(?=.*^From:)(?=.*^Subject:)", re.I | re.MULTILINE | re.DOTALL)
_OF_MARKDOWN = re.compile(
    r"---[ \t]*\n.{0,65536}?\n(?:---|\.\.\.)[ \t]*\n|\#{1,6}[ ]\S|[^\n]{1,250}\n(?:={3,}|-{3,})\n", re.DOTALL
)


def accepted_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the files that can be read, sorted, such as ".csv"."""
    return tuple(sorted(_SUFFIXES))


def kind_of(source: Source) -> Kind:
    """Tell the format of a file that is not empty.

    First bytes that only one format begins with win over the suffix; then the suffix decides; a
    name without one is told by what the text looks like, and is plain text where it looks like
    nothing else.

    Raises ArticleError, with the remedy, if it is of no kind that can be read.
    """
    start = source.start(_START)
    if certain := _by_first_bytes(source, start):
        return certain
    kind = _by_suffix(source.name)
    unnamed = kind is None and _NO_FORMAT.fullmatch(PurePath(source.name).suffix)
    if kind in {None, "text", "markdown", "html", "feed", "json lines"}:
        try:
            text = decoded(start).lstrip()
        except ArticleError:
            if unnamed:
                raise
            text = ""
        kind = _corrected(text, kind) or (_guessed(text) if unnamed else None)
    if kind is None:
        raise ArticleError(f"files of this kind cannot be read; convert it to one of {' '.join(accepted_suffixes())}")
    return kind


def decoded(content: bytes) -> str:
    """Decode the start of a text. Raises ArticleError if it is none."""
    return content.decode(encoding_of(of_bytes("", content).open()), "replace")


def _by_suffix(name: str) -> Kind | None:
    suffixes = PurePath(name.lower()).suffixes
    return _SUFFIXES.get("".join(suffixes[-2:])) or _SUFFIXES.get("".join(suffixes[-1:]))


def _by_first_bytes(source: Source, start: bytes) -> Kind | None:
    if start.startswith(b"%PDF-"):
        return "pdf"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(source)
    if start[257:262] == b"ustar":
        return "tar"
    for mark, opened in _COMPRESSED:
        if start.startswith(mark):
            try:
                with source.open() as file, opened(file) as unpacked:
                    inside = unpacked.read(512)
            except (OSError, EOFError, ValueError, lzma.LZMAError):
                return None
            return "tar" if inside[257:262] == b"ustar" else None
    for mark, reason in _OTHERS:
        if start.startswith(mark):
            raise ArticleError(reason)
    return None


def _kind_of_zip(source: Source) -> Kind:
    try:
        with source.open() as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise ArticleError(f"it is damaged: {error}") from None
    if "word/document.xml" in names:
        return "word"
    if "[Content_Types].xml" in names or {"mimetype", "META-INF/manifest.xml"} <= names:
        raise ArticleError("office files of this kind are not read; save it as .docx or .pdf")
    return "zip"


def _corrected(text: str, kind: Kind | None) -> Kind | None:
    """Return the kind that a text is for certain, whatever its name says; else `kind`."""
    if kind == "json lines":  # a list over many lines, of which no line is JSON
        return "json" if re.match(r"\[\s*(?:\n|\{[^\n]*,\s*\n)", text) else kind
    if _FEED.match(text):
        return "feed"
    if _PAGE.match(text):
        return "html"
    return kind


def _guessed(text: str) -> Kind:
    if text.startswith(("{", "[")):
        return _kind_of_json(text)
    if text.startswith("From ") and _HEADERS.match(text, text.find("\n") + 1):
        return "mailbox"
    headers = _HEADERS.match(text.replace("\r\n", "\n"))
    if headers and (_OF_MAIL.search(headers[0]) or _FROM_AND_SUBJECT.match(headers[0])):
        return "mail"
    if _PIECE_OF_PAGE.match(text):
        return "html"
    if _OF_MARKDOWN.match(text.replace("\r\n", "\n")):
        return "markdown"
    first = text.partition("\n")[0].strip()
    if any(
        len(names) > 1 and "text" in map(field_named, names)
        for names in ([name.strip('" ') for name in first.split(mark)] for mark in ",;\t")
    ):
        return "table"
    return "text"


def _kind_of_json(text: str) -> Kind:
    first = text.partition("\n")[0]
    try:
        value, end = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        looks = re.match(r'[\[{]\s*["\[{}\]]', text)
        return "json" if looks else "text"
    if first[end:].strip():
        return "text"
    return "json lines" if isinstance(value, dict) else "json"
