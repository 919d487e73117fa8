"""The aggregator: several nodes into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reflectree.agents import free_text
from reflectree.agents.base import AgentRun
from reflectree.agents.merges import WAYS, Merging
from reflectree.agents.replies import split_thought, written_program
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.answers import cut_at_answer, extract_answer
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.misbehaviour import problem_with
from reflectree.rlm_ops.operators.aggregate import aggregate_problem, common_after
from reflectree.rlm_ops.settings import Aggregate
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

CANDIDATES = frozenset({"improve", "versions"})
"""Prompts whose reply is a new candidate, so that one without an answer came to nothing."""


class Aggregator:
    """Carries out *aggregate*.

    Args:
        settings: The blueprint's settings.
        granularity: How much a merge writes.
        models: The models by role.
    """

    name = "aggregator"
    op: Operator = "aggregate"
    local = False

    def __init__(self, settings: Aggregate, granularity: Granularity, models: Mapping[str, PolicyModel]) -> None:
        self.settings = settings
        self.granularity: Granularity = granularity
        self.models = models

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each merge is a request of its own."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError("the aggregator is not local")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One merge."""
        (call,) = calls
        settings = self.settings.variant(call.how)
        structure = run.structure
        problem = aggregate_problem(structure, call)
        if problem is not None:
            return [_failed(call, problem)]
        after = common_after(structure, call.nodes)
        request = Request(
            WAYS[settings.prompt](Merging(structure, call, settings, self.granularity, after)),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=call.seed(run.seed),
            timeout=settings.timeout,
        )
        try:
            outcome = await run.caller(settings.model).call(
                request, lambda choice: _merge_problem(choice, structure.task, settings.prompt in CANDIDATES)
            )
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            return [_failed(call, str(error), spent_by(error))]
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return [_failed(call, sample, outcome.usage)]
        text, answer = _read(sample, structure.task)
        return [
            Grown(
                op="aggregate",
                nodes=call.nodes,
                index=call.index,
                text=text,
                granularity=self.granularity,
                status="open" if answer is None else "terminal",
                answer=answer,
                after=after,
                how=call.how,
                usage=outcome.usage,
            )
        ]


def _read(choice: Choice, task: Task) -> tuple[str, str | None]:
    """The merge and the answer it gives: the program in its last code block, where answers are programs."""
    text = split_thought(choice.text)[1]
    if task.form == "code":
        return text.strip(), written_program(text)
    if task.form == "text":
        return text.strip(), free_text.stated(text)
    text = cut_at_answer(text)
    return text.strip(), extract_answer(text)


def _merge_problem(choice: Choice, task: Task, proposes: bool = False) -> str | None:
    text = split_thought(choice.text)[1]
    if not text.strip():
        return "the merge is empty" + (": hidden reasoning used up max_tokens" if choice.finish == "length" else "")
    if choice.finish == "filter":
        return "the merge was refused by the provider's filter"
    read, answer = _read(choice, task)
    if choice.finish == "length" and _is_cut(text, answer, task):
        return "the merge was cut at max_tokens"
    if proposes and answer is None:
        return "the reply states no candidate"
    return problem_with(read, question=task.question)


def _is_cut(text: str, answer: str | None, task: Task) -> bool:
    """Whether a merge that ended at the most tokens lacks a part: of free text nobody knows where it would end."""
    return {"code": answer is None, "text": True, "line": cut_at_answer(text) == text}[task.form]


def _failed(call: Call, reason: str, usage: Usage = NO_USAGE) -> Failed:
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)
