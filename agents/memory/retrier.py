"""The enricher of Reflexion: after a failed attempt, a reflection that stands in the prompts of the next ones.

It reads the newest failed attempt and the reflections before it, says who called it a failure, and keeps the last few
(a window). What is kept here is this run's own and no memory of later runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import override

from reflectree.agents.base import AgentRun
from reflectree.agents.enricher import Enricher
from reflectree.agents.memory.base import Verdict
from reflectree.agents.prompts.remembering import Told, retrying
from reflectree.agents.replies import split_thought
from reflectree.agents.tools import Tool
from reflectree.memory.records import Source
from reflectree.memory.records.texts import clipped
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Enriched, Event, Failed
from reflectree.rlm_ops.misbehaviour import problem_with
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

ATTEMPT = 6_000
"""Most characters of the attempt that are shown."""


class Retrier(Enricher):
    """Carries out *enrich* where it reflects on the task.

    Args:
        settings: The blueprint's settings.
        tools: The tools the run was granted.
        models: The models by role.
        window: Reflections kept, the newest of them.
        source: Who says that an attempt failed.
    """

    def __init__(
        self,
        settings: Enrich,
        *,
        tools: Mapping[str, Tool],
        models: Mapping[str, PolicyModel],
        window: int = 3,
        source: Source = "self",
    ) -> None:
        super().__init__(settings, tools=tools, models=models)
        self._window = window
        self._source: Source = source

    @override
    async def _reflect(self, call: Call, run: AgentRun, settings: Enrich) -> Event:
        structure = run.structure
        node = newest_failure(structure)
        if call.nodes[0] != ROOT or node is None:
            return await super()._reflect(call, run, settings)
        value = structure.value(node)
        verdict = Verdict(False, self._source, value)
        told = Told(clipped(structure.path(node).text, ATTEMPT), value)
        request = Request(
            retrying(structure.task, told, verdict.told, structure.lessons),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=call.seed(run.seed),
            timeout=settings.timeout,
        )
        earlier = structure.lessons.split("\n") if structure.lessons else []

        def check(choice: Choice) -> str | None:
            lesson = _plain(choice)
            if choice.finish == "filter":
                return "the reflection was refused by the provider's filter"
            if not lesson:
                return "the reflection is empty"
            return problem_with(lesson, question=structure.task.question, earlier=earlier)

        try:
            outcome = await run.caller(settings.model).call(request, check)
        except ModelUnreachable:
            raise
        except TransientModelError as error:
            return Failed(
                of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=str(error), usage=spent_by(error)
            )
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return Failed(
                of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=sample, usage=outcome.usage
            )
        lesson = _plain(sample)
        return Enriched(
            node=ROOT,
            index=call.index,
            how=call.how,
            text="\n".join([*earlier, lesson][-self._window :]),
            source="reflection",
            note=lesson,
            usage=outcome.usage,
        )


def newest_failure(structure: ReasoningStructure) -> int | None:
    """The newest answer that was scored and is not certainly right."""
    return next(
        (node for node in reversed(structure.terminals) if (value := structure.value(node)) is not None and value < 1),
        None,
    )


def _plain(choice: Choice) -> str:
    return " ".join(split_thought(choice.text)[1].split())
