from __future__ import annotations

from collections.abc import Mapping

from tests.graphs.design_search.methods.searching import SEED, found, search

from reflectree.graphs.design_search.proposing.edges import team_of
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.strategies.team import Team

SHORT = {"scheme.strategy.iterations": 16, "scheme.strategy.rate": 0.7}


def one_reads_the_other(design: Blueprint) -> Mapping[str, float]:
    """Worth most where solver 2 reads solver 1, and the decider reads solver 2 alone."""
    if not isinstance(design.scheme.strategy, Team):
        return {"it is no team": 0.0, "nobody checks": 0.0}
    reads = {member.id: member.reads for member in team_of(design).members}
    decider = reads["decider"]
    return {
        "nobody checks": 0.9 * float("solver-1" in reads["solver-2"]),
        "the decider is misled": 0.9 * float("solver-2" in decider) - 0.3 * float("solver-3" in decider) + 0.1,
    }


def bounded(design: Blueprint) -> Mapping[str, float]:
    return {name: min(1.0, max(0.0, score)) for name, score in one_reads_the_other(design).items()}


async def test_the_edges_that_matter_are_learnt_without_a_model() -> None:
    result = await search("gptswarm", bounded, set_=SHORT, seed=1)
    assert not result.usage.calls
    best = {member.id: member.reads for member in team_of(found(result)).members}
    assert "solver-1" in best["solver-2"]
    assert "solver-2" in best["decider"]
    last = max(event.node for event in result.trace if isinstance(event, Grown) and event.how == "threshold")
    assert last == 1 + 16 * 4 + 1


async def test_the_same_seed_samples_the_same_teams() -> None:
    first, second = [await search("gptswarm", bounded, set_={"scheme.strategy.iterations": 2}, seed=5) for _ in "ab"]
    assert first.trace.rows == second.trace.rows
    assert SEED.scheme.strategy.name == "self-consistency", "a seed that is no team is made one"
