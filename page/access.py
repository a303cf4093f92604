"""Who asks, who may, and how much: users and their passwords, failed logins, limits per user."""

from __future__ import annotations

import contextvars
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from errors import QuestionError, SettingsError
from settings import Settings

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 1000
USER_KEY = "sourcier.user"  # where page.gate leaves the login name in the scope of a request
ADDRESS: contextvars.ContextVar[str] = contextvars.ContextVar("address", default="unknown")

_NAME = re.compile(r"[\w.@+-]{1,64}")
_FAILED_OF_A_NAME_THERE, _FAILED_FROM_AN_ADDRESS, _FAILED_OF_A_NAME = 5, 20, 30  # a minute


def is_open(settings: Settings) -> bool:
    """Whether others than who sits at this machine reach the page, and no login keeps them out."""
    return settings.auth is None and settings.reached_by_others


def login_of(request: Any) -> str | None:
    """Return the login name behind a request, Gradio's or Starlette's; None where no login is asked for."""
    name = _scope(request).get(USER_KEY)
    return str(name) if name else None


def user_of(request: Any) -> str:
    """Return whom a request counts for: the login name, else the address that it came from."""
    return login_of(request) or address_in(_scope(request))


def address_in(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _scope(request: Any) -> Mapping[str, Any]:
    inner = getattr(request, "request", None) or request  # Gradio wraps the request of Starlette
    scope: Mapping[str, Any] = getattr(inner, "scope", None) or {}
    return scope


class Users:
    """The users of a file, `NAME:hash` a line; read again when it changes. Safe to use from several threads.

    Raises SettingsError where the file has no user; if it vanishes later, nobody is let in.
    """

    def __init__(self, path: Path) -> None:
        from argon2 import PasswordHasher

        self.path = path
        self._hasher = PasswordHasher()
        self._of_nobody = self._hasher.hash(secrets.token_hex())
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, tuple[str, bytes]] = {}
        self._read: tuple[object, dict[str, str]] = None, {}
        if not self._hashes():
            raise SettingsError(f"there is no user in {path}; add one with: sourcier password NAME --file {path}")

    def known(self, name: str) -> bool:
        """Whether a user of that name is there still."""
        return folded(name) in self._hashes()

    def remembered(self, name: str, password: str) -> bool:
        """Whether this password was the right one before and still is; costs nothing."""
        kept = self._verified.get(folded(name))
        return (
            kept is not None
            and kept[0] == self._hashes().get(folded(name))
            and hmac.compare_digest(kept[1], self._digest(password))
        )

    def verify(self, name: str, password: str) -> bool:
        """Whether the password is that user's; costs the same time where there is no such user."""
        from argon2.exceptions import InvalidHashError, VerificationError

        if len(password) > LONGEST_PASSWORD:
            return False
        stored = self._hashes().get(folded(name))
        try:
            self._hasher.verify(stored or self._of_nobody, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        if stored is None:
            return False
        self._verified[folded(name)] = stored, self._digest(password)
        return True

    def _digest(self, password: str) -> bytes:
        return hmac.digest(self._key, _bytes(password), hashlib.sha256)

    def _hashes(self) -> dict[str, str]:
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if self._read[0] != stamp:
                self._read = stamp, _read_users(self.path)
        except (OSError, UnicodeDecodeError):
            self._read = None, {}
        return self._read[1]


def set_password(path: Path, name: str, password: str) -> None:
    """Write the password of a user into the file, as a hash; the user may be new.

    Raises SettingsError for a name or password that will not do, or a file that cannot be written.
    """
    from argon2 import PasswordHasher

    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} will not do as a name; write letters, digits and . _ @ + - only, 64 at most")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise SettingsError(
            f"the password has {len(password)} characters; write {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}"
        )
    made = PasswordHasher().hash(_bytes(password))
    _write_users(path, _users_there(path) | {folded(name): made})


def remove_user(path: Path, name: str) -> None:
    """Take a user out of the file. Raises SettingsError where there is none of that name."""
    users = _users_there(path)
    if users.pop(folded(name), None) is None:
        raise SettingsError(f"there is no user {name} in {path}")
    _write_users(path, users)


def folded(name: str) -> str:
    """Return a name as it is kept and counted, however it was typed."""
    return unicodedata.normalize("NFC", name.strip())


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _read_users(path: Path) -> dict[str, str]:
    lines = (line.strip().partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {folded(name): made for name, _, made in lines if name and made.startswith("$argon2")}


def _users_there(path: Path) -> dict[str, str]:
    try:
        return _read_users(path) if path.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def _write_users(path: Path, users: Mapping[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, building = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # readable by its owner only
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{name}:{made}\n" for name, made in sorted(users.items()))
                file.flush()
                os.fsync(file.fileno())
            os.replace(building, path)
        except BaseException:
            os.unlink(building)
            raise
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from None


class Attempts:
    """Failed logins in the last minute: of a name from one address, from an address, of a name from anywhere."""

    def __init__(self) -> None:
        self._failed = MovingWindowRateLimiter(MemoryStorage())

    def wait(self, name: str, address: str) -> int:
        """Return the seconds until a login of that name from there is looked at again; 0: now."""
        waits = [
            _seconds_left(self._failed, item, keys)
            for item, keys in self._kept(name, address)
            if not self._failed.test(item, *keys)
        ]
        return max(waits, default=0)

    def failed(self, name: str, address: str) -> None:
        for item, keys in self._kept(name, address):
            self._failed.hit(item, *keys)

    @staticmethod
    def _kept(name: str, address: str) -> list[tuple[RateLimitItem, tuple[str, ...]]]:
        name = hashlib.sha256(folded(name).encode("utf-8", "surrogatepass")).hexdigest()  # of one length
        return [
            (RateLimitItemPerMinute(_FAILED_OF_A_NAME_THERE), ("both", name, address)),
            (RateLimitItemPerMinute(_FAILED_FROM_AN_ADDRESS), ("address", address)),
            (RateLimitItemPerMinute(_FAILED_OF_A_NAME), ("name", name)),
        ]


class Limits:
    """How many questions a user may ask in a minute, and have waiting or running at once; 0: any number.

    Safe to use from several threads.
    """

    def __init__(self, per_minute: int, waiting: int) -> None:
        self._asked = MovingWindowRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._waiting = waiting
        self._now: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def admitted(self, user: str) -> Iterator[None]:
        """Let a user's question in, for as long as the block runs. Raises QuestionError over a limit."""
        with self._lock:
            if self._waiting and self._now[user] >= self._waiting:
                raise QuestionError(
                    f"{self._now[user]} of your questions are waiting or being answered; ask again when one is done"
                )
            if self._rate is not None and not self._asked.hit(self._rate, user):
                seconds = _seconds_left(self._asked, self._rate, (user,))
                raise QuestionError(
                    f"{self._rate.amount} questions a minute are answered for each user; ask again in {seconds} s"
                )
            self._now[user] += 1
        try:
            yield
        finally:
            with self._lock:
                self._now[user] -= 1
                if not self._now[user]:
                    del self._now[user]


def _seconds_left(limiter: MovingWindowRateLimiter, item: RateLimitItem, keys: tuple[str, ...]) -> int:
    return max(1, ceil(limiter.get_window_stats(item, *keys).reset_time - time.time()))
