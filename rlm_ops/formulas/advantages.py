"""Rewards and advantages of reinforcement learning from sampled or searched solutions.

Numbers in, numbers out: the trainers broadcast a step's advantage to its tokens. Where a group has no spread, nothing
can be learnt from it and every advantage is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from reflectree.rlm_ops.errors import BadInput


def normalised(rewards: Sequence[float], *, sample: bool = False, scale: bool = True) -> list[float]:
    """`(r - mean) / std` over a group; zeros where the group has no spread.

    Args:
        rewards: The group's rewards.
        sample: Divide by the sample standard deviation (n - 1, as TRL does) and not by the population's.
        scale: Divide at all; Dr. GRPO (arXiv 2503.20783) only subtracts the mean.
    """
    count = len(rewards)
    if count == 0:
        return []
    mean = math.fsum(rewards) / count
    centred = [reward - mean for reward in rewards]
    if not scale:
        return centred
    squares = math.fsum(value * value for value in centred)
    deviation = math.sqrt(squares / max(1, count - 1 if sample else count))
    if deviation <= 1e-12 * max(1.0, abs(mean)):
        return [0.0] * count
    return [value / deviation for value in centred]


def grpo_outcome(rewards: Sequence[float], *, sample: bool = False, scale: bool = True) -> list[float]:
    """GRPO with outcome supervision: each output's normalised reward is its advantage (arXiv 2402.03300, 4.1.2)."""
    return normalised(rewards, sample=sample, scale=scale)


def grpo_process(step_rewards: Sequence[Sequence[float]], *, sample: bool = False) -> list[list[float]]:
    """GRPO with process supervision (arXiv 2402.03300, 4.1.3).

    The step rewards of all outputs are normalised together; the advantage of a step is the sum of the normalised
    rewards of the steps that end at or after it.

    Args:
        step_rewards: One list of step rewards an output.
        sample: As in `normalised`.
    """
    flat = iter(normalised([reward for steps in step_rewards for reward in steps], sample=sample))
    return [suffix_sums([next(flat) for _ in steps]) for steps in step_rewards]


def rloo(rewards: Sequence[float]) -> list[float]:
    """REINFORCE leave-one-out: `r_i - mean of the others` (arXiv 2402.14740); 0 for an output that is alone."""
    count, total = len(rewards), math.fsum(rewards)
    if count < 2:
        return [0.0] * count
    return [reward - (total - reward) / (count - 1) for reward in rewards]


def step_advantages(
    values: Sequence[float], reward: float, step_rewards: Sequence[float] | None = None, gamma: float = 1.0
) -> list[float]:
    """VinePPO and the blueprint's PPO: `A_i = r_i + gamma V(s_(i+1)) - V(s_i)`, the end being worth 0.

    With gamma 1 they telescope: their sum is the reward less V(s_0) (arXiv 2410.01679, eq. 8; 2501.11223, alg. 6).

    Args:
        values: V of the question, then after each step but the last.
        reward: What the finished solution got.
        step_rewards: Rewards along the way; none by default.
        gamma: Discount.

    Raises:
        BadInput: There is not one step reward a step.
    """
    along = [0.0] * len(values) if step_rewards is None else list(step_rewards)
    if len(along) != len(values):
        raise BadInput(f"{len(along)} step rewards for {len(values)} steps: give one each")
    after = [*values[1:], 0.0]
    if values:
        along[-1] += reward
    return [r + gamma * later - now for r, later, now in zip(along, after, values, strict=True)]


def gae(rewards: Sequence[float], values: Sequence[float], gamma: float = 1.0, lam: float = 0.95) -> list[float]:
    """Generalised advantage estimation of a finished episode (arXiv 1506.02438, eq. 16).

    Args:
        rewards: One a step.
        values: V before each step; the end is worth 0.
        gamma: Discount.
        lam: 0 gives one-step differences, 1 the return less the value.
    """
    advantages: list[float] = []
    later_value = later = 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        later = reward + gamma * later_value - value + gamma * lam * later
        later_value = value
        advantages.append(later)
    return advantages[::-1]


def reft_reward(correct: bool, parsable: bool, partial: float = 0.1) -> float:
    """ReFT: 1 for a right answer, `partial` for a wrong one that can be read, 0 otherwise (arXiv 2401.08967)."""
    return 1.0 if correct else partial if parsable else 0.0


def implicit_rewards(log_ratios: Sequence[float], beta: float = 0.05) -> list[float]:
    """Implicit process rewards: `beta * log(pi / pi_ref)` of each token or step (arXiv 2412.01981, eq. 4)."""
    return [beta * ratio for ratio in log_ratios]


def prime_advantages(
    process: Sequence[Sequence[float]], outcomes: Sequence[float], gamma: float = 1.0
) -> list[list[float]]:
    """PRIME's advantages before whitening (arXiv 2502.01456, eq. 5): a leave-one-out baseline for each source.

    From each process reward the mean process reward of the other outputs is subtracted, the discounted returns of what
    is left are taken, and the outcome's own leave-one-out advantage is added.

    Args:
        process: One list of process rewards an output.
        outcomes: One outcome reward an output.
        gamma: Discount.

    Raises:
        BadInput: There is not one outcome an output.
    """
    if len(process) != len(outcomes):
        raise BadInput(f"{len(outcomes)} outcomes for {len(process)} outputs: give one each")
    means = [math.fsum(steps) / len(steps) if steps else 0.0 for steps in process]
    own = rloo(means)
    advantages = []
    for steps, mean, difference, outcome in zip(process, means, own, rloo(outcomes), strict=True):
        baseline = mean - difference
        returns = suffix_sums([reward - baseline for reward in steps], gamma)
        advantages.append([value + outcome for value in returns])
    return advantages


def effective_reward(q: float, advantage: float, alpha: float = 1.0) -> float:
    """PAV: `Q(s, a) + alpha * A_mu(s, a)`, with a prover mu that is not the policy (arXiv 2410.08146, eq. 5)."""
    return q + alpha * advantage


def kl_estimate(logprob: float, reference: float) -> float:
    """The unbiased, non-negative estimator of the divergence at a token: `r - log r - 1` with `r = pi_ref / pi`."""
    difference = reference - logprob
    return math.exp(difference) - difference - 1.0


def suffix_sums(values: Sequence[float], gamma: float = 1.0) -> list[float]:
    """The discounted sum of each value and those after it."""
    return list(accumulate(reversed(values), lambda later, value: value + gamma * later))[::-1]
