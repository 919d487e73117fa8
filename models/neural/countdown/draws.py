"""The draws of some states of one length: independent ones, or stochastic beams with known steps left out.

The tensors of `reflectree.models.neural.countdown.sampling`; see there for what they are for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reflectree.models.neural.countdown.forward import Network, Prefixes, Suffixes
from reflectree.models.neural.countdown.net import END_ID, MOST_STEP, PAD_ID, VOCABULARY, ids


@dataclass(frozen=True, slots=True)
class Drawn:
    """A step as it was drawn.

    Attributes:
        text: Its characters, without the line's end.
        log_prob: The policy's log-probability of it, line's end included, at the temperature of the draw.
        tokens: Characters written, line's end included.
        finished: Whether it came to its end within `MOST_STEP` characters.
        characters: The log-probability of each character written.
    """

    text: str
    log_prob: float
    tokens: int
    finished: bool
    characters: tuple[float, ...] = ()


Chance = torch.Generator | Sequence[torch.Generator]
"""Where chance comes from: one source for all states, or one a state."""


@dataclass(slots=True)
class Bill:
    """What the policy computed.

    Attributes:
        written: Characters of the steps that were returned.
        computed: Positions of steps that went through the network.
        read: Positions of states that went through it.
    """

    written: int = 0
    computed: int = 0
    read: int = 0


class Draws:
    """The draws of states of one length, `count` each."""

    def __init__(
        self,
        network: Network,
        prefixes: Prefixes,
        count: int,
        distinct: bool,
        temperature: float,
        generator: Chance,
    ) -> None:
        self.network, self.prefixes, self.count = network, prefixes, count
        self.distinct, self.temperature, self.generator = distinct, temperature, generator
        states = len(prefixes.last)
        beams = 1 if distinct else count
        self.text = torch.zeros(states, beams, 0, dtype=torch.long)
        self.log_prob = torch.zeros(states, beams, dtype=torch.float64)
        self.chance = self.log_prob  # the same where nothing is left out
        self.key = torch.zeros(states, beams, dtype=torch.float64)
        self.each = torch.zeros(states, beams, 0)
        self.done = torch.zeros(states, beams, dtype=torch.bool)
        self.known: Tensor | None = None

    def leave_out(self, known: Sequence[Mapping[str, float]]) -> None:
        """Take the chances of known steps away."""
        most = max(map(len, known))
        if not most:
            return
        states = len(known)
        self.known = torch.full((states, most, MOST_STEP), PAD_ID)
        self.mass = torch.zeros(states, most, dtype=torch.float64)
        for row, steps in enumerate(known):
            for place, (text, log_prob) in enumerate(steps.items()):
                written = [*ids(text), END_ID][:MOST_STEP]
                self.known[row, place, : len(written)] = torch.tensor(written)
                self.mass[row, place] = math.exp(log_prob)
        self.alike = torch.ones(states, 1, most, dtype=torch.bool)

    def run(self, bill: Bill) -> list[list[Drawn]]:
        """Write until all have ended."""
        hidden = self.prefixes.last[:, None].expand(-1, self.done.shape[1], -1)
        suffixes: Suffixes | None = None
        for _ in range(MOST_STEP):
            beams = self._extend(self._next(hidden))
            if bool((self.done | self.log_prob.isinf()).all()):
                break
            if suffixes is not None and self.distinct:
                suffixes = suffixes.reordered(beams)
            bill.computed += int((~self.done & ~self.log_prob.isinf()).sum())
            suffixes, hidden = self.network.step(self.prefixes, suffixes, self.text[:, :, -1])
        return self._read()

    def _next(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of the next character, `(N, k, V)`; a step that has ended is only padded."""
        found = self.network.log_probs(hidden)
        if self.temperature not in (0.0, 1.0):
            found = (found / self.temperature).log_softmax(-1)
        padded = torch.full((found.shape[-1],), -torch.inf)
        padded[PAD_ID] = 0.0
        found = torch.where(self.done[..., None], padded, found)
        found[..., PAD_ID] = torch.where(self.done, 0.0, -torch.inf)
        return found

    def _extend(self, following: Tensor) -> Tensor:
        """Take the next characters; which begun step each survivor continues, `(N, k)`."""
        if self.distinct:
            beams, tokens = self._survivors(self.log_prob[..., None] + following)
            self.text = self.text.gather(1, beams[..., None].expand(-1, -1, self.text.shape[2]))
            self.done = self.done.gather(1, beams)
            self.each = self.each.gather(1, beams[..., None].expand(-1, -1, self.each.shape[2]))
            following = following.gather(1, beams[..., None].expand(-1, -1, following.shape[2]))
        else:
            beams = torch.arange(following.shape[1]).expand(following.shape[:2])
            if self.temperature == 0.0:
                tokens = following.argmax(-1)
            else:
                tokens = (following + self._gumbel(following)).argmax(-1)
            self.log_prob = self.log_prob + following.gather(2, tokens[..., None])[..., 0]
        self.each = torch.cat([self.each, following.gather(2, tokens[..., None])], dim=2)
        self.text = torch.cat([self.text, tokens[..., None]], dim=2)
        self.done = self.done | (tokens == END_ID)
        return beams

    def _survivors(self, log_probs: Tensor) -> tuple[Tensor, Tensor]:
        """The k largest keys among all continuations (algorithm 1 of the paper): begun steps and characters."""
        chances = self._left(log_probs)
        keys = chances + self._gumbel(chances)
        highest = keys.max(-1, keepdim=True).values
        held = self.key[..., None]
        # the children's keys given that the largest of them is their parent's: equation 10, the stable form
        gap = held - keys + torch.log1p(-torch.exp(keys - highest))
        keys = held - gap.clamp(min=0) - torch.log1p(torch.exp(-gap.abs()))
        gone = chances.isinf() | held.isinf()
        keys = torch.where(self.done[..., None], held, keys).masked_fill(gone, -torch.inf)
        size = chances.shape[-1]
        self.key, chosen = keys.flatten(1).topk(min(self.count, keys.shape[1] * size))
        dead = self.key.isinf()
        self.chance = chances.flatten(1).gather(1, chosen).masked_fill(dead, -torch.inf)
        self.log_prob = log_probs.flatten(1).gather(1, chosen).masked_fill(dead, -torch.inf)
        beams, tokens = chosen // size, chosen % size
        if self.known is not None:
            alike = self.alike.gather(1, beams[..., None].expand(-1, -1, self.alike.shape[2]))
            self.alike = alike & (self.known[:, None, :, self.text.shape[2]] == tokens[..., None])
        return beams, tokens

    def _gumbel(self, like: Tensor) -> Tensor:
        """Gumbel noise."""
        if isinstance(self.generator, torch.Generator):
            uniform = torch.rand(like.shape, generator=self.generator, dtype=torch.float64)
        else:
            rows = [torch.rand(like.shape[1:], generator=one, dtype=torch.float64) for one in self.generator]
            uniform = torch.stack(rows)
        return -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))

    def _left(self, log_probs: Tensor) -> Tensor:
        """Log of what is left of the chance of each continuation, `(N, k, V)`, once the known steps' is taken away."""
        if self.known is None:
            return log_probs
        token = self.known[:, None, :, self.text.shape[2]].expand(-1, log_probs.shape[1], -1)
        taken = torch.zeros_like(log_probs)
        taken.scatter_add_(2, token, self.mass[:, None] * self.alike)
        taken[..., PAD_ID] = 0.0
        chances = log_probs.exp()
        left = chances - taken
        # what rounding leaves of a chance that is used up is none
        left = torch.where((taken > 0) & (left < 1e-4 * chances), 0.0, left)
        return left.clamp(min=0).log()

    def _read(self) -> list[list[Drawn]]:
        rows = zip(self.text.tolist(), self.log_prob.tolist(), self.done.tolist(), self.each.tolist(), strict=True)
        return [
            [_drawn(*one) for one in zip(*row, strict=True) if one[1] > -math.inf]  # fewer, where there are no more
            for row in rows
        ]


def _drawn(text: list[int], log_prob: float, finished: bool, each: list[float]) -> Drawn:
    written = [token for token in text if token != PAD_ID]
    body = written[:-1] if finished else written
    spelled = "".join(VOCABULARY[token] for token in body)
    return Drawn(spelled, log_prob, len(written), finished, tuple(each[: len(written)]))
