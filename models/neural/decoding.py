"""Many samples at once from a causal language model, with a key-value cache: rows join and leave between two tokens.

A prompt is read once, however many samples are wanted of it; rows are right-aligned (padded on the left), each with its
own positions, so that a row's numbers do not depend on its neighbours but for rounding. What is written in a row is
decided by the *group* it belongs to: `sampling.Samples` or `beams.Beams`. It knows no text, tokenizer or thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from reflectree.models.neural.beams import Beams
from reflectree.models.neural.sampling import Samples, draw
from reflectree.rlm_ops.errors import BadInput

Group = Samples | Beams
"""Rows of one job that live in the same cache."""
_KEPT_WHOLE = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of layers whose memory is keys and values, one a token; the window is kept by the mask."""


class Decoder:
    """The rows that are being written. Of one thread.

    Args:
        model: A causal language model of transformers, in evaluation mode.

    Raises:
        BadInput: The model remembers by something else than keys and values.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config(decoder=True)
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if not kinds <= _KEPT_WHOLE or getattr(model, "_is_stateful", False):
            named = ", ".join(sorted(kinds - _KEPT_WHOLE)) or "a recurrent state"
            raise BadInput(f"{type(model).__name__} has {named}, which cannot be batched here: serve it with vLLM")
        self.model = model
        self.device = model.device
        known = inspect.signature(model.forward).parameters
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in known else {}
        self._positions = "position_ids" in known
        self.clear()

    @property
    def rows(self) -> int:
        """Rows in the cache."""
        return len(self._lengths)

    @property
    def groups(self) -> list[Group]:
        """The groups that are not finished."""
        return list(self._groups)

    def clear(self) -> None:
        """Drop everything."""
        self._groups: list[Group] = []
        self._lengths: list[int] = []
        self._cache: Any = None

    @torch.inference_mode()
    def admit(self, groups: Sequence[Group]) -> list[Group]:
        """Read the prompts of new groups and write their first tokens; the groups that are finished already."""
        prompts = list(dict.fromkeys(group.job.prompt for group in groups))
        longest = max(map(len, prompts))
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        held = (self._groups, self._lengths, self._cache)
        self._groups, self._lengths, self._cache = list(groups), [len(prompt) for prompt in prompts], DynamicCache()
        logits = self._forward(ids.to(self.device))
        finished = self._advance(logits, [[prompts.index(group.job.prompt)] for group in groups])
        self._merge(*held)
        return finished

    @torch.inference_mode()
    def step(self) -> list[Group]:
        """Write one token in each row; the groups that are finished by it."""
        self._lengths = [length + 1 for length in self._lengths]
        tokens = torch.tensor([[token] for group in self._groups for token in group.last], device=self.device)
        logits = self._forward(tokens)
        rows = iter(range(len(self._lengths)))
        return self._advance(logits, [[next(rows) for _ in group.last] for group in self._groups])

    @torch.inference_mode()
    def drop(self, groups: Iterable[Group]) -> None:
        """Take groups out before they are finished."""
        gone = {id(group) for group in groups}
        kept: list[int] = []
        at = 0
        for group in self._groups:
            if id(group) not in gone:
                kept += range(at, at + len(group.last))
            at += len(group.last)
        self._groups = [group for group in self._groups if id(group) not in gone]
        self._select(kept)

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits after the last token of each row: [rows, vocabulary], in float32."""
        lengths = torch.tensor(self._lengths, device=self.device)[:, None]
        width = self._width() + ids.shape[1]
        mask = torch.arange(width, device=self.device)[None, :] >= width - lengths
        more: dict[str, Any] = dict(self._last)
        if self._positions:
            places = torch.arange(-ids.shape[1], 0, device=self.device)[None, :] + lengths
            more["position_ids"] = places.clamp(min=0)
        out = self.model(input_ids=ids, attention_mask=mask.long(), past_key_values=self._cache, use_cache=True, **more)
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits

    def _advance(self, logits: torch.Tensor, spans: Sequence[Sequence[int]]) -> list[Group]:
        """Let each group go on from its rows of `logits`; the cache follows. The groups that are finished."""
        logprobs = torch.log_softmax(logits, dim=-1)
        broken = torch.isnan(logprobs).any(dim=-1).tolist()
        parents: dict[int, list[int]] = {}
        sampled: list[tuple[Samples, Sequence[int]]] = []
        for group, span in zip(self._groups, spans, strict=True):
            if any(broken[row] for row in span):
                group.error = FloatingPointError("the model's probabilities are no numbers")
                parents[id(group)] = []
            elif isinstance(group, Samples):
                sampled.append((group, span))
            else:
                parents[id(group)] = [span[parent] for parent in group.advance(logprobs[list(span)])]
        parents |= _sample(logprobs, sampled)
        self._select([row for group in self._groups for row in parents[id(group)]])
        finished = [group for group in self._groups if not parents[id(group)]]
        self._groups = [group for group in self._groups if parents[id(group)]]
        return finished

    def _width(self) -> int:
        """Tokens in the cache, padding included."""
        return int(self._cache.get_seq_length())

    def _select(self, rows: list[int]) -> None:
        """Keep these rows of the cache, in this order; a row may come more than once."""
        if not rows:
            self._lengths, self._cache = [], None
            return
        same = rows == list(range(len(self._lengths)))
        self._lengths = [self._lengths[row] for row in rows]
        spare = self._width() - max(self._lengths)
        if same and not spare:
            return
        index = torch.tensor(rows, device=self.device)
        for layer in self._cache.layers:
            if layer.get_seq_length():
                layer.keys = layer.keys[:, :, spare:] if same else layer.keys[index, :, spare:]
                layer.values = layer.values[:, :, spare:] if same else layer.values[index, :, spare:]

    def _merge(self, groups: list[Group], lengths: list[int], cache: Any) -> None:
        """Put rows of another cache before the present ones, all aligned on the right."""
        if cache is None or self._cache is None:
            self._cache = self._cache or cache
        else:
            width = max(cache.get_seq_length(), self._width())
            for old, new in zip(cache.layers, self._cache.layers, strict=True):
                if new.get_seq_length():
                    new.keys = torch.cat([_padded(old.keys, width), _padded(new.keys, width)])
                    new.values = torch.cat([_padded(old.values, width), _padded(new.values, width)])
        self._groups = groups + self._groups
        self._lengths = lengths + self._lengths


