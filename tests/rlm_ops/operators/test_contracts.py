"""What a sensible call of each operator is."""

from __future__ import annotations

import pytest
from tests.rlm_ops.operators.test_restructure import ANSWER, grow, tree
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.events import Enriched, Grown, Pruned
from reflectree.rlm_ops.operators import problem_with
from reflectree.rlm_ops.operators.evaluate import path_value

__all__ = ["tree"]


@pytest.mark.parametrize(
    ("op", "nodes", "how", "says"),
    [
        ("generate", (0,), "", None),
        ("generate", (1, 2), "", "one node"),
        ("generate", (99,), "", "no node"),
        ("generate", (3,), "", "pruned"),
        ("refine", (0,), "", "the task itself"),
        ("refine", (1,), "", None),
        ("aggregate", (1,), "", "at least two"),
        ("aggregate", (1,), "chair", None),
        ("aggregate", (1, 4), "", None),
        ("aggregate", (4, 5), "", "contains"),
        ("aggregate", (1, 1), "", "distinct"),
        ("evaluate", (1,), "", None),
        ("evaluate", (1, 4), "", None),
        ("evaluate", (1, 1), "", "itself"),
        ("evaluate", (0,), "", "not scored"),
        ("evaluate", (0,), "difficulty", None),
        ("evaluate", (1, 2, 4), "", "two to compare"),
        ("enrich", (0,), "", None),
        ("enrich", (1, 2), "", "one node"),
        ("enrich", (3,), "", "pruned"),
        ("prune", (1,), "", "no operator of an agent"),
    ],
)
def test_a_call_that_makes_no_sense_is_told(
    tree: History, op: Operator, nodes: tuple[int, ...], how: str, says: str | None
) -> None:
    tree.tell(Pruned(nodes=(3,)))
    problem = problem_with(tree.live, Call(op, nodes, 0, how))
    assert problem is None if says is None else problem is not None and says in problem


def test_the_value_of_a_path_is_read_from_its_steps(tree: History) -> None:
    live = tree.live
    assert path_value(live, ANSWER) == 0.9
    assert path_value(live, ANSWER, "min") == 0.8
    assert path_value(live, ANSWER, "prod") == pytest.approx(0.72)
    assert path_value(live, ANSWER, "mean") == pytest.approx(0.85)
    assert path_value(live, 0) is None


def test_a_merge_is_a_hyperedge(tree: History) -> None:
    tree.tell(Grown(op="aggregate", nodes=(1, 4), text="both", after=0))
    assert list(tree.live.hyperedges())[-1] == ((1, 4), 7)
    assert tree.live.joined == {4: [7]}


def test_an_enriched_root_is_what_the_run_has_learnt(tree: History) -> None:
    assert tree.live.path(1).notes == ""
    tree.tell(Enriched(node=0, text="Mind the sign.", source="reflection"))
    assert tree.live.path(1).notes == "Mind the sign."
    grown = grow(tree, 1, "next", 0.5)
    assert tree.live.path(grown).notes == "Mind the sign."
