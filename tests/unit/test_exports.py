"""What a package exports is written down, sorted, and there."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    path for room in ("models", "index", "qa", "page", "evaluation") for path in (ROOT / room).rglob("__init__.py")
)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_exports(path: Path) -> None:
    package = import_module(".".join(path.parent.relative_to(ROOT).parts))
    exported = getattr(package, "__all__", [])
    assert exported == sorted(set(exported))
    assert all(hasattr(package, name) for name in exported)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__"
        for alias in node.names
    ]
    assert sorted(names) == exported
