"""The golden numbers of the literature, by the public names of the package; edges are tested a module each."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from reflectree.rlm_ops import formulas as f


def golden(value: float) -> object:
    return pytest.approx(value, abs=5.1e-7, rel=0)


def test_every_public_formula_can_be_had_from_the_package() -> None:
    for module in pkgutil.iter_modules(f.__path__):
        part = importlib.import_module(f"{f.__name__}.{module.name}")
        own = {name for name, value in vars(part).items() if getattr(value, "__module__", "") == part.__name__}
        public = {name for name in own if not name.startswith("_")}
        assert public <= set(f.__all__)
        assert all(getattr(f, name) is getattr(part, name) for name in public)
    assert len(set(f.__all__)) == len(f.__all__)


def test_puct_of_alphazero_and_openr() -> None:
    assert f.puct(0.5, 10, 2, 0.3, 1.25, 19652) == golden(0.895462)


def test_x1_selection() -> None:
    assert f.x1_selection(0.2, 5, 1) == golden(1.850254)
    assert f.x1_selection(-0.1, 5, 3) == golden(1.075127)


def test_x1_backup() -> None:
    assert f.x1_backup(0.7, [1, 3], [0.2, -0.1]) == golden(-0.024)


def test_length_normalised_prior_of_openr() -> None:
    assert f.length_normalised_prior([-6.0, -2.0], [4, 2]) == [golden(0.377541), golden(0.622459)]


def test_rest_mcts_uct() -> None:
    assert f.rest_mcts_uct(0.6, 8, 3) == golden(1.424187)


def test_rest_mcts_process_labels() -> None:
    assert f.rest_process_labels([3, 2, 1], [True] * 3) == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert f.rest_process_value(1 / 3, 3, False) == golden(0.111111)


def test_rstar_math() -> None:
    assert f.rstar_uct(0.25, 9, 4) == golden(1.732304)


def test_lats() -> None:
    assert f.lats_uct(0.5, 10, 2) == golden(2.017427)


def test_mctsr() -> None:
    value = f.mctsr_value([-10, 40, 50])
    assert value == golden(8.333333)
    assert f.mctsr_ucb(value, 5, 3) == golden(9.415282)


def test_llama_berry() -> None:
    assert f.berry_backup(0.5, 0.9, 0.1) == golden(0.54)
    assert f.berry_value(0.5, 0.8, 0.9) == golden(0.53)


def test_enhanced_borda_count_of_a_ring() -> None:
    a, b, c, d = range(4)
    judged = {(a, b): 0.9, (b, c): 0.8, (c, a): 0.6, (a, d): 0.95, (b, d): 0.95, (c, d): 0.95}
    ranking = f.ebc(f.preference_matrix(range(4), judged))
    assert ranking.wins == (3, 3, 3, 0)
    assert ranking.support[:3] == (golden(2.25), golden(1.85), golden(1.75))
    assert ranking.order == (a, b, c, d)


def test_omegaprm() -> None:
    states = [(0.5, 500), (0.25, 100), (0.75, 1000)]
    assert [f.omegaprm_value(*state) for state in states] == [golden(0.636396), golden(0.582205), golden(0.681126)]
    assert f.omegaprm_bonus(16, 3) == golden(0.125)


def test_pav_progress() -> None:
    assert f.progress([0.4, 0.5, 0.45]) == [golden(0.10), golden(-0.05)]


def test_marco_o1_confidence() -> None:
    assert f.token_confidence(-0.1, [-0.1, -2.5, -4, -5, -6]) == golden(0.891945)


def test_aflow_parents() -> None:
    assert f.aflow_mixture([0.6, 0.5, 0.4]) == [golden(0.706769), golden(0.182117), golden(0.111113)]


@pytest.mark.parametrize(("how", "value"), [("last", 0.8), ("min", 0.5), ("prod", 0.36), ("mean", 0.733333)])
def test_aggregation(how: f.Aggregation, value: float) -> None:
    assert f.aggregate_steps([0.9, 0.5, 0.8], how) == golden(value)
