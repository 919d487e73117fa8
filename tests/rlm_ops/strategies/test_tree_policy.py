from __future__ import annotations

from typing import Any

import pytest
from tests.support.drive import started
from tests.support.event_strategies import History

from reflectree.rlm_ops.events import BackedUp, Evaluated, Grown, Pruned
from reflectree.rlm_ops.strategies import MCTS


def begun(seed: int = 0, **parameters: Any) -> tuple[MCTS, History]:
    strategy = MCTS.model_validate({"width": 3, "root_width": 3, "depth": 5, **parameters})
    return strategy, started(strategy, seed)


def grow(history: History, parent: int, value: float, prior: float | None = None) -> int:
    live = history.live
    node = len(live)
    index = live.next_index("generate", (parent,))
    history.tell(Grown(nodes=(parent,), index=index, text=f"step {node}", prior=prior))
    history.tell(Evaluated(node=node, value=value))
    history.tell(BackedUp(node=node, value=value))
    return node


def small_tree(history: History) -> None:
    """Three first steps, worth .6, .5 and .2: one step below the first (.3), none below the second, two below the
    third (.9, .7).

    Visits are 2, 1 and 3, those of the root 6; without own evaluations 1, 0 and 2, those of the root 6.
    """
    for value in (0.6, 0.5, 0.2):
        grow(history, 0, value)
    grow(history, 1, 0.3)
    grow(history, 3, 0.9)
    grow(history, 3, 0.7)


def order(strategy: MCTS, history: History) -> list[int]:
    """The root's children as the formula ranks them: the best is taken out, and so on."""
    ranked = []
    for _ in range(3):
        best = strategy.best_child(history.live, 0)
        ranked.append(best)
        history.tell(Pruned(nodes=(best,)))
    return ranked


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        # (1.25 + ln(19659 / 19652)) * sqrt(6) / 3 = 1.0209; .45 + .340, .5 + .510, .6 + .255
        ({"formula": "puct", "c": 1.25}, [2, 3, 1]),
        # the same over 1, 0 and 2 visits: .45 + .510, .5 + 1.021, .6 + .340
        ({"formula": "puct", "c": 1.25, "own_visit": False, "unvisited": "own"}, [2, 1, 3]),
        # (0.1 + ...) * sqrt(6) / 3 = .0819: .45 + .041, .5 + .082 or 0 + .082 or 1 + .082, .6 + .027
        ({"formula": "puct", "c": 0.1, "own_visit": False, "unvisited": "own"}, [3, 2, 1]),
        ({"formula": "puct", "c": 0.1, "own_visit": False, "unvisited": "zero"}, [3, 1, 2]),
        ({"formula": "puct", "c": 0.1, "own_visit": False, "unvisited": "one"}, [2, 3, 1]),
        # sqrt(ln 6) = 1.3386, times sqrt 2: .45 + 1.339, .5 + 1.893, .6 + 1.093
        ({"formula": "uct", "c": 1.4142135623730951}, [2, 1, 3]),
        ({"formula": "uct", "c": 0.0, "own_visit": False}, [2, 3, 1]),
        # sqrt(6 - 1) * (1.25 + ln(19658 / 19652)) = 2.796: .45 + .932, .5 + 1.398, .6 + .699
        ({"formula": "x1", "c": 1.25}, [2, 1, 3]),
        # values .96 * .3, .5, .96 * .8: .288 + .932, .5 + 1.398, .768 + .699
        ({"formula": "x1", "c": 1.25, "backup": "x1"}, [2, 3, 1]),
        # values .3, .5, .8 and sqrt(2 ln 6) = 1.893: .3 + .7 * 1.893, .5 + 1, .8 + .7 * 1.339
        ({"formula": "rest", "c": 0.7, "own_visit": False, "backup": "rest-mcts"}, [3, 1, 2]),
        # .45 + 1.893, .5, .6 + 1.339
        ({"formula": "lats", "c": 1.0, "own_visit": False}, [1, 3, 2]),
        ({"formula": "lats", "c": 0.0, "own_visit": False}, [3, 2, 1]),
        # .45 + 2 * 1.339, 0, .6 + 2 * .947
        ({"formula": "rstar", "c": 2.0, "own_visit": False}, [1, 3, 2]),
    ],
)
def test_each_formula_ranks_a_small_tree(parameters: dict[str, Any], expected: list[int]) -> None:
    strategy, history = begun(**parameters)
    small_tree(history)
    assert order(strategy, history) == expected


def test_a_backup_rule_decides_what_a_child_is_worth() -> None:
    """The first step's best leaf is .9, its mean .35; the second's are .5."""
    for rule, expected in (("mean", 2), ("max", 1)):
        strategy, history = begun(c=0.0, c_base=1e12, backup=rule)
        grow(history, 0, 0.1)
        grow(history, 0, 0.5)
        grow(history, 1, 0.05)
        grow(history, 1, 0.9)
        assert strategy.best_child(history.live, 0) == expected


def test_there_may_be_no_child_to_go_to() -> None:
    strategy, history = begun()
    assert strategy.best_child(history.live, 0) == -1


def test_noise_at_the_root_changes_priors_once_and_for_all() -> None:
    strategy, history = begun(seed=3, root_noise=0.25, root_alpha=0.3)
    for prior in (0.6, 0.3, 0.1):
        grow(history, 0, 0.5, prior=prior)
    live = history.live
    clean = live.sibling_priors(0)
    noisy = strategy._noisy(live, clean)
    assert clean is not None
    assert sum(noisy.values()) == pytest.approx(1.0)
    assert all(0.75 * clean[child] <= noisy[child] <= 0.75 * clean[child] + 0.25 for child in clean)
    assert noisy != clean
    grow(history, 1, 0.5)
    assert strategy._noisy(live, clean) == noisy
    live.memo.clear()
    assert strategy._noisy(live, clean) == noisy


def test_noise_depends_on_the_seed_alone_and_chooses() -> None:
    """Of equal children the one chosen differs between seeds, and with it the first step of the search."""
    chosen = {}
    for seed in range(12):
        strategy, history = begun(seed=seed, root_noise=1.0)
        for _ in range(3):
            grow(history, 0, 0.5)
        chosen[seed] = strategy.best_child(history.live, 0)
        assert strategy.best_child(history.live, 0) == chosen[seed]
    assert set(chosen.values()) == {1, 2, 3}


def test_noise_is_for_the_root_only() -> None:
    strategy, history = begun(root_noise=1.0)
    for parent in (0, 1, 1, 1):
        grow(history, parent, 0.5)
    assert strategy.best_child(history.live, 1) == 2
    assert "root-noise" not in history.live.memo
