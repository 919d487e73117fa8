"""The enricher: adds to a node's content what a tool observed, what its code printed, or what failures teach.

What comes from outside is data: it is marked line by line or fenced, and nothing is evaluated outside the sandbox. It
does not know when to act, or what becomes of a step whose action went wrong: the strategy does.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from reflectree.agents.acting import Worlds, act
from reflectree.agents.acting import observed as observed
from reflectree.agents.base import AgentRun
from reflectree.agents.prompts.reflecting import reflecting
from reflectree.agents.replies import split_thought
from reflectree.agents.tool_calls import BadCall, Tool
from reflectree.agents.tools import FINISH, named
from reflectree.agents.turns import turn
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BadInput, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Enriched, Event, Failed
from reflectree.rlm_ops.misbehaviour import problem_with
from reflectree.rlm_ops.parsing import Action, parse_action
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.strategies.react import BAD_CALL
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.usage import NO_USAGE, Usage

MOST_ATTEMPTS = 4
"""Failed attempts shown to a reflection (LATS reflects on fewer than four)."""
LESSONS_KEPT = 3
"""Lessons the root keeps, the newest of them (Reflexion)."""
MOST_ERROR = 300
"""Characters of a failed program's error that are kept, from its end."""
_FENCES = re.compile(r"`{3,}|~{3,}")


class Enricher:
    """Carries out *enrich*.

    Args:
        settings: The blueprint's settings.
        tools: The tools the run was granted, by name.
        models: The models by role.
        worlds: The environments that commands are carried out in.
    """

    name = "enricher"
    op: Operator = "enrich"
    local = False

    def __init__(
        self,
        settings: Enrich,
        *,
        tools: Mapping[str, Tool],
        models: Mapping[str, PolicyModel],
        worlds: Worlds | None = None,
    ) -> None:
        self.settings = settings
        self.worlds = worlds
        self.tools = tools
        self.models = models

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each node is enriched by itself."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: tools, code and models are waited for."""
        raise TypeError("the enricher is not local")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One new version of the node's text."""
        (call,) = calls
        settings = self.settings.variant(call.how)
        if settings.kind == "tool":
            return [await self._observe(call, run.structure, settings)]
        if settings.kind == "code":
            return [await self._execute(call, run.structure, settings)]
        if settings.kind == "environment":
            if self.worlds is None:
                return [_failed(call, "there is no environment to act in")]
            return [await act(self.worlds, call, run.structure, settings)]
        return [await self._reflect(call, run, settings)]

    async def _observe(self, call: Call, structure: ReasoningStructure, settings: Enrich) -> Event:
        """Carry out the step's action; that it cannot be is an observation too."""
        step = structure.steps[call.nodes[0]]
        action = turn(call, structure, settings) if settings.one_command else parse_action(step.text)
        if isinstance(action, str):
            return _added(call, step, observed(f"{BAD_CALL} {action}"), "bad-call", f"{BAD_CALL} {action}")
        if action is None:
            return _failed(call, "the step holds no action that can be read")
        if action.name.lower() == FINISH and action.arguments_text.strip():
            return Enriched(
                node=call.nodes[0],
                index=call.index,
                how=call.how,
                text=step.text,
                status="terminal",
                answer=step.answer or action.arguments_text.strip(),
                source="tool",
            )
        try:
            seen = await self._call(action, settings.timeout)
        except BadCall as error:
            return _added(call, step, observed(f"{BAD_CALL} {error}"), "bad-call", f"{BAD_CALL} {error}")
        return _added(call, step, observed(_short(seen, settings.observation)), "tool")

    async def _call(self, action: Action, seconds: float) -> str:
        """What is observed when an action is carried out, an error included.

        Raises:
            BadCall: There is no such tool, or the arguments do not fit it.
        """
        tool = named(self.tools, action.name)
        if tool is None:
            known = ", ".join((*self.tools, FINISH))
            raise BadCall(f"there is no tool {action.name!r:.80}: use one of {known}")
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                return await tool.call(action.arguments_text)
        except BadCall:
            raise
        except BadInput as error:
            return f"error: {error}"
        except Exception as error:  # the boundary to a user's tool: what it raises is what is observed
            if clock.expired():
                return f"error: {tool.name} gave no result within {seconds:g} s"
            return f"error: {type(error).__name__}: {error}"

    async def _execute(self, call: Call, structure: ReasoningStructure, settings: Enrich) -> Event:
        """Run the step's code after that of the steps before it; code that fails makes the step a failed one."""
        from reflectree.rlm_ops.sandbox import Limits, arun_python
        from reflectree.rlm_ops.verifiers.code import extract_code

        node = call.nodes[0]
        step = structure.steps[node]
        own = extract_code(step.text)
        if own is None:
            return _failed(call, "the step holds no code")
        earlier = [code for before in structure.path(node).steps[:-1] if (code := extract_code(before.text))]
        limits = Limits(seconds=settings.timeout, cpu_seconds=math.ceil(settings.timeout))
        try:
            outcome = await arun_python(_after(earlier, own), limits=limits)
        except (BadInput, OSError) as error:
            return _failed(call, f"the sandbox: {error}")
        if not outcome.ok:
            why = f"{outcome.reason}: {outcome.stderr.strip()[-MOST_ERROR:]}"
            return Enriched(
                node=node, index=call.index, how=call.how, text=step.text, status="failed", source="code", note=why
            )
        printed = _short(outcome.stdout.strip() or "(nothing was printed)", settings.observation)
        return _added(call, step, output(printed), "code")

    async def _reflect(self, call: Call, run: AgentRun, settings: Enrich) -> Event:
        """What the worst attempts below the node teach; the root keeps the newest lessons."""
        structure, node = run.structure, call.nodes[0]
        attempts = _failures(structure, node)
        if not attempts:
            return _failed(call, "there is no failed attempt to learn from")
        request = Request(
            reflecting(structure.task, attempts),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=call.seed(run.seed),
            timeout=settings.timeout,
        )
        try:
            outcome = await run.caller(settings.model).call(
                request, lambda choice: _reflection_problem(choice, structure.task.question)
            )
        except ModelUnreachable:
            raise
        except TransientModelError as error:
            return _failed(call, str(error), spent_by(error))
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return _failed(call, sample, outcome.usage)
        lesson = " ".join(split_thought(sample.text)[1].split())
        if node != ROOT:
            return replace(
                _added(call, structure.steps[node], f"Lesson: {lesson}", "reflection", lesson), usage=outcome.usage
            )
        known = structure.lessons.split("\n") if structure.lessons else []
        return Enriched(
            node=node,
            index=call.index,
            how=call.how,
            text="\n".join([*known, lesson][-LESSONS_KEPT:]),
            source="reflection",
            note=lesson,
            usage=outcome.usage,
        )


