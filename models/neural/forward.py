"""Forward passes of a trunk over rows of tokens: padded, in buckets of like length, behind known keys and values.

It knows no prefix tree and no score; whether a trunk is causal, and whether it can continue from known keys and values,
is measured on a few tokens and not read off its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

KeyValues = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of a run of tokens: each (layers, heads, tokens, width)."""

SHARED_ROWS = 4
"""So many rows behind the same past are a batch of their own: the past is then not copied for each."""


@dataclass(frozen=True, slots=True)
class Row:
    """New tokens behind known ones.

    Attributes:
        ids: The new tokens.
        past: Keys and values of all tokens before, in order, in pieces.
    """

    ids: tuple[int, ...]
    past: tuple[KeyValues, ...] = ()

    @property
    def start(self) -> int:
        """How many tokens are before."""
        return sum(keys.shape[-2] for keys, _ in self.past)


@dataclass(frozen=True, slots=True)
class Computed:
    """What a forward pass gave a row: hidden states (tokens, width), and its own keys and values where asked for."""

    hidden: torch.Tensor
    own: KeyValues | None = None


class _Past(DynamicLayer):  # type: ignore[misc]  # transformers is not typed
    """A layer's known keys and values, read by all rows and never grown: what is new is kept apart."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values, self.is_initialized = keys, values, True
        self.known = (keys, values)
        self.dtype, self.device = keys.dtype, keys.device
        self.new: KeyValues | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.new = (key_states, value_states)
        rows = key_states.shape[0]
        keys, values = (known.expand(rows, -1, -1, -1) for known in self.known)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


class Trunk:
    """A language model without its head.

    Args:
        model: Gives `last_hidden_state`.

    Attributes:
        causal: A token's state does not depend on later tokens.
        shares: It can continue from known keys and values.
        width: Width of a hidden state.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.width = int(model.config.get_text_config().hidden_size)
        with torch.inference_mode():
            self.causal = self._is_causal()
            self.shares = self.causal and self._can_share()

    def whole(self, rows: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
        """Hidden states of rows, each (tokens, width)."""
        return [made.hidden for made in self._bucketed([Row(ids) for ids in rows], self._whole)]

    def after(self, rows: Sequence[Row]) -> list[Computed]:
        """Hidden states of new tokens behind known ones, with their own keys and values."""
        return self._bucketed(rows, self._after)

    def _bucketed(self, rows: Sequence[Row], run: Callable[[list[Row]], list[Computed]]) -> list[Computed]:
        found: list[Computed | None] = [None] * len(rows)
        for places in buckets(rows):
            for place, made in zip(places, run([rows[place] for place in places]), strict=True):
                found[place] = made
        return [made for made in found if made is not None]

    def _whole(self, rows: list[Row]) -> list[Computed]:
        ids, given = self._padded(rows)
        if not self.causal:  # a causal model's tokens never see the padding to their right
            given["attention_mask"] = mask(rows, 0, self.device)
        hidden = self.model(input_ids=ids, **given).last_hidden_state
        return [Computed(hidden[place, : len(row.ids)]) for place, row in enumerate(rows)]

    def _after(self, rows: list[Row]) -> list[Computed]:
        ids, given = self._padded(rows)
        starts = {row.start for row in rows}
        before = max(starts)
        cache: Any = DynamicCache()
        if before:
            keys, values = past_of(rows, before)
            cache = Cache(layers=[_Past(*layer) for layer in zip(keys, values, strict=True)])
        if len(starts) > 1:
            given["attention_mask"] = mask(rows, before, self.device)
            first = torch.tensor([[row.start] for row in rows], device=self.device)
            given["position_ids"] = first + torch.arange(ids.shape[1], device=self.device)
        hidden = self.model(input_ids=ids, past_key_values=cache, use_cache=True, **given).last_hidden_state
        news = [layer.new if before else (layer.keys, layer.values) for layer in cache.layers]
        keys, values = (torch.stack([new[side] for new in news]) for side in (0, 1))
        return [
            Computed(hidden[place, :count], (keys[:, place, :, :count], values[:, place, :, :count]))
            for place, count in enumerate(len(row.ids) for row in rows)
        ]

    def _padded(self, rows: list[Row]) -> tuple[torch.Tensor, dict[str, Any]]:
        longest = max(len(row.ids) for row in rows)
        return torch.tensor([row.ids + (0,) * (longest - len(row.ids)) for row in rows], device=self.device), {}

    def _is_causal(self) -> bool:
        """Whether a first token's state is the same before different second ones."""
        one, other = (
            self.model(input_ids=torch.tensor([ids], device=self.device)).last_hidden_state[0, 0]
            for ids in ((1, 2, 3), (1, 5, 4))
        )
        return near(one, other, 1e-3)

    def _can_share(self) -> bool:
        """Whether rows behind known tokens, of different lengths, come out as they do at once."""
        texts: list[tuple[int, ...]] = [(1, 2, 3, 4, 5), (1, 5, 4)]
        try:
            once = self.whole(texts)
            firsts = self.after([Row(text[:2]) for text in texts])
            pasts = [made.own for made in firsts]
            rows = [Row(text[2:], (past,)) for text, past in zip(texts, pasts, strict=True) if past is not None]
            # Behind two tokens and behind three, in one batch.
            third = self.after(rows[:1])[0]
            longer = Row(texts[0][3:], (*rows[0].past, _first(third.own)))
            mixed = self._after([longer, rows[1]])
        except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError, ValueError):
            return False
        wanted = (once[0][3:], once[1][2:])
        return all(near(made.hidden, want, 0.05) for made, want in zip(mixed, wanted, strict=True))


