"""The check of strategies passes every built-in one, and finds each fault that the engine would suffer from."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.playing import check_strategy, good_outcome
from reflectree.rlm_ops.strategies import STRATEGIES, Limits, Strategy
from reflectree.rlm_ops.strategies.base import new_samples
from reflectree.rlm_ops.structure import ReasoningStructure

NEEDS: dict[str, dict[str, Any]] = {
    "mcts": {"depth": 3},
    "rstar-math": {"depth": 2},
    "ab-mcts": {"max_nodes": 40},
    "opro": {"steps": 10},
    "islands": {"islands": 3, "programs": 40},
    "team": {"members": [{"id": "a"}, {"id": "b"}]},
}
"""Parameters without which a strategy cannot be made, or plays for longer than a quick test may."""
BEGINS_ANEW = {"islands"}
"""After a resume it builds a new prompt, and says so."""


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_every_built_in_strategy_holds(name: str) -> None:
    strategy = STRATEGIES[name](**NEEDS.get(name, {}))
    played = check_strategy(strategy, plays=10, exact=name not in BEGINS_ANEW)
    assert played.plays == 10
    assert played.calls > 0
    assert played.nodes > played.plays
    assert played.failed > 0


def test_a_play_is_the_same_for_the_same_seed_and_outcomes_can_be_given() -> None:
    strategy = STRATEGIES["beam"]()
    assert check_strategy(strategy, plays=5, seed=3) == check_strategy(strategy, plays=5, seed=3)
    assert check_strategy(strategy, plays=5, outcome=good_outcome).failed == 0


class Wrong(Strategy):
    """A few samples of the root, asked for in a way that is wrong in one respect."""

    name: ClassVar[str] = "wrong"
    fault: str = ""

    @override
    def limits(self) -> Limits:
        return Limits(2, 8, 4)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        tried = structure.attempts("generate", (0,))
        left = min(slots, 6 - tried)
        match self.fault:
            case "again":
                return [Call("generate", (0,), 0)][:slots]
            case "many":
                return new_samples(structure, 0, 6 - tried)
            case "other" if slots:
                return [Call("evaluate", (1,))] if structure.unscored else new_samples(structure, 0, left)
            case "late":
                return new_samples(structure, 0, left) if structure.calls_in_flight == 0 and tried % 4 != 3 else []
            case "endless":
                return new_samples(structure, 0, slots)
            case "state":
                return new_samples(structure, 0, left)[: next(COUNTER) % 3]
            case "nothing":
                return [Call("prune", (9,))] if tried == 6 else new_samples(structure, 0, left)
            case "memo" if int(structure.memo.setdefault("first", structure.applied) or 0) > 1:
                return []
            case _:
                return new_samples(structure, 0, left)


COUNTER = itertools.count()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("again", r"wrong, play \d+: law 3: .* was asked for twice"),
        ("many", r"law 3: \d calls for \d slots"),
        ("other", "evaluate is not among what `operators` says it uses: generate"),
        ("endless", "law 3: after 200 calls it has not ended"),
        ("state", "law 3: asked twice, it asks for other calls"),
        ("memo", "law 1: of the same trace, folded anew, it asks for "),
    ],
)
def test_each_fault_is_found(fault: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_strategy(Wrong(fault=fault), most=200, plays=200)


def test_a_pure_call_that_changes_nothing_is_found() -> None:
    with pytest.raises((AssertionError, IndexError)):
        check_strategy(Wrong(fault="nothing"))


def test_without_a_fault_it_passes() -> None:
    assert check_strategy(Wrong(), most=200).calls == 50 * 6
