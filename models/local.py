"""Weights on this machine: where they lie, what they are, whether they are whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from errors import ModelDamagedError, ModelError, ModelMissingError
from models.catalog import Model, ModelFile, find, known_models

_STAMPS = "hashes.json"
_FOLDER_PATTERNS = ("*.safetensors", "*.bin", "*.json", "*.model", "tokenizer.*", "*.txt")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def locate(name_or_path: str | Path, folder: Path) -> Path:
    """What to load for a name in the catalog (weights under `folder`), a path, or a hub name.

    Returns the path of a GGUF file or of a sentence-transformers folder. A hub name is looked up in
    the hub client's cache only: nothing here touches the network. The bytes are not hashed; `pull`
    and `verify` do that. Raises ModelMissingError naming the command that fetches the weights, and
    ModelError for what is neither a model's name nor the weights of one.
    """
    name, path = str(name_or_path), Path(os.path.expanduser(name_or_path))
    if model := known_models().get(name):
        if any(_size(folder / name / file.path) != file.bytes for file in model.files):
            raise ModelMissingError(
                f"the weights of {name} are not all in {folder / name}: sourcier models pull {name}"
            )
        return model.place(folder)
    if _is_gguf(path) or os.path.isfile(path / "modules.json"):
        return path
    if os.path.exists(path):
        raise ModelError(f"{path} is neither a GGUF file nor a sentence-transformers folder (modules.json is missing)")
    if _HUB_NAME.fullmatch(name):
        return _in_hub_cache(name)
    return find(name).place(folder)


def verify(model: Model, folder: Path) -> None:
    """Hash every file of the model under `folder` again, whatever was remembered of it.

    Files that are not the catalog's are deleted and ModelDamagedError names what was expected and
    what was found. Raises ModelMissingError where files are absent.
    """
    wrong = wrong_files(model, folder, rehash=True)
    if not wrong:
        return
    home = folder / model.name
    found = "; ".join(f"{file.path} {reason}" for file, reason in wrong.items())
    if not any((home / file.path).exists() for file in wrong):
        raise ModelMissingError(f"{home}: {found}: sourcier models pull {model.name}")
    for file in wrong:
        (home / file.path).unlink(missing_ok=True)
    raise ModelDamagedError(f"{home}: {found}; what was damaged is deleted: sourcier models pull {model.name}")


def wrong_files(model: Model, folder: Path, *, rehash: bool = False) -> dict[ModelFile, str]:
    """The files of the model that are absent or damaged under `folder`, each with what is wrong."""
    home = folder / model.name
    wrong = {file: "is missing" for file in model.files if _size(home / file.path) is None}
    there = [file for file in model.files if file not in wrong]
    for file, found in zip(there, _hashes([home / file.path for file in there], folder, rehash), strict=True):
        if found != file.sha256:
            wrong[file] = f"has SHA-256 {found}, not {file.sha256}"
    return wrong


def fingerprint(path: Path, folder: Path) -> str:
    """Identity of weights, in hexadecimal.

    For a file its SHA-256; for a folder the SHA-256 of the lines "hash  relative/path", sorted by
    path, of the files that shape what the model computes. Hashes are remembered by path, size and
    modification time in `folder`, so that gigabytes are read once. Raises ModelMissingError.
    """
    if path.is_file():
        return _hashes([path], folder)[0]
    found = {
        file.relative_to(path).as_posix(): file
        for pattern in _FOLDER_PATTERNS
        for file in path.rglob(pattern)
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    }
    if not found:
        raise ModelMissingError(f"{path} holds no weights")
    names = sorted(found)
    hashes = _hashes([found[name] for name in names], folder)
    lines = "".join(f"{sha256}  {name}\n" for sha256, name in zip(hashes, names, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember(path: Path, sha256: str, folder: Path) -> None:
    """Note in `folder` the hash that was just computed of a file, so that it is not read again."""
    stat = path.stat()
    _write_stamps(folder, {str(path.resolve()): [stat.st_size, stat.st_mtime_ns, sha256]})


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that readers and other writers see all of it or nothing."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            file.write(text)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _hashes(paths: list[Path], folder: Path, rehash: bool = False) -> list[str]:
    """SHA-256 of each file, remembered in `folder`; a stamp file that fails only costs time."""
    stamps = {} if rehash else _read_stamps(folder)
    fresh: dict[str, Any] = {}
    hashes = []
    for path in paths:
        key, stat = str(path.resolve()), path.stat()
        match stamps.get(key):
            case [stat.st_size, stat.st_mtime_ns, str(known)]:
                hashes.append(known)
            case _:
                hashes.append(sha256_of(path))
                fresh[key] = [stat.st_size, stat.st_mtime_ns, hashes[-1]]
    if fresh:
        _write_stamps(folder, fresh)
    return hashes


def _read_stamps(folder: Path) -> dict[str, Any]:
    try:
        stamps = json.loads((folder / _STAMPS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _write_stamps(folder: Path, fresh: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        write_whole(folder / _STAMPS, json.dumps(_read_stamps(folder) | fresh, indent=1))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except (OSError, ValueError):
        return False


def _in_hub_cache(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        raise ModelMissingError(
            f"nothing lies at {name}, and the hub's cache holds no model of that name: sourcier models pull {name}"
        ) from None
    if not (path / "modules.json").is_file():
        raise ModelError(f"{name} in the hub's cache is not a sentence-transformers model (modules.json is missing)")
    return path
