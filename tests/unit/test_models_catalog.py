"""The catalog: every entry is complete, and names are found or their nearest suggested."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

import models
from errors import ModelError
from models import Model, find, known_models

ALL = list(known_models().values())


def test_the_default_pair_and_the_small_model_are_known() -> None:
    assert {model.name: model.role for model in ALL} == {
        "qwen2.5-coder-1.5b": "answering",
        "qwen2.5-coder-0.5b": "answering",
        "embeddinggemma-300m": "embedding",
    }


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_an_entry_is_complete(model: Model) -> None:
    assert model.title
    assert model.licence
    assert model.licence_text.startswith("https://")
    assert model.hub is not None
    assert re.fullmatch("[0-9a-f]{40}", model.hub.revision)
    assert model.wheels is not None
    assert model.wheels.requirement.count("==") == 1
    assert "{part" in model.wheels.requirement
    assert (model.wheels.folder is None) == (len(model.files) == 1)
    if model.wheels.folder is None:
        assert model.wheels.bytes == model.bytes


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_files_stay_in_the_folder_of_the_model(model: Model) -> None:
    for file in model.files:
        path = PurePosixPath(file.path)
        assert not path.is_absolute()
        assert not any(part.startswith(".") for part in path.parts)
        assert "\\" not in file.path
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
    assert len({file.path for file in model.files}) == len(model.files)


def test_place_is_the_only_file_or_the_folder() -> None:
    folder = Path("models-folder")
    assert find("embeddinggemma-300m").place(folder) == folder / "embeddinggemma-300m"
    assert find("qwen2.5-coder-0.5b").place(folder) == (
        folder / "qwen2.5-coder-0.5b" / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [("qwen-coder-1.5b", "qwen2.5-coder-1.5b"), ("EmbeddingGemma", "embeddinggemma-300m")],
)
def test_an_unknown_name_suggests_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=f"unknown model '{name}'; did you mean {near}\\? known: "):
        find(name)


def test_a_name_near_to_none_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"unknown model 'zzz'; known: qwen2\.5-coder-1\.5b, .*, embeddinggemma-300m$"):
        find("zzz")


def test_exports_are_sorted_and_exist() -> None:
    assert models.__all__ == sorted(models.__all__, key=lambda name: (name.islower(), name))
    assert all(hasattr(models, name) for name in models.__all__)


def test_importing_the_room_loads_no_client_and_no_framework() -> None:
    code = "import sys, models; print({'torch', 'llama_cpp', 'huggingface_hub', 'gradio'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
