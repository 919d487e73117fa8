"""From graded solutions to the advantage of each step: the formulas of `rlm_ops.formulas.advantages` on groups.

Each function takes groups of solutions (one group a question) and returns episodes. A group from which nothing can be
learnt, since all its solutions got the same, gives none where only outcomes are credited.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import advantages as formulas
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure, fold
from reflectree.rlm_ops.trace import Trace
from reflectree.training.samples import Origin
from reflectree.training.trainers.rl.episodes import Episode, Group, Written

Numbers = Sequence[float]


def outcome(groups: Sequence[Group], *, scale: bool = True, sample: bool = False) -> list[Episode]:
    """GRPO with outcome rewards: each step of a solution gets the solution's normalised reward (arXiv 2402.03300)."""
    episodes = []
    for group in groups:
        rewards = [written.reward for written in group]
        if min(rewards, default=0.0) != max(rewards, default=0.0):
            shares = formulas.grpo_outcome(rewards, scale=scale, sample=sample)
            episodes += [_even(written, share) for written, share in zip(group, shares, strict=True)]
    return episodes


def leave_one_out(groups: Sequence[Group]) -> list[Episode]:
    """RLOO: the reward less the mean of the other solutions' (arXiv 2402.14740)."""
    episodes = []
    for group in groups:
        rewards = [written.reward for written in group]
        if min(rewards, default=0.0) != max(rewards, default=0.0):
            episodes += [_even(written, share) for written, share in zip(group, formulas.rloo(rewards), strict=True)]
    return episodes


def process(groups: Sequence[Group], step_rewards: Sequence[Sequence[Numbers]]) -> list[Episode]:
    """GRPO with process rewards: those of a process reward model, normalised over the group (arXiv 2402.03300).

    Args:
        groups: The solutions.
        step_rewards: For each group and solution one reward a written step.
    """
    episodes = []
    for group, rewards in zip(groups, step_rewards, strict=True):
        credited = formulas.grpo_process([_checked(w, r) for w, r in zip(group, rewards, strict=True)])
        episodes += [_episode(written, share) for written, share in zip(group, credited, strict=True)]
    return episodes


def differences(groups: Sequence[Group], values: Sequence[Sequence[Numbers]], gamma: float = 1.0) -> list[Episode]:
    """VinePPO: the difference each step makes to the chance of success (arXiv 2410.01679).

    Args:
        groups: The solutions.
        values: For each group and solution the value before each written step: the mean reward of fresh rollouts.
        gamma: Discount.
    """
    return [
        _episode(written, formulas.step_advantages(_checked(written, before), written.reward, gamma=gamma))
        for group, known in zip(groups, values, strict=True)
        for written, before in zip(group, known, strict=True)
    ]


def progress(
    groups: Sequence[Group], prover_values: Sequence[Sequence[Numbers]], alpha: float = 1.0, *, scale: bool = True
) -> list[Episode]:
    """PAV: a solution's own normalised reward plus alpha times the progress a different prover sees (arXiv 2410.08146).

    Args:
        groups: The solutions.
        prover_values: For each group and solution the prover's value before each written step, and after the last.
        alpha: The weight of progress.
        scale: Divide outcome rewards by their deviation.
    """
    episodes = []
    for group, known in zip(groups, prover_values, strict=True):
        shares = formulas.normalised([written.reward for written in group], scale=scale)
        for written, share, values in zip(group, shares, known, strict=True):
            made = [after - before for before, after in pairwise(values)]
            later = formulas.suffix_sums(_checked(written, made))
            episodes.append(_episode(written, [formulas.effective_reward(share, gain, alpha) for gain in later]))
    return episodes


def implicit(
    groups: Sequence[Group], log_ratios: Sequence[Sequence[Numbers]], beta: float = 0.05, gamma: float = 1.0,
    keep: tuple[float, float] = (0.2, 0.8),
) -> list[Episode]:  # fmt: skip
    """PRIME: leave-one-out baselines for implicit process rewards and for outcomes, summed (arXiv 2502.01456).

    Questions of which too few or too many solutions are right teach nothing and are left out.

    Args:
        groups: The solutions.
        log_ratios: For each group and solution the log-ratio of reward model to reference over each written step.
        beta: The reward model's beta.
        gamma: Discount.
        keep: The least and the greatest share of right solutions of a question.
    """
    episodes = []
    for group, ratios in zip(groups, log_ratios, strict=True):
        rewards = [written.reward for written in group]
        accuracy = sum(reward >= 1.0 for reward in rewards) / max(1, len(rewards))
        if keep[0] <= accuracy <= keep[1]:
            rows = [formulas.implicit_rewards(_checked(w, r), beta) for w, r in zip(group, ratios, strict=True)]
            credited = formulas.prime_advantages(rows, rewards, gamma)
            episodes += [_episode(written, share) for written, share in zip(group, credited, strict=True)]
    return whitened(episodes)


def searched(trace: Trace, *, reward: float | None = None, gamma: float = 1.0) -> list[Episode]:
    """PPO with step advantages from the tree: `r + gamma q(s') - q(s)` along each path to an answer (2501.11223, 6).

    A path to an answer ends with the answer's own evaluation as its reward. Steps without a backed-up value end the
    episode before them.

    Args:
        trace: A finished run.
        reward: Takes the place of the answers' evaluations where they are no verdicts (a judge's, say).
        gamma: Discount.
    """
    structure, began = fold(trace), trace.began
    if began is None:
        raise BadInput("the trace is empty: there is no task in it")
    episodes = []
    for leaf in structure.terminals:
        nodes = structure.path_ids(leaf)
        worth = structure.value(leaf) if reward is None else reward
        values = [structure.q(node) for node in (ROOT, *nodes[:-1])]
        if worth is None or not nodes:
            continue
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            # the root has no value of its own before anything was backed up to it
            continue
        path = structure.path(leaf)
        if len(path.steps) != len(nodes):  # a refinement stands in another's place: steps and values do not match
            continue
        advantages = formulas.step_advantages(known, worth, gamma=gamma)
        origin = Origin(began.task_id, trace.run_id, leaf, began.policy, began.seed, label="tree")
        steps = tuple(step.text for step in path.steps)
        episodes.append(Episode(path.task.prose, steps, tuple(advantages), origin=origin))
    return episodes


def whitened(episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes with their advantages centred and scaled over all steps."""
    from dataclasses import replace

    flat = iter(formulas.normalised([value for episode in episodes for value in episode.advantages]))
    return [replace(e, advantages=tuple(next(flat) for _ in e.advantages)) for e in episodes]


def leaves_of(structure: ReasoningStructure) -> list[int]:
    """The answers of a structure."""
    return list(structure.terminals)


def _even(written: Written, share: float) -> Episode:
    return _episode(written, [share] * (len(written.steps) - written.given))


def _episode(written: Written, shares: Numbers) -> Episode:
    return Episode(written.question, written.steps, tuple(shares), written.given, ended=written.ended)


def _checked(written: Written, numbers: Numbers) -> Numbers:
    wanted = len(written.steps) - written.given
    if len(numbers) != wanted:
        raise BadInput(f"{len(numbers)} numbers for {wanted} written steps: give one a step")
    return numbers
