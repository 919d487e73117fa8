from __future__ import annotations

import pytest
from tests.support.brute_force import check_against_brute_force
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import (
    Answered,
    BackedUp,
    Backtracked,
    Began,
    Enriched,
    Evaluated,
    Event,
    Failed,
    Grown,
    Pruned,
)
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.structure import ReasoningStructure, fold
from reflectree.rlm_ops.usage import Usage


def step(
    parent: int = 0, index: int = 0, text: str = "", answer: str | None = None, prior: float | None = None
) -> Grown:
    status: Status = "open" if answer is None else "terminal"
    return Grown(
        nodes=(parent,), index=index, text=text or f"{parent}.{index}", answer=answer, status=status, prior=prior
    )


def told(*events: Event, width: int = 2, root_width: int = 3, depth: int = 3) -> History:
    history = History(width, root_width, depth)
    for event in events:
        history.tell(event)
    return history


def test_arrays_by_node_id() -> None:
    live = told(step(), step(index=1), Evaluated(node=1, value=0.5), BackedUp(node=1, value=0.5), step(1)).live
    assert len(live) == 4
    assert live.parents == [(), (0,), (0,), (1,)]
    assert live.children == [[1, 2], [3], [], []]
    assert live.depth == [0, 1, 1, 2]
    assert live.path_ids(3) == [1, 3]
    assert [s.text for s in live.path(3).steps] == ["0.0", "1.0"]
    assert live.path(0).steps == ()
    assert live.path(0).task.question == "What?"
    assert list(live.ancestors(3)) == [3, 1, 0]
    assert (live.value(1), live.value(2), live.mean(0), live.mean(3)) == (0.5, None, 0.5, None)


def test_a_node_may_have_several_parents_and_visits_stay_conserved() -> None:
    history = told(step(), step(index=1), Grown(op="aggregate", nodes=(2, 1), text="both"))
    history.tell(Evaluated(node=3, value=1.0))
    history.tell(BackedUp(node=3, value=1.0))
    live = history.live
    assert live.parents[3] == (2, 1)
    assert live.children[2] == [3]
    assert live.visits == [1, 0, 1, 1]
    check_against_brute_force(live, history.events)


def test_a_full_closed_or_deep_node_has_no_openings() -> None:
    history = told(step(), Evaluated(node=1, value=0.5), depth=2, root_width=1)
    assert history.live.openings == [1, 1]
    for index in (0, 1):
        history.tell(step(1, index))
        history.tell(Evaluated(node=2 + index, value=0.5))
    assert history.live.openings == [0, 0, 0, 0]
    check_against_brute_force(history.live, history.events)


def test_a_call_in_flight_takes_its_place() -> None:
    live = told(root_width=2).live
    for index in (0, 1):
        assert live.next_index("generate", (0,)) == index
        live.begin(Call("generate", (0,), index))
    assert not live.is_open(0)
    assert (live.attempts("generate", (0,)), live.calls_in_flight, live.virtual[0]) == (2, 2, 2)
    with pytest.raises(ValueError, match="in flight"):
        live.begin(Call("generate", (0,), 1))
    live.cancel(Call("generate", (0,), 0))
    assert live.is_open(0)
    assert live.next_index("generate", (0,)) == 0
    assert live.is_in_flight(Call("generate", (0,), 1))


def test_a_call_that_settled_is_never_begun_again() -> None:
    live = told(step()).live
    assert live.is_settled(Call("generate", (0,), 0))
    with pytest.raises(ValueError, match="settled"):
        live.begin(Call("generate", (0,), 0))


def test_pruning_takes_what_grows_below_out_of_the_search() -> None:
    history = told(step(), Evaluated(node=1, value=0.5), step(1), Evaluated(node=2, value=0.5))
    assert history.live.openings[0] == 3
    history.tell(Pruned(nodes=(1,)))
    assert history.live.openings[0] == 1
    assert history.live.steps[1].status == "pruned"
    history.tell(Pruned(nodes=(1,)))
    check_against_brute_force(history.live, history.events)


def test_a_pruned_node_stays_pruned_when_its_evaluation_fails() -> None:
    history = told(step())
    history.live.begin(Call("evaluate", (1,)))
    history.tell(Pruned(nodes=(1,)))
    history.tell(Failed(of="evaluate", nodes=(1,)))
    assert history.live.steps[1].status == "pruned"
    check_against_brute_force(history.live, history.events)


def test_a_failed_evaluation_fails_its_node_unless_it_has_a_value() -> None:
    history = told(step(), step(index=1), Evaluated(node=2, value=0.5))
    history.tell(Failed(of="evaluate", nodes=(1,)))
    history.tell(Failed(of="evaluate", nodes=(2,), index=1))
    assert [s.status for s in history.live.steps] == ["open", "failed", "open"]
    check_against_brute_force(history.live, history.events)


