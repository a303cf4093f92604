"""Conversations kept on this machine: HOME/conversations.sqlite, which only its user can read.

Every operation opens the file anew: threads and processes share it, and none goes on in a file that was
moved away. There is neither a write-ahead log nor a full-text index, since in both what is deleted would
live on: the words of a conversation stand folded in its row and are looked through, less than 0.1 s for
a thousand conversations of ten questions, which take 21 MB.

What fails raises ConversationsError, one line; asking does not depend on it. A file that is damaged is
moved aside, never deleted, and a new one begun.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import threading
import unicodedata
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from errors import ConversationsError, NoConversationError
from page.record import Exchange, as_json, from_json

FILE = "conversations.sqlite"
LONGEST_NAME = 200  # characters
LONGEST_NOTE = 1000
_FORMAT = 1
_NAME_FROM_QUESTION = 80
_MOST_WORDS = 32  # of a search
_SECONDS_TO_WAIT = 10  # while another process writes
_SCHEMA = (
    """CREATE TABLE talks (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, name TEXT NOT NULL,
        created TEXT NOT NULL, changed TEXT NOT NULL, folded TEXT NOT NULL
    )""",
    "CREATE INDEX talks_by_owner ON talks (owner, changed)",
    """CREATE TABLE exchanges (
        number INTEGER PRIMARY KEY, talk INTEGER NOT NULL REFERENCES talks ON DELETE CASCADE,
        exchange BLOB NOT NULL, good INTEGER, note TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX exchanges_by_talk ON exchanges (talk)",
    f"PRAGMA user_version = {_FORMAT}",
)
_LETTERS = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
# Characters that show nothing or turn the direction of what follows, and halves of UTF-16 pairs.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_log = logging.getLogger("sourcier.page")
Made = TypeVar("Made")


class _DamagedError(Exception):
    """The file is not what was written."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A listed conversation; `created` and `changed` are ISO 8601, in UTC."""

    id: str
    owner: str
    name: str
    created: str
    changed: str
    exchanges: int


@dataclass(frozen=True, slots=True)
class Rating:
    """What a reader thinks of an answer."""

    good: bool
    note: str = ""


# One method is called `list`: within the class the word would mean that.
Listed = tuple[list[Talk], int]
Kept = list[tuple[Exchange, Rating | None]]
Rated = list[tuple[str, Exchange, Rating]]
_Rows = list[tuple[int, Exchange, Rating | None]]


