"""The memory part of a blueprint: what a run recalls, who says how it went, and what is learnt from it.

Data only. The ways to learn are carried out by `reflectree.agents.memory`, the rules over records are
`reflectree.memory`'s.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reflectree.rlm_ops.settings import Part

Kind = Literal["experience", "reflection", "concept", "skill"]
Feedback = Literal["auto", "verifier", "tests", "env", "judge", "self"]
How = Literal["experience", "reflect", "contrast", "curate", "sheet", "concepts", "skill"]
When = Literal["always", "success", "failure"]
REPLAYED: tuple[How, ...] = ("reflect", "contrast")
"""The ways to learn whose lessons can be replayed."""


class Weights(Part):
    """How much each part of a record's score counts; all parts lie in [0, 1]."""

    relevance: float = Field(default=1.0, ge=0)
    recency: float = Field(default=0.1, ge=0)
    utility: float = Field(default=1.0, ge=0)


class Recall(Part):
    """Which records a run is shown; the same settings as `reflectree.memory.recall.Recall`, which they become.

    Attributes:
        kinds: Most records of each kind; a kind that is not named is never shown.
        limit: Most records in all.
        tokens: Most tokens of all of them together.
        weights: How much relevance, recency and utility count.
        utility: `lift` (the chance that runs shown the record succeed more often than runs of the control arm),
            `wilson` (lower bound of wins over uses) or `beta` (posterior mean of wins over uses).
        normalise: `absolute` (each part as it is) or `minmax` (over the records at hand).
        diversity: Share that likeness to what was picked before counts against a record.
        decay: Share of recency lost a run.
        relevance: Least similarity to the task.
        worth: Least utility (`lift` only).
        probation: Most records among them that have not earned trust yet: in all, or of each kind (`{experience: 1,
            reflection: 2}`; none of a kind that is not named). Quarantined ones are never shown.
        explore: Share of runs in which one record below `worth` may be shown, so that one judged too soon gets another
            chance.
        pool: Records looked at, as a multiple of `limit`.
        same_task: Whether a record that knows the very task may be shown.
        control: Share of runs that are shown nothing, so that what memory is worth can be known.
    """

    kinds: dict[Kind, int] = Field(default={"experience": 2, "reflection": 4, "concept": 4, "skill": 2})
    limit: int = Field(default=6, ge=1, le=100)
    tokens: int = Field(default=1200, ge=1)
    weights: Weights = Weights()
    utility: Literal["lift", "wilson", "beta"] = "lift"
    normalise: Literal["absolute", "minmax"] = "absolute"
    diversity: float = Field(default=0.3, ge=0, le=1)
    decay: float = Field(default=0.005, ge=0, lt=1)
    relevance: float = Field(default=0.05, ge=0, le=1)
    worth: float = Field(default=0.3, ge=0, le=1)
    probation: Annotated[int, Field(ge=0)] | dict[Kind, Annotated[int, Field(ge=0)]] = 1
    explore: float = Field(default=0.05, ge=0, le=1)
    pool: int = Field(default=4, ge=1, le=50)
    same_task: Literal["exclude", "allow"] = "exclude"
    control: float = Field(default=0.1, ge=0, le=1)


class Learn(Part):
    """One stage of learning at the end of a run.

    Attributes:
        how: `experience` (keep the trajectory; no model), `reflect` (why it failed or succeeded: lessons), `contrast`
            (what tells its good attempts from its bad ones: lessons), `curate` (add, edit, agree with or remove
            rules), `sheet` (write one sheet of notes anew), `concepts` (what is necessary to what), `skill` (a plan,
            workflow or program that worked).
        when: After which runs.
        most: Most items.
        form: What a skill is.
        capacity: Most rules there may be (`curate`); from there on the model is asked for removals.
        batch: Look at so many successes in memory at once, the run's own the last, after every so many of them
            (`curate` after successes: ExpeL's lists, of 8). 0 looks at the run's attempts after each run.
        replay: So many times the task is run again with each lesson in view, after a run that failed (`reflect`,
            `contrast`). The lesson is written as proven if all of these runs succeed, and dropped if one does not;
            where the budget allows none it is a candidate like any other. 0 replays nothing.
        tags: Ask, too, which of the records that were shown helped and which harmed (`reflect`, `contrast`).
        model: The role of the model that is asked.
    """

    later = frozenset({"replay", "batch"})

    how: How
    when: When = "always"
    most: int = Field(default=3, ge=1, le=20)
    form: Literal["plan", "workflow", "code"] = "plan"
    capacity: int = Field(default=20, ge=1)
    replay: int = Field(default=0, ge=0, le=5)
    batch: int = Field(default=0, ge=0, le=32)
    tags: bool = False
    temperature: float | None = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=512, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    model: str = "policy"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Only lessons of failures can make the task that failed pass; only rules are made of lists of successes."""
        if self.batch and (self.how != "curate" or self.when != "success"):
            raise ValueError("batch: it is for rules of successes, how: curate, when: success; leave it out here")
        if self.replay and (self.how not in REPLAYED or self.when == "success"):
            raise ValueError(f"replay: it is for lessons of failures, how: {' or '.join(REPLAYED)}; leave it out here")
        return self


class Remember(Part):
    """The memory part of a blueprint.

    Attributes:
        recall: What is recalled; `None` recalls nothing.
        feedback: Who says how a run went: `verifier` (one that search may ask), `tests`, `env` (the function that
            scores), `judge` or `self` (a model is asked); `auto` takes what scored the answer, else a judge.
        success: From which score on a run is a success.
        window: Reflections on failed attempts of the same run that stand in its later prompts (Reflexion's last three).
        attempts: Most characters of an attempt that are shown to the model that learns.
        opinions: Credit the outcome to records where it is only an opinion (a judge's, or the model's own).
        learn: The stages, in order.
    """

    recall: Recall | None = Recall()
    feedback: Feedback = "auto"
    success: float = Field(default=0.9, gt=0, le=1)
    window: int = Field(default=3, ge=1)
    attempts: int = Field(default=6000, ge=100)
    opinions: bool = False
    learn: tuple[Learn, ...] = ()

    @model_validator(mode="after")
    def _one_of_a_way(self) -> Self:
        """Stages are told apart by their way and occasion."""
        seen = [(stage.how, stage.when) for stage in self.learn]
        if len(set(seen)) < len(seen):
            raise ValueError("learn: two stages learn in the same way on the same occasion: make them one")
        return self


DEFAULT = Remember(learn=(Learn(how="experience", when="success"), Learn(how="reflect")))
"""What a memory is for where a run is given one and its blueprint says nothing of it."""
