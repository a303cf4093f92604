"""The documents name what there is: every setting, every command, every room."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import cli
from settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def commands(group: click.Group, prefix: str = "sourcier") -> list[str]:
    names = []
    for name, command in group.commands.items():
        names += commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"]
    return names


@pytest.mark.parametrize("command", commands(cli.main))
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \|", (ROOT / "docs/settings.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [name for name, _ in rows] == list(Settings.model_fields)
    for name, default in rows:
        value = Settings.model_fields[name].default
        if not isinstance(value, Path):
            assert default.strip("` ") == ("none" if value is None else str(value))


def test_every_file_of_the_rooms_stands_in_the_picture_of_the_house() -> None:
    picture = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for room in ("models", "index", "qa", "page"):
        for path in (ROOT / room).glob("*.py"):
            assert path.name == "__init__.py" or path.name in picture or path.name == "catalog.py", path


def test_the_changelog_names_the_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    assert f"## {version[1]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_registry_host_is_named() -> None:
    host = re.compile(r"pypi\.org|pythonhosted|huggingface\.co|npmjs|deb\.debian")
    for path in ROOT.rglob("*"):
        ours = path.suffix in {".py", ".toml", ".txt", ".md", ".sh"} and not {".venv", ".git"} & set(path.parts)
        if ours and path != Path(__file__):
            assert not host.search(path.read_text(encoding="utf-8", errors="replace")), path
