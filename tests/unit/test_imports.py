"""Rooms import one way, and what is heavy is loaded when it is used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ON_TORCH = {"index.token_table"}  # made of torch's classes; the embedder imports it when it loads
HEAVY = {"faiss", "gradio", "llama_cpp", "sentence_transformers", "torch", "trafilatura", "transformers"}
ABOVE = {
    "errors": {"settings", "models", "index", "qa", "page", "app", "cli", "evaluation"},
    "settings": {"models", "index", "qa", "page", "app", "cli", "evaluation"},
    "models": {"index", "qa", "page", "app", "cli", "evaluation"},
    "index": {"qa", "page", "app", "cli", "evaluation"},
    "qa": {"page", "app", "cli", "evaluation"},
    "page": {"cli", "evaluation"},
}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: say where from"
            yield node.module or ""


@pytest.mark.parametrize("room", ABOVE)
def test_rooms_import_one_way(room: str) -> None:
    for path in files(room):
        upwards = {name for name in imported(path) if name.partition(".")[0] in ABOVE[room]}
        assert not upwards, path


def test_importing_loads_nothing_heavy() -> None:
    rooms = [
        module(path)
        for room in ("errors", "settings", "models", "index", "qa", "cli", "app")
        for path in files(room)
        if module(path) not in ON_TORCH
    ]
    code = f"import sys, {', '.join(rooms)}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("\n", "", 0)
