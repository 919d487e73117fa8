"""Credit: the golden numbers reach the steps, and every step gets exactly one number."""

from __future__ import annotations

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Grown
from reflectree.rlm_ops.trace import Trace
from reflectree.training.trainers.rl import credit
from reflectree.training.trainers.rl.episodes import Written


def solved(reward: float, steps: int = 2, given: int = 0) -> Written:
    return Written("q", tuple(f"s{k}" for k in range(steps)), "7", True, 9, reward, given)


def near(*numbers: float) -> tuple[object, ...]:
    return tuple(pytest.approx(number, abs=1e-6) for number in numbers)


def test_outcomes_are_spread_over_the_steps() -> None:
    episodes = credit.outcome([[solved(1), solved(0), solved(0), solved(0, 3, given=1)]])
    assert episodes[0].advantages == near(1.732051, 1.732051)
    assert episodes[3].advantages == near(-0.577350, -0.577350)
    assert episodes[3].given == 1


def test_a_question_on_which_all_fared_alike_teaches_nothing() -> None:
    assert credit.outcome([[solved(1), solved(1)], [solved(0), solved(0)]]) == []
    assert credit.leave_one_out([[solved(0), solved(0)]]) == []


def test_leave_one_out() -> None:
    advantages = [episode.advantages for episode in credit.leave_one_out([[solved(1), *[solved(0)] * 3]])]
    assert advantages == [near(1.0, 1.0), *[near(-1 / 3, -1 / 3)] * 3]


def test_process_rewards_are_normalised_over_the_group() -> None:
    first, second = credit.process([[solved(1), solved(0, 1)]], [[[0.9, 0.1], [0.5]]])
    assert (first.advantages, second.advantages) == (near(0.0, -1.224745), near(0.0))


def test_differences_are_vineppos() -> None:
    (episode,) = credit.differences([[solved(1, 3)]], [[[0.5, 0.75, 0.25]]])
    assert episode.advantages == near(0.25, -0.5, 0.75)


def test_progress_adds_what_the_prover_sees_to_the_outcome() -> None:
    right, wrong = credit.progress([[solved(1), solved(0)]], [[[0.4, 0.5, 1.0], [0.4, 0.35, 0.0]]], alpha=2.0)
    assert right.advantages == near(1.0 + 2 * 0.6, 1.0 + 2 * 0.5)
    assert wrong.advantages == near(-1.0 + 2 * -0.4, -1.0 + 2 * -0.35)


def test_implicit_rewards_leave_out_what_is_too_easy_or_too_hard() -> None:
    groups = [[solved(1, 2), solved(0, 1)], [solved(1), solved(1)], [solved(0), solved(0)]]
    ratios = [[[4.0, 8.0], [2.0]], *[[[0.0, 0.0], [0.0, 0.0]]] * 2]
    first, second = credit.implicit(groups, ratios)
    # before whitening: .1 + .3 + 1, .3 + 1 and -.2 - 1
    assert first.advantages == near(0.748270, 0.665129)
    assert second.advantages == near(-1.413399)


def test_a_missing_number_is_an_error() -> None:
    with pytest.raises(BadInput, match="1 numbers for 2 written steps"):
        credit.differences([[solved(1)]], [[[0.5]]])


def test_a_searched_path_gets_the_difference_each_step_made() -> None:
    trace = Trace(
        [
            Began(question="q", task_id="t", policy="p", depth=3, seq=0),
            Grown(nodes=(0,), node=1, text="good", seq=1),
            Evaluated(node=1, value=0.5, seq=2),
            BackedUp(node=1, value=0.5, seq=3),
            Grown(nodes=(1,), node=2, text="Answer: 7", status="terminal", answer="7", seq=4),
            Evaluated(node=2, value=1.0, seq=5),
            BackedUp(node=2, value=1.0, seq=6),
            Answered(node=2, answer="7", seq=7),
        ],
        run_id="r",
    )
    (episode,) = credit.searched(trace)
    root = step = 0.75  # the mean of .5 and 1
    assert episode.steps == ("good", "Answer: 7")
    assert episode.advantages == near(step - root, 1.0 - step)
    assert (episode.origin.trace, episode.origin.node) == ("r", 2)
