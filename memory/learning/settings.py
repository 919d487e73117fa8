"""Settings of learning, as a blueprint holds them: what may be written, and what earns and costs trust."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reflectree.rlm_ops.settings import Part


class Learning(Part):
    """What is written and trusted.

    Attributes:
        gate: `outcome` (a lesson, concept or skill is kept only if a trial shows that it makes a failing task pass, or
            that it succeeds on `tasks` independent ones) or `candidate` (it is kept on probation without a trial).
        tasks: Distinct tasks that must speak for a record before it is trusted.
        better: Least chance that runs with a record succeed more often than runs without, for it to be trusted; not
            asked of a record that no run failed with.
        demote: A trusted record whose chance falls below is a candidate again.
        harm: A record whose chance falls below is quarantined, once it was used `uses` times.
        uses: Uses before the counts alone may quarantine.
        mates: So many records of one run must have been tried before all of them, those that were not tried included,
            can fall together: where twice `uses` uses of them show a chance below `harm`.
        margin: So many more `harmful` than `helpful` marks quarantine a record (ACE's counters, which act here).
        relapses: So many quarantines, and no trust comes back by itself.
        likeness: Text similarity from which on two records are the same, `meaning` the cosine of their embeddings.
    """

    gate: Literal["outcome", "candidate"] = "outcome"
    tasks: int = Field(default=2, ge=1)
    better: float = Field(default=0.5, ge=0, le=1)
    demote: float = Field(default=0.2, ge=0, le=1)
    harm: float = Field(default=0.1, ge=0, le=1)
    uses: int = Field(default=3, ge=1)
    mates: int = Field(default=2, ge=2)
    margin: int = Field(default=2, ge=1)
    relapses: int = Field(default=2, ge=1)
    likeness: float = Field(default=0.8, ge=0, le=1)
    meaning: float = Field(default=0.9, ge=0, le=1)
