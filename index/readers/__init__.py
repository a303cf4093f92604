"""Files in, articles out: one file per format, one that walks the folders, one that reads in a process apart."""

from __future__ import annotations

from index.readers.kinds import accepted_suffixes
from index.readers.walk import count, read

__all__ = ["accepted_suffixes", "count", "read"]
