from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tests.graphs.design_search.methods.searching import SEED, has_settings, search
from tests.support.drive import started

from reflectree.graphs.design_search.designs import applied
from reflectree.graphs.design_search.proposals import Context, grown
from reflectree.graphs.design_search.proposing.predicting import nearest_value
from reflectree.graphs.design_search.space import Space
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.strategies.design.agentsquare import PREDICT, AgentSquare

QUICK: Mapping[str, object] = {"scheme.strategy.rounds": 2, "scheme.strategy.evolve": 4}


def modules(request: Request, index: int, prediction: str = '{"value": 50}') -> str:
    """Changes one module after the other, so that crossings are new."""
    if '"value": V' in request.messages[-1].content:
        return prediction
    kinds = ("scheme.strategy.n", 2 + index), ("operators.generate.temperature", round(0.7 - index / 20, 2))
    path, value = (*kinds, ("operators.generate.instruction", f"check {index}"))[index % 3]
    return json.dumps({"set": {path: value}})


def test_without_a_model_what_differs_least_counts_most() -> None:
    history = started(AgentSquare())
    for index, (n, value) in enumerate(((1, 0.2), (8, 0.8))):
        design = applied(SEED, {"scheme.strategy.n": n, "operators.generate.instruction": "x" * n})
        history.tell(grown(Call("generate", (0,), index), design, ""))
        history.tell(Evaluated(node=index + 1, value=value))
    near = applied(SEED, {"scheme.strategy.n": 8, "operators.generate.instruction": "y"})
    history.tell(grown(Call("generate", (0,), 2), near, ""))
    guess = nearest_value(history.live, 3, Context(Space("module", SEED)))
    assert guess is not None
    assert 0.5 < guess < 0.8
    assert nearest_value(started(AgentSquare()).live, 0, Context(Space("module", SEED))) is None


async def test_a_model_predicts_aside_and_never_decides_a_value() -> None:
    result = await search("agentsquare", has_settings, proposer=modules, set_=QUICK)
    predicted = [event for event in result.trace if isinstance(event, Evaluated) and event.how == PREDICT]
    assert predicted
    assert all(event.aside and event.value == 0.5 and event.source == "predictor" for event in predicted)


@pytest.mark.parametrize("nonsense", ["I would not know.", '{"value": 900}', '{"value": true}', ""])
async def test_a_prediction_that_is_none_fails_and_the_search_goes_on(nonsense: str) -> None:
    def script(request: Request, index: int) -> str:
        return modules(request, index, nonsense)

    result = await search("agentsquare", has_settings, proposer=script, set_=QUICK)
    lost = [event for event in result.trace if isinstance(event, Failed) and event.how == PREDICT]
    assert lost
    assert all(event.aside for event in lost)
    assert result.score is not None
    assert result.score > 0
