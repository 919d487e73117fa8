"""The Countdown policy as a `PolicyModel`: it reads paths, not conversations, and writes steps in words.

Where a stop string asks for one step (a newline) it writes one, else the whole solution. `diverse` samples, and those
asked for beside known steps, are drawn without replacement. Concurrent calls share batches on one thread. The same
request with the same seed gives the same steps.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from reflectree.models.base import FREE, Capabilities, Choice, Price, Reply, Request
from reflectree.models.batching import Batcher
from reflectree.models.neural.countdown.draws import Drawn
from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import Move, State
from reflectree.models.neural.countdown.net import MOST_STEP, read_move, spell, spell_move
from reflectree.models.neural.countdown.sampling import draw, log_probs
from reflectree.models.neural.countdown.texts import ANSWER, expression, puzzle, read_steps, write_step
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.usage import Usage

MAX_N = 64
BATCH_ROWS = 512


@dataclass(frozen=True, slots=True)
class Job:
    """Steps wanted of a state."""

    at: State
    count: int
    temperature: float
    distinct: bool
    seed: int
    known: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Sample:
    """One sample as it is written."""

    at: State
    moves: list[Move]
    lines: list[str] = field(default_factory=list)
    log_probs: tuple[float, ...] = ()
    tokens: int = 0
    failed: bool = False

    def take(self, step: Drawn) -> None:
        """Write a drawn step, and what the environment makes of it; a text that is no move fails the sample."""
        self.tokens += step.tokens
        self.log_probs += step.characters
        found = read_move(step.text, self.at) if step.finished else None
        if found is None:
            self.failed = True
            return
        move, self.at = found
        self.moves.append(move)
        self.lines.append(write_step(move, self.at))


class CountdownPolicy:
    """The policy.

    Args:
        load: Loads the network; called once, on the model's thread.
        name: What it is called.
    """

    def __init__(self, load: Callable[[], Network], name: str = "countdown-policy") -> None:
        self.name = name
        self.price: Price | None = FREE
        self.capabilities = Capabilities(
            max_n=MAX_N, logprobs=True, diverse_beams=True, context_tokens=4096, hidden_reasoning=False
        )
        self._load = load
        self._network: Network | None = None
        self._batcher: Batcher[Job, list[Drawn]] = Batcher(
            self._run, cost=lambda job: float(job.count), budget=float(BATCH_ROWS), name=name
        )

    def prompt_bound(self, request: Request) -> int:
        """The most characters the states of a request have: one state a step that is written."""
        at = puzzle(request.path.task.prose) if request.path is not None else None
        return 0 if at is None else (len(spell(at)) + MOST_STEP) * len(at.numbers)

    async def complete(self, request: Request) -> Reply:
        """Write `request.n` samples.

        Raises:
            ModelRejected: The request has no path, or its question or steps are not of this game.
        """
        if request.path is None:
            raise ModelRejected(f"{self.name} reads steps and no conversations: use it for *generate*", 400)
        try:
            start = puzzle(request.path.task.prose)
            read = read_steps(start, [step.text for step in request.path.steps])
        except BadInput as error:
            raise ModelRejected(str(error), 400) from error
        moves = [move for row, _ in read for move in row]
        at = read[-1][1] if read else start
        if len(at.numbers) < 2:
            raise ModelRejected("the puzzle has come to its end: there is no next step", 400)
        samples = [_Sample(at, list(moves)) for _ in range(max(1, request.n))]
        prompt = await self._write(request, samples)
        choices = tuple(_choice(sample, start) for sample in samples)
        return Reply(choices, Usage(calls=1, prompt_tokens=prompt, completion_tokens=sum(s.tokens for s in samples)))

    async def aclose(self) -> None:
        """End the thread."""
        self._batcher.close(drain=False)

    async def _write(self, request: Request, samples: list[_Sample]) -> int:
        """Write a step of each sample, or all its steps; characters of the states that were read."""
        known = getattr(request, "known", None)
        at, one = samples[0].at, any("\n" in stop for stop in request.stop)
        seed = secrets.randbits(48) if request.seed is None else request.seed
        temperature = 1.0 if request.temperature is None else request.temperature
        left_out = dict.fromkeys(self._spelled(known or (), at), float("nan"))
        distinct = request.diverse or known is not None
        job = Job(at, len(samples), temperature, distinct, seed, left_out)
        drawn = (await self._batcher.submit([job]))[0]
        for sample, step in itertools.zip_longest(samples, drawn):
            if step is None:  # there are no more different ones
                sample.failed = True
            else:
                sample.take(step)
        prompt = len(spell(at))
        while not one and (open_ones := [s for s in samples if not s.failed and len(s.at.numbers) > 1]):
            prompt += sum(len(spell(sample.at)) for sample in open_ones)
            jobs = [
                Job(sample.at, 1, temperature, False, seed * 1000 + 10 * place + len(sample.moves))
                for place, sample in enumerate(open_ones)
            ]
            for sample, steps in zip(open_ones, await self._batcher.submit(jobs), strict=True):
                sample.take(steps[0])
        return prompt

    def _spelled(self, known: Sequence[str], at: State) -> list[str]:
        """Steps in words as the policy spells them; what is none of this state is left out."""
        found = []
        for text in known:
            try:
                found.append(spell_move(read_steps(at, [text])[0][0][0]))
            except BadInput:
                continue
        return found

    def _run(self, jobs: list[Job]) -> list[list[Drawn]]:
        """Carry out a batch, on the model's thread."""
        if self._network is None:
            self._network = self._load()
        found: list[list[Drawn]] = [[] for _ in jobs]
        groups: dict[tuple[float, bool], list[int]] = {}
        for place, job in enumerate(jobs):
            groups.setdefault((job.temperature, job.distinct), []).append(place)
        for (temperature, distinct), places in groups.items():
            group = [jobs[place] for place in places]
            states = [spell(job.at) for job in group]
            rows = draw(
                self._network,
                states,
                [job.count for job in group],
                distinct=distinct,
                generator=[torch.Generator().manual_seed(job.seed % 2**63) for job in group],
                temperature=temperature,
                known=self._chances(states, [list(job.known) for job in group], temperature),
            )
            for place, row in zip(places, rows, strict=True):
                found[place] = row
        return found

    def _chances(self, states: list[str], known: list[list[str]], temperature: float) -> list[dict[str, float]] | None:
        """Log-probabilities of the known steps."""
        if not any(known):
            return None
        assert self._network is not None
        read = log_probs(self._network, states, known, temperature=temperature)
        return [dict(zip(texts, row, strict=True)) for texts, row in zip(known, read, strict=True)]


def _choice(sample: _Sample, start: State) -> Choice:
    """A sample as a reply; one that failed is empty, so that it is tried once more and never scored."""
    if sample.failed:
        return Choice("", token_logprobs=sample.log_probs or None)
    text = "\n".join(sample.lines)
    if len(sample.at.numbers) == 1:
        text += ANSWER + expression(start, sample.moves)
    return Choice(text, token_logprobs=sample.log_probs)
