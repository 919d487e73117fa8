"""Value heads: one number a state, saved and loaded as they were, refused where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file, save_file

from reflectree.models.neural.heads import FILE, ValueHead, load_head, scaled
from reflectree.rlm_ops.errors import BadInput


@pytest.mark.parametrize("layers", [1, 3])
def test_a_head_is_loaded_as_it_was_saved(layers: Literal[1, 3], tmp_path: Path) -> None:
    head = ValueHead(8, layers)
    states = torch.randn(2, 5, 8)
    head.save(tmp_path)
    again = load_head(tmp_path, 8)
    assert again.layers == layers
    assert head(states).shape == (2, 5)
    assert torch.equal(again(states), head(states))
    assert set(load_file(tmp_path / FILE)) == {
        f"head.{2 * n}.{part}" for n in range(layers) for part in ("weight", "bias")
    }


def test_values_are_in_the_unit_interval() -> None:
    raw = torch.tensor([-50.0, 0.0, 0.5, 50.0])
    assert scaled(raw, "sigmoid").tolist() == pytest.approx([0, 0.5, 0.622459, 1], abs=1e-6)
    assert scaled(raw, "tanh").tolist() == pytest.approx([0, 0.5, (1 + 0.462117) / 2, 1], abs=1e-6)
    # The blueprint's 2 sigma(x) - 1 as a number in [0, 1].
    assert torch.allclose((1 + (2 * torch.sigmoid(raw) - 1)) / 2, scaled(raw, "sigmoid"))


def test_states_of_another_precision_are_read() -> None:
    assert ValueHead(8)(torch.randn(3, 8, dtype=torch.bfloat16)).dtype == torch.float32


def test_a_head_that_does_not_fit_its_base_is_refused(tmp_path: Path) -> None:
    ValueHead(8).save(tmp_path)
    with pytest.raises(BadInput, match=r"the value head expects 8 numbers and the base gives 16"):
        load_head(tmp_path, 16)


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read as a value head"):
        load_head(tmp_path, 8)
    save_file({"head.0.weight": torch.zeros(2, 8)}, tmp_path / FILE)
    with pytest.raises(BadInput, match="holds no value head of one or three layers"):
        load_head(tmp_path, 8)
    save_file({"head.0.weight": torch.zeros(1, 8)}, tmp_path / FILE)
    with pytest.raises(BadInput, match="does not fit a value head"):
        load_head(tmp_path, 8)
    (tmp_path / FILE).write_bytes(b"junk")
    with pytest.raises(BadInput, match="cannot be read as a value head"):
        load_head(tmp_path, 8)
