"""NumPy arrays on disk, memory-mapped."""

from __future__ import annotations

import threading
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

# NumPy parses an array's header with `ast`, which fails in Python 3.11 when two threads parse at once.
_PARSING = threading.Lock()


def load(path: Path, dtype: np.dtype, *, mapped: bool = True) -> NDArray:  # type: ignore[type-arg]
    """Return the array of a .npy file; raises OSError, or ValueError if it is not one of that type."""
    try:
        with _PARSING:
            array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (EOFError, KeyError, OverflowError, SyntaxError, TokenError, TypeError) as error:  # of a damaged header
        raise ValueError(f"{path.name}: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise ValueError(f"{path.name} holds {getattr(array, 'dtype', 'no array')}, not {dtype}")
    return np.asarray(array)  # np.memmap itself is slow to slice
