"""Crediting with models: what `credit` needs beyond rewards is sampled or computed here.

Fresh rollouts from every prefix (VinePPO, PAV), a reward model's scores, the log-ratios of an implicit reward model
that learns along (PRIME), a critic's values (PPO, ReFT). Tokens that rollouts cost are counted.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import torch

from reflectree.models.scoring.items import Item, Scorer
from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import advantages as formulas
from reflectree.training.trainers.rl import credit
from reflectree.training.trainers.rl.episodes import Episode, Grade, Group, Problem, Written, graded
from reflectree.training.trainers.rl.presets import Settings
from reflectree.training.trainers.rl.tokens import batched
from reflectree.training.trainers.rl.update import logprobs
from reflectree.training.trainers.rl.writing import Start, write


@dataclass(slots=True)
class Crediting:
    """Gives the solutions of an iteration their credit.

    Attributes:
        model: The policy that is trained.
        reference: The policy it began as, frozen; `None` where nothing needs it.
        critic: The critic, where there is one.
        scorer: A process reward model, for `process`.
        tokens: Tokens spent on rollouts so far.
    """

    model: Any
    tokenizer: Any
    settings: Settings
    grade: Grade
    reference: Any = None
    critic: torch.nn.Module | None = None
    scorer: Scorer | None = None
    template: StepTemplate = field(default_factory=StepTemplate)
    tokens: int = 0
    reward_model: Any = None
    _optimizer: Any = None

    def __post_init__(self) -> None:
        if self.settings.credit == "process" and self.scorer is None:
            raise BadInput("credit 'process' needs a process reward model: give scorer= (--scorer FOLDER)")
        if self.settings.credit == "implicit" and self.reward_model is None:
            self.reward_model = copy.deepcopy(self.reference)
            self.reward_model.requires_grad_(True)
            self._optimizer = torch.optim.AdamW(self.reward_model.parameters(), lr=self.settings.reward_lr)

    def episodes(self, problems: Sequence[Problem], groups: Sequence[Group], seed: int) -> list[Episode]:
        """The episodes of an iteration."""
        settings = self.settings
        match settings.credit:
            case "outcome":
                return credit.outcome(groups, scale=settings.scale, sample=settings.sample_deviation)
            case "leave-one-out":
                return credit.leave_one_out(groups)
            case "process":
                return credit.process(groups, [[self._scores(written) for written in group] for group in groups])
            case "vine":
                values = self._rollouts(self.model, problems, groups, seed)
                return credit.differences(groups, [[v[:-1] for v in group] for group in values], settings.gamma)
            case "progress":
                k = settings.prover_best_of
                chances = self._rollouts(self.reference, problems, groups, seed)
                best = [[[1.0 - (1.0 - p) ** k for p in row] for row in group] for group in chances]
                return credit.progress(groups, best, settings.alpha, scale=settings.scale)
            case "implicit":
                return self._implicit(groups)
            case "critic":
                return [self._generalised(written) for group in groups for written in group]

    def _scores(self, written: Written) -> tuple[float, ...]:
        assert self.scorer is not None
        (scored,) = self.scorer.score([self.scorer.encode(Item(written.question, written.steps))])
        return scored.steps[written.given :]

    def _rollouts(
        self, model: Any, problems: Sequence[Problem], groups: Sequence[Group], seed: int
    ) -> list[list[list[float]]]:
        """For each solution the mean reward of rollouts before each written step, and its own after the last."""
        settings = self.settings
        wanted: dict[Start, Problem] = {}
        for problem, group in zip(problems, groups, strict=True):
            for written in group:
                for k in range(written.given, len(written.steps)):
                    wanted.setdefault((written.question, written.steps[:k]), problem)
        starts = list(wanted)
        found = write(
            model, self.tokenizer, starts, settings.rollouts,
            max_tokens=settings.max_tokens, temperature=settings.temperature, seed=seed, template=self.template,
        )  # fmt: skip
        self.tokens += sum(written.tokens for group in found for written in group)
        value = {}
        for start, group in zip(starts, found, strict=True):
            known = [g for w in group if (g := graded(self.grade, wanted[start], w)) is not None]
            value[start] = fmean(known) if known else 0.5  # nothing is known of it: neither good nor bad
        return [
            [
                [value[w.question, w.steps[:k]] for k in range(w.given, len(w.steps))] + [w.reward]
                for w in group
            ]
            for group in groups
        ]  # fmt: skip

    def _implicit(self, groups: Sequence[Group]) -> list[Episode]:
        """Log-ratios by the reward model as it is, then its own step on the same solutions (PRIME, algorithm 1)."""
        settings = self.settings
        written = [solution for group in groups for solution in group]
        rows: list[list[float]] = []
        if written:
            batch = batched(self.tokenizer, self.template, [_blank(w) for w in written], self._device)
            with torch.no_grad():
                reference, _, _ = logprobs(self.reference, batch)
            new, _, _ = logprobs(self.reward_model, batch)
            ratios = (new - reference) * batch.learnt
            rows = [self._by_step(w, row[mask > 0]) for w, row, mask in zip(written, ratios, batch.learnt, strict=True)]
            outcomes = torch.tensor([w.reward for w in written], device=self._device)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(settings.beta * ratios.sum(1), outcomes)
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.reward_model.parameters(), settings.max_norm)
            self._optimizer.step()
        shared = iter(rows)
        return credit.implicit(
            groups, [[next(shared) for _ in group] for group in groups], settings.beta, settings.gamma, settings.keep
        )

    def _by_step(self, written: Written, ratios: torch.Tensor) -> list[float]:
        """The log-ratio of each written step; the end of the text belongs to the last one."""
        values = ratios.detach().tolist()
        steps, sums, place = written.steps[written.given :], [], 0
        for text in steps:
            length = len(self.template.step(self.tokenizer, text))
            sums.append(sum(values[place : place + length]))
            place += length
        if sums:
            sums[-1] += sum(values[place:])
        return sums

    def _generalised(self, written: Written) -> Episode:
        """Token-level generalised advantages, with the divergence in the reward (ReFT, section 3.2)."""
        settings = self.settings
        blank = _blank(written)
        batch = batched(self.tokenizer, self.template, [blank], self._device)
        assert self.critic is not None
        with torch.no_grad():
            new, _, hidden = logprobs(self.model, batch)
            values = self.critic(hidden)[0, :, 0]
            penalty = torch.zeros_like(new)
            if self.reference is not None and settings.kl_reward:
                penalty = settings.kl_reward * (new - logprobs(self.reference, batch)[0])
        places = batch.learnt[0].nonzero()[:, 0].tolist()
        if not places:
            return blank
        rewards = [-float(penalty[0, place]) for place in places]
        rewards[-1] += written.reward
        before = [float(values[place - 1]) for place in places]
        gained = formulas.gae(rewards, before, settings.gamma, settings.lam)
        returns = tuple(gain + value for gain, value in zip(gained, before, strict=True))
        return replace(blank, token_advantages=tuple(gained), returns=returns)

    @property
    def _device(self) -> torch.device:
        return next(iter(self.model.parameters())).device  # type: ignore[no-any-return]


def _blank(written: Written) -> Episode:
    """A solution as an episode without credit."""
    zeros = (0.0,) * (len(written.steps) - written.given)
    return Episode(written.question, written.steps, zeros, written.given, ended=written.ended)
