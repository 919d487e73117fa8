"""Settings of recall, as a blueprint holds them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reflectree.rlm_ops.settings import Part


class Weights(Part):
    """How much each part of a record's score counts; all parts lie in [0, 1]."""

    relevance: float = Field(default=1.0, ge=0)
    recency: float = Field(default=0.1, ge=0)
    utility: float = Field(default=1.0, ge=0)


class Recall(Part):
    """Which records a run is shown.

    Attributes:
        kinds: Most records of each kind; a kind that is not named is never shown.
        limit: Most records in all.
        tokens: Most tokens of the block in the prompt.
        weights: How much relevance, recency and utility count.
        utility: `lift` (the chance that runs shown the record succeed more often than runs of the control arm: .5 where
            nothing is known), `wilson` (lower bound of wins over uses) or `beta` (posterior mean of wins over uses).
        normalise: `absolute` (each part as it is) or `minmax` (over the records at hand, as Generative Agents).
        diversity: Share that likeness to what was picked before counts against a record (MMR's 1 - lambda).
        decay: Share of recency lost a run (Generative Agents: .005 an hour).
        relevance: Least similarity to the task.
        worth: Least utility (`lift` only); records below are not shown.
        probation: Most candidates among what is shown; with one at a time an outcome tells which it was.
        explore: Share of runs in which `worth` is not asked for, so that a record judged too soon gets another chance.
        pool: Records looked at, as a multiple of `limit`.
        same_task: Whether a record that knows the very task may be shown: `exclude` keeps measurements honest.
        control: Share of runs that are shown nothing, for comparison.
    """

    kinds: dict[Literal["experience", "reflection", "concept", "skill"], int] = Field(
        default={"experience": 2, "reflection": 4, "concept": 4, "skill": 2}
    )
    limit: int = Field(default=6, ge=1, le=100)
    tokens: int = Field(default=1200, ge=1)
    weights: Weights = Weights()
    utility: Literal["lift", "wilson", "beta"] = "lift"
    normalise: Literal["absolute", "minmax"] = "absolute"
    diversity: float = Field(default=0.3, ge=0, le=1)
    decay: float = Field(default=0.005, ge=0, lt=1)
    relevance: float = Field(default=0.05, ge=0, le=1)
    worth: float = Field(default=0.3, ge=0, le=1)
    probation: int = Field(default=1, ge=0)
    explore: float = Field(default=0.05, ge=0, le=1)
    pool: int = Field(default=4, ge=1, le=50)
    same_task: Literal["exclude", "allow"] = "exclude"
    control: float = Field(default=0.1, ge=0, le=1)
