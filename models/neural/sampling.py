"""Independent samples: each row draws from a random generator of its own, so batching never changes what it writes.

It knows no model and no cache: it is told log-probabilities and says which rows go on, and with which token.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from reflectree.models.local.jobs import SEEDS, Job, Transcript, Written


class _Row:
    """A sample while it is written."""

    __slots__ = ("alternatives", "generator", "index", "logprobs", "transcript")

    def __init__(self, job: Job, index: int) -> None:
        self.index = index
        self.transcript = Transcript(job)
        self.logprobs: list[float] = []
        self.alternatives: list[tuple[float, ...]] = []
        self.generator = torch.Generator().manual_seed((job.seed + index) & SEEDS)


class Samples:
    """Samples of one job, drawn independently. The first tokens of all of them come from one row, the prompt's.

    Args:
        job: What is written.
        indices: Which of its samples these are.
    """

    def __init__(self, job: Job, indices: Sequence[int]) -> None:
        self.job = job
        self.results: dict[int, Written] = {}
        self.error: Exception | None = None
        self._rows = [_Row(job, index) for index in indices]

    @property
    def wanted(self) -> int:
        """Rows it will have at most."""
        return len(self._rows)

    @property
    def last(self) -> list[int]:
        """The last token of each row."""
        return [row.transcript.tokens[-1] for row in self._rows]

    def chances(self) -> list[float]:
        """A uniform number in [0, 1) a row: what decides its next token."""
        return [torch.rand((), generator=row.generator, dtype=torch.float64).item() for row in self._rows]

    def take(
        self, tokens: Sequence[int], logprobs: Sequence[float], alternatives: Sequence[Sequence[float]]
    ) -> list[int]:
        """Write one token a row; which rows go on."""
        for row, token, logprob, best in zip(self._rows, tokens, logprobs, alternatives, strict=True):
            row.transcript.push(token)
            row.logprobs.append(logprob)
            row.alternatives.append(tuple(best[: self.job.alternatives]))
            if row.transcript.finish:
                self.results[row.index] = written(row.transcript, row.logprobs, row.alternatives)
        alive = [i for i, row in enumerate(self._rows) if row.transcript.finish is None]
        self._rows = [self._rows[i] for i in alive]
        return alive


def written(
    transcript: Transcript, logprobs: Sequence[float], alternatives: Sequence[tuple[float, ...]] = ()
) -> Written:
    """A finished sample."""
    return Written(
        transcript.text,
        tuple(transcript.tokens),
        tuple(logprobs),
        tuple(alternatives),
        transcript.finish or "length",
    )


def draw(
    logprobs: torch.Tensor, temperatures: Sequence[float], masses: Sequence[float], chances: Sequence[float]
) -> torch.Tensor:
    """One token a row, by inversion of its distribution function.

    Args:
        logprobs: [rows, vocabulary].
        temperatures: One a row; 0 takes the most likely token.
        masses: Nucleus mass (top-p) a row.
        chances: A uniform number in [0, 1) a row.
    """
    tokens = logprobs.argmax(dim=-1)
    # rows of a kind together, so that how one row is computed does not depend on what the others ask for
    plain = [i for i, t in enumerate(temperatures) if t > 0 and masses[i] >= 1]
    nucleus = [i for i, t in enumerate(temperatures) if t > 0 and masses[i] < 1]
    for rows in filter(None, (plain, nucleus)):
        device = logprobs.device
        wanted = torch.tensor([chances[i] for i in rows], dtype=torch.float64, device=device)[:, None]
        heat = torch.tensor([temperatures[i] for i in rows], dtype=torch.float64, device=device)[:, None]
        chance = torch.softmax(logprobs[rows].double() / heat, dim=-1)
        order = None
        if rows is nucleus:
            mass = torch.tensor([masses[i] for i in rows], dtype=torch.float64, device=device)[:, None]
            chance, order = truncated(chance, mass)
        below = chance.cumsum(dim=-1)
        found = torch.searchsorted(below, wanted * below[:, -1:], right=True).clamp(max=logprobs.shape[1] - 1)
        tokens[rows] = (found if order is None else order.gather(1, found))[:, 0]
    return tokens


def truncated(chance: torch.Tensor, mass: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nucleus (Holtzman et al. 2020, arXiv 1904.09751): the fewest tokens whose probabilities reach `mass`.

    Args:
        chance: Probabilities, [rows, vocabulary].
        mass: [rows, 1].

    Returns:
        The probabilities in falling order, 0 outside the nucleus (they are not made to sum to 1), and their tokens.
    """
    falling, order = chance.sort(dim=-1, descending=True, stable=True)
    before = falling.cumsum(dim=-1) - falling
    return falling.masked_fill(before >= mass, 0.0), order
