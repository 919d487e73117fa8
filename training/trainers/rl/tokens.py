"""Episodes as tensors: which tokens are learnt, which step each belongs to, and what advantage it carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.trainers.rl.episodes import Episode


@dataclass(frozen=True, slots=True)
class Batch:
    """Episodes, padded on the right.

    Attributes:
        ids: Token ids, `[B, T]`.
        real: 1 where a token is no padding, `[B, T]`.
        learnt: 1 where a token is learnt, `[B, T]`.
        advantages: The advantage of each learnt token, `[B, T]`.
        returns: The critic's target before each learnt token, `[B, T]`; zeros where there are none.
    """

    ids: torch.Tensor
    real: torch.Tensor
    learnt: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor

    @property
    def tokens(self) -> int:
        """Learnt tokens."""
        return int(self.learnt.sum())


def tokenised(tokenizer: Any, template: StepTemplate, episode: Episode) -> tuple[list[int], list[int], list[int]]:
    """An episode's ids, whether each is learnt, and the number of the learnt step it belongs to (0 where given).

    The end of the text belongs to the last step; an episode that was cut has none.
    """
    ids = template.prompt(tokenizer, episode.question, episode.steps[: episode.given])
    learnt, step = [0] * len(ids), [0] * len(ids)
    written = episode.steps[episode.given :]
    for number, text in enumerate(written):
        more = template.step(tokenizer, text)
        ids += more
        learnt += [1] * len(more)
        step += [number] * len(more)
    if episode.ended and written:
        ids.append(int(tokenizer.eos_token_id))
        learnt.append(1)
        step.append(len(written) - 1)
    return ids, learnt, step


def batched(
    tokenizer: Any, template: StepTemplate, episodes: Sequence[Episode], device: torch.device | str = "cpu"
) -> Batch:
    """The episodes as one batch.

    Raises:
        BadInput: An episode has not one advantage a learnt step or token.
    """
    rows = [tokenised(tokenizer, template, episode) for episode in episodes]
    shape = (len(rows), max((len(ids) for ids, _, _ in rows), default=0))
    ids = torch.full(shape, int(tokenizer.pad_token_id or 0), dtype=torch.long)
    real, learnt = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    advantages, returns = torch.zeros(shape), torch.zeros(shape)
    for k, ((row, mask, step), episode) in enumerate(zip(rows, episodes, strict=True)):
        length, first = len(row), len(row) - sum(mask)
        ids[k, :length] = torch.tensor(row)
        real[k, :length] = 1
        learnt[k, :length] = torch.tensor(mask, dtype=torch.float)
        if episode.token_advantages is not None:
            given = list(episode.token_advantages)
        else:
            _check(len(episode.advantages), len(episode.steps) - episode.given, "step")
            given = [episode.advantages[number] for number in step[first:]]
        _check(len(given), length - first, "token")
        advantages[k, first:length] = torch.tensor(given)
        if episode.returns is not None:
            _check(len(episode.returns), length - first, "token")
            returns[k, first:length] = torch.tensor(episode.returns)
    return Batch(*(tensor.to(device) for tensor in (ids, real, learnt, advantages, returns)))


def _check(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise BadInput(f"an episode has {found} advantages for {wanted} learnt {what}s: give one a {what}")
