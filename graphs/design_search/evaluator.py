"""Scores designs: each is run over the examples of a part, as nested runs on the search's own account.

Which part is said by the call's `how`:

    Call("evaluate", (node,))                      the whole validation part: the design's value
    Call("evaluate", (node,), i, "minibatch:K")    minibatch K of the train part, the same for all designs; aside
    Call("evaluate", (node,), i, "sample:K")       minibatch K of the validation part; aside
    Call("evaluate", (node,), i, "train")          the whole train part; aside

A score's `scores` are one number an example, in the order of the part or batch, and its note is feedback in words: of
the validation part how many are right, and never a question of it; failures that are told are of training examples.
What a design is and how one is proposed is not known here.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from typing_extensions import override

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators.base import Evaluator, Score, ScoreError, Waiting
from reflectree.graphs.design_search.cache import Made
from reflectree.graphs.design_search.designs import BadDesign
from reflectree.graphs.design_search.examples import Examples
from reflectree.graphs.design_search.feedback import feedback, tally
from reflectree.graphs.design_search.reserve import Reserve
from reflectree.graphs.design_search.settling import Unsettled
from reflectree.graphs.design_search.splits import Splits
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

TOLD = 4
"""Training examples on which a design is run as well where its failures are to be told."""
_BATCH = re.compile(r"(minibatch|sample)(?::(\d+))?\Z")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A design over some examples.

    Attributes:
        made: What it made of each, in order.
        usage: What that cost now: examples that others had paid for cost nothing.
    """

    made: tuple[Made, ...]
    usage: Usage

    @property
    def scores(self) -> tuple[float, ...]:
        """One score an example."""
        return tuple(made.score for made in self.made)

    @property
    def mean(self) -> float:
        """The mean score."""
        return sum(self.scores) / len(self.made)


