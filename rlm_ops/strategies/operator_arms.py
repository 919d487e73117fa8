"""What can be done at a node, operator by operator: the arms of `operator-mcts`.

An arm is an operator at a node: what it made there so far, what came of it, and whether it may be applied once more.
These functions read a structure; they choose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


@dataclass(slots=True)
class Arm:
    """An operator at a node.

    Attributes:
        op: The operator.
        offspring: What it made here; `below` those of them at or below which something can grow.
        attempts: How often it was called here: nodes made, calls that failed and calls in flight.
        visits: How often the search went this way: attempts and all that was tried below the offspring.
        seen: Values backed up from its offspring, and `total` their sum.
        nodes: What it would be applied to now; empty where it cannot be applied once more.
        how: The variant it would be applied with.
        reason: Why, for the trace, where the operator is a pure one.
    """

    op: str
    offspring: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)
    attempts: int = 0
    visits: int = 0
    seen: int = 0
    total: float = 0.0
    nodes: tuple[int, ...] = ()
    how: str = ""
    reason: str = ""

    def q(self, otherwise: float) -> float:
        """The mean value of what it made, and of what grew from that; `otherwise` while nothing is known."""
        return self.total / self.seen if self.seen else otherwise


def past(structure: ReasoningStructure, node: int) -> dict[str, Arm]:
    """The arms of a node by operator, as far as they were tried, with calls in flight and calls that failed."""
    arms: dict[str, Arm] = {}
    visits, virtual, sums, openings = structure.visits, structure.virtual, structure.value_sum, structure.openings
    flying = virtual[node]
    for child in structure.children[node]:
        op = structure.ops[child]
        arm = arms.get(op)
        if arm is None:
            arm = arms[op] = Arm(op)
        arm.offspring.append(child)
        arm.attempts += 1
        flying -= virtual[child]
        arm.visits += max(1, visits[child] + virtual[child])
        arm.seen += visits[child]
        arm.total += sums[child]
        if openings[child]:
            arm.below.append(child)
    for op in ("generate", "refine"):
        busy = structure.busy(op, (node,)) if flying else 0
        _count(arms, op, busy + structure.failures.get((op, (node,)), 0))
        flying -= busy
    # whatever else is in flight from here is a merge: those are counted by all the nodes they merge
    _count(arms, "aggregate", flying + _failed_merges(structure).get(node, 0))
    return arms


def _count(arms: dict[str, Arm], op: str, more: int) -> None:
    if more:
        arm = arms.setdefault(op, Arm(op))
        arm.attempts += more
        arm.visits += more


def _failed_merges(structure: ReasoningStructure) -> dict[int, int]:
    """How many merges failed, by the first of the nodes merged. No merge is tried twice, so each has failed once."""
    seen, counts = structure.memo.get("failed-merges", (0, {}))
    failures = structure.failures
    if len(failures) > seen:
        for op, nodes in list(failures)[seen:]:
            if op == "aggregate":
                counts[nodes[0]] = counts.get(nodes[0], 0) + 1
        structure.memo["failed-merges"] = (len(failures), counts)
    return counts  # type: ignore[no-any-return]


def mates(structure: ReasoningStructure, node: int, most: int) -> tuple[int, ...]:
    """A node and its best siblings, scored, alive and of its kind, that say something else: what a merge takes.

    Args:
        structure: Where the node stands.
        node: The first of them.
        most: How many at most, the node included.

    Returns:
        Nothing where there is no such sibling.
    """
    steps, answers = structure.steps, structure.steps[node].status == "terminal"
    said = {steps[node].text}
    others = []
    for sibling in structure.children[structure.parents[node][0]]:
        step = steps[sibling]
        alive = step.status == ("terminal" if answers else "open") and sibling != node
        if alive and structure.evaluations[sibling] and step.text not in said:
            said.add(step.text)
            others.append(sibling)
    if not others:
        return ()
    others.sort(key=lambda sibling: (-(structure.value(sibling) or 0.0), sibling))
    return (node, *others[: most - 1])


def next_cut(structure: ReasoningStructure, node: int) -> int | None:
    """After how many lines of a step to branch next, to find its weakest line; `None` where there is nothing to find.

    The first J lines are a step of their own once they were branched off and scored. If they are worth less than the
    whole step, a flaw lies among them; if not, it lies after them. Bisection then needs log2(lines) branches
    (OmegaPRM's search for the first error, arXiv 2406.06592, with an evaluator in place of rollouts).
    """
    whole = structure.value(node)
    lines = sum(1 for line in structure.steps[node].text.split("\n") if line.strip())
    if whole is None or lines < 2 or structure.ops[node] == "restructure":
        return None  # the lines of a branch are searched where it was made
    sound, flawed, tried = 0, lines, set()
    for child in structure.offspring(node, "restructure"):
        way, _, count = structure.hows[child].partition(":")
        if way != "branch" or not count.isdigit():
            continue
        tried.add(int(count))
        worth = structure.q(child)
        if worth is None:
            continue
        if worth >= whole:
            sound = max(sound, int(count))
        else:
            flawed = min(flawed, int(count))
    cut = (sound + flawed) // 2
    return cut if sound < cut < flawed and cut not in tried else None


def going_back(structure: ReasoningStructure, node: int) -> str:
    """Why to leave a node: something was tried there, and it is worth less than its parent; "" where it is not."""
    parent = structure.parents[node][0]
    here, there = structure.mean(node), structure.mean(parent)
    if here is None or there is None or structure.visits[node] <= structure.evaluations[node] or here >= there:
        return ""
    return f"value {here:.3g} below {there:.3g} of node {parent}"


def is_possible(structure: ReasoningStructure, node: int, op: str) -> bool:
    """Whether an operator makes sense at a node that may grow, by what the node is alone."""
    step = structure.steps[node]
    if op == "generate":
        return step.status == "open"
    return node != ROOT and bool(step.text.strip())
