"""The vectors of a model's tokens, read from the file of its weights row by row."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from errors import ModelError

_MODEL, _TENSOR = "gemma3_text", "embed_tokens.weight"


class TokenTable(torch.nn.Module):
    """What stands in the place of a Gemma 3 model's token embeddings, with the same results, bit for bit.

    They are two thirds of EmbeddingGemma's weights, 400 MB in bfloat16, of which a text needs a few hundred
    rows: these are read when needed, and the system keeps in its cache what is needed often. The file is
    in the safetensors format, the numbers in it are float32.
    """

    def __init__(self, file: BinaryIO, first: int, width: int, scale: torch.Tensor) -> None:
        super().__init__()
        self._file, self._first, self._width, self._scale = file, first, width, scale

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the (..., width) vectors of (...) tokens; raises ModelError if the file was cut."""
        needed, places = np.unique(ids.numpy(), return_inverse=True)
        size = 4 * self._width
        read = b"".join(os.pread(self._file.fileno(), size, self._first + token * size) for token in needed.tolist())
        if len(read) < len(needed) * size:
            raise ModelError(f"{self._file.name} was cut while it was in use; fetch it anew: sourcier models pull")
        rows = torch.frombuffer(bytearray(read), dtype=torch.float32).view(len(needed), self._width)
        vectors: torch.Tensor = rows.to(self._scale.dtype) * self._scale
        return vectors[torch.from_numpy(places.reshape(ids.shape))]


def leave_on_disk(transformer: Any, weights: Path) -> None:
    """Free the memory of a transformer's token embeddings, if `weights`, its file, holds them as TokenTable needs."""
    if transformer.config.model_type != _MODEL or not weights.is_file():
        return
    held = transformer.get_input_embeddings()
    file = weights.open("rb")
    length = int.from_bytes(file.read(8), "little")  # the format: this length, a header in JSON, the numbers
    about = json.loads(file.read(length)).get(_TENSOR, {})
    if about.get("dtype") != "F32" or about["shape"] != [*held.weight.shape]:
        file.close()
        return
    first = 8 + length + about["data_offsets"][0]
    scale = held.embed_scale.to(held.weight.dtype)
    transformer.set_input_embeddings(TokenTable(file, first, held.weight.shape[1], scale))
