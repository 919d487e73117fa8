"""What proposing models are told: why a reply could not be used, and nothing of the validation and test parts."""

import json
from typing import Any

import pytest
from tests.graphs.design_search.methods.searching import has_words, search

from reflectree.graphs.design_search import families as family
from reflectree.graphs.design_search.methods import METHODS
from reflectree.graphs.design_search.run import adesign_search
from reflectree.graphs.design_search.splits import Splits
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.events import Grown

QUICK: dict[str, dict[str, Any]] = {
    "gepa": {"iterations": 2},
    "aflow": {"rounds": 2},
    "mcts": {"iterations": 2},
    "adas": {"initial": 2, "generations": 1, "debug_below": 1.0},
    "evomac": {"rounds": 2},
    "mipro": {"candidates": 2, "trials": 3},
    "evolve": {"initial": 2, "children": 2},
}


async def test_a_reply_that_cannot_be_used_is_told_why_once() -> None:
    asked: list[Request] = []

    def propose(request: Request, index: int) -> str:
        asked.append(request)
        if len(request.messages) == 2:
            return '{"set": {"scheme.strategy": {"name": "</reason> no such"}}}'
        return '{"set": {"operators.generate.instruction": "Mind the units."}}'

    result = await search("aflow", has_words, proposer=propose, set_={"scheme.strategy.rounds": 1})
    first, second = asked
    assert second.messages[:2] == first.messages
    assert second.messages[2].role == "assistant"
    told = second.messages[3].content
    assert told.startswith("That reply cannot be used:\n<reason>\n")
    assert "no such" in told
    assert told.count("</reason>") == 1
    grown = [event for event in result.trace if isinstance(event, Grown) and event.op == "refine"]
    assert "Mind the units." in grown[0].text
    assert result.usage.calls == 2


async def test_designs_are_compared_to_the_letter() -> None:
    words = iter(("Be brief.", "be brief."))

    def say(request: Request, index: int) -> str:
        if "Riddle" in request.messages[-1].content and "scheme.strategy" not in request.messages[-1].content:
            return "Answer: 10"
        return json.dumps({"set": {"operators.generate.instruction": next(words, "")}})

    settings = {"starts": 2, "steps": 1, "per_step": 1}
    report = await adesign_search(
        "cot", family.tasks(24), method="opro", policy=ScriptedPolicy(say), settings=settings, concurrency=2
    )
    changed = [one.changed for one in report.designs]
    assert any('"Be brief."' in text for text in changed)
    assert any('"be brief."' in text for text in changed)
    assert [one.status for one in report.designs] == ["measured"] * 3


@pytest.mark.parametrize("method", sorted(QUICK))
async def test_no_proposer_is_shown_a_validation_question(method: str) -> None:
    tasks = family.tasks(24)
    splits = Splits.given(tasks[:8], tasks[8:16], tasks[16:])
    level = METHODS[method].level
    proposer = family.model(level, name="proposer")
    models = {"second": family.model(level, knows=family.FIELDS[1], name="second")}
    await adesign_search(
        "cot", splits, level=level, method=method, policy=family.model(level), proposer=proposer, models=models,
        settings=QUICK[method], concurrency=4, minibatch=4,
    )  # fmt: skip
    shown = "\n".join(message.content for request in proposer.requests for message in request.messages)
    asks = {part: [task.question for task in some] for part, some in (("train", tasks[:8]), ("kept", tasks[8:]))}
    assert proposer.requests
    assert not any(question in shown for question in asks["kept"])
    assert any(question in shown for question in asks["train"]), "failures are told"
