"""The bytes of one file, wherever they lie: on disk, or in an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that can be read more than once; `name` is the file's own, without its folders; `size` in bytes."""

    name: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def stem(self) -> str:
        """The name without its suffix, which is the title of an article that shows none."""
        return PurePath(self.name).stem

    def start(self, length: int) -> bytes:
        """Return the first `length` bytes, or all of them."""
        with self.open() as file:
            return file.read(length)


def of_file(path: Path, name: str | None = None) -> Source:
    """Take a file on disk. Raises OSError if it is not there."""
    return Source(path.name if name is None else name, path.stat().st_size, lambda: path.open("rb"))


def of_bytes(name: str, content: bytes) -> Source:
    """Take what was read already, such as the member of an archive; `name` may be a path in it."""
    return Source(PurePosixPath(name).name, len(content), lambda: BytesIO(content))
