"""Worked examples from training tasks, and designs put together of two: what MIPRO varies beside instructions.

The design's own generator prompt is sampled on training tasks; replies that the task's verifier accepts become worked
examples (at most `MOST`), as the release bootstraps them. Only answers of the model's own are shown, never what a
verifier knows. The validation and test parts are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from reflectree.agents.base import AgentRun
from reflectree.agents.prompts import solving
from reflectree.agents.replies import split_thought
from reflectree.graphs.design_search.designs import BadDesign, applied, difference
from reflectree.graphs.design_search.proposals import Context, Varier, design_of, failed, grown
from reflectree.models.base import Choice, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.answers import cut_at_answer, extract_answer
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BudgetRefused, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.settings import Demo
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

MOST = 4
"""Worked examples of a set (MIPROv2)."""
TRIED = 12
"""Training tasks that are tried for one set."""


class Bootstrapper:
    """Carries out *refine* `demos`: the parent with worked examples of training tasks that went well.

    Args:
        context: What the search's agents know.
        most: Examples of a set.
        tried: Training tasks that are tried for one set.
    """

    local = False
    name = "refiner"
    op: Operator = "refine"

    def __init__(self, context: Context, most: int = MOST, tried: int = TRIED) -> None:
        self.context = context
        self.most = min(most, context.space.limits.demos)
        self.tried = tried

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each stands alone."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError("worked examples are waited for")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One design a call."""
        return [await self.bootstrapped(call, run) for call in calls]

    async def bootstrapped(self, call: Call, run: AgentRun) -> Event:
        """The node of the design with examples, or why there is none.

        Raises:
            BudgetRefused, ModelUnreachable: As agents do, where nothing was paid.
        """
        parent = design_of(run.structure, call.nodes[0], self.context)
        rng = Random(call.seed(run.seed))
        tasks = [task for task in self.context.train if task.verifier is not None]
        demos: list[Demo] = []
        usage: Usage = NO_USAGE
        for position, task in enumerate(rng.sample(tasks, min(self.tried, len(tasks)))):
            if len(demos) == self.most:
                break
            try:
                demo, paid = await self._solved(task, parent, call.seed(run.seed) + position, run)
            except (ModelUnreachable, BudgetRefused):
                if not usage:
                    raise
                break  # what was paid is on the bill, and what was found is used
            except TransientModelError as error:
                usage = usage + spent_by(error)
                continue
            usage = usage + paid
            if demo is not None:
                demos.append(demo)
        if not demos:
            return failed(call, "no training example went well, so there is nothing to show", usage)
        try:
            data = [demo.model_dump(mode="json") for demo in demos]
            design = self.context.space.check(applied(parent, {"operators.generate.demos": data}))
        except BadDesign as error:
            return failed(call, str(error), usage)
        return grown(call, design, f"{len(demos)} worked examples of training tasks that went well", usage)

    async def _solved(self, task: Task, design: Blueprint, seed: int, run: AgentRun) -> tuple[Demo | None, Usage]:
        """A worked example of a task, if the model gets it right."""
        settings = design.operators.generate
        request = Request(
            solving(Path(replace(task, verifier=None)), hint=settings.instruction, demos=settings.demos),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seed & 0x7FFFFFFF,
            timeout=settings.timeout,
        )
        async with self.context.room():
            outcome = await run.caller(settings.model).call(request, _unusable)
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return None, outcome.usage
        text = cut_at_answer(split_thought(sample.text)[1])
        answer = extract_answer(text)
        if answer is None or task.verifier is None or task.verifier.score(answer) < 1.0:
            return None, outcome.usage
        steps = tuple(line.strip() for line in text.splitlines() if line.strip())[:-1]
        return Demo(question=task.question, steps=steps, answer=answer), outcome.usage


def _unusable(choice: Choice) -> str | None:
    text = split_thought(choice.text)[1]
    return None if text.strip() and extract_answer(cut_at_answer(text)) is not None else "the reply holds no answer"


class Combiner(Varier):
    """Carries out *aggregate* `combine`: the first design with the second one's worked examples, without a model."""

    def __init__(self, context: Context) -> None:
        super().__init__("aggregate", context, combined)


def combined(call: Call, structure: ReasoningStructure, context: Context, rng: Random) -> tuple[Blueprint, str]:
    """The first design with the second one's worked examples.

    Raises:
        BadDesign: The space does not allow it.
    """
    first, second = (design_of(structure, node, context) for node in call.nodes[:2])
    demos = [demo.model_dump(mode="json") for demo in second.operators.generate.demos]
    design = context.space.check(applied(first, {"operators.generate.demos": demos}))
    return design, difference(first, design)


__all__ = ["Bootstrapper", "Combiner", "combined"]