def _first(own: KeyValues | None) -> KeyValues:
    """The first token's keys and values."""
    assert own is not None
    return own[0][:, :, :1], own[1][:, :, :1]


def near(one: torch.Tensor, other: torch.Tensor, part: float) -> bool:
    """Whether two tensors are alike but for a part of their size; what is no number is like itself."""
    if not bool(torch.isfinite(one).all() and torch.isfinite(other).all()):
        return True
    return bool((one - other).abs().max() <= part * one.abs().max())


def buckets(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Places of rows that are computed together: of a like length, so that less than half is padding.

    Rows behind the same past are kept together where they are many.
    """
    siblings: dict[tuple[int, ...], list[int]] = {}
    for place, row in enumerate(rows):
        siblings.setdefault(tuple(id(keys) for keys, _ in row.past), []).append(place)
    many = [places for places in siblings.values() if len(places) >= SHARED_ROWS]
    few = [place for places in siblings.values() if len(places) < SHARED_ROWS for place in places]
    for places in [*many, few]:
        yield from _alike(places, rows)


def _alike(places: Iterable[int], rows: Sequence[Row]) -> Iterator[list[int]]:
    bucket: list[int] = []
    for place in sorted(places, key=lambda place: -len(rows[place].ids)):
        if bucket:
            longest, tokens = len(rows[bucket[0]].ids), len(rows[place].ids)
            # a pass of its own pays for padding once it is large enough to be worth the call
            full = len(bucket) * longest >= 1024
            if 2 * tokens < longest or (full and 5 * tokens < 4 * longest):
                yield bucket
                bucket = []
        bucket.append(place)
    if bucket:
        yield bucket


def mask(rows: Sequence[Row], before: int, device: torch.device) -> torch.Tensor:
    """1 where a token is, (rows, tokens): the known ones are padded on the left, the new ones on the right."""
    longest = max(len(row.ids) for row in rows)
    places = torch.arange(before + longest, device=device)[None]
    first = torch.tensor([[before - row.start] for row in rows], device=device)
    last = torch.tensor([[before + len(row.ids)] for row in rows], device=device)
    return ((places >= first) & (places < last)).long()


def past_of(rows: Sequence[Row], before: int) -> KeyValues:
    """What is known before the rows, (layers, rows or 1, heads, tokens, width): one for all where it is the same."""
    known = {tuple(id(keys) for keys, _ in row.past) for row in rows}
    if len(known) == 1:
        keys, values = (torch.cat([piece[side] for piece in rows[0].past], dim=-2)[:, None] for side in (0, 1))
        return keys, values
    some = next(row.past[0] for row in rows if row.past)
    whole = []
    for side in (0, 1):
        layers, heads, _, width = some[side].shape
        blank = some[side].new_zeros((layers, len(rows), heads, before, width))
        for place, row in enumerate(rows):
            end = before - row.start
            for piece in row.past:
                start, end = end, end + piece[side].shape[-2]
                blank[:, place, :, start:end] = piece[side]
        whole.append(blank)
    return whole[0], whole[1]
