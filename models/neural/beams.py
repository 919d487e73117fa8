"""Samples without replacement: stochastic beam search (Kool et al. 2019, arXiv 1903.06059).

Each sequence y has the log-probability phi(y) and a perturbed one, G(y) = phi(y) + Gumbel noise; the k sequences of the
largest G are k draws without replacement, in the order of drawing. G of a prefix is the largest G of its
continuations, so that a beam search that keeps the k best G finds them (section 4.1, algorithm 1). The noise of a
prefix is seeded by the prefix itself: fewer samples are the first ones of more.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch

from reflectree.models.local.jobs import SEEDS, Job, Transcript, Written
from reflectree.models.neural.sampling import truncated, written


@dataclass(slots=True)
class _Beam:
    """A prefix, or a whole sequence.

    Attributes:
        perturbed: G.
        likely: phi, under the distribution that is sampled from (temperature, nucleus).
        transcript: What is written.
        logprobs: Of its tokens, under the model itself.
        alternatives: The best log-probabilities at each place.
    """

    perturbed: float
    likely: float
    transcript: Transcript
    logprobs: tuple[float, ...] = ()
    alternatives: tuple[tuple[float, ...], ...] = ()


class Beams:
    """The `n` samples of a job, different in text. At temperature 0 there is no noise: the `n` likeliest are sought.

    There may be fewer than `n`, where the model can write no more. Tokens that end a sample are one token here, since
    they end it in the same text.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.results: dict[int, Written] = {}
        self.error: Exception | None = None
        self._open = [_Beam(0.0, 0.0, Transcript(job))]
        self._ended: list[_Beam] = []

    @property
    def wanted(self) -> int:
        """Rows it will have at most."""
        return self.job.n

    @property
    def last(self) -> list[int]:
        """The last token of each open beam."""
        return [beam.transcript.tokens[-1] for beam in self._open]

    def advance(self, logprobs: torch.Tensor) -> list[int]:
        """Grow each open beam by one token and keep the best; the parents of those that are open.

        Args:
            logprobs: The model's, [open beams, vocabulary].
        """
        plain = self._one_end(logprobs.double())
        likely, perturbed = self._children(plain)
        beams: list[tuple[float, int, int]] = [(beam.perturbed, -1, i) for i, beam in enumerate(self._ended)]
        # twice as many as are kept, for texts that come twice
        values, places = perturbed.flatten().topk(min(perturbed.numel(), 2 * self.job.n + 16))
        size = perturbed.shape[1]
        found = zip(values.tolist(), places.tolist(), strict=True)
        beams += [(value, place // size, place % size) for value, place in found if value > -math.inf]
        beams.sort(key=lambda beam: -beam[0])
        opened: list[_Beam] = []
        ended: list[_Beam] = []
        parents: list[int] = []
        texts: set[str] = set()
        for value, parent, token in beams:
            if len(opened) + len(ended) == self.job.n:
                break
            if parent < 0:
                beam = self._ended[token]
            else:
                beam = self._grown(parent, token, value, float(likely[parent, token]), plain[parent])
            if beam.transcript.finish is None:
                opened.append(beam)
                parents.append(parent)
            elif (text := beam.transcript.text.strip()) not in texts:
                texts.add(text)
                ended.append(beam)
        self._open, self._ended = opened, ended
        if not opened:
            self.results = {
                i: written(beam.transcript, beam.logprobs, beam.alternatives) for i, beam in enumerate(ended)
            }
        return parents

    def _one_end(self, logprobs: torch.Tensor) -> torch.Tensor:
        """The chance of ending, on one of the tokens that end."""
        ends = sorted(end for end in self.job.ends if end < logprobs.shape[1])
        if len(ends) < 2:
            return logprobs
        logprobs = logprobs.clone()
        together = logprobs[:, ends].logsumexp(dim=-1)
        logprobs[:, ends] = -math.inf
        logprobs[:, ends[0]] = together
        return logprobs

    def _children(self, plain: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Phi and G of all continuations by one token, [open beams, vocabulary]."""
        job = self.job
        step = plain
        if job.temperature > 0:
            step = torch.log_softmax(plain / job.temperature, dim=-1)
            if job.top_p < 1:
                step = _within_nucleus(step, job.top_p)
        parents = torch.tensor([beam.likely for beam in self._open], dtype=torch.float64, device=plain.device)
        likely = parents[:, None] + step
        if job.temperature == 0:
            return likely, likely
        noise = torch.stack([self._noise(beam, plain.shape[1]) for beam in self._open]).to(plain.device)
        tops = torch.tensor([beam.perturbed for beam in self._open], dtype=torch.float64, device=plain.device)
        return likely, conditioned(likely + noise, tops[:, None])

    def _noise(self, beam: _Beam, size: int) -> torch.Tensor:
        """Standard Gumbel noise for each continuation of a prefix."""
        label = f"{self.job.seed & SEEDS}:{','.join(map(str, beam.transcript.tokens))}"
        seed = int.from_bytes(hashlib.blake2b(label.encode(), digest_size=7).digest(), "big")
        uniform = torch.rand(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return -(-uniform.clamp(min=1e-300).log()).log()

    def _grown(self, parent: int, token: int, perturbed: float, likely: float, plain: torch.Tensor) -> _Beam:
        beam = self._open[parent]
        transcript = beam.transcript.copy()
        transcript.push(token)
        best = plain.topk(min(self.job.alternatives, plain.shape[0])).values.tolist() if self.job.alternatives else []
        logprobs = (*beam.logprobs, float(plain[token]))
        return _Beam(perturbed, likely, transcript, logprobs, (*beam.alternatives, tuple(best)))


def conditioned(perturbed: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    """Gumbel variables given that the largest of each row is `top` (Kool et al. 2019, appendix B.3, which is stable).

    Args:
        perturbed: Independent ones, [rows, vocabulary]; minus infinity where the chance is 0.
        top: [rows, 1].
    """
    largest = perturbed.max(dim=-1, keepdim=True).values
    gap = top - perturbed + torch.log1p(-torch.exp(perturbed - largest))
    value = top - gap.clamp(min=0) - torch.log1p(torch.exp(-gap.abs()))
    return value.masked_fill(perturbed == -math.inf, -math.inf)


def _within_nucleus(logprobs: torch.Tensor, mass: float) -> torch.Tensor:
    """Log-probabilities within the nucleus, minus infinity outside it."""
    masses = torch.full((logprobs.shape[0], 1), mass, dtype=torch.float64, device=logprobs.device)
    chance, order = truncated(logprobs.exp(), masses)
    kept = torch.zeros_like(chance).scatter(1, order, chance)
    return (kept / kept.sum(dim=-1, keepdim=True)).log()
