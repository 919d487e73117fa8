"""Voyager in environments: a curriculum of errands, and a library of the plans that were seen to work.

Each errand is a run of the blueprint `voyager-env`, which is shown the five skills nearest to its goal. A plan becomes
a skill only if the policy's own check of the episode says that the goal was reached, and the same commands, replayed in
a fresh environment, are all understood and bring the episode to its own end. The environment's score is gold and is
asked by nobody. The library is the memory of the package: skills are found by their descriptions, and are commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.agents.instances import sensible
from reflectree.agents.tool_calls import in_thread
from reflectree.graphs.embodied.curriculum import Curriculum
from reflectree.graphs.embodied.proposing import proposed
from reflectree.graphs.embodied.resolve import make, task_of
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Skill, task_key
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

SUCCESS = 0.9
"""From which value on the check of an episode says that the goal was reached."""
_OTHER = re.compile(r"[^a-z0-9]+")
_RUN = re.compile(r"voyager-\d+-(.+)-\d+")
"""What runs are called, with the errand's name in it: errands that read alike may be different ones."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One errand that was tried.

    Attributes:
        name: The environment's name.
        result: The run.
        approved: Whether the check of the episode says that the goal was reached.
        replayed: Whether its commands did the same in a fresh environment; asked only of what was approved.
        skill: The id of the skill that was kept, or "".
        shown: The ids of the skills that the run was shown.
    """

    name: str
    result: Result
    approved: bool
    replayed: bool
    skill: str
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an environment says in words how an episode ended, where its end alone does not say that.

    Attributes:
        won: Of these one must stand in the last observation, where any are given.
        lost: Of these none may.
    """

    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def good(self, text: str) -> bool:
        """Whether a last observation is that of an episode that was won."""
        said = text.casefold()
        return not any(word.casefold() in said for word in self.lost) and (
            not self.won or any(word.casefold() in said for word in self.won)
        )


def replays(make: MakeEnvironment, commands: Sequence[str], ending: Ending | None = None) -> bool:
    """Whether commands, in a fresh environment, are all understood and bring the episode to its own end, not before.

    Args:
        make: Makes the environment.
        commands: The plan.
        ending: How its last observation tells of success. The environment's score is not looked at.
    """
    environment = make()
    try:
        seen = sensible(environment.reset())
        for command in commands:
            if seen.done or environment.refuses(command) is not None:
                return False
            seen = sensible(environment.step(command))
            if not seen.valid:
                return False
        return bool(commands) and seen.done and (ending or Ending()).good(seen.text)
    finally:
        environment.close()


class Voyager:
    """Explores errands, and keeps what works.

    Args:
        names: Names of environments: related errands.
        memory: The library: a folder, a `Ledger`, or a `Memory`.
        seed: Of the curriculum and of the runs.
        tries: Runs of an errand that fail before it is given up.
        ending: How an episode's last observation tells of success.
        proposes: Whether the policy proposes the next errand, one call each, as in Voyager; else a rule does.
        **options: Of `asolve`: policy, judge, budget, checkpoint, ... With a checkpoint, runs that are settled are not
            paid again.

    Attributes:
        choices: The runs that asked for the next errand.
    """

    def __init__(
        self,
        names: Sequence[str],
        memory: Any,
        *,
        seed: int = 0,
        tries: int = 2,
        ending: Ending | None = None,
        proposes: bool = False,
        **options: Any,
    ) -> None:
        if len(set(names)) < len(names):
            raise BadInput("an errand is named twice: name each environment once")
        self.memory = Memory.of(memory)
        if not self.memory.writes:
            raise BadInput("this memory is not written to: give one of split train, with learns=True")
        self.seed, self.ending, self._options = seed, ending, {"blueprint": "voyager-env", **options}
        self._makes = {name: make(name) for name in names}
        self.tasks: dict[str, Task] = {name: task_of(self._makes[name]) for name in names}
        self.curriculum = Curriculum({name: task.question for name, task in self.tasks.items()}, seed, tries)
        self.failed: Counter[str] = Counter()
        self.proposes = proposes
        self.choices: list[Result] = []

    @property
    def ledger(self) -> Ledger:
        """The library's records."""
        return self.memory.ledger

    @property
    def skills(self) -> list[Skill]:
        """The skills there are, the latest version of each."""
        return [record for record in self.ledger.state.records.values() if isinstance(record, Skill)]

    @property
    def done(self) -> set[str]:
        """The errands of which a skill tells, those of earlier explorations included."""
        state = self.ledger.state
        origins = [skill.origin for skill in self.skills] + [gone.origin for gone in state.merged.values()]
        return {match[1] for origin in origins if (match := _RUN.fullmatch(origin.run))} & self.tasks.keys()

    async def explore(self, iterations: int = 160) -> AsyncIterator[Trial]:
        """Try errand after errand, each chosen by what is learnt before it, until none is left.

        Args:
            iterations: Most runs (Voyager: 160).
        """
        for _ in range(iterations):
            name = await self.next()
            if name is None:
                return
            yield await self.attempt(name)

    async def next(self) -> str | None:
        """The errand to try next; `None` once all are done or given up."""
        learnt = [skill.description for skill in self.skills]
        ranked = self.curriculum.ranked(learnt, self.done, self.failed)
        if not ranked or not self.proposes:
            return ranked[0] if ranked else None
        name, asked = await proposed(
            ranked, self.curriculum.goals, learnt, self.failed, seed=self.seed, **self._options
        )
        if asked is not None:
            self.choices.append(asked)
        return name

    async def attempt(self, name: str) -> Trial:
        """Try one errand, and keep its plan if it works."""
        task, make = self.tasks[name], self._makes[name]
        run_id = f"voyager-{self.seed}-{name}-{self.failed[name]}"
        given = {"memory": self.memory, "environment": make, "seed": self.seed, "run_id": run_id, **self._options}
        result = await asolve(task, **given)
        commands = (result.answer or "").splitlines()
        approved = (result.score or 0.0) >= SUCCESS and bool(commands)
        replayed = approved and await in_thread(replays, make, commands, self.ending)
        kept = self._keep(name, result, commands) if replayed else ""
        if not replayed:
            self.failed[name] += 1
        began = result.trace.began
        shown = tuple(str(row["id"]) for row in began.recalled) if began is not None and began.arm == "memory" else ()
        return Trial(name, result, approved, replayed, kept, shown)

    def _keep(self, name: str, result: Result, commands: Sequence[str]) -> str:
        """Write the plan; one for the same goal is its next version, as in Voyager's library."""
        task = self.tasks[name]
        began = result.trace.began
        skill = Skill(
            origin=Origin(
                source="env",
                split=self.memory.split,
                task=task_key(task),
                scope=self.memory.scope,
                subject=self.memory.subject,
                run=result.run_id,
                model=began.policy if began is not None else "",
                seed=self.seed,
            ),
            name=_OTHER.sub("_", task.question.casefold()).strip("_")[:80],
            description=task.question,
            body="\n".join(commands),
            language="plan",
        )
        return next(iter(self.ledger.write(skill)), "")
