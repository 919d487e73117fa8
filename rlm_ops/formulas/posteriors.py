"""Thompson sampling of AB-MCTS-A: what is believed of an arm's reward, and whether to go wider or deeper.

arXiv 2503.04412 and the release of TreeQuest (github.com/SakanaAI/treequest at e6865b7, `algos/ab_mcts_a`). At a node,
GEN (a new child) is judged by the scores of its children, each as it was generated; CONT (an existing child) by the
scores of all that lies below the children; and a child by its own score and those below it. Nothing here knows of
trees; randomness comes from the `random.Random` given.

Ours differs: beliefs are made from sufficient statistics (`Moments`) instead of lists of all scores; scores outside
[0, 1] are refused by the Beta belief with one line; an arm's prior mean of 0 is taken at its word (the release reads it
as "not given"); there is one kind of action, so the release's choice among models is not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol, Self

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.sampling import thompson


@dataclass(frozen=True, slots=True)
class Moments:
    """What a belief needs to know of scores: how many, their mean, and the sum of squares around it.

    `a + b` are the moments of both together (Chan et al. 1979).
    """

    count: int = 0
    mean: float = 0.0
    scatter: float = 0.0

    @classmethod
    def of(cls, scores: Iterable[float]) -> Self:
        """The moments of some scores."""
        known = list(scores)
        if not known:
            return cls()
        mean = math.fsum(known) / len(known)
        return cls(len(known), mean, math.fsum((score - mean) ** 2 for score in known))

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        if not count:
            return Moments()
        gap = other.mean - self.mean
        mean = self.mean + gap * other.count / count
        return Moments(count, mean, self.scatter + other.scatter + gap * gap * self.count * other.count / count)


class Posterior(Protocol):
    """A belief about an arm's mean reward."""

    def given(self, seen: Moments) -> Posterior:
        """The belief after seeing scores."""
        ...

    def draw(self, rng: Random) -> float:
        """A mean reward drawn from the belief."""
        ...


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Normal-inverse-chi-squared belief about scores of unknown mean and variance (Murphy 2023, section 3.4.3.3).

    That is a normal-inverse-gamma belief with shape nu / 2 and scale nu * tau2 / 2. The defaults are TreeQuest's prior.

    Attributes:
        mean: m, the expected mean.
        kappa: How many scores the mean is worth.
        nu: How many scores the variance is worth.
        tau2: The expected variance.
    """

    mean: float = 0.0
    kappa: float = 1.0
    nu: float = 1.0
    tau2: float = 0.1

    def given(self, seen: Moments) -> Gaussian:
        """The belief after seeing scores: conjugate, so the order does not matter."""
        n, gap = seen.count, self.mean - seen.mean
        kappa, nu = self.kappa + n, self.nu + n
        squares = self.nu * self.tau2 + seen.scatter + n * self.kappa * gap * gap / kappa
        return Gaussian((self.kappa * self.mean + n * seen.mean) / kappa, kappa, nu, squares / nu)

    def draw(self, rng: Random) -> float:
        """A mean: first a variance, then a mean given that variance."""
        variance = 0.5 * self.nu * self.tau2 / max(rng.gammavariate(0.5 * self.nu, 1.0), 1e-300)
        # normalvariate keeps no hidden second draw, as gauss does
        return rng.normalvariate(self.mean, math.sqrt(variance / self.kappa))


@dataclass(frozen=True, slots=True)
class Beta:
    """Beta belief about scores in [0, 1]: a score counts as that share of a success. The default is Jeffreys' prior."""

    a: float = 0.5
    b: float = 0.5

    def given(self, seen: Moments) -> Beta:
        """The belief after seeing scores.

        Raises:
            BadInput: The scores cannot all lie in [0, 1].
        """
        if not -1e-9 <= seen.mean <= 1.0 + 1e-9:
            raise BadInput(f"a Beta belief needs scores from 0 to 1, got a mean of {seen.mean:g}: use Gaussian()")
        successes = seen.count * min(1.0, max(0.0, seen.mean))
        return Beta(self.a + successes, self.b + seen.count - successes)

    def draw(self, rng: Random) -> float:
        """A mean."""
        return rng.betavariate(self.a, self.b)


def wider_or_deeper(
    own: Sequence[float | None], below: Sequence[Moments], rng: Random, prior: Posterior | None = None
) -> int | None:
    """AB-MCTS-A's choice at a node: draw for GEN and CONT; if CONT is ahead, draw for each child.

    Args:
        own: The score of each child as it was generated; None while it has none. Such a child is an arm of which
            nothing is known.
        below: For each child the moments of the scores of its descendants.
        rng: Where the draws come from.
        prior: What is believed of an arm without scores: `Gaussian()` by default, as in the release, or `Beta()`.

    Returns:
        The child to go on with, or None to go wider. A node without children goes wider.
    """
    if len(own) != len(below):
        raise BadInput(f"one score and one summary a child: got {len(own)} and {len(below)}")
    if not own:
        return None
    start: Posterior = Gaussian() if prior is None else prior
    generated = Moments.of(score for score in own if score is not None)
    continued = sum(below, start=Moments())
    if thompson([start.given(generated), start.given(continued)], rng) == 0:
        return None
    arms = [
        start.given(deeper if score is None else Moments(1, score) + deeper)
        for score, deeper in zip(own, below, strict=True)
    ]
    return thompson(arms, rng)
