"""What the model has computed of the fixed beginnings of prompts, kept on disk: read once, not at every start.

Only beginnings that come from prompts/ are kept, never a question or an article.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

_MOST_BYTES = 200_000_000  # some 7,000 tokens of the default model: each prompt in each of its languages
_DIGEST = hashlib.sha256().digest_size


class PrefixStates:
    """States of a model by the tokens that they hold, in files of `folder`: a SHA-256, then what it is of.

    `model` is all that a state depends on beside its tokens. What cannot be read or written is computed
    again; the states that were longest not used go first.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._model = model

    def read(self, tokens: Sequence[int]) -> bytes | None:
        """Return the state that holds just these tokens, or None."""
        path = self._path(tokens)
        try:
            kept = path.read_bytes()
        except OSError:
            return None
        digest, state = kept[:_DIGEST], kept[_DIGEST:]
        if hashlib.sha256(state).digest() != digest:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return state

    def write(self, tokens: Sequence[int], state: bytes) -> None:
        """Keep a state, unless it is there."""
        path = self._path(tokens)
        with suppress(OSError):
            if path.exists():
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(state))
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                try:
                    file.write(hashlib.sha256(state).digest() + state)
                    file.close()
                    os.chmod(file.name, 0o644)  # nothing private is in it, and others may share the folder
                    os.replace(file.name, path)
                except BaseException:
                    os.unlink(file.name)
                    raise

    def _path(self, tokens: Sequence[int]) -> Path:
        name = hashlib.sha256(self._model.encode() + b"\0" + np.asarray(tokens, dtype=np.int32).tobytes()).hexdigest()
        return self._folder / f"{name}.state"

    def _make_room(self, size: int) -> None:
        files = sorted(self._folder.glob("*.state"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files) + size
        for path in files:
            if total <= _MOST_BYTES:
                return
            total -= path.stat().st_size
            path.unlink()
