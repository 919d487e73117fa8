"""Draws steps of many states at once: independently, or without replacement.

Without replacement means stochastic beam search (Kool et al. 2019, arXiv 1903.06059): each begun step holds a Gumbel
key, the k largest keys survive each character, and what is left are k different steps with the chances that drawing
one after the other without putting back would give. It computes at most as many positions as k independent draws of
the same length. Steps that are known already can be left out: their chances are taken away from every text that they
begin with (Shi et al. 2020, arXiv 2002.09067), so that a node can be given one more new step at any time.
Knows the vocabulary, not the game: what a step means is for the caller to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from reflectree.models.neural.countdown.draws import Bill, Chance, Drawn, Draws
from reflectree.models.neural.countdown.forward import Network, Prefixes, Suffixes, by_length
from reflectree.models.neural.countdown.net import END_ID, PAD_ID, ids

ROWS = 4096
"""Steps begun at once, at most: a bound on memory."""


def draw(
    network: Network,
    states: Sequence[str],
    counts: Sequence[int],
    *,
    distinct: bool,
    generator: Chance,
    temperature: float = 1.0,
    bill: Bill | None = None,
    known: Sequence[Mapping[str, float]] | None = None,
) -> list[list[Drawn]]:
    """Steps of states: `counts[i]` of `states[i]`, fewer where `distinct` finds no more; a temperature of 0 is greedy.

    Args:
        network: The policy.
        states: The states' texts.
        counts: How many steps each.
        distinct: Draw without replacement; the steps of a state come in the order they were drawn in.
        generator: The chance; with one a state, a state's steps do not depend on the others in the batch.
        temperature: Divides the log-probabilities.
        bill: Where to add what was computed.
        known: For each state the steps that must not be drawn again, with their log-probabilities at this temperature;
            only where `distinct`.
    """
    bill = bill or Bill()
    encoded = [ids(text) for text in states]
    groups: dict[int, list[int]] = {}
    for place, count in enumerate(counts):
        if count > 0:
            groups.setdefault(count, []).append(place)
    found: list[list[Drawn]] = [[] for _ in states]
    with torch.inference_mode():
        for count, places in groups.items():
            for group in by_length([encoded[place] for place in places], max(1, ROWS // count)):
                chosen = [places[place] for place in group]
                prefixes = network.read(torch.tensor([encoded[place] for place in chosen]))
                bill.read += len(chosen) * prefixes.length
                chance = generator if isinstance(generator, torch.Generator) else [generator[place] for place in chosen]
                draws = Draws(network, prefixes, count, distinct and temperature > 0, temperature, chance)
                if known is not None and draws.distinct:
                    draws.leave_out([known[place] for place in chosen])
                for place, steps in zip(chosen, draws.run(bill), strict=True):
                    found[place] = steps
                    bill.written += sum(step.tokens for step in steps)
    return found


def log_probs(
    network: Network, states: Sequence[str], steps: Sequence[Sequence[str]], *, temperature: float = 1.0
) -> list[list[float]]:
    """The log-probability of each of some steps of each state, line's end included."""
    encoded = [ids(text) for text in states]
    found: list[list[float]] = [[] for _ in states]
    with torch.inference_mode():
        for group in by_length(encoded, 256):
            most = max((len(steps[place]) for place in group), default=0)
            if not most:
                continue
            prefixes = network.read(torch.tensor([encoded[place] for place in group]))
            texts = [[[*ids(step), END_ID] for step in steps[place]] for place in group]
            longest = max(len(text) for row in texts for text in row)
            padded = [
                [text + [PAD_ID] * (longest - len(text)) for text in row] + [[PAD_ID] * longest] * (most - len(row))
                for row in texts
            ]
            total = _teach(network, prefixes, torch.tensor(padded), temperature or 1.0)
            for row, place in enumerate(group):
                found[place] = total[row, : len(steps[place])].tolist()
    return found


def _teach(network: Network, prefixes: Prefixes, tokens: Tensor, temperature: float) -> Tensor:
    """Log-probabilities of given steps, `(N, k, s)`; padding counts nothing."""
    hidden = prefixes.last[:, None].expand(-1, tokens.shape[1], -1)
    suffixes: Suffixes | None = None
    total = torch.zeros(tokens.shape[:2])
    for place in range(tokens.shape[2]):
        token = tokens[:, :, place]
        following = (network.log_probs(hidden) / temperature).log_softmax(-1)
        gained = following.gather(2, token[..., None])[..., 0]
        total = total + torch.where(token == PAD_ID, 0.0, gained)
        if place + 1 < tokens.shape[2]:
            suffixes, hidden = network.step(prefixes, suffixes, token)
    return total


def scores(network: Network, head: torch.nn.Module, states: Sequence[str]) -> list[float]:
    """A value head's logit at the last position of each state."""
    encoded = [ids(text) for text in states]
    found = [0.0] * len(states)
    with torch.inference_mode():
        for group in by_length(encoded, 1024):
            read: Tensor = head(network.read(torch.tensor([encoded[place] for place in group])).last)
            for place, value in zip(group, read.flatten().tolist(), strict=True):
                found[place] = value
    return found
