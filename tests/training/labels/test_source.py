"""What labels read of a run: outcomes, prefixes, what says nothing of its own, and the runs inside."""

from __future__ import annotations

import pytest
from tests.training.labels.growing import Tree, judge

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Pruned
from reflectree.rlm_ops.operators import restructure
from reflectree.rlm_ops.trace import Trace
from reflectree.training.labels import LABELS, label
from reflectree.training.labels.outcome import broadcast, outcome, selected
from reflectree.training.labels.source import Completion, Source


def two_answers() -> Tree:
    tree = Tree()
    tree.chain("1", "2", "3", answer="3", value=0.5)
    tree.chain("1", "2", "4", answer="4", value=0.5)
    return tree


def test_a_judge_says_what_answers_are_worth_and_is_asked_for_each_once() -> None:
    tree = two_answers()
    tree.chain("so", "3!", answer="3")
    asked = []
    source = Source.of(tree.trace, judge=lambda answer: asked.append(answer) or judge(answer))  # type: ignore[func-returns-value]
    assert asked == ["3", "4"]
    assert source.outcomes == {3: 1.0, 6: 0.0, 8: 1.0}
    made = outcome(source)
    assert [(sample.answer, sample.reward, sample.steps) for sample in made] == [
        ("3", 1.0, ("1", "2", "3")),
        ("4", 0.0, ("1", "2", "4")),
        ("3", 1.0, ("so", "3!")),
    ]
    assert made[1].origin == source.origin("outcome", 6)
    assert (made[1].origin.task, made[1].origin.trace, made[1].origin.policy, made[1].origin.seed) == (
        "task-1", "run-1", "toy", 5,
    )  # fmt: skip


def test_without_a_judge_the_trace_says_what_it_knows() -> None:
    assert Source.of(two_answers().trace).outcomes == {}
    assert Source.of(two_answers().end(3, correct=True).trace).outcomes == {3: 1.0}
    assert Source.of(two_answers().end(6, correct=False).trace).outcomes == {6: 0.0}
    assert Source.of(two_answers().end(6, correct=False, in_structure=False).trace).outcomes == {3: 0.0, 6: 0.0}
    tree = two_answers()
    tree.score(3, 1.0, source="verifier")
    tree.score(6, 0.9, source="judge")
    assert Source.of(tree.trace).outcomes == {3: 1.0}
    assert [sample.answer for sample in selected(Source.of(two_answers().end(6, correct=False).trace))] == ["4"]
    assert selected(Source.of(two_answers().trace)) == []


def test_what_a_verifier_cannot_judge_is_unknown_and_not_wrong() -> None:
    def half(answer: str) -> float:
        if answer == "4":
            raise RuntimeError("timed out")
        return 1.0

    assert Source.of(two_answers().trace, judge=half).outcomes == {3: 1.0}
    with pytest.raises(BadInput, match=r"must say a number in \[0, 1\]"):
        Source.of(two_answers().trace, judge=lambda answer: 7.0)


def test_every_step_of_a_solution_may_carry_its_outcome() -> None:
    source = Source.of(two_answers().trace, judge=judge)
    assert [sample.labels for sample in broadcast(source)] == [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0)]


def test_wordless_and_retold_steps_are_left_out_and_pruned_answers_are_not() -> None:
    tree = Tree()
    first = tree.grow("1")
    silent = tree.grow("  ", first)
    end = tree.grow("3", silent, answer="3", value=0.9)
    for event in restructure(tree.live, Call("restructure", (end,), 0, "journey:1")):
        tree.tell(event)
    tree.tell(Pruned(nodes=(end,)))
    source = Source.of(tree.end(len(tree.live) - 1, correct=True).trace)
    assert source.nodes == [first, end]
    assert source.ends == [end]
    assert source.texts(end) == ("1", "3")
    assert source.given == end  # the run's answer is a retelling of this one
    assert selected(source)[0].origin.node == end


def test_a_refinement_is_read_in_its_parents_place() -> None:
    tree = Tree()
    draft = tree.grow("4", answer="4", value=0.1)
    better = tree.grow("3", draft, answer="3", value=0.9, op="refine", after=0)
    source = Source.of(tree.trace, judge=judge)
    assert source.texts(better) == ("3",)
    assert source.readers == {0: [draft, better]}


def test_nested_runs_are_labelled_from_their_own_traces_under_the_outer_task() -> None:
    inner = Tree("What is 1 + 1?", run_id="inner", task_id="", policy="")
    inner.chain("2", "it is 2", answer="2", value=0.75)
    inner.end(2, correct=True)
    tree = Tree()
    tree.grow("1 + 1 = 2", run="n1", trace=inner.trace.rows, value=0.5)
    source = Source.of(tree.trace, judge=judge, split="valid")
    (nested,) = source.nested()
    assert (nested.question, nested.outcomes) == ("What is 1 + 1?", {2: 1.0})
    made = label(source, ["outcome", "search"])
    assert {sample.question for sample in made} == {"What is 1 + 1 + 1?", "What is 1 + 1?"} - {"What is 1 + 1 + 1?"}
    made = label(source, ["siblings", "search/steps"])
    assert [(sample.question, sample.origin.trace) for sample in made] == [
        ("What is 1 + 1 + 1?", "run-1"),
        ("What is 1 + 1?", "run-1/1:n1"),
    ]
    assert {(sample.origin.task, sample.origin.split, sample.origin.policy) for sample in made} == {
        ("task-1", "valid", "toy")
    }
    assert len(label(source, ["search/steps"], nested=False)) == 1


def test_a_collapsed_subtree_is_not_labelled_twice() -> None:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    tree.chain("2", "3", under=first, answer="3", value=0.5)
    for event in restructure(tree.live, Call("restructure", (first,), 0, "collapse")):
        tree.tell(event)
    assert tree.live.runs
    assert list(Source.of(tree.trace).nested()) == []


def test_what_cannot_be_labelled_is_refused() -> None:
    with pytest.raises(BadInput, match="empty trace"):
        Source.of(Trace())
    trace = two_answers().trace
    with pytest.raises(BadInput, match="node 40 is not in the trace 'run-1'"):
        Source.of(trace, rollouts={40: [1.0]})
    with pytest.raises(BadInput, match=r"rollout of node 1 is outside \[0, 1\]"):
        Source.of(trace, continuations={1: [Completion(("x",), "y", -1.0)]})
    with pytest.raises(BadInput, match=r"judgement of node 1 is outside"):
        Source.of(trace, judgements={1: float("nan")})
    with pytest.raises(BadInput, match=r"unknown label 'guess': use one of outcome, "):
        label(Source.of(trace), ["guess"])


def test_the_table_names_what_each_label_needs() -> None:
    for name, entry in LABELS.items():
        assert entry.name == name
        assert ("rollouts" in entry.needs or "continuations" in entry.needs) == (entry.wanted is not None)
