"""The network's forward pass for many short texts at once: a state once, and below it many steps that share its keys.

The weights are those of transformers' Llama and the numbers are the same (a test compares them); what differs is the
shape of the work: keys and values of a state are never copied for its samples, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(slots=True)
class Prefixes:
    """States read: keys and values a layer `(N, heads, L, d)`, and the last position's hidden state `(N, hidden)`."""

    keys: list[Tensor]
    values: list[Tensor]
    last: Tensor
    length: int


@dataclass(slots=True)
class Suffixes:
    """Steps begun below the states: keys and values a layer `(N, k, heads, s, d)`."""

    keys: list[Tensor]
    values: list[Tensor]

    def reordered(self, beams: Tensor) -> Suffixes:
        """Each state's beams in the order `(N, k)`."""

        def pick(held: Tensor) -> Tensor:
            index = beams[:, :, None, None, None].expand(-1, -1, *held.shape[2:])
            return held.gather(1, index)

        return Suffixes([pick(held) for held in self.keys], [pick(held) for held in self.values])


class Network:
    """A Llama's weights, ready for this module's passes.

    Args:
        model: A `LlamaForCausalLM` or `LlamaModel` with as many key heads as heads.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        trunk = getattr(model, "model", model)
        self.heads: int = config.num_attention_heads
        self.width: int = config.hidden_size // config.num_attention_heads
        self.eps: float = config.rms_norm_eps
        self.embedding: Tensor = trunk.embed_tokens.weight.detach()
        self.layers = [
            (
                layer.input_layernorm.weight.detach(),
                torch.cat([getattr(layer.self_attn, f"{name}_proj").weight.detach() for name in "qkv"]),
                layer.self_attn.o_proj.weight.detach(),
                layer.post_attention_layernorm.weight.detach(),
                torch.cat([layer.mlp.gate_proj.weight.detach(), layer.mlp.up_proj.weight.detach()]),
                layer.mlp.down_proj.weight.detach(),
            )
            for layer in trunk.layers
        ]
        self.norm: Tensor = trunk.norm.weight.detach()
        base = config.rope_parameters["rope_theta"]
        rates = 1.0 / base ** (torch.arange(0, self.width, 2).float() / self.width)
        angles = torch.outer(torch.arange(config.max_position_embeddings).float(), rates)
        angles = torch.cat([angles, angles], dim=-1)
        self.cos, self.sin = angles.cos(), angles.sin()

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _turn(self, x: Tensor, first: int, length: int) -> Tensor:
        """Rotary positions `first ... first + length` on the last but one axis."""
        left, right = x.chunk(2, dim=-1)
        cos, sin = self.cos[first : first + length], self.sin[first : first + length]
        return x * cos + torch.cat([-right, left], dim=-1) * sin

    def _mlp(self, x: Tensor, norm: Tensor, up: Tensor, down: Tensor) -> Tensor:
        gate, rise = functional.linear(self._norm(x, norm), up).chunk(2, dim=-1)
        return x + functional.linear(functional.silu(gate) * rise, down)

    def read(self, ids: Tensor) -> Prefixes:
        """Read states of one length, `(N, L)`."""
        count, length = ids.shape
        x = self.embedding[ids]
        keys, values = [], []
        for norm, qkv, out, after, up, down in self.layers:
            mixed = functional.linear(self._norm(x, norm), qkv).view(count, length, 3, self.heads, self.width)
            q, k, v = mixed.permute(2, 0, 3, 1, 4)
            q, k = self._turn(q, 0, length), self._turn(k, 0, length)
            keys.append(k)
            values.append(v)
            read = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + functional.linear(read.transpose(1, 2).reshape(count, length, -1), out)
            x = self._mlp(x, after, up, down)
        return Prefixes(keys, values, self._norm(x[:, -1], self.norm), length)

    def step(self, prefixes: Prefixes, suffixes: Suffixes | None, tokens: Tensor) -> tuple[Suffixes, Tensor]:
        """Read one more token of each begun step, `(N, k)`: the longer suffixes, and the hidden states `(N, k, h)`."""
        count, beams = tokens.shape
        behind = 0 if suffixes is None else suffixes.keys[0].shape[3]
        x = self.embedding[tokens]
        longer = Suffixes([], [])
        for place, (norm, qkv, out, after, up, down) in enumerate(self.layers):
            mixed = functional.linear(self._norm(x, norm), qkv).view(count, beams, 3, self.heads, 1, self.width)
            q, k, v = mixed.unbind(2)
            q, k = self._turn(q, prefixes.length + behind, 1), self._turn(k, prefixes.length + behind, 1)
            if suffixes is not None:
                k = torch.cat([suffixes.keys[place], k], dim=3)
                v = torch.cat([suffixes.values[place], v], dim=3)
            longer.keys.append(k)
            longer.values.append(v)
            x = x + functional.linear(self._attend(q, k, v, prefixes, place), out)
            x = self._mlp(x, after, up, down)
        return longer, self._norm(x, self.norm)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, prefixes: Prefixes, place: int) -> Tensor:
        """Attention of `(N, k, heads, 1, d)` over the state and the own step: `(N, k, hidden)`."""
        count, beams = q.shape[:2]
        over = q[:, :, :, 0].transpose(1, 2)  # (N, heads, k, d)
        shared = over @ prefixes.keys[place].transpose(2, 3)
        own = (k @ q.transpose(3, 4))[..., 0].transpose(1, 2)  # (N, heads, k, s)
        weights = (torch.cat([shared, own], dim=-1) / self.width**0.5).softmax(-1)
        split = prefixes.length
        read: Tensor = weights[..., :split] @ prefixes.values[place]
        read = read + (weights[..., split:].transpose(1, 2)[..., None, :] @ v)[..., 0, :].transpose(1, 2)
        return read.transpose(1, 2).reshape(count, beams, -1)

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of the next token (the embeddings are tied)."""
        return functional.linear(hidden, self.embedding).log_softmax(-1)


def by_length(texts: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """Indices of texts, in groups of one length and at most `most`: nothing is padded."""
    groups: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        groups.setdefault(len(text), []).append(place)
    return [found[start : start + most] for found in groups.values() for start in range(0, len(found), most)]
