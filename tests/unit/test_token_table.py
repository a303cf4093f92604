"""A small Gemma 3 of random weights, saved as transformers saves one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, Gemma3TextConfig, Gemma3TextModel

from errors import ModelError
from index.token_table import TokenTable, leave_on_disk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    Gemma3TextModel(config).save_pretrained(tmp_path)
    return tmp_path


def _loaded(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    return AutoModel.from_pretrained(folder, dtype=dtype).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_are_the_same_bit_for_bit(folder: Path, dtype: torch.dtype) -> None:
    model, ids = _loaded(folder, dtype), torch.tensor([[0, 49, 7, 7], [3, 2, 1, 0]])
    with torch.inference_mode():
        held = model(input_ids=ids).last_hidden_state
        leave_on_disk(model, folder / "model.safetensors")
        assert isinstance(model.get_input_embeddings(), TokenTable)
        assert torch.equal(model(input_ids=ids).last_hidden_state, held)
        assert model.get_input_embeddings()(ids[0]).shape == (4, 16)


def test_the_weights_may_be_removed_meanwhile(folder: Path) -> None:
    model, ids = _loaded(folder), torch.tensor([[5]])
    held = model.get_input_embeddings()(ids)
    leave_on_disk(model, folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    assert torch.equal(model.get_input_embeddings()(ids), held)


def test_a_file_that_was_cut_meanwhile_is_named(folder: Path) -> None:
    model = _loaded(folder)
    leave_on_disk(model, folder / "model.safetensors")
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(ModelError, match=r"model\.safetensors was cut"):
        model.get_input_embeddings()(torch.tensor([49]))


@pytest.mark.parametrize("reason", ["other numbers", "no such file", "another kind"])
def test_what_does_not_fit_stays_in_memory(folder: Path, reason: str) -> None:
    model, weights = _loaded(folder), folder / "model.safetensors"
    if reason == "other numbers":
        _loaded(folder, torch.bfloat16).save_pretrained(folder)
    elif reason == "no such file":
        weights = folder / "other.safetensors"
    else:
        model.config.model_type = "bert"
    leave_on_disk(model, weights)
    assert isinstance(model.get_input_embeddings(), torch.nn.Embedding)
