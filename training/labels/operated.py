"""Trace-based supervision: the run told operator by operator, each with its arguments and what came of it.

The blueprint asks for it (arXiv 2501.11223, section 4.3, TBS) so that an implicit model may learn the search itself and
not only its result. `thought` tells all of it in one turn of the assistant, as long thought; `dialogue` lets the
assistant decide on operators and somebody else say what came of them. Texts of steps are indented below the line that
names the operator, so none of them reads as an operator. The verdict on the answer is the sample's reward and never
part of its text. Single decisions, for a prior over operators, are `choices`.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent

from reflectree.rlm_ops.events import (
    Answered,
    BackedUp,
    Backtracked,
    Began,
    Enriched,
    Evaluated,
    Event,
    Failed,
    Grown,
    Pruned,
)
from reflectree.rlm_ops.reflected import REFLECT, Reflected
from reflectree.rlm_ops.strategies.operator_priors import Transition, features
from reflectree.rlm_ops.strategies.operator_priors import transitions as _transitions
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.training.labels.source import Source
from reflectree.training.samples import Operated

Told = tuple[str, str, str]
"""An operator, what it was applied to, and what came of it."""


def told(source: Source) -> Iterator[Told]:
    """Every event of the run between its task and its answer, in order: operator, arguments, outcome."""
    live = ReasoningStructure()
    for event in source.trace:
        live.apply(event)
        learns = isinstance(event, Failed) and event.of == REFLECT  # what a run learns is no part of its search
        if not (learns or isinstance(event, Began | Reflected | Answered)):
            name = event.of if isinstance(event, Failed) else event.op
            yield name, _arguments(event), _outcome(event, live)


def _named(node: int) -> str:
    return "the question" if node == ROOT else f"step {node}"


def _all(nodes: tuple[int, ...]) -> str:
    return " and ".join(map(_named, nodes))


def _arguments(event: Event) -> str:
    match event:
        case Grown():
            to = "after " if event.op == "generate" else ""
            what = to + _all(event.nodes)
        case Evaluated():
            what = _named(event.node) + (f" against {_named(event.against)}" if event.against != -1 else "")
        case Pruned() | Failed():
            what = _all(event.nodes)
        case Backtracked():
            what = f"from {_named(event.node)} to {_named(event.to)}"
        case BackedUp() | Enriched():
            what = _named(event.node)
        case _:
            what = ""
    how = getattr(event, "how", "")
    return f"{what} ({how})" if how else what


def _outcome(event: Event, live: ReasoningStructure) -> str:
    match event:
        case Grown():
            inside = " found by a run of its own" if event.run else ""
            read = f", read after {_named(event.after)}" if event.after != -1 else ""
            because = f"Because:\n{indent(event.note, '  ')}\n" if event.note.strip() else ""
            answer = f"\nIt answers: {' '.join(event.answer.split())}" if event.answer is not None else ""
            return f"{because}Step {event.node}{inside}{read}:\n{indent(event.text, '  ')}{answer}"
        case Evaluated():
            said = f" by {event.source}" if event.source else ""
            why = f": {' '.join(event.note.split())}" if event.note.strip() else ""
            return f"{event.value:.2f}{said}{why}"
        case BackedUp():
            q = live.q(ROOT)
            return f"{event.value:.2f} counts for all steps above; the question is worth {0.0 if q is None else q:.2f}"
        case Pruned() | Backtracked():
            return f"Because: {' '.join(event.reason.split())}" if event.reason.strip() else "Done."
        case Enriched():
            return f"It now reads:\n{indent(event.text, '  ')}"
        case Failed():
            return "It came to nothing."
        case _:
            return ""


def _reward(source: Source) -> float | None:
    """What came of the run: 0 where it ended without an answer; `None` where nobody knows."""
    answered = source.structure.answered
    if answered is None:
        return None
    if answered.node <= ROOT or answered.answer is None:
        return 0.0
    if source.given in source.outcomes:
        return source.outcomes[source.given]
    return None if answered.correct is None else float(answered.correct)


def thought(source: Source) -> list[Operated]:
    """The run as one long thought and its answer; none of a run that is not finished or whose answer nobody judged."""
    lines = [f"[{name}] {arguments}\n{outcome}" for name, arguments, outcome in told(source)]
    return _sample(source, "operated", [("assistant", "\n".join([*lines, _answer(source)]))])


def dialogue(source: Source) -> list[Operated]:
    """The run as a conversation: the assistant names an operator, the other side says what came of it."""
    turns = []
    for name, arguments, outcome in told(source):
        turns += [("assistant", f"{name} {arguments}".rstrip()), ("user", outcome)]
    return _sample(source, "operated/dialogue", [*turns, ("assistant", _answer(source))])


def _answer(source: Source) -> str:
    answered = source.structure.answered
    given = None if answered is None else answered.answer
    return "No answer." if given is None else f"Answer: {given}"


def _sample(source: Source, label: str, turns: list[tuple[str, str]]) -> list[Operated]:
    reward = _reward(source)
    if reward is None:
        return []
    return [
        Operated(
            question=source.question,
            messages=(("user", source.question), *turns),
            operators=tuple(name for name, _, _ in told(source)),
            reward=reward,
            origin=source.origin(label, source.given),
        )
    ]


def transitions(source: Source) -> list[Transition]:
    """Each operator applied once and what it gained: what `operator_priors.learn_priors` learns from."""
    return _transitions(source.trace)


def choices(source: Source) -> list[Operated]:
    """Each decision for an operator as a sample of its own: where the search stood, what it did, what that gained.

    The reward is the gain in the value of the best answer, in [0, 1] (see `operator_priors.Transition`).
    """
    made = []
    for step in transitions(source):
        steps = "\n".join(source.texts(step.node)) if step.node != ROOT else ""
        here = f"Steps so far:\n{indent(steps, '  ')}\n\n" if steps else ""
        asked = f"{source.question}\n\n{here}This is {features(source.structure, step.node)}. Which operator is next?"
        made.append(
            Operated(
                question=source.question,
                messages=(("user", asked), ("assistant", f"{step.operator} {step.how}".rstrip())),
                operators=(step.operator,),
                reward=min(1.0, step.gain),
                origin=source.origin("operated/choices", step.node),
            )
        )
    return made
