from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.event_strategies import History

from reflectree.rlm_ops.backup import Backup, Node, backup_rule
from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import BackedUp, Began, Evaluated, Grown
from reflectree.rlm_ops.structure import ReasoningStructure, fold

RULES = ("max", "x1", "rest-mcts", "mctsr", "berry", "td")


def begun(rule: str, **parameters: Any) -> History:
    history = History.__new__(History)
    history.live, history.events, history.flying = ReasoningStructure(), [], []
    backup = Backup.model_validate({"rule": rule, **parameters}).to_row()
    history.tell(Began(question="What?", width=9, root_width=9, depth=9, backup=backup))
    return history


def grow(history: History, parent: int, value: float, how: str = "", times: int = 1) -> int:
    """Add a child that is evaluated and backed up, as often as it is said."""
    live = history.live
    node = len(live)
    history.tell(Grown(nodes=(parent,), index=live.next_index("generate", (parent,)), text=f"s{node}", how=how))
    for index in range(times):
        evaluate(history, node, value, index)
    return node


def evaluate(history: History, node: int, value: float, index: int) -> None:
    history.tell(Evaluated(node=node, index=index, value=value))
    history.tell(BackedUp(node=node, value=value))


def test_x1_golden() -> None:
    """Children (N=1, q=.2) and (N=3, q=-.1), gamma .96: -0.024."""
    history = begun("x1")
    grow(history, 0, 0.2)
    grow(history, 0, -0.1, times=3)
    assert history.live.visits == [4, 1, 3]
    assert history.live.q(0) == pytest.approx(-0.024)


def test_x1_discounts_once_a_step() -> None:
    history = begun("x1", gamma=0.5)
    leaf = grow(history, grow(history, grow(history, 0, 0.1), 0.1), 0.8)
    assert [history.live.q(node) for node in range(leaf + 1)] == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_x1_learns_at_its_rate() -> None:
    history = begun("x1", gamma=1.0, rate=0.5)
    inner = grow(history, 0, 0.2)
    grow(history, inner, 0.8)
    assert history.live.q(inner) == pytest.approx(0.5 * 0.2 + 0.5 * 0.8)


def test_berry_golden() -> None:
    """Q(s) = .5, child .9, gamma .1: .54, which the root takes as its first value and goes on from."""
    history = begun("berry")
    inner = grow(history, 0, 0.5)
    grow(history, inner, 0.9)
    assert history.live.q(inner) == pytest.approx(0.54)
    assert history.live.q(0) == pytest.approx(0.9 * 0.5 + 0.1 * 0.54)


def test_rest_mcts_is_the_mean_by_visits() -> None:
    history = begun("rest-mcts")
    inner = grow(history, 0, 0.9)
    grow(history, inner, 0.2, times=3)
    grow(history, inner, 0.6)
    assert history.live.q(inner) == pytest.approx((3 * 0.2 + 0.6) / 4)


def test_rest_mcts_mixes_the_best_of_a_rollout_until_there_is_another_child() -> None:
    """V <- (1 - alpha) V + alpha best, best being the highest value of the three steps of the rollout."""
    history = begun("rest-mcts", alpha=0.25)
    leaf = grow(history, 0, 0.4)
    first = grow(history, leaf, 0.5, "rollout")
    second = grow(history, first, 0.8, "rollout")
    grow(history, second, 0.1, "rollout")
    assert history.live.q(first) == 0.8
    assert history.live.q(leaf) == pytest.approx(0.75 * 0.4 + 0.25 * 0.8)
    grow(history, leaf, 0.2)
    assert history.live.q(leaf) == pytest.approx((3 * 0.8 + 0.2) / 4)


def test_mctsr_is_half_own_half_best() -> None:
    history = begun("mctsr")
    inner = grow(history, 0, 0.4)
    grow(history, inner, 0.2)
    grow(history, inner, 0.9)
    assert history.live.q(inner) == pytest.approx(0.65)
    assert history.live.q(0) == pytest.approx(0.65), "the root has no value of its own"


def test_max_is_the_best_leaf() -> None:
    history = begun("max")
    inner = grow(history, 0, 0.9)
    grow(history, inner, 0.2)
    grow(history, 0, 0.4)
    assert [history.live.q(node) for node in (0, inner)] == [0.4, 0.2]


def test_td_goes_to_the_child_the_value_came_from() -> None:
    history = begun("td", gamma=0.5, rate=0.5)
    inner = grow(history, 0, 0.8)
    assert history.live.q(0) == pytest.approx(0.5 * 0.5 * 0.8)
    grow(history, inner, 0.4)
    assert history.live.q(inner) == pytest.approx(0.8 + 0.5 * (0.5 * 0.4 - 0.8))


@pytest.mark.parametrize(("rule", "gamma"), [("x1", 0.96), ("td", 1.0), ("berry", 0.1)])
def test_gamma_is_the_rule_s_own_unless_given(rule: str, gamma: float) -> None:
    assert Backup.model_validate({"rule": rule}).to_row()["gamma"] == gamma
    assert Backup.model_validate({"rule": rule, "gamma": 0.5}).to_row()["gamma"] == 0.5


def test_the_first_event_says_what_the_rule_has() -> None:
    assert Backup().to_row() == {}
    assert Backup(rule="max").to_row() == {"rule": "max"}
    assert Backup(rule="x1").to_row() == {"rule": "x1", "gamma": 0.96, "rate": 1.0}
    assert Backup(rule="rest-mcts").to_row() == {"rule": "rest-mcts", "alpha": 0.5}
    assert Backup.model_validate("berry") == Backup(rule="berry")


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(ValidationError):
        Backup.model_validate("median")
    with pytest.raises(TraceError, match="newer version"):
        backup_rule({"rule": "median"})
    assert backup_rule({}) is None
    assert backup_rule({"rule": "mean"}) is None


@pytest.mark.parametrize("rule", RULES)
def test_a_node_of_which_nothing_is_known_below_has_its_own_value(rule: str) -> None:
    back_up = backup_rule(Backup.model_validate(rule).to_row())
    assert back_up is not None
    assert back_up(Node(None, 0.7, [], [], None)) == 0.7
    assert back_up(Node(None, None, [], [], None)) == 0.0


@pytest.mark.parametrize("rule", RULES)
def test_a_node_without_an_own_value_takes_from_below(rule: str) -> None:
    back_up = backup_rule(Backup.model_validate({"rule": rule, "gamma": 1.0}).to_row())
    assert back_up is not None
    assert back_up(Node(None, None, [0.6], [2], 0.6)) == pytest.approx(0.6)


@pytest.mark.parametrize("rule", ["mean", *RULES])
def test_replay_backs_up_as_the_live_run_did(rule: str) -> None:
    history = begun(rule)
    inner = grow(history, 0, 0.3)
    grow(history, inner, 0.8, "rollout")
    grow(history, 0, 0.6, times=2)
    replayed = fold(history.events)
    assert replayed == history.live
    assert [replayed.q(node) for node in range(4)] == [history.live.q(node) for node in range(4)]
    assert all(0.0 <= (replayed.q(node) or 0.0) <= 1.0 for node in range(4))