def test_the_best_terminal_is_kept_right() -> None:
    history = told(step(answer="1"), step(index=1, answer="2"), step(index=2, answer="3"))
    assert history.live.best_terminal is None
    history.tell(Evaluated(node=1, value=0.5))
    history.tell(Evaluated(node=2, value=0.5))
    assert history.live.best_terminal == 1
    history.tell(Evaluated(node=2, index=1, value=1.0))
    assert history.live.best_terminal == 2
    history.tell(Evaluated(node=2, index=2, value=0.0))
    assert history.live.best_terminal == 1
    history.tell(Pruned(nodes=(1, 2)))
    assert history.live.best_terminal is None, "the third was never evaluated"
    check_against_brute_force(history.live, history.events)


def test_repeats_are_words_of_an_older_sibling() -> None:
    live = told(step(text="a"), step(index=1, text="b"), step(index=2, text="a")).live
    assert [live.repeats(node) for node in (1, 2, 3)] == [False, False, True]


def test_priors_are_normalised_over_siblings_and_missing_ones_take_the_mean() -> None:
    assert told(step()).live.sibling_priors(0) is None
    live = told(step(prior=0.6), step(index=1, prior=0.2), step(index=2)).live
    priors = live.sibling_priors(0)
    assert priors == pytest.approx({1: 0.5, 2: 1 / 6, 3: 1 / 3})
    assert live.sibling_priors(1) is None


def test_traversal_and_enrichment() -> None:
    history = told(step(answer="1"), Backtracked(node=1, to=0))
    assert history.live.cursor == 0
    history.tell(Enriched(node=1, text="clearer", answer="2", usage=Usage(calls=1)))
    assert (history.live.steps[1].text, history.live.steps[1].answer) == ("clearer", "2")
    assert history.live.steps[1].status == "terminal"
    assert history.live.usage.calls == 1


BEGAN = Began(question="What?", width=2, root_width=3, depth=3, seq=0)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([Evaluated(node=0, value=1, seq=0)], "does not begin with its task"),
        ([BEGAN, Began(question="Why?", seq=1)], "a second task"),
        ([BEGAN, Evaluated(node=1, value=1.0, seq=1)], "a node that is not there"),
        ([BEGAN, Evaluated(node=-1, value=1.0, seq=1)], "a node that is not there"),
        ([BEGAN, Grown(nodes=(4,), text="a", node=1, seq=1)], "a node that is not there"),
        ([BEGAN, Grown(nodes=(0,), text="a", node=2, seq=1)], "adds node 2 where node 1 belongs"),
        ([BEGAN, BackedUp(node=0, value=0.5, seq=1)], "a value that node 0 does not have"),
        ([BEGAN, Backtracked(node=0, to=3, seq=1)], "a node that is not there"),
        ([BEGAN, Pruned(nodes=(3,), seq=1)], "a node that is not there"),
        ([BEGAN, Failed(of="generate", nodes=(3,), seq=1)], "a node that is not there"),
        ([BEGAN, Enriched(node=3, text="a", seq=1)], "a node that is not there"),
        ([BEGAN, Answered(seq=1), Evaluated(node=0, value=1.0, seq=2)], "after the answer"),
        (
            [BEGAN, Grown(nodes=(0,), text="a", node=1, seq=1), Grown(nodes=(0,), text="a", node=2, seq=2)],
            "settled twice",
        ),
    ],
)
def test_a_trace_that_cannot_be(events: list[Event], said: str) -> None:
    with pytest.raises(TraceError, match=said):
        fold(events)


def test_structures_are_compared_by_what_they_hold() -> None:
    assert told(step()).live == told(step()).live
    assert told(step()).live != told(step(text="other")).live
    assert ReasoningStructure() != 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(ReasoningStructure())


def test_a_structure_folded_anew_draws_what_the_one_that_lived_would_draw() -> None:
    """A process that is killed with nothing settled since the last draw draws the same again in the next one."""
    history = History.__new__(History)
    history.live, history.events, history.flying = ReasoningStructure(), [], []
    history.tell(Began(question="q", width=4, root_width=4, depth=4, seed=7))
    for index in range(3):
        call = Call("generate", (0,), index)
        history.live.begin(call)
        if index == 1:
            history.tell(Failed(of="generate", nodes=(0,), index=index, reason="no reply"))
        else:
            history.tell(Grown(nodes=(0,), index=index, text=f"step {index}"))
        assert fold(history.events).rng("a choice").random() == history.live.rng("a choice").random()
    first = history.live.rng("a choice").random()
    history.live.begin(Call("generate", (0,), 3))
    assert history.live.rng("a choice").random() != first, "what has begun since is part of the history"
