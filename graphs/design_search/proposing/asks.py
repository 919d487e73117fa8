"""What each method asks a proposing model, call by call: a goal, and what is shown with it."""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.graphs.design_search.designs import canonical
from reflectree.graphs.design_search.proposals import Asking, Context, design_of
from reflectree.graphs.design_search.proposing import history, prompts
from reflectree.models.base import Message
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.design.gepa import MINIBATCH
from reflectree.rlm_ops.structure import ReasoningStructure

MODULES = (
    "the strategy and its parameters (scheme)",
    "how solutions are generated (operators.generate)",
    "how solutions are evaluated, refined or merged (operators.evaluate, operators.refine, operators.aggregate)",
    "how the answer is selected, and the memory",
)
"""The modules that AgentSquare's evolution turns to, one after the other."""


def fresh(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
    """A new design from the space's description, the seed as the example."""
    there = history.listed(structure, history.ranked(structure, structure.terminals))
    goal = "Propose a design that is likely to do better than the seed, and that differs from those there already."
    shown = [("seed", canonical(context.space.seed)), ("designs", there)]
    return prompts.asking(context, goal, shown, base="the seed")


def editing(goal: str, *, experience: bool = True, feedback: bool = True) -> Asking:
    """An edit of one design, with what was said of its run and what earlier edits of it led to."""

    def ask(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
        node = call.nodes[0]
        shown = _parent(structure, node)
        if feedback:
            shown.append(("feedback", history.feedback(structure, node)))
        if experience:
            helped, failed = history.experience(structure, node, context)
            shown += [("edits-that-helped", helped), ("edits-that-did-not-help", failed)]
        return prompts.asking(context, goal, shown, design=design_of(structure, node, context))

    return ask


def reflecting(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
    """GEPA: one text of the design rewritten in view of a minibatch, its texts in turn."""
    node, number = call.nodes[0], call.how.removeprefix("round-")
    design = design_of(structure, node, context)
    texts = [parameter.path for parameter in context.space.parameters(design) if parameter.kind == "text"]
    which = texts[history.lineage(structure, node) % len(texts)] if texts else ""
    goal = (
        "Read the feedback on runs of this design: what went wrong, and what does it tell of the tasks that a "
        "text of the design should state? "
        + (f"Rewrite {which}, and nothing else." if which else "Change one thing of the design.")
    )
    shown = [*_parent(structure, node), ("feedback", history.feedback(structure, node, f"{MINIBATCH}{number}"))]
    return prompts.asking(context, goal, shown, design=design)


def changing_module(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
    """AgentSquare: one module of the best design changed, the modules in turn."""
    which = MODULES[call.index % len(MODULES)]
    helped, failed = history.experience(structure, call.nodes[0], context)
    shown = [*_parent(structure, call.nodes[0]), ("edits-that-helped", helped), ("edits-that-did-not-help", failed)]
    goal = f"Change one module of the design, and nothing else: {which}."
    return prompts.asking(context, goal, shown, design=design_of(structure, call.nodes[0], context))


def viewing(goal: str) -> Asking:
    """A new design in view of several with their values, in the call's order: the best last."""

    def ask(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
        shown = [("designs", history.listed(structure, call.nodes))]
        best = design_of(structure, call.nodes[-1], context)
        return prompts.asking(context, goal, shown, base="the last design shown", design=best)

    return ask


def updating(gradient: str) -> Asking:
    """EvoMAC's update of a team along a textual gradient."""
    goal = (
        "The analysis says what made this team fail. Update the team accordingly: remove members that are not needed, "
        "revise the instruction of one, add a member, or change who reads whose messages."
    )

    def ask(call: Call, structure: ReasoningStructure, context: Context) -> tuple[Message, ...]:
        shown = [*_parent(structure, call.nodes[0]), ("analysis", gradient)]
        return prompts.asking(context, goal, shown, design=design_of(structure, call.nodes[0], context))

    return ask


def _parent(structure: ReasoningStructure, node: int) -> list[tuple[str, str]]:
    step = structure.steps[node]
    return [("design", step.answer or step.text), ("value", history.shown_value(structure, node))]


def by_how(asks: dict[str, Asking], other: Asking) -> Asking:
    """A different ask by what a call's `how` begins with."""

    def ask(call: Call, structure: ReasoningStructure, context: Context) -> Sequence[Message]:
        chosen = next((one for how, one in asks.items() if call.how.startswith(how)), other)
        return chosen(call, structure, context)

    return ask


__all__ = ["by_how", "changing_module", "editing", "fresh", "reflecting", "updating", "viewing"]
