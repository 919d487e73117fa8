from __future__ import annotations

import random
import time

from reflectree.apps.drawing import Drawing, Limits, failures_by_node
from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Event, Failed, Grown, Pruned
from reflectree.rlm_ops.structure import fold

ALL = Limits(None)


def small() -> list[Event]:
    return [
        Began(question="What?", width=4, root_width=4, depth=3, seq=0),
        Grown(nodes=(0,), node=1, text="first\nthought \x1b[31m[red]x[/red]", seq=1),
        Grown(nodes=(0,), index=1, node=2, text="a dead end", seq=2),
        Evaluated(node=1, value=0.5, seq=3),
        BackedUp(node=1, value=0.5, seq=4),
        Grown(nodes=(1,), node=3, text="so it is 24", status="terminal", answer="24", seq=5),
        Grown(nodes=(1,), index=1, node=4, text="so it is 23", status="terminal", answer="23", seq=6),
        Evaluated(node=3, value=0.9, seq=7),
        BackedUp(node=3, value=0.9, seq=8),
        Failed(of="evaluate", nodes=(4,), reason="the judge's reply is empty", seq=9),
        Failed(of="generate", nodes=(1,), index=2, reason="no reply", seq=10),
        Pruned(nodes=(2,), seq=11),
        Answered(node=3, answer="24", score=0.9, stop_reason="complete", seq=12),
    ]


def drawn(events: list[Event], limits: Limits = ALL) -> list[str]:
    return [line.plain for line in Drawing(fold(events), failures_by_node(events), limits).lines()]


def test_the_tree_reads_without_colour() -> None:
    assert drawn(small()) == [
        "├─ ▸ 1 0.50 x2  first thought [red]x[/red]",
        "│  ├─ ★ 3 0.90 x1  ⇒ 24  so it is 24",
        "│  ├─ ✗ 4 ···· x0  ⇒ 23  [evaluate: the judge's reply is empty] so it is 23",
        "│  └─ ✗ 1 call failed: generate: no reply",
        "└─ ⊘ 2 ···· x0  a dead end",
    ]


def test_what_is_folded_away_is_counted() -> None:
    assert drawn(small(), Limits(nodes=2)) == [
        "├─ ▸ 1 0.50 x2  first thought [red]x[/red]",
        "│  ├─ ★ 3 0.90 x1  ⇒ 24  so it is 24",
        "│  ├─ ✗ 1 call failed: generate: no reply",
        "│  └─ … 1 more step",
        "└─ … 1 more step",
    ]


def test_the_answer_is_shown_whatever_the_limits() -> None:
    for limits in (Limits(1), Limits(None, width=1), Limits(None, depth=1)):
        assert any("★ 3" in line for line in drawn(small(), limits))
    assert [line for line in drawn(small(), Limits(None, depth=1)) if "23" in line] == []


def test_an_empty_run_draws_nothing() -> None:
    assert drawn(small()[:1]) == []


def big(nodes: int, chain: bool) -> list[Event]:
    draw = random.Random(0)
    events: list[Event] = [Began(question="What?", width=nodes, root_width=nodes, depth=nodes, seq=0)]
    counts: dict[int, int] = {}
    for node in range(1, nodes + 1):
        parent = node - 1 if chain else draw.randrange(node)
        index = counts[parent] = counts.get(parent, -1) + 1
        events.append(Grown(nodes=(parent,), index=index, node=node, text=f"step {node} " + "words " * 50, seq=node))
    return events


def test_five_thousand_nodes_are_drawn_at_once() -> None:
    for chain in (False, True):
        events = big(5000, chain)
        drawing = Drawing(fold(events), {}, Limits())
        started = time.process_time()
        lines = list(drawing.lines())
        assert time.process_time() - started < 0.5
        assert 60 <= len(lines) <= 130
        assert sum("more step" in line.plain for line in lines) >= 1


def test_all_of_a_deep_chain_leaves_room_for_words() -> None:
    lines = drawn(big(2000, chain=True))
    assert len(lines) == 2000
    assert "step 2000" in lines[-1][:90]