class Conversations:
    """The conversations of a home, each its owner's alone. Safe to use from several threads and processes.

    An exchange that cannot be read any more, of another version, is passed over: places count those
    that can. Every method may raise ConversationsError; one that names a conversation raises
    NoConversationError where its owner has none of that id.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = threading.Lock()
        self._checked = False
        self.warning = ""  # one line, once a damaged file was moved aside

    def keep(self, owner: str, talk: str | None, place: int, exchange: Exchange) -> str:
        """Keep exchange number `place`, from 0, of a conversation that is begun where `talk` is None; return its id.

        It takes the place of the one that is there, and of all that follow, with their ratings; beyond
        the end it is the next.
        """
        assert not exchange.waiting, "an exchange is kept once it is over"
        assert place >= 0
        try:
            stored = zlib.compress(as_json(exchange))  # passages recur in it
        except ValueError as error:
            raise ConversationsError(f"this question and its answer cannot be kept: {error}") from None

        def kept(connection: sqlite3.Connection) -> str:
            now = datetime.now(UTC).isoformat(timespec="microseconds")
            if talk is None:
                identity, name, rows = secrets.token_urlsafe(16), _shortened(exchange.question), []
                number = connection.execute(
                    "INSERT INTO talks (id, owner, name, created, changed, folded) VALUES (?, ?, ?, ?, ?, '')",
                    (identity, owner, name, now, now),
                ).lastrowid
                assert number is not None
            else:
                identity, (number, name) = talk, _found(connection, owner, talk)
                rows = _rows(connection, number)
            if place < len(rows):
                if place == 0 and name == _shortened(rows[0][1].question):
                    name = _shortened(exchange.question)
                connection.execute("DELETE FROM exchanges WHERE talk = ? AND number >= ?", (number, rows[place][0]))
            connection.execute("INSERT INTO exchanges (talk, exchange) VALUES (?, ?)", (number, stored))
            connection.execute(
                "UPDATE talks SET name = ?, changed = ?, folded = ? WHERE number = ?",
                (name, now, _folded(name, [*(row[1] for row in rows[:place]), exchange]), number),
            )
            return identity

        return self._write(kept)

    def list(self, owner: str, *, words: str = "", first: int = 0, count: int = 50) -> Listed:
        """Return `count` conversations from number `first` on, the one changed last first, and how many there are.

        Only those in whose name, questions and answers each of `words` stands, the last as the beginning
        of a word; neither accents nor case matter.
        """
        sought = _tokens(words)[:_MOST_WORDS]
        terms = [*(f" {word} " for word in sought[:-1]), *(f" {word}" for word in sought[-1:])]
        where = " AND ".join(["owner = ?", *["instr(folded, ?)"] * len(terms)])

        def listed(connection: sqlite3.Connection) -> Listed:
            (total,) = connection.execute(f"SELECT count(*) FROM talks WHERE {where}", (owner, *terms)).fetchone()
            rows = connection.execute(
                "SELECT id, owner, name, created, changed,"
                " (SELECT count(*) FROM exchanges WHERE exchanges.talk = talks.number)"
                f" FROM talks WHERE {where} ORDER BY changed DESC, number DESC LIMIT ? OFFSET ?",
                (owner, *terms, max(count, 0), max(first, 0)),
            )
            return [Talk(*row) for row in rows], total

        nothing: Listed = ([], 0)
        return self._read(listed, nothing)

    def read(self, owner: str, talk: str) -> tuple[str, Kept]:
        """Return the name of a conversation, and its exchanges with their ratings."""

        def found(connection: sqlite3.Connection) -> tuple[str, Kept]:
            number, name = _found(connection, owner, talk)
            return name, [(exchange, rating) for _, exchange, rating in _rows(connection, number)]

        kept = self._read(found, None)
        if kept is None:
            raise _unknown()
        return kept

    def rename(self, owner: str, talk: str, name: str) -> str:
        """Give a conversation another name; return it as it is kept."""
        cleaned = _on_one_line(name)[:LONGEST_NAME].strip()
        if not cleaned:
            raise ConversationsError("a conversation needs a name: type one")

        def renamed(connection: sqlite3.Connection) -> None:
            number, _ = _found(connection, owner, talk)
            exchanges = [exchange for _, exchange, _ in _rows(connection, number)]
            connection.execute(
                "UPDATE talks SET name = ?, folded = ? WHERE number = ?", (cleaned, _folded(cleaned, exchanges), number)
            )

        self._write(renamed)
        return cleaned

    def delete(self, owner: str, talk: str) -> None:
        """Delete a conversation; nothing of its words stays in the file."""

        def deleted(connection: sqlite3.Connection) -> None:
            number, _ = _found(connection, owner, talk)
            connection.execute("DELETE FROM talks WHERE number = ?", (number,))

        self._write(deleted, forgetting=True)

    def delete_all(self, owner: str) -> None:
        """Delete all conversations of an owner; nothing of their words stays in the file."""
        if self._path.exists():
            self._write(lambda made: made.execute("DELETE FROM talks WHERE owner = ?", (owner,)), forgetting=True)

    def rate(self, owner: str, talk: str, place: int, rating: Rating | None) -> None:
        """Keep what a reader thinks of exchange number `place`, from 0; None takes it back."""

        def rated(connection: sqlite3.Connection) -> None:
            number, _ = _found(connection, owner, talk)
            rows = _rows(connection, number)
            if not 0 <= place < len(rows):
                raise NoConversationError(f"there is no question {place + 1} in this conversation; open it again")
            good, note = (rating.good, _on_one_line(rating.note)[:LONGEST_NOTE].strip()) if rating else (None, "")
            connection.execute("UPDATE exchanges SET good = ?, note = ? WHERE number = ?", (good, note, rows[place][0]))

        self._write(rated)

    def rated(self, owner: str) -> Rated:
        """Return the exchanges that are rated, oldest first, with the names of their conversations."""

        def found(connection: sqlite3.Connection) -> Rated:
            talks = connection.execute(
                "SELECT number, name FROM talks WHERE owner = ?"
                " AND number IN (SELECT talk FROM exchanges WHERE good IS NOT NULL) ORDER BY number",
                (owner,),
            ).fetchall()
            return [
                (name, exchange, rating)
                for number, name in talks
                for _, exchange, rating in _rows(connection, number)
                if rating
            ]

        return self._read(found, [])

    def _read(self, work: Callable[[sqlite3.Connection], Made], nothing: Made) -> Made:
        return self._within("BEGIN", work, False) if self._path.exists() else nothing

    def _write(self, work: Callable[[sqlite3.Connection], Made], forgetting: bool = False) -> Made:
        return self._within("BEGIN IMMEDIATE", work, forgetting)

    def _within(self, begin: str, work: Callable[[sqlite3.Connection], Made], forgetting: bool) -> Made:
        """Do it in one transaction; where the file proves damaged, move it aside and do it in a new one."""
        with self._lock:
            try:
                try:
                    return self._once(begin, work, forgetting)
                except (_DamagedError, sqlite3.DatabaseError) as error:
                    if not _is_damage(error):
                        raise
                    self._set_aside(error)
                    return self._once(begin, work, forgetting)
            except (_DamagedError, sqlite3.Error, OSError) as error:
                raise ConversationsError(f"the conversations in {self._path} are out of reach: {error}") from error

    def _once(self, begin: str, work: Callable[[sqlite3.Connection], Made], forgetting: bool) -> Made:
        with closing(self._opened()) as connection:
            connection.execute(begin)
            made = work(connection)
            connection.execute("COMMIT")
            if forgetting:
                try:  # secure_delete overwrites what is deleted, but not the copies that moving rows has left
                    connection.execute("VACUUM")
                except sqlite3.Error as error:
                    raise ConversationsError(
                        f"deleted, but words of it may still stand in {self._path} ({error});"
                        " the next deletion that succeeds removes them"
                    ) from error
            return made

    def _opened(self) -> sqlite3.Connection:
        """Open the file, which is checked the first time and made where it is missing."""
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        try:
            connection.text_factory = lambda raw: str(raw, "utf-8", "replace")
            for pragma in ("foreign_keys = ON", "secure_delete = ON", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {pragma}")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _FORMAT:
                raise ConversationsError(
                    f"{self._path} has the format {version}, and this version of Sourcier knows {_FORMAT};"
                    " install the newer version, or move the file away"
                )
            if version != _FORMAT:
                _make(connection)
            if not self._checked:
                with suppress(OSError):  # a copy may have come back from elsewhere with other rights
                    self._path.chmod(0o600)
                _check(connection)
                self._checked = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, why: Exception) -> None:
        """Rename a damaged file and its journal, unless another process was faster; the warning says where to."""
        self._checked = False
        with FileLock(self._path.with_suffix(".lock"), timeout=_SECONDS_TO_WAIT, mode=0o600):
            try:
                self._opened().close()
                return
            except (_DamagedError, sqlite3.DatabaseError) as error:
                if not _is_damage(error):
                    raise
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
            aside = self._path.with_name(f"{FILE}.damaged-{stamp}")
            self._path.rename(aside)
            with suppress(FileNotFoundError):
                self._path.with_name(f"{FILE}-journal").rename(f"{aside}-journal")
        self.warning = f"{self._path} was damaged ({why}): it now lies at {aside}, and a new one is begun"
        _log.warning(self.warning)


def _make(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, unless another process just did."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone() != (_FORMAT,):
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise _DamagedError("its tables are not those of conversations")
        for statement in _SCHEMA:
            connection.execute(statement)
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection) -> None:
    (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if told != "ok":
        raise _DamagedError(" ".join(told.split()))


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it says more closely where
    return isinstance(error, _DamagedError) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _unknown() -> NoConversationError:
    return NoConversationError("there is no such conversation; it may have been deleted")


def _found(connection: sqlite3.Connection, owner: str, talk: str) -> tuple[int, str]:
    """Return the number and the name of a conversation."""
    for number, name in connection.execute(
        "SELECT number, name FROM talks WHERE owner = ? AND id = ?", (owner, talk if talk.isascii() else "")
    ):
        return number, name
    raise _unknown()


def _rows(connection: sqlite3.Connection, number: int) -> _Rows:
    """Return the exchanges of a conversation that can be read, with their row numbers and ratings."""
    rows: _Rows = []
    for row, stored, good, note in connection.execute(
        "SELECT number, exchange, good, note FROM exchanges WHERE talk = ? ORDER BY number", (number,)
    ):
        try:
            exchange = from_json(zlib.decompress(stored))
        except (ValueError, TypeError, zlib.error):
            continue
        rows.append((row, exchange, None if good is None else Rating(bool(good), note)))
    return rows


def _on_one_line(text: str) -> str:
    return " ".join(_UNSEEN.sub("", text).split())


def _shortened(question: str) -> str:
    """Return the beginning of a question as a name, whole words where that can be."""
    name = _on_one_line(question)
    if len(name) > _NAME_FROM_QUESTION:
        name = (name[:_NAME_FROM_QUESTION].rpartition(" ")[0] or name[: _NAME_FROM_QUESTION - 1]) + "…"
    return name or "?"


def _tokens(text: str) -> list[str]:
    """Return the words of a text without accents, in lower case."""
    apart = unicodedata.normalize("NFKD", text.translate(_LETTERS)).casefold()
    return re.findall(r"[^\W_]+", "".join(letter for letter in apart if not unicodedata.combining(letter)))


def _folded(name: str, exchanges: list[Exchange]) -> str:
    """Return what is searched of a conversation: each word between spaces."""
    said = (part for exchange in exchanges for part in (exchange.question, exchange.short, exchange.text))
    return f" {' '.join(_tokens(' '.join([name, *said])))} "
