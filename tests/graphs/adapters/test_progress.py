"""Lines of progress."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage
from tests.support.competent import competent

from reflectree.graphs.adapters.progress import WIDTH, line_of, shortened
from reflectree.graphs.adapters.replying import areply
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import BackedUp, Backtracked, Enriched, Evaluated, Event, Failed, Grown, Pruned
from reflectree.rlm_ops.structure import ReasoningStructure


async def test_a_search_is_told_in_lines() -> None:
    lines: list[str | None] = []
    await areply(
        [HumanMessage("Hello")],
        policy=competent(),
        blueprint="mcts",
        budget=Budget(calls=20),
        on_event=lambda event, structure: lines.append(line_of(event, structure)),
    )
    said = [line for line in lines if line is not None]
    assert said[0] == "begins: mcts, seed 0"
    assert any(line.startswith("tried 1: I look at what is asked.") for line in said)
    assert any(line.startswith("scored 1: 0.89, it does what was asked") for line in said)
    assert "(an answer): Answer: You said: Hello" in " ".join(said)
    assert said[-1].startswith("ends (")
    assert all("\n" not in line and len(line) < 2 * WIDTH for line in said)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Grown(op="aggregate", nodes=(1, 2), node=3, text="both"), "merged 3 after 1, 2: both"),
        (Grown(op="refine", nodes=(1,), node=2, text="a\nb", answer="b"), "refined 2 after 1 (an answer): a b"),
        (Evaluated(node=1, against=2, value=0.25), "compared 1 with 2: 0.25"),
        (Evaluated(node=1, value=0.5), "scored 1: 0.50"),
        (Enriched(node=1, text="x", note="ran:\nok"), "added to 1: ran: ok"),
        (Pruned(nodes=(1, 2), reason="worst"), "gave up 1, 2: worst"),
        (Backtracked(node=3, to=1), "went back from 3 to 1"),
        (Failed(of="generate", nodes=(0,), reason="the reply is empty"), "failed to generate at 0: the reply is empty"),
        (BackedUp(node=1, value=0.5), None),
    ],
)
def test_each_event_has_its_line(event: Event, line: str | None) -> None:
    assert line_of(event, ReasoningStructure()) == line


def test_long_texts_are_cut() -> None:
    assert shortened("a " * 500) == f"{'a ' * 58}a..."
    assert len(shortened("x" * 500)) == WIDTH
    assert shortened(" a\r\n\tb\x0bc ") == "a b c"


async def test_nothing_a_model_writes_makes_a_line_of_its_own() -> None:
    lines: list[str] = []
    await areply(
        [HumanMessage("Hello")],
        policy=ScriptedPolicy("Answer: x\r\ndata: [DONE]\n\nevent: y"),
        blueprint="cot",
        on_event=lambda event, structure: lines.append(line_of(event, structure) or ""),
    )
    assert all(len(line.splitlines()) <= 1 for line in lines)
