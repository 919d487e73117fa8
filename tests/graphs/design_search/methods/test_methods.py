from __future__ import annotations

import pytest
from tests.graphs.design_search.methods.searching import found, has_settings, has_words, search

from reflectree.graphs.design_search.methods import METHODS, method
from reflectree.rlm_ops.errors import BadInput

QUICK = {
    "opro": {"scheme.strategy.steps": 6, "scheme.strategy.per_step": 2},
    "gepa": {"scheme.strategy.iterations": 12},
    "aflow": {"scheme.strategy.rounds": 10},
    "agentsquare": {"scheme.strategy.rounds": 4},
    "adas": {"scheme.strategy.generations": 8, "scheme.strategy.initial": 3},
    "mcts": {"scheme.strategy.iterations": 24},
    "evomac": {"scheme.strategy.rounds": 8},
    "evolve": {"scheme.strategy.children": 12},
}


@pytest.mark.parametrize("name", sorted(QUICK))
async def test_a_proposer_that_reads_the_feedback_finds_the_hidden_design(name: str) -> None:
    result = await search(name, has_words, set_=QUICK[name])
    assert result.score == 1.0, result.stop_reason
    assert result.stop_reason == "confidence"
    assert all(word in found(result).operators.generate.instruction for word in ("units", "check"))


@pytest.mark.parametrize("name", sorted(set(QUICK) - {"opro", "gepa"}))
async def test_without_a_proposer_it_varies_by_chance_and_gains(name: str) -> None:
    result = await search(name, has_settings, proposer=None, set_=QUICK[name], seed=3)
    assert result.score is not None
    assert result.score > 0.35, "the seed's own value"
    assert not result.usage.calls, "no model was asked"


def test_methods_are_blueprints_with_a_source() -> None:
    for name, one in METHODS.items():
        assert one.blueprint.name == name == one.name
        assert "arXiv" in one.blueprint.source
    with pytest.raises(BadInput, match="did you mean 'gepa'"):
        method("gepta")