def output(text: str) -> str:
    """What code printed as it stands in a step: fenced, without anything that could close the fence or open one."""
    return f"```output\n{_FENCES.sub(lambda run: chr(39) * len(run[0]), text)}\n```"


def _added(call: Call, step: Step, addition: str, source: str, note: str = "") -> Enriched:
    return Enriched(
        node=call.nodes[0],
        index=call.index,
        how=call.how,
        text=f"{step.text}\n{addition}",
        answer=step.answer,
        source=source,
        note=note or addition,
    )


def _failures(structure: ReasoningStructure, node: int) -> list[tuple[str, float]]:
    """The worst answers below a node, with their values."""
    scored = [
        (value, terminal)
        for terminal in structure.terminals
        if (value := structure.value(terminal)) is not None and node in structure.ancestors(terminal)
    ]
    scored.sort()
    return [(structure.path(terminal).text, value) for value, terminal in scored[:MOST_ATTEMPTS] if value < 1.0]


def _after(earlier: Sequence[str], own: str) -> str:
    """A program that runs earlier code in silence, then the step's own."""
    if not earlier:
        return own
    before = "\n".join(earlier)
    silent = "import contextlib as _c, io as _i\nwith _c.redirect_stdout(_i.StringIO()):\n    exec(_before, globals())"
    return f"_before = {before!r}\n{silent}\n{own}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... ({len(text) - most} characters more)"


def _reflection_problem(choice: Choice, question: str) -> str | None:
    """What is wrong with a reflection, or `None`: one lesson stands in every later prompt."""
    text = split_thought(choice.text)[1]
    if choice.finish == "filter":
        return "the reflection was refused by the provider's filter"
    return problem_with(text, question=question) if text.strip() else "the reflection is empty"


def _failed(call: Call, reason: str, usage: Usage = NO_USAGE) -> Failed:
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)
