from __future__ import annotations

from tests.graphs.design_search.methods.searching import has_words, proposing, search

from reflectree.models.base import Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Failed, Grown

ONE = {"scheme.strategy.rounds": 1}


async def test_an_update_is_a_gradient_and_an_edit_on_one_bill() -> None:
    asked: list[str] = []

    def script(request: Request, index: int) -> str:
        asked.append(request.messages[-1].content)
        return proposing(request, index)

    result = await search("evomac", has_words, proposer=script, set_=ONE)
    (update,) = [event for event in result.trace if isinstance(event, Grown) and event.op == "refine"]
    assert update.usage.calls == 2
    assert update.note.startswith("The instruction does not say enough.")
    assert "the word units is missing" in asked[0], "the gradient is of the failed examples"
    assert "<analysis>\nThe instruction does not say enough." in asked[1]


async def test_a_gradient_without_an_update_stays_on_the_bill() -> None:
    result = await search("evomac", has_words, set_=ONE, budget=Budget(calls=1))
    (lost,) = [event for event in result.trace if isinstance(event, Failed)]
    assert lost.usage.calls == 1
    assert lost.reason.startswith("no update:")
    assert result.usage.calls == 1
    assert result.answer is not None


async def test_an_empty_analysis_is_a_failure() -> None:
    result = await search("evomac", has_words, proposer="   ", set_=ONE)
    (lost,) = [event for event in result.trace if isinstance(event, Failed)]
    assert "the analysis is empty" in lost.reason
    assert lost.usage.calls == 2, "one retry"
