"""Self-Explore and Step-DPO: where the first pit is, and what is put in its place."""

from __future__ import annotations

from tests.training.labels.growing import Tree, judge

from reflectree.training.labels import pits
from reflectree.training.labels.source import Completion, Source

WRONG = ("one", "two", "four", "so 4")
GOOD = Completion(("three", "so 3"), "3", 1.0)
LONG = Completion(("well, let me think", "three", "so 3"), "3", 1.0)
BAD = Completion(("five",), "5", 0.0)


def tree() -> Tree:
    made = Tree()
    made.chain(*WRONG, answer="4")
    return made


def test_the_pit_alone_is_rejected_and_the_shortest_way_on_is_chosen() -> None:
    source = Source.of(
        tree().trace, judge=judge, continuations={0: [GOOD], 1: [BAD, GOOD], 2: [LONG, GOOD, GOOD, BAD], 3: [BAD] * 4}
    )
    assert pits.first_pits(source) == {4: 3}
    (sample,) = pits.self_explore(source)
    assert (sample.steps, sample.chosen, sample.rejected) == (("one", "two"), ("three", "so 3"), ("four",))
    assert (sample.origin.node, sample.origin.label) == (3, "self-explore")
    (sample,) = pits.step_dpo(source)
    assert (sample.steps, sample.chosen, sample.rejected) == (("one", "two"), ("three",), ("four",))
    assert pits.ways_on(source, 2) == [GOOD.steps, LONG.steps]


def test_the_last_step_is_the_pit_where_all_before_it_are_hopeful() -> None:
    source = Source.of(tree().trace, judge=judge, continuations={node: [GOOD] for node in (0, 1, 2, 3)})
    (sample,) = pits.self_explore(source)
    assert (sample.steps, sample.rejected) == (WRONG[:3], ("so 4",))


def test_without_evidence_there_is_no_pit() -> None:
    assert pits.first_pits(Source.of(tree().trace, judge=judge, continuations={2: [BAD]})) == {}
    assert pits.self_explore(Source.of(tree().trace, judge=judge, rollouts={1: [1.0], 2: [0.0]})) == []  # no text known


def test_a_right_answer_of_the_run_is_hope_and_a_way_on() -> None:
    made = tree()
    made.grow("so 3", 2, answer="3")
    source = Source.of(made.trace, judge=judge, continuations={3: [BAD]})
    assert [node for node, _ in pits.wanted(Source.of(made.trace, judge=judge))] == [0, 1, 2, 3]
    (sample,) = pits.self_explore(source)
    assert (sample.chosen, sample.rejected) == (("so 3",), ("four",))


def test_people_may_say_where_the_error_is() -> None:
    source = Source.of(
        tree().trace, judge=judge, judgements={1: 1.0, 2: 0.0, 3: 0.0}, continuations={1: [GOOD], 2: [GOOD], 3: [BAD]}
    )
    (sample,) = pits.step_dpo(source)
    assert (sample.steps, sample.chosen, sample.rejected) == (("one",), ("three",), ("two",))
    (sample,) = pits.self_explore(source)
    assert sample.rejected == ("four",)


def test_two_solutions_with_the_same_pit_make_one_pair() -> None:
    made = tree()
    made.grow("so 5", 3, answer="5")
    source = Source.of(made.trace, judge=judge, continuations={1: [GOOD], 2: [GOOD], 3: [BAD]})
    assert pits.first_pits(source) == {4: 3, 5: 3}
    assert len(pits.self_explore(source)) == 1
