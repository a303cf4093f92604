"""Small archives for the page's tests, with the embedder that needs no weights, and dates that go on by an hour."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from fakes import WordEmbedder

import index.rebuild
from index.rebuild import update

SITE = "https://valmorin.example"


class Clock(datetime):
    """Goes on by an hour each time it is asked."""

    last = datetime(2024, 6, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        cls.last += timedelta(hours=1)
        return cls.last


def home_of(home: Path, *batches: Sequence[Mapping[str, Any]]) -> Path:
    """Make an archive of rows (`name` stands for their address on SITE), each batch added by itself."""
    home.parent.mkdir(parents=True, exist_ok=True)
    path = home.parent / "rows.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.rebuild, "datetime", Clock)
        for rows in batches:
            lines = [
                {"url": f"{SITE}/{row['name']}", "lang": "fr"} | {key: row[key] for key in row if key != "name"}
                for row in rows
            ]
            path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
            update(home, [path], WordEmbedder(), passage_tokens=256)
    return home
