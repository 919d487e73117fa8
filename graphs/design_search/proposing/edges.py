"""A team's edges: which there may be, which a design has, and designs with edges sampled as GPTSwarm samples them.

An edge (a, b) says that member b reads a's message. Members that give the answer are read by nobody. Edges are looked
at in a fixed order, and one that would close a circle is passed over: it could not be taken, and teaches nothing. The
logits are derived from the measured designs of the batches before; nothing is kept between calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from typing_extensions import override

from reflectree.agents.base import AgentRun
from reflectree.graphs.design_search.designs import BadDesign, applied
from reflectree.graphs.design_search.proposals import Context, Varier, design_of, failed, grown, is_seed
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.formulas.design import EdgeLogits, Sampled
from reflectree.rlm_ops.strategies.design.gptswarm import BATCH, THRESHOLD, batches
from reflectree.rlm_ops.strategies.team import Team
from reflectree.rlm_ops.structure import ReasoningStructure

Edge = tuple[str, str]
TRIES = 16
"""Samples that may be no valid team before a call is given up."""
SOLVERS = 3
"""Solvers of the team that is made of a seed without members."""


def team_of(design: Blueprint) -> Team:
    """The team of a design.

    Raises:
        BadDesign: Its strategy is another.
    """
    strategy = design.scheme.strategy
    if not isinstance(strategy, Team):
        raise BadDesign(f"edges are those of a team, and this design's strategy is {strategy.name}")
    return strategy


def as_team(seed: Blueprint, solvers: int = SOLVERS) -> Blueprint:
    """The seed where it is a team, else a team of solvers with the seed's prompts, and one who decides.

    Raises:
        BadDesign: No team can be made of it.
    """
    if isinstance(seed.scheme.strategy, Team):
        return seed
    names = [f"solver-{number}" for number in range(1, solvers + 1)]
    members: list[dict[str, Any]] = [{"id": name} for name in names]
    members.append({"id": "decider", "reads": names})
    return applied(
        seed,
        {
            "scheme.structure": "dag",
            "scheme.granularity": "solution",
            "scheme.strategy": {"name": Team.name, "members": members},
            "operators.aggregate.prompt": "layer",
            "selection": "majority",
        },
    )


def possible(design: Blueprint) -> list[Edge]:
    """Every edge a team may have, in the order in which they are looked at."""
    team = team_of(design)
    names, last = [member.id for member in team.members], team.finals()
    return [(a, b) for a in names if a not in last for b in names if a != b]


def closes_circle(edges: Sequence[Edge], edge: Edge) -> bool:
    """Whether an edge would close a circle with those taken."""
    reached, front = {edge[1]}, [edge[1]]
    while front:
        node = front.pop()
        following = [b for a, b in edges if a == node and b not in reached]
        reached.update(following)
        front += following
    return edge[0] in reached


def taken(design: Blueprint, order: Sequence[Edge]) -> list[bool | None]:
    """Of each possible edge whether the design has it; `None` where it could not, for the edges before it."""
    reads = {member.id: set(member.reads) for member in team_of(design).members}
    there: list[Edge] = []
    found: list[bool | None] = []
    for a, b in order:
        if a in reads.get(b, set()):
            there.append((a, b))
            found.append(True)
        else:
            found.append(None if closes_circle(there, (a, b)) else False)
    return found


def with_edges(design: Blueprint, edges: Sequence[Edge]) -> Blueprint:
    """The design with these edges and no others.

    A member that now reads others, or no longer does, writes by the other operator: what its variant there has in
    common with the one it had is carried over.

    Raises:
        BadDesign: That is no valid team.
    """
    team = team_of(design)
    members, changes = [], dict[str, Any]()
    operators: dict[str, Any] = design.operators.model_dump(mode="json")
    for member in team.members:
        reads = [a for a, b in edges if b == member.id]
        members.append({"id": member.id, "variant": member.variant, "reads": reads})
        before, after = member.op, "aggregate" if reads else "generate"
        own = operators[before]["variants"].get(member.how)
        if after != before and own is not None and member.how not in operators[after]["variants"]:
            fields = type(getattr(design.operators, after)).model_fields
            common = {key: value for key, value in own.items() if key in fields and key != "prompt"}
            operators[after]["variants"][member.how] = common
            changes[f"operators.{after}.variants"] = operators[after]["variants"]
    strategy = {"name": team.name, **team.model_dump(mode="json"), "members": members, "final": list(team.finals())}
    return applied(design, {**changes, "scheme.strategy": strategy})


def learnt(
    structure: ReasoningStructure, base: Blueprint, context: Context, until: int, settings: Mapping[str, Any]
) -> EdgeLogits:
    """The logits after the batches before number `until`."""
    order = possible(base)
    known: dict[int, list[bool | None]] = structure.memo.setdefault("edges", {})
    logits = EdgeLogits([0.0] * len(order), settings["rate"], settings["decay"])
    for batch in batches(structure, until):
        sampled: list[Sampled] = []
        for node in batch:
            value = structure.value(node)
            if value is None:
                continue
            if node not in known:
                known[node] = taken(design_of(structure, node, context), order)
            sampled.append((known[node], value))
        logits.learn(sampled)
    return logits


class EdgeSampler(Varier):
    """Makes teams with sampled edges: `batch-K` draws each edge by its chance, `threshold` takes those above one half.

    Args:
        context: What the search's agents know.
        settings: `rate`, `decay` and `iterations` of the strategy.
    """

    def __init__(self, context: Context, settings: Mapping[str, Any]) -> None:
        super().__init__("generate", context)
        self.settings = settings

    @override
    def act(self, call: Call, run: AgentRun) -> Event:
        """The node of one team, or why there is none. A team that was sampled before may come again."""
        if is_seed(call):
            return grown(call, self.context.space.seed, "the seed design")
        try:
            design, note = self._sampled(call, run.structure, Random(call.seed(run.seed)))
        except BadDesign as error:
            return failed(call, str(error))
        return grown(call, design, note)

    def _sampled(self, call: Call, structure: ReasoningStructure, rng: Random) -> tuple[Blueprint, str]:
        base = as_team(self.context.space.seed)
        number = call.how.removeprefix(BATCH)
        until = int(number) if number.isdigit() else int(self.settings["iterations"])
        if not number.isdigit() and call.how != THRESHOLD:
            return self.context.space.check(base), "the team that edges are learnt of"
        order = possible(base)
        chances = learnt(structure, base, self.context, until, self.settings).probabilities
        problem = "no edges were drawn"
        for _ in range(1 if call.how == THRESHOLD else TRIES):
            edges = _drawn(order, chances, None if call.how == THRESHOLD else rng)
            try:
                design = self.context.space.check(with_edges(base, edges))
            except BadDesign as error:
                problem = str(error)
                continue
            return design, "edges: " + (", ".join(f"{a} -> {b}" for a, b in edges) or "none")
        raise BadDesign(f"no valid team came of the edges: {problem}")


def _drawn(order: Sequence[Edge], chances: Sequence[float], rng: Random | None) -> list[Edge]:
    """Edges drawn by their chances, in order and without circles; without `rng` those above one half."""
    edges: list[Edge] = []
    for edge, chance in zip(order, chances, strict=True):
        if (chance > 0.5 if rng is None else rng.random() < chance) and not closes_circle(edges, edge):
            edges.append(edge)
    return edges


__all__ = ["EdgeSampler", "as_team", "closes_circle", "learnt", "possible", "taken", "team_of", "with_edges"]
