"""Archives, zip and tar: what lies in them, read into memory one by one and never written anywhere.

Their members' names are only names: they become part of a key, and no path is ever made of them.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from errors import ArticleError
from index.articles import clean
from index.readers.source import Source, of_bytes

_MOST_MEMBERS = 1_000_000
_LARGEST = 100_000_000  # bytes, of one member
_LARGEST_TOTAL = 20_000_000_000  # bytes, of all members
_RATIO = 200  # times that an archive unpacks to; text is rarely above 20
_NO_BOMB = 20_000_000  # bytes unpacked, up to which the ratio does not matter
_LONGEST_NAME = 500  # characters
_APART = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})  # what systems add


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: `number` counts from 1; `content` is its bytes, or the reason why they are not read."""

    number: int
    name: str
    content: Source | str


def zip_members(file: BinaryIO, after: int = 0) -> Iterator[Member]:
    """Yield the files of a zip archive but the hidden ones and links, beginning after number `after`.

    Raises ArticleError if it is damaged, or unpacks to more than any archive of articles would.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ArticleError(f"it is damaged: {error}") from None
    with archive:
        total = 0
        for number, member in enumerate(archive.infolist(), start=1):
            _bounded(number, total)
            name = _harmless(member.filename)
            is_link = stat.S_ISLNK(member.external_attr >> 16)
            if number <= after or member.is_dir() or is_link or not name:
                continue
            if member.flag_bits & 1:
                yield Member(number, name, "it is protected by a password")
            elif member.file_size > _LARGEST:
                yield Member(number, name, _too_large())
            elif member.file_size > max(_NO_BOMB, _RATIO * member.compress_size):
                yield Member(number, name, f"it unpacks to more than {_RATIO} times its size")
            else:
                total += member.file_size
                try:
                    content = archive.read(member)
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
                    yield Member(number, name, f"it is damaged: {error}")
                except Exception as error:  # zlib.error and lzma.LZMAError have no base but this
                    yield Member(number, name, f"it is damaged: {type(error).__name__} {error}")
                else:
                    yield Member(number, name, of_bytes(name, content))


def tar_members(file: BinaryIO, size: int, after: int = 0) -> Iterator[Member]:
    """Yield the files of a tar archive of `size` bytes, compressed or not, as `zip_members` does."""
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            total = number = 0
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep all it has seen
                number += 1
                total += max(0, member.size)
                _bounded(number, total)
                if total > max(_NO_BOMB, _RATIO * size):
                    raise ArticleError(f"it unpacks to more than {_RATIO} times its size")
                name = _harmless(member.name)
                if number <= after or not member.isreg() or not name:
                    continue
                if member.size > _LARGEST:
                    yield Member(number, name, _too_large())
                elif (opened := archive.extractfile(member)) is not None:
                    yield Member(number, name, of_bytes(name, opened.read()))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ArticleError(f"it is damaged: {error}") from None


def _bounded(number: int, total: int) -> None:
    if number > _MOST_MEMBERS:
        raise ArticleError(f"it holds more than {_MOST_MEMBERS} files; the rest is not read")
    if total > _LARGEST_TOTAL:
        raise ArticleError(f"it unpacks to more than {_LARGEST_TOTAL // 1_000_000_000} GB; the rest is not read")


def _too_large() -> str:
    return f"it is larger than {_LARGEST // 1_000_000} MB; unpack the archive and name its folder"


def _harmless(name: str) -> str:
    """Return a member's name as a path below the archive, on one line; empty if it, or a folder of it, is hidden."""
    name = name.encode("utf-8", "replace").decode()
    parts = [" ".join(clean(part).split()) for part in name.replace("\\", "/").split("/")]
    parts = [part for part in parts if part not in {"", ".", ".."}]
    if any(part.startswith(".") or part in _APART for part in parts):
        return ""
    return "/".join(parts)[-_LONGEST_NAME:]
