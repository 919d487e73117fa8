"""The generator: asks the policy for what the call's variant wants, a step, a solution, a plan, an action.

It groups calls that one request can serve, makes the request, and hands the reply to an `Attempt`. What is asked for is
in `reflectree.agents.sampling`, how replies are read in `reflectree.agents.replies`; nested runs are somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reflectree.agents import prompts
from reflectree.agents.attempts import Attempt, Wanted, failed
from reflectree.agents.base import AgentRun
from reflectree.agents.completing import whole_answers
from reflectree.agents.nested import NestedRuns
from reflectree.agents.proposing import Proposals
from reflectree.agents.replies import Reading
from reflectree.agents.sampling import Plan, next_subquestion, same_subquestion
from reflectree.models.base import Message, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BadInput, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.settings import Nested
from reflectree.rlm_ops.step import Granularity, Path
from reflectree.rlm_ops.strategies.episodes import ACTION
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE

MOST_KEPT = 64
"""Conversations kept of a task: one a variant and phrasing, and new ones with each lesson learnt."""


class Generator:
    """Carries out *generate*.

    Args:
        settings: The blueprint's settings, with their variants.
        granularity: How much one sample writes, where the settings do not say.
        models: The models by role; `policy` takes every role nobody else has.
        nested: What carries out nested runs.
        tools: What *act* steps may call: one line of description by name.
        wanted: Says what is wrong with the form of an answer. Such a reply is asked for once more, and then fails.

    Raises:
        BadInput: A variant is a nested run, and nothing carries those out.
    """

    name = "generator"
    op: Operator = "generate"
    local = False

    def __init__(
        self,
        settings: Generate,
        granularity: Granularity,
        models: Mapping[str, PolicyModel],
        nested: NestedRuns | None = None,
        tools: Mapping[str, str] | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self.models = models
        self.nested = nested
        self.tools = tools or {}
        self.wanted = wanted
        self._plain = Plan(settings, granularity)
        self._plans = {how: Plan(settings.variant(how), granularity) for how in settings.variants}
        self._task: Task | None = None
        self._kept: dict[tuple[Plan, str, str], tuple[Message, ...]] = {}
        if nested is None and any(plan.alone for plan in (self._plain, *self._plans.values())):
            raise BadInput("generate.nested: this generator was made without anything that carries out nested runs")

    def plan(self, how: str) -> Plan:
        """What calls of this variant ask for."""
        return self._plans.get(how) or self._plain

    def model(self, role: str) -> PolicyModel:
        """The model of a role."""
        return self.models.get(role) or self.models["policy"]

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Siblings of one variant, temperature and phrasing together, as many as one request may serve."""
        groups: list[list[Call]] = []
        last: dict[tuple[object, ...], list[Call]] = {}
        for call in calls:
            plan = self.plan(call.how)
            if plan.alone:
                groups.append([call])
                continue
            key = (call.nodes, call.how, plan.turn(call.index)) if plan.varied else (call.nodes, call.how)
            group = last.get(key)
            if group is None or len(group) >= (plan.together or self.model(plan.settings.model).capabilities.max_n):
                group = last[key] = []
                groups.append(group)
            group.append(call)
        return groups

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One sample a call, all of the same node and variant."""
        plan = self.plan(calls[0].how)
        try:
            if plan.settings.nested is not None:
                return [await self._nest(plan.settings.nested, plan, calls[0], run)]
            request, attempt = self.begin(plan, calls, run.structure, run.seed)
            outcome = await run.caller(plan.settings.model).call(request, attempt.check, attempt.rephrase)
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            bill = spent_by(error)
            return [
                failed(call, str(error), bill if position == 0 else NO_USAGE) for position, call in enumerate(calls)
            ]
        if attempt.path.task.form == "text":
            outcome = await whole_answers(attempt, request, outcome, run.caller(plan.settings.model))
        return attempt.events(calls, outcome)

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError("the generator is not local")

    def begin(
        self, plan: Plan, calls: Sequence[Call], structure: ReasoningStructure, seed: int
    ) -> tuple[Request, Attempt]:
        """The request for some calls of a node, and what becomes of its replies."""
        first = calls[0]
        able = self.model(plan.settings.model).capabilities
        node = first.nodes[0]
        attempt = self._attempt(plan, structure, calls, prefills=able.prefill)
        attempt.wanted = self.wanted
        if plan.prompt == "propose":
            ask = plan.ask.replace("{count}", str(len(calls)))
            there = [structure.steps[child].text for child in structure.children[node]]
            turns = prompts.solving(
                attempt.path,
                ask=ask,
                hint=plan.hint(first.index),
                shown=True,
                proposed=there,
                demos=plan.settings.demos,
            )
        else:
            turns = self._turns(plan, attempt.path, plan.hint(first.index))
        known = (
            tuple(structure.steps[child].text for child in structure.children[node]) if plan.settings.diverse else ()
        )
        request = plan.request(
            turns,
            attempt.prefill,
            able,
            n=attempt.samples(len(calls)),
            index=first.index,
            seed=first.seed(seed),
            path=attempt.path,
            known=known,
        )
        return request, attempt

    def _attempt(self, plan: Plan, structure: ReasoningStructure, calls: Sequence[Call], *, prefills: bool) -> Attempt:
        node = calls[0].nodes[0]
        path, prompt = structure.path(node), plan.prompt
        delimiter = plan.settings.delimiter
        if prompt == "solve":
            return Attempt(plan, path, prompts.begun(path, delimiter))
        if prompt == "propose":
            return Proposals(plan, path, len(calls))
        if plan.shown:
            return Attempt(plan, path)
        if prompt == "again" and path.steps and (lead := same_subquestion(path.steps[-1].text)):
            # the new reply stands in the old one's place
            path = Path(path.task, path.steps[:-1], path.notes)
            last = next_subquestion(path, self._decomposition(structure, node))[1]
            return Attempt(plan, path, prompts.begun(path, delimiter), lead, last=last, after=structure.after[node])
        before = prompts.begun(path, delimiter)
        if prompt in ("subquestion", "again"):
            lead, last = next_subquestion(path, self._decomposition(structure, node))
            return Attempt(plan, path, before, lead, last=last)
        leads = {"action": "Action:"}
        if prefills:  # what a model would have to be asked for anew otherwise
            leads |= {"answer": "Answer:", "command": "Action:" if calls[0].how == ACTION else "Thought:"}
        return Attempt(plan, path, before, leads.get(prompt, ""))

    def _decomposition(self, structure: ReasoningStructure, node: int) -> str | None:
        """The last list of sub-questions on the way to a node."""
        for step in reversed(structure.read_ids(node)):
            if structure.ops[step] == "generate" and self.plan(structure.hows[step]).prompt == "decompose":
                return structure.steps[step].text
        return None

    def _turns(self, plan: Plan, path: Path, hint: str) -> tuple[Message, ...]:
        """The conversation. Most are the same for all paths of a task: those of the last task are kept."""
        if self._task is not path.task or len(self._kept) > MOST_KEPT:
            self._task = path.task
            self._kept = {}
        key = (plan, path.notes, hint)
        turns = None if plan.shown and path.steps else self._kept.get(key)
        if turns is None:
            tools = prompts.described(path.task, self.tools) if plan.prompt in ("act", "action", "experiment") else None
            turns = prompts.solving(
                path,
                ask=plan.ask,
                hint=hint,
                tools=tools,
                shown=plan.shown,
                demos=plan.settings.demos,
                system=prompts.ACT if plan.prompt == "command" else prompts.SOLVE,
            )
            if not (plan.shown and path.steps):
                self._kept[key] = turns
        return turns

    async def _nest(self, nested: Nested, plan: Plan, call: Call, run: AgentRun) -> Event:
        """The outcome of a nested run as a step."""
        assert self.nested is not None  # the constructor saw to it
        path = run.structure.path(call.nodes[0])
        outcome = await self.nested.run(nested, path, call, run)
        if outcome.answer is None:
            return failed(call, f"the nested run found no answer ({outcome.reason})", outcome.usage)
        whole = plan.granularity == "solution"
        step = Attempt(plan, path).grown(
            call, Reading(outcome.text or outcome.answer, outcome.answer if whole else None), outcome.usage
        )
        return replace(step, run=outcome.run_id, trace=outcome.rows)
