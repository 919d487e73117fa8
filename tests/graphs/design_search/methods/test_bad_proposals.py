"""Replies that are no design: each is a failure, none ends the search or is worth 0."""

from __future__ import annotations

import pytest
from tests.graphs.design_search.methods.searching import has_settings, search

from reflectree.rlm_ops.events import Evaluated, Failed

QUICK = {
    "opro": {"scheme.strategy.steps": 1, "scheme.strategy.per_step": 2},
    "gepa": {"scheme.strategy.iterations": 2},
    "aflow": {"scheme.strategy.rounds": 2},
    "agentsquare": {"scheme.strategy.rounds": 1},
    "adas": {"scheme.strategy.generations": 2, "scheme.strategy.initial": 2},
    "mcts": {"scheme.strategy.iterations": 2},
    "evomac": {"scheme.strategy.rounds": 2},
    "evolve": {"scheme.strategy.children": 2},
}
BAD = (
    "",
    "I cannot help with that.",
    '{"set": {"scheme.strategy": {"name": "no-such"}}}',
    '{"set": {}}',
    '{"set": {"operators.generate.instruction": ""}}',
)


@pytest.mark.parametrize("name", sorted(QUICK))
@pytest.mark.parametrize("reply", BAD)
async def test_a_reply_that_is_no_new_design_fails(name: str, reply: str) -> None:
    result = await search(name, has_settings, proposer=reply, set_=QUICK[name])
    lost = [event for event in result.trace if isinstance(event, Failed)]
    assert lost
    assert all(event.of in ("generate", "refine", "aggregate") for event in lost)
    values = {event.node: event.value for event in result.trace if isinstance(event, Evaluated) and not event.aside}
    assert list(values) == [1], "the seed alone has a value"
    assert result.stop_reason in ("complete", "converged")
