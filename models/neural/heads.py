"""The head that turns a hidden state into a value: the part of a value model that is not the language model.

It knows neither the trunk nor where values are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from reflectree.rlm_ops.errors import BadInput

FILE = "head.safetensors"
Scale = Literal["sigmoid", "tanh"]


class ValueHead(nn.Module):
    """Linear layers with ReLU between them, and one output.

    Three layers as in the blueprint's value model, or one. Theirs ends in 2 sigma(x) - 1 (arXiv 2501.11223, appendix
    C), which as a number in [0, 1] is sigma(x).

    Args:
        hidden: Width of the trunk.
        layers: One or three linear layers.
    """

    def __init__(self, hidden: int, layers: Literal[1, 3] = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(layers - 1):
            parts += [nn.Linear(hidden, hidden), nn.ReLU()]
        self.head = nn.Sequential(*parts, nn.Linear(hidden, 1))
        self.hidden, self.layers = hidden, layers

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Raw values, in single precision: (..., hidden) -> (...)."""
        raw: torch.Tensor = self.head(states.to(next(self.parameters()).dtype))
        return raw.squeeze(-1).float()

    def value(self, states: torch.Tensor, scale: Scale = "sigmoid") -> torch.Tensor:
        """Values in [0, 1]: (..., hidden) -> (...)."""
        return scaled(self(states), scale)

    def save(self, folder: str | Path) -> None:
        """Write the head beside the trunk's weights."""
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(state, Path(folder) / FILE)


def scaled(raw: torch.Tensor, scale: Scale) -> torch.Tensor:
    """A raw value as a number in [0, 1]: its logistic, or (1 + tanh x) / 2."""
    return torch.sigmoid(raw) if scale == "sigmoid" else (1 + torch.tanh(raw)) / 2


def load_head(folder: str | Path, hidden: int) -> ValueHead:
    """The head in a folder.

    Raises:
        BadInput: There is none, or it does not fit a trunk of that width.
    """
    path = Path(folder) / FILE
    try:
        state: dict[str, Any] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path} cannot be read as a value head: {error}; train the model again") from error
    weights = [tensor for name, tensor in sorted(state.items()) if name.endswith(".weight")]
    if len(weights) not in (1, 3) or weights[-1].shape[0] != 1:
        raise BadInput(f"{path} holds no value head of one or three layers: train the model again")
    if weights[0].shape[1] != hidden:
        raise BadInput(
            f"the value head expects {weights[0].shape[1]} numbers and the base gives {hidden}: "
            f"put {FILE} beside the model it was trained on"
        )
    head = ValueHead(hidden, 3 if len(weights) == 3 else 1)
    try:
        head.load_state_dict(state)
    except RuntimeError as error:
        raise BadInput(f"{path} does not fit a value head: {str(error).splitlines()[-1].strip()}") from error
    return head.eval()