@dataclass
class DesignEvaluator(Waiting):
    """Scores the design that is a path's answer.

    Attributes:
        splits: The parts; the test part stays sealed.
        examples: Runs designs on examples.
        minibatch: Examples a minibatch.
        aside: Whether its values are observations.
        how: The part that is evaluated where the call does not say.
        told: Training examples on which a design is run as well when it is measured, for the failures that its
            feedback tells; others for each node.
        reserve: What is kept of the budget for the test, looked after whenever a design is to be run.
    """

    splits: Splits
    examples: Examples
    minibatch: int = 8
    aside: bool = False
    how: str = ""
    source: str = "design"
    told: int = 0
    reserve: Reserve | None = None
    _parts: dict[str, DesignEvaluator] = field(default_factory=dict, repr=False)

    def of(self, how: str) -> DesignEvaluator:
        """The evaluator of a part."""
        if not how or how == self.how:
            return self
        if how not in self._parts:
            self.part(how)
            self._parts[how] = replace(self, aside=True, how=how, told=0, _parts={})
        return self._parts[how]

    def part(self, how: str) -> tuple[Task, ...]:
        """The examples that a `how` means.

        Raises:
            BadInput: It means none.
        """
        if how in ("", "validation"):
            return self.splits.validation
        if how == "train":
            return self.splits.train
        found = _BATCH.match(how)
        if found is None:
            raise BadInput(f"evaluate {how!r}: a design is evaluated on '', train, minibatch:K or sample:K")
        tasks = self.splits.train if found[1] == "minibatch" else self.splits.validation
        return batch(tasks, self.minibatch, int(found[2] or 0), self.examples.bench.seed)

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Run the design over the part.

        Raises:
            BudgetRefused, ModelError: Nothing was paid, and nothing can be.
            ScoreError: An example came to nothing; the design has no value, and what was paid is on the bill.
        """
        try:
            design = Blueprint.parse(_data(path.answer), origin="design")
        except BadInput as error:
            raise ScoreError(f"this node holds no design: {error}") from error
        if self.reserve is not None:
            self.reserve.review(run.structure, run.ledger)
        part = call.how or self.how
        tasks = self.part(part)
        owner = f"{call.op}-{'-'.join(map(str, call.nodes))}-{call.index}"
        done = await self.evaluate(design, tasks, run.ledger, owner)
        if part.startswith(("train", "minibatch")):
            return Score(done.mean, feedback(tasks, done.made), done.usage, done.scores)
        note, usage = tally(done.made), done.usage
        if self.told and not part:
            failures, more = await self._failures(design, call.nodes[0], run.ledger, owner)
            note, usage = f"{note}\n{failures}".strip(), usage + more
        return Score(done.mean, note, usage, done.scores)

    async def _failures(self, design: Blueprint, node: int, account: Ledger, owner: str) -> tuple[str, Usage]:
        """What went wrong on a few training examples, and what they cost; a value that was measured is not lost."""
        tasks = batch(self.splits.train, self.told, node, self.examples.bench.seed)
        try:
            done = await self.evaluate(design, tasks, account, owner)
        except ScoreError as error:
            return "", error.usage
        except (BudgetRefused, ModelError):
            return "", NO_USAGE
        return f"On training examples: {feedback(tasks, done.made)}", done.usage

    async def evaluate(self, design: Blueprint, tasks: Sequence[Task], account: Ledger, owner: str) -> Evaluation:
        """A design over examples.

        Args:
            design: The design.
            tasks: The examples.
            account: Who pays.
            owner: Who asks, the same in a resumed run.

        Raises:
            BudgetRefused, ModelError, ScoreError: As `score`.
        """
        halted: list[Unsettled] = []

        async def one(task: Task) -> Made | Unsettled | None:
            if halted:  # one that came to nothing fails the evaluation: the others are not paid for
                return None
            outcome = await self.examples.run(design, task, account, owner)
            if isinstance(outcome, Unsettled):
                halted.append(outcome)
            return outcome

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(task)) for task in tasks]
        outcomes = [task.result() for task in running]
        usage = sum((outcome.usage for outcome in outcomes if outcome is not None), NO_USAGE)
        usage = sum((outcome.spilt for outcome in outcomes if isinstance(outcome, Made)), usage)
        if halted:
            raise self._failure(halted, outcomes, usage)
        return Evaluation(tuple(outcome for outcome in outcomes if isinstance(outcome, Made)), usage)

    @staticmethod
    def _failure(halted: Sequence[Unsettled], outcomes: Sequence[object], usage: Usage) -> Exception:
        """What an evaluation ends with of which an example came to nothing."""
        first = next((one for one in halted if one.error or one.cap), halted[0])
        if not usage and first.error is not None:
            return first.error
        if not usage and first.cap:
            return BudgetRefused(first.cap)
        settled = sum(isinstance(outcome, Made) for outcome in outcomes)
        said = f"{settled} of {len(outcomes)} examples were settled, then one came to nothing: {first.reason}"
        failure = ScoreError(said, usage)
        failure.__cause__ = first.error or (BudgetRefused(first.cap) if first.cap else None)
        return failure


class DesignEvaluatorAgent(EvaluatorAgent):
    """Carries out *evaluate* in a search over designs, each call on the part that its `how` says.

    Args:
        evaluator: What runs designs.
        others: What a method observes by itself, by the calls' `how`: a prediction of a design's value.
    """

    def __init__(self, evaluator: DesignEvaluator, others: Mapping[str, Evaluator] | None = None) -> None:
        super().__init__({**(others or {}), "": evaluator})
        self.design = evaluator

    @override
    def of(self, call: Call) -> Evaluator:
        return self.evaluators.get(call.how) or self.design.of(call.how)


def batch(tasks: Sequence[Task], size: int, number: int, seed: int) -> tuple[Task, ...]:
    """Minibatch `number` of some tasks: epochs in shuffled order, so that all are seen equally often."""
    if size >= len(tasks):
        return tuple(tasks)
    in_epoch = len(tasks) // size
    order = list(tasks)
    Random(f"{seed}:{number // in_epoch}").shuffle(order)
    first = number % in_epoch * size
    return tuple(order[first : first + size])


def _data(answer: str | None) -> dict[str, object]:
    try:
        found = json.loads(answer or "")
    except ValueError as error:
        raise BadDesign("its answer is no JSON") from error
    if not isinstance(found, dict):
        raise BadDesign("its answer is no JSON object")
    return found