def _padded(states: torch.Tensor, width: int) -> torch.Tensor:
    """Keys or values [rows, heads, tokens, channels], as wide as that: zeros on the left, which no row looks at."""
    return torch.nn.functional.pad(states, (0, 0, width - states.shape[2], 0))


def _sample(logprobs: torch.Tensor, sampled: Sequence[tuple[Samples, Sequence[int]]]) -> dict[int, list[int]]:
    """Draw the next token of every independent row in one go; for each group the rows it goes on from."""
    if not sampled:
        return {}
    places: list[int] = []
    chances: list[float] = []
    temperatures: list[float] = []
    masses: list[float] = []
    for group, span in sampled:
        drawn = group.chances()
        rows = list(span) if len(span) == len(drawn) else list(span) * len(drawn)
        places += rows
        chances += drawn
        temperatures += [group.job.temperature] * len(drawn)
        masses += [group.job.top_p] * len(drawn)
    logprobs = logprobs[places]
    tokens = draw(logprobs, temperatures, masses, chances)
    written = logprobs.gather(1, tokens[:, None])[:, 0].tolist()
    most = min(max(group.job.alternatives for group, _ in sampled), logprobs.shape[1])
    best = logprobs.topk(most, dim=-1).values.tolist() if most else [[]] * len(places)
    ids = tokens.tolist()
    parents: dict[int, list[int]] = {}
    at = 0
    for group, _ in sampled:
        count = group.wanted
        part = slice(at, at + count)
        rows = places[part]
        parents[id(group)] = [rows[i] for i in group.take(ids[part], written[part], best[part])]
        at += count
    return parents
