"""Files in, articles out: one file per format, and one that walks the folders."""

from __future__ import annotations

from index.readers.walk import accepted_suffixes, count, read

__all__ = ["accepted_suffixes", "count", "read"]
