"""Vectors by (embedder, text), so that nothing is embedded twice: HOME/embeddings.sqlite.

Each batch is stored as soon as it is computed; a process that is killed loses the batch it is at.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from index.embedder import Embedder
from index.vectors import Vectors

FILE = "embeddings.sqlite"
_FORMAT = 2
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS embedders (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS embeddings (
    embedder INTEGER NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, "check" INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS embeddings_by_text ON embeddings (embedder, text);
"""


def digest_of(title: str, text: str) -> bytes:
    """Return what a passage's vector is kept under: the SHA-256 of its title and its text."""
    return hashlib.sha256(f"{title}\0{text}".encode()).digest()


class EmbeddingCache:
    """The vectors of one embedder that a home keeps, as float16."""

    def __init__(self, home: Path, embedder: Embedder) -> None:
        self._embedder = embedder
        self._connection = sqlite3.connect(home / FILE, isolation_level=None)
        if self._connection.execute("PRAGMA user_version").fetchone() != (_FORMAT,):
            self._connection.execute("DROP TABLE IF EXISTS embeddings")  # of an older version of Sourcier
            self._connection.execute(f"PRAGMA user_version = {_FORMAT}")
        self._connection.executescript(_SCHEMA)
        self._connection.execute("INSERT OR IGNORE INTO embedders (fingerprint) VALUES (?)", (embedder.fingerprint,))
        (self._number,) = self._connection.execute(
            "SELECT number FROM embedders WHERE fingerprint = ?", (embedder.fingerprint,)
        ).fetchone()

    def close(self) -> None:
        self._connection.close()

    def __contains__(self, digest: bytes) -> bool:
        """True if that passage's vector is kept and whole."""
        return self._stored(digest) is not None

    def embed(self, digests: Sequence[bytes], titles: Sequence[str], texts: Sequence[str]) -> None:
        """Embed passages and keep their vectors, all at once."""
        vectors = self._embedder.embed_passages(texts, titles).astype("<f2")
        rows = [
            (self._number, digest, content := vector.tobytes(), _check(self._number, digest, content))
            for digest, vector in zip(digests, vectors, strict=True)
        ]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def vectors(self, digests: Sequence[bytes]) -> Vectors:
        """Return the (n, d) vectors of passages; raises KeyError for one that is not kept."""
        found = [self._stored(digest) for digest in digests]
        for digest, vector in zip(digests, found, strict=True):
            if vector is None:
                raise KeyError(digest.hex())
        return np.stack([np.frombuffer(vector, dtype="<f2") for vector in found if vector is not None]).astype(
            np.float32
        )

    def _stored(self, digest: bytes) -> bytes | None:
        row = self._connection.execute(
            'SELECT vector, "check" FROM embeddings WHERE embedder = ? AND text = ?', (self._number, digest)
        ).fetchone()
        if row is None or len(row[0]) != 2 * self._embedder.dimensions:
            return None
        return row[0] if row[1] == _check(self._number, digest, row[0]) else None

    @staticmethod
    def forget(home: Path, keep: Callable[[bytes], bool]) -> int:
        """Delete the vectors of passages that are not to be kept, from the file too; return how many."""
        if not (home / FILE).is_file():
            return 0
        with closing(sqlite3.connect(home / FILE, isolation_level=None)) as connection:
            gone = [
                (row,) for row, digest in connection.execute("SELECT rowid, text FROM embeddings") if not keep(digest)
            ]
            connection.execute("BEGIN")
            connection.executemany("DELETE FROM embeddings WHERE rowid = ?", gone)
            connection.execute("COMMIT")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(gone)

    @staticmethod
    def faults(home: Path) -> Iterator[str]:
        """Yield one line if the file of a home cannot be read, or holds vectors that are not what they were."""
        path = home / FILE
        if not path.is_file():
            return
        remedy = "delete it; its passages will be embedded again when they are needed"
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                told = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if told != "ok":
                    yield f"{path} is damaged ({told}); {remedy}"
                    return
                rows = connection.execute('SELECT embedder, text, vector, "check" FROM embeddings')
                bad = sum(check != _check(number, digest, vector) for number, digest, vector, check in rows)
        except (sqlite3.DatabaseError, TypeError) as error:
            yield f"{path} cannot be read ({error}); {remedy}"
            return
        if bad:
            yield f"{path} holds {bad} vectors that are not what they were; {remedy}"


def _check(number: int, digest: bytes, vector: bytes) -> int:
    return zlib.crc32(vector, zlib.crc32(digest, number))
