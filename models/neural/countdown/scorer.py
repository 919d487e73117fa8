"""The Countdown value model as a `Scorer`: the chance that the policy solves the puzzle from where a step leads.

A finished puzzle is never read: its score is that of the last state with two numbers, so that a search by this value
commits to an answer without a check. Values of states are remembered, so a sibling costs its own state only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import State
from reflectree.models.neural.countdown.net import CONTEXT, VOCABULARY, ids, spell
from reflectree.models.neural.countdown.sampling import scores
from reflectree.models.neural.countdown.texts import puzzle, read_steps
from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Scored, ScorerInfo
from reflectree.rlm_ops.errors import BadInput

FORMAT = "countdown"
"""The name of this format in a model's card."""
REMEMBERED = 100_000
"""States whose values are kept."""


class CountdownScorer:
    """A value model of Countdown.

    Args:
        network: Its trunk.
        head: Its head, which gives a logit.
        name: What it calls itself.
        parameters: How many parameters it has.
    """

    def __init__(self, network: Network, head: torch.nn.Module, name: str, parameters: int = 0) -> None:
        self._network, self._head = network, head
        self._known: dict[str, float] = {}
        self._info = ScorerInfo(
            name, "value-head", per_step=True, causal=True, context_tokens=64 * CONTEXT, parameters=parameters
        )

    @property
    def info(self) -> ScorerInfo:
        """What is told of it."""
        return self._info

    def encode(self, item: Item) -> Encoded:
        """The states an item goes through, one after the other; each is read at its own last character.

        Raises:
            ItemRefused: The question is no Countdown puzzle, or a step is none of its state.
        """
        if item.against is not None:
            raise ItemRefused("not_comparable", "the Countdown value model scores steps and compares none")
        try:
            start = puzzle(item.question)
            read = read_steps(start, item.steps)
        except BadInput as error:
            raise ItemRefused("not_countdown", str(error)) from error
        found: list[int] = []
        reads: list[int] = []
        for at in _valued(start, [then for _, then in read], item.steps):
            found += ids(spell(at))
            reads.append(len(found) - 1)
        return Encoded(tuple(found), tuple(reads), tuple(read + 1 for read in reads), item)

    def score(self, batch: Sequence[Encoded]) -> list[Scored]:
        """One score a step, each a probability."""
        texts = [_texts(encoded) for encoded in batch]
        new = list(dict.fromkeys(text for row in texts for text in row if text not in self._known))
        if len(self._known) + len(new) > REMEMBERED:
            self._known.clear()
            new = list(dict.fromkeys(text for row in texts for text in row))
        logits = scores(self._network, self._head, new)
        self._known |= dict(zip(new, torch.tensor(logits).sigmoid().tolist(), strict=True))
        fresh, found = set(new), []
        for encoded, row in zip(batch, texts, strict=True):
            steps = tuple(self._known[text] for text in row)
            computed = sum(len(text) for text in set(row) & fresh)
            fresh -= set(row)
            found.append(Scored(steps, steps[-1], encoded.tokens, encoded.tokens - min(computed, encoded.tokens)))
        return found

    def close(self) -> None:
        """Forget what is remembered."""
        self._known.clear()


def _valued(start: State, reached: Sequence[State], texts: Sequence[str]) -> list[State]:
    """The state that speaks for each step: where it leads, or the last one before the puzzle's end."""
    if not reached:
        return [start]
    found, before = [], start
    for then, text in zip(reached, texts, strict=True):
        if len(then.numbers) > 1:
            before = then
        else:
            *lines, _ = [line for line in text.splitlines() if line.strip() and not line.startswith("Answer:")]
            inner = read_steps(before, lines)
            before = inner[-1][1] if inner else before
        found.append(before)
    return found


def _texts(encoded: Encoded) -> list[str]:
    """The states' texts, cut apart again."""
    starts = [0, *(read + 1 for read in encoded.reads[:-1])]
    return [
        "".join(VOCABULARY[i] for i in encoded.ids[start : read + 1])
        for start, read in zip(starts, encoded.reads, strict=True)
    ]


def parameters_of(*modules: Any) -> int:
    """Parameters of some modules together."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
