"""OmegaPRM: the first wrong step is found with few probes, by traces and by the tree of states."""

from __future__ import annotations

import math
from random import Random

import pytest
from tests.training.labels.growing import Counting, Tree, judge, steps_to

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels import omega
from reflectree.training.labels.omega_tree import OmegaTree, State
from reflectree.training.labels.source import Completion, Source
from reflectree.training.samples import Labelled, Valued


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13, 64])
def test_a_planted_error_is_found_with_log_n_probes(steps: int) -> None:
    for planted in range(1, steps + 1):
        mc: dict[int, float] = {}
        while (at := omega.probe(steps, mc)) is not None:
            assert at not in mc
            mc[at] = 0.5 if at < planted else 0.0
        assert omega.first_wrong(steps, mc) == planted
        assert len(mc) <= omega.most_probes(steps) == math.ceil(math.log2(steps))


def test_a_traces_solutions_are_searched_in_rounds_and_labelled_up_to_the_error() -> None:
    tree = Tree("Count to 8.")
    right = tree.chain(*map(str, range(1, 9)), answer="8")
    bad = [tree.chain(*steps_to(planted, 8), answer="9") for planted in (3, 8)]
    rollouts: dict[int, list[float]] = {}
    count = lambda answer: float(answer == "8")  # noqa: E731
    rounds = 0
    while wanted := omega.wanted(source := Source.of(tree.trace, judge=count, rollouts=rollouts)):
        rounds += 1
        rollouts |= {node: [float(path.steps[-1].text == str(len(path.steps))), 0.0] for node, path in wanted}
    assert rounds == 3
    assert len(rollouts) <= 2 * omega.most_probes(8)
    assert omega.first_errors(source) == {bad[0][-1]: bad[0][2], bad[1][-1]: bad[1][7]}
    samples = omega.omegaprm(source)
    assert samples[0].labels == (1.0,) * 8
    assert samples[0].origin.node == right[-1]
    assert samples[1].labels[:3] == (1.0, 1.0, 0.0)
    assert all(math.isnan(value) for value in samples[1].labels[3:])
    assert samples[2].labels == (*(1.0,) * 7, 0.0)
    values = {sample.origin.node: sample.value for sample in omega.omegaprm_values(source)}
    assert values[bad[0][1]] == 0.5
    assert values[bad[0][-1]] == 0.0


def test_a_right_answer_below_a_step_proves_it_without_a_rollout() -> None:
    tree = Tree()
    first, second = tree.chain("1", "2")
    tree.grow("3", second, answer="3")
    wrong = tree.grow("4", second, answer="4")
    source = Source.of(tree.trace, judge=judge)
    assert omega.wanted(source) == []
    assert omega.first_errors(source) == {wrong: wrong}
    assert first


def test_the_tree_looks_into_the_wrong_completion_of_greatest_worth() -> None:
    tree = OmegaTree("?", length=500.0)
    assert tree.ask() == ()
    tree.tell((), [Completion(("x",) * 4, "1", 1.0, 500), Completion(("a",) * 4, "2", 0.0, 500)])
    state = tree.states[()]
    assert tree.score(state, state.pool[0]) == pytest.approx(0.636396, abs=1e-6)
    assert tree.score(State((), [1.0, 0, 0, 0]), Completion((), tokens=100)) == pytest.approx(0.582205, abs=1e-6)
    assert tree.score(State((), [1.0, 1, 1, 0]), Completion((), tokens=1000)) == pytest.approx(0.681126, abs=1e-6)
    state.visits = 16
    assert tree.score(State((), [1.0, 0.0], visits=3), state.pool[0]) == pytest.approx(0.636396 + 0.125, abs=1e-6)
    with pytest.raises(BadInput, match="without completions"):
        tree.tell(("a",), [])


def test_the_tree_finds_the_planted_error_and_labels_states_on_the_way() -> None:
    toy, n = Counting(steps=16, skill=1.0), 16
    tree = OmegaTree("Count to 16.")
    tree.tell((), [toy.complete((), Random(0)), Completion(steps_to(11, n), "17", 0.0, n)])
    probes = 0
    while (prefix := tree.ask()) is not None:
        probes += 1
        tree.tell(prefix, [toy.complete(prefix, Random(probes)) for _ in range(4)])
    assert probes <= omega.most_probes(n) == 4
    assert tree.errors == {steps_to(11, n): 11}
    (sample,) = tree.labelled()
    assert sample.labels == (*(1.0,) * 10, 0.0)
    assert {len(found.steps): found.value for found in tree.valued()} == {0: 0.5, 8: 1.0, 12: 0.0, 10: 1.0, 11: 0.0}


def test_a_tree_of_a_noisy_policy_grows_until_its_bound_and_names_the_nodes_it_began_with() -> None:
    toy, random = Counting(steps=8, skill=0.85), Random(3)
    trace = Tree("Count to 8.")
    for _ in range(6):
        made = toy.complete((), random)
        trace.chain(*made.steps, answer=made.answer)
    source = Source.of(trace.trace, judge=lambda answer: float(answer == "8"))
    tree = OmegaTree.of(source, most=12)
    while (prefix := tree.ask()) is not None:
        tree.tell(prefix, [toy.complete(prefix, random) for _ in range(8)])
    assert 1 < tree.searches <= 12
    assert all(0.0 <= sample.value <= 1.0 for sample in tree.valued())
    samples: list[Valued | Labelled] = [*tree.valued(), *tree.labelled()]
    for sample in samples:
        assert sample.origin.node == -1 or source.texts(sample.origin.node) == sample.steps
    assert any(sample.origin.node > 0 for sample in tree.valued())
    for steps, at in tree.errors.items():
        if at < len(steps):  # an error that no completion made up for: its state says so
            assert tree.states[steps[:at]].mc == 0.0
