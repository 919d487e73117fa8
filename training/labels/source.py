"""What a label function reads: one finished (or broken off) run, and what is known about it beside its trace.

A `Source` is a trace, its structure, and the outcomes that may be known: what the verifier says of each answer, what
rollouts from its prefixes came to, how people judged its steps. The verifier itself is not kept, only its numbers, so
no label function can write a gold answer into a sample. Nothing here knows a label, a model or a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure, fold
from reflectree.rlm_ops.trace import Trace
from reflectree.training.labels.completions import Completion, Rollouts, Wanted
from reflectree.training.labels.verdicts import RIGHT, Judge, judged_answers, told_answers
from reflectree.training.samples import Labelled, Origin, Split, Valued

COPIES = ("journey", "best-path")
"""Ways to restructure whose nodes retell what stands elsewhere in the structure."""


@dataclass(frozen=True)
class Source:
    """A run to be labelled; made by `Source.of`.

    Attributes:
        trace: Its events.
        structure: The structure they fold to.
        outcomes: What came of the nodes that hold an answer, in [0, 1], for those of which it is known.
        rollouts: Outcomes of completions, by node.
        continuations: The completions themselves, by node, where they are known.
        judgements: What a person or a judge says of steps, in [0, 1], by node.
        task: The task's id; that of the outer run for a nested one.
        split: The part of the task set the task belongs to.
        round: The round of the loop.
        policy: The model that wrote the steps.
    """

    trace: Trace
    structure: ReasoningStructure
    outcomes: Mapping[int, float]
    rollouts: Rollouts = field(default_factory=dict)
    continuations: Mapping[int, Sequence[Completion]] = field(default_factory=dict)
    judgements: Mapping[int, float] = field(default_factory=dict)
    task: str = ""
    split: Split = "train"
    round: int = 0
    policy: str = ""

    @classmethod
    def of(
        cls,
        trace: Trace,
        *,
        judge: Judge | None = None,
        rollouts: Rollouts | None = None,
        continuations: Mapping[int, Sequence[Completion]] | None = None,
        judgements: Mapping[int, float] | None = None,
        split: Split = "train",
        round: int = 0,
    ) -> Source:
        """Read a trace.

        Args:
            trace: The run.
            judge: Says what answers are worth. Without one, outcomes are what the trace itself tells of them.
            rollouts: Outcomes of completions by node; those of `continuations` if not given.
            continuations: Completions by node.
            judgements: What was said of steps.
            split: Where the task belongs.
            round: The round of the loop.

        Raises:
            BadInput: The trace holds no task, or a number lies outside [0, 1].
            TraceError: The trace is not sound.
        """
        structure = fold(trace)
        began = structure.began
        if began is None:
            raise BadInput("an empty trace cannot be labelled: give one that a run has written")
        known = {node: tuple(found) for node, found in (continuations or {}).items()}
        rolled = {node: [made.reward for made in found] for node, found in known.items()}
        rolled.update({node: list(values) for node, values in (rollouts or {}).items()})
        for name, numbers in (
            *((f"a rollout of node {node}", values) for node, values in rolled.items()),
            *((f"the judgement of node {node}", [value]) for node, value in (judgements or {}).items()),
        ):
            if any(not 0.0 <= number <= 1.0 for number in numbers):
                raise BadInput(f"{name} is outside [0, 1]: {numbers}")
        strange = sorted({*rolled, *known, *(judgements or {})} - set(range(len(structure))))
        if strange:
            raise BadInput(f"node {strange[0]} is not in the trace {trace.run_id!r}: labels of another run?")
        outcomes = judged_answers(structure, judge) if judge else told_answers(trace, structure)
        return cls(
            trace, structure, outcomes, rolled, known, dict(judgements or {}),
            task=began.task_id, split=split, round=round, policy=began.policy,
        )  # fmt: skip

    @property
    def question(self) -> str:
        """The question with its context, as a trained model reads it."""
        return self.structure.task.prose

    def origin(self, label: str, node: int = -1) -> Origin:
        """Where a sample of this run comes from."""
        seed = self.structure.began.seed if self.structure.began else 0
        return Origin(self.task, self.trace.run_id, node, self.policy, seed, self.split, label, self.round)

    @cached_property
    def nodes(self) -> list[int]:
        """The nodes that can be labelled, oldest first: they say something, and nothing that others say."""
        return [node for node in range(ROOT + 1, len(self.structure)) if self.says(node)]

    @cached_property
    def ends(self) -> list[int]:
        """The nodes that end a solution, oldest first; pruned ones too: what they say is as right as before."""
        steps = self.structure.steps
        return [node for node in self.nodes if steps[node].answer is not None and steps[node].status != "open"]

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """For each node those read directly after it: the tree of prefixes."""
        found: dict[int, list[int]] = {}
        for node in self.nodes:
            found.setdefault(self.above(node), []).append(node)
        return found

    @cached_property
    def ends_below(self) -> dict[int, list[int]]:
        """For each node the ends whose path runs through it, itself included, of known outcome."""
        found: dict[int, list[int]] = {}
        for end in self.ends:
            if end in self.outcomes:
                for node in (ROOT, *self.read(end)):
                    found.setdefault(node, []).append(end)
        return found

    @property
    def given(self) -> int:
        """The node whose answer the run gave, the one retold where that is a retelling; -1 where there is none."""
        answered = self.structure.answered
        node = -1 if answered is None else answered.node
        while node > ROOT and self._retells(node):
            node = self.structure.parents[node][0]
        return node if node > ROOT and self.says(node) else -1

    def _retells(self, node: int) -> bool:
        structure = self.structure
        return structure.ops[node] == "restructure" and structure.hows[node].partition(":")[0] in COPIES

    def says(self, node: int) -> bool:
        """Whether the node says something of its own."""
        return bool(self.structure.steps[node].text.strip()) and not self._retells(node)

    def above(self, node: int) -> int:
        """The node after which a node is read, wordless ones skipped."""
        node = self.structure.after[node]
        while node != ROOT and not self.says(node):
            node = self.structure.after[node]
        return node

    def read(self, node: int) -> list[int]:
        """The nodes of a path, first step first, wordless ones skipped."""
        ids = []
        while node != ROOT:
            ids.append(node)
            node = self.above(node)
        return ids[::-1]

    def texts(self, node: int) -> tuple[str, ...]:
        """The steps of a path."""
        return tuple(self.structure.steps[step].text for step in self.read(node))

    def right(self, node: int) -> bool:
        """Whether a node ends a solution that is known to be right."""
        return self.outcomes.get(node, 0.0) >= RIGHT

    def wrong(self, node: int) -> bool:
        """Whether a node ends a solution that is known to be wrong."""
        return self.outcomes.get(node, RIGHT) < RIGHT

    def valued(
        self, label: str, values: Mapping[int, float], weights: Mapping[int, float] | None = None
    ) -> list[Valued]:
        """A sample for each node that has a value; the root's is of the question alone."""
        return [
            Valued(
                question=self.question,
                steps=self.texts(node),
                value=value,
                weight=1.0 if weights is None else weights[node],
                origin=self.origin(label, node),
            )
            for node, value in sorted(values.items())
            if node == ROOT or self.says(node)
        ]

    def labelled(self, label: str, values: Mapping[int, float], ends: Iterable[int] | None = None) -> list[Labelled]:
        """A sample for each path to one of the ends, with the labels of its steps; none for a path without any."""
        made = []
        for end in self.ends if ends is None else ends:
            labels = tuple(values.get(node, math.nan) for node in self.read(end))
            if any(not math.isnan(value) for value in labels):
                origin = self.origin(label, end)
                made.append(Labelled(question=self.question, steps=self.texts(end), labels=labels, origin=origin))
        return made

    def leaves(self) -> list[int]:
        """The nodes after which nothing is read."""
        return [node for node in self.nodes if node not in self.readers]

    def nested(self) -> Iterator[Source]:
        """The runs that nodes of this one hold, and those inside them; their task counts as the outer one.

        What the outer verifier, rollouts and judgements say is of other answers and other nodes, so nothing of it goes
        in; outcomes are what the inner trace tells. A run that *restructure* collapsed repeats what this trace says,
        and is left out.
        """
        for node in sorted(self.structure.runs):
            rows = self.structure.traces.get(node, ())
            if not rows or self.structure.ops[node] == "restructure":
                continue
            inner = Trace.from_rows(rows, run_id=f"{self.trace.run_id}/{node}:{self.structure.runs[node]}")
            source = Source.of(inner, split=self.split, round=self.round)
            source = replace(source, task=self.task, policy=source.policy or self.policy)
            yield source
            yield from source.nested()


__all__ = ["RIGHT", "Completion", "Judge", "Rollouts", "Source", "Wanted"]
