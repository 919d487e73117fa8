"""What models were shown, rebuilt from the trace: traces hold what came of calls, not the conversations.

The same functions that asked then are asked again, on the structure as it stood just before an event. That is what was
sent, but for what a trace does not tell: descriptions of tools, how many siblings one request served, second tries, and
how a model that cannot continue a begun turn was asked. The page says so beside every prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reflectree.agents.generator import Generator
from reflectree.agents.merges import WAYS, Merging
from reflectree.agents.prompts.judging import comparing, grading, judging, weighing
from reflectree.agents.prompts.refining import rewriting
from reflectree.apps.viewer.text import shown
from reflectree.models.base import Message
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.operators.aggregate import common_after
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import Trace

MOST_CHARACTERS = 8_000_000
"""Characters of all rebuilt prompts of one run."""

NOTE = (
    "Not in the trace: rebuilt with this release's prompts from the structure just before the event. Descriptions of "
    "tools, second tries and how a model that cannot continue a begun turn was asked are not in it."
)


class Rebuilder:
    """Asks the agents' own prompt functions again.

    Args:
        blueprint: The blueprint of the run.
        seed: Its seed.
    """

    def __init__(self, blueprint: Blueprint, seed: int) -> None:
        self._operators = blueprint.operators
        self._granularity: Granularity = blueprint.scheme.granularity
        self._seed = seed
        nobody: Any = object()  # nested runs are not carried out here
        self._generator = Generator(
            self._operators.generate, self._granularity, {"policy": ScriptedPolicy("")}, nested=nobody
        )

    def shared(self, events: Sequence[Event]) -> dict[int, list[Call]]:
        """The calls that one request for several proposals served, at the first's event; [] at the others'."""
        found: dict[int, list[Call]] = {}
        last: dict[tuple[tuple[int, ...], str], list[Call]] = {}
        for event in events:
            if not isinstance(event, Grown | Failed) or getattr(event, "of", event.op) != "generate":
                continue
            if self._generator.plan(event.how).prompt != "propose":
                continue
            key, call = (event.nodes, event.how), Call("generate", event.nodes, event.index, event.how)
            if event.usage or key not in last:  # the first of them carries the bill
                last[key] = found[event.seq] = [call]
            else:
                last[key].append(call)
                found[event.seq] = []
        return found

    def proposing(self, calls: Sequence[Call], structure: ReasoningStructure) -> Sequence[Message]:
        """The conversation in which several next steps were asked for at once."""
        return self._generator.begin(self._generator.plan(calls[0].how), calls, structure, self._seed)[0].messages

    def turns(self, event: Event, structure: ReasoningStructure) -> Sequence[Message] | None:
        """The conversation behind an event, where a model was asked and it can be told what."""
        if isinstance(event, Grown) and not event.run:
            return self._of_call(Call(event.op, event.nodes, event.index, event.how), event.note, structure)
        if isinstance(event, Failed) and event.of in ("generate", "aggregate"):
            op: Any = event.of
            return self._of_call(Call(op, event.nodes, event.index, event.how), "", structure)
        if isinstance(event, Evaluated):
            return self._of_evaluation(event, structure)
        return None

    def _of_call(self, call: Call, note: str, structure: ReasoningStructure) -> Sequence[Message] | None:
        if call.op == "generate":
            plan = self._generator.plan(call.how)
            if plan.settings.nested is not None:
                return None
            request, _ = self._generator.begin(plan, [call], structure, self._seed)
            begun = (Message("assistant", request.prefill),) if request.prefill else ()
            return (*request.messages, *begun)
        if call.op == "refine":
            refine = self._operators.refine.variant(call.how)
            return rewriting(structure.path(call.nodes[0]), refine.prompt, note, refine.instruction)
        if call.op == "aggregate":
            merge = self._operators.aggregate.variant(call.how)
            after = common_after(structure, call.nodes)
            return WAYS[merge.prompt](Merging(structure, call, merge, self._granularity, after))
        return None

    def _of_evaluation(self, event: Evaluated, structure: ReasoningStructure) -> Sequence[Message] | None:
        settings, path = self._operators.evaluate.variant(event.how), structure.path(event.node)
        if event.against != -1:
            other = structure.path(event.against)
            return comparing(structure.task, path, other, settings.rubric) if event.source == "pairwise" else None
        if event.source == "judge":
            return judging(path, settings.rubric)
        if event.source == "rubric":
            return grading(path, settings.criteria)
        if event.source == "scale":
            return weighing(path, list(settings.values))
        return None


def rebuilt(trace: Trace) -> dict[str, Any]:
    """The prompts of a trace for the page: conversations by event, of lines that are sent once.

    What cannot be rebuilt is left out, and `why` says so.
    """
    began = trace.began
    found: dict[str, Any] = {"note": NOTE, "texts": []}
    if began is None:
        return found
    try:
        rebuilder = Rebuilder(Blueprint.parse(began.blueprint), began.seed)
    except Exception as error:  # a blueprint of another release, or a file that somebody wrote: looking must go on
        return found | {"why": f"Not in the trace, and not rebuilt: {_words(error)}"}
    structure, lines, left = ReasoningStructure(), _Lines(), MOST_CHARACTERS
    shared = rebuilder.shared(trace.events)
    proposed: dict[tuple[tuple[int, ...], str], Sequence[Message]] = {}
    for event in trace.events:
        turns: Sequence[Message] | None = None
        try:
            if left > 0 and isinstance(event, Grown | Failed) and event.seq in shared:
                if calls := shared[event.seq]:
                    proposed[event.nodes, event.how] = rebuilder.proposing(calls, structure)
                turns = proposed.get((event.nodes, event.how))
            elif left > 0:
                turns = rebuilder.turns(event, structure)
        except Exception as error:
            found["why"] = f"Not in the trace, and not rebuilt: {_words(error)}"
        if turns:
            found[str(event.seq)] = {"turns": [[turn.role, lines.ids(turn.content)] for turn in turns]}
            left = MOST_CHARACTERS - lines.held
        try:
            structure.apply(event)
        except ReflectreeError:
            break
    if left <= 0:
        found["why"] = f"Not in the trace; prompts are rebuilt up to {MOST_CHARACTERS:,} characters a run."
    return found | {"texts": lines.texts}


def attach(chunk: dict[str, Any], trace: Trace) -> dict[str, Any]:
    """The chunk of a trace with its prompts, and those of the runs inside it."""
    for seq, inner in chunk.get("nested", {}).items():
        event = trace[seq]
        if isinstance(event, Grown) and "left_out" not in inner:
            attach(inner, Trace.from_rows(event.trace, run_id=event.run))
    chunk["prompts"] = rebuilt(trace)
    return chunk


class _Lines:
    """Lines by number, each once: conversations of one task are much alike."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.held = 0
        self._ids: dict[str, int] = {}

    def ids(self, text: str) -> list[int]:
        """The numbers of a text's lines."""
        words, length = shown(text, 100_000)
        if length:
            words += f"\n… ({length:,} characters)"
        return [self._id(line) for line in words.splitlines(keepends=True)]

    def _id(self, line: str) -> int:
        known = self._ids.get(line)
        if known is None:
            known = self._ids[line] = len(self.texts)
            self.texts.append(line)
            self.held += len(line)
        self.held += 4
        return known


def _words(error: Exception) -> str:
    return shown(f"{type(error).__name__}: {error}", 200)[0]
