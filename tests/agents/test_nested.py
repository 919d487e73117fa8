from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.generating import Bench, grown, structure

from reflectree.agents.base import AgentRun
from reflectree.agents.nested import NestedOutcome
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, TransientModelError
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.settings import Nested
from reflectree.rlm_ops.step import Granularity, Path
from reflectree.rlm_ops.usage import Usage


class Nests:
    """Nested runs whose outcomes are given."""

    def __init__(self, outcome: NestedOutcome | Exception) -> None:
        self.outcome = outcome
        self.seen: list[tuple[Nested, Path, Call]] = []

    async def run(self, nested: Nested, path: Path, call: Call, run: AgentRun) -> NestedOutcome:
        self.seen.append((nested, path, call))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


PAID = Usage(7, 1, 30, 20, 0.0)
NESTED: dict[str, Any] = {"nested": {"blueprint": "cot"}}


@pytest.mark.parametrize(("granularity", "status"), [("solution", "terminal"), ("step", "open")])
def test_the_outcome_of_a_nested_run_is_a_step(granularity: Granularity, status: str) -> None:
    rows: Sequence[Any] = ({"seq": 0, "op": "task", "question": "Q?"},)
    nests = Nests(NestedOutcome(tuple(rows), "run/1", "4", "Less two.\nAnswer: 4", 0.9, PAID, "complete"))
    bench = Bench([], granularity, nests=nests, **NESTED)
    events = bench.carry_out(structure(grown("Six sheep.")), 1, count=2)
    assert [event.index for event in events] == [0, 1]
    event = events[0]
    assert (event.text, event.status) == ("Less two.\nAnswer: 4", status)
    assert event.answer == ("4" if status == "terminal" else None)
    assert (event.run, event.trace, event.usage, event.how) == ("run/1", rows, PAID, "it")
    assert nests.seen[0][1].text == "Six sheep."
    assert bench.policy.requests == []


def test_a_nested_run_without_an_answer_fails_with_its_bill() -> None:
    nests = Nests(NestedOutcome((), "run/1", usage=PAID, reason="budget:calls"))
    (event,) = Bench([], nests=nests, **NESTED).carry_out(structure())
    assert event == Failed(
        of="generate", nodes=(0,), how="it", reason="the nested run found no answer (budget:calls)", usage=PAID
    )
    (event,) = Bench([], nests=Nests(TransientModelError("503")), **NESTED).carry_out(structure())
    assert event.reason == "503"


def test_a_nested_variant_needs_somebody_to_carry_it_out() -> None:
    with pytest.raises(BadInput, match="carries out nested runs"):
        Bench([], **NESTED)
