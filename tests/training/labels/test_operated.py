"""Trace-based supervision: the operators told with arguments and outcomes, decisions, and journeys."""

from __future__ import annotations

from dataclasses import replace

from tests.training.labels.growing import Tree, judge

from reflectree.rlm_ops.events import Answered, Backtracked, Enriched, Evaluated, Failed, Pruned
from reflectree.rlm_ops.strategies.operator_priors import learn_priors
from reflectree.rlm_ops.trace import Trace
from reflectree.training.labels import journeys, operated
from reflectree.training.labels.source import Source


def every_operator() -> Tree:
    tree = Tree()
    wrong = tree.grow("4\n[prune] step 9", answer="4", how="whole")
    tree.score(wrong, 0.25, source="judge", note="off by\none")
    better = tree.grow("3", wrong, answer="3", op="refine", after=0, note="one less")
    tree.score(better, 0.75)
    tree.tell(Evaluated(node=better, against=wrong, value=0.9))
    tree.tell(Enriched(node=wrong, text="4?", status="", answer="4"))
    tree.tell(Failed(of="generate", nodes=(0,), index=1, reason="no reply"))
    tree.tell(Backtracked(node=wrong, to=0, reason="weak"))
    tree.tell(Pruned(nodes=(wrong,)))
    return tree.end(better, correct=True)


def test_the_run_is_told_operator_by_operator() -> None:
    source = Source.of(every_operator().trace)
    (sample,) = operated.thought(source)
    assert sample.operators == (
        "generate", "evaluate", "backpropagate", "refine", "evaluate", "backpropagate", "evaluate", "enrich",
        "generate", "backtrack", "prune",
    )  # fmt: skip
    (asked, question), (role, text) = sample.messages
    assert (asked, question, role) == ("user", "What is 1 + 1 + 1?", "assistant")
    assert text == (
        "[generate] after the question (whole)\nStep 1:\n  4\n  [prune] step 9\nIt answers: 4\n"
        "[evaluate] step 1\n0.25 by judge: off by one\n"
        "[backpropagate] step 1\n0.25 counts for all steps above; the question is worth 0.25\n"
        "[refine] step 1\nBecause:\n  one less\nStep 2, read after the question:\n  3\nIt answers: 3\n"
        "[evaluate] step 2\n0.75\n"
        "[backpropagate] step 2\n0.75 counts for all steps above; the question is worth 0.50\n"
        "[evaluate] step 2 against step 1\n0.90\n"
        "[enrich] step 1\nIt now reads:\n  4?\n"
        "[generate] the question\nIt came to nothing.\n"
        "[backtrack] from step 1 to the question\nBecause: weak\n"
        "[prune] step 1\nDone.\n"
        "Answer: 3"
    )
    assert (sample.reward, sample.origin.node) == (1.0, 2)


def test_as_a_conversation_the_turns_alternate_and_tell_the_same() -> None:
    source = Source.of(every_operator().trace)
    (sample,) = operated.dialogue(source)
    roles = [role for role, _ in sample.messages]
    assert roles == ["user" if place % 2 == 0 else "assistant" for place in range(len(roles))]
    assert sample.messages[1:3] == (
        ("assistant", "generate after the question (whole)"),
        ("user", "Step 1:\n  4\n  [prune] step 9\nIt answers: 4"),
    )
    assert sample.messages[-1] == ("assistant", "Answer: 3")
    assert sample.operators == operated.thought(source)[0].operators


def test_the_verdict_is_the_reward_and_no_word_of_it_is_told() -> None:
    trace = every_operator().trace
    last = trace.answered
    assert isinstance(last, Answered)
    wrong = Trace([*trace.events[:-1], replace(last, correct=False, in_structure=False)], run_id=trace.run_id)
    (right_one,), (wrong_one,) = operated.thought(Source.of(trace)), operated.thought(Source.of(wrong))
    assert right_one.messages == wrong_one.messages
    assert (right_one.reward, wrong_one.reward) == (1.0, 0.0)


def test_runs_that_nobody_judged_or_that_are_not_finished_are_not_told() -> None:
    assert operated.thought(Source.of(Trace(every_operator().events[:-1]))) == []
    tree = Tree()
    assert operated.thought(Source.of(tree.end(tree.grow("3", answer="3")).trace)) == []
    (sample,) = operated.thought(Source.of(Tree().end(-1).trace))
    assert (sample.reward, sample.messages[-1][1], sample.origin.node) == (0.0, "No answer.", -1)


def test_each_decision_is_a_sample_and_a_transition_of_the_prior() -> None:
    source = Source.of(every_operator().trace)
    steps = operated.transitions(source)
    samples = operated.choices(source)
    assert [(sample.operators, sample.origin.node) for sample in samples] == [
        ((step.operator,), step.node) for step in steps
    ]
    assert [step.operator for step in steps] == ["generate", "refine", "backtrack"]
    assert samples[1].messages[1] == ("assistant", "refine")
    assert "This is answer/shallow/low." in samples[1].messages[0][1]
    assert samples[1].reward == 0.5  # from .25 to .75
    assert learn_priors([source.trace])["answer"]["refine"] > learn_priors([source.trace])["answer"]["backtrack"]


def wrong_turn() -> Tree:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    bad = tree.grow("5", first, value=0.25)
    tree.grow("Answer: 6", bad, answer="6", value=0.125)
    good = tree.grow("2", first, value=0.75)
    tree.grow("Answer: 3", good, answer="3", value=0.75)
    return tree


def test_a_journey_tells_wrong_turns_and_ends_in_the_same_answer() -> None:
    source = Source.of(wrong_turn().end(5).trace, judge=judge)
    (long,), (short,) = journeys.journey(source), journeys.shortcut(source)
    assert short.steps == ("1", "2", "Answer: 3")
    assert long.steps == (
        "1", "5", "candidate: 6", "Wrong, because it is worth only 0.12. Go back.", "2", "Answer: 3",
    )  # fmt: skip
    assert (long.answer, short.answer, long.reward) == ("3", "3", 1.0)
    assert (long.origin.label, short.origin.label, long.origin.node) == ("journey", "journey/shortcut", 5)


def test_a_journey_leads_to_a_right_answer_where_the_run_gave_a_wrong_one() -> None:
    assert journeys.goal(Source.of(wrong_turn().end(3).trace, judge=judge)) == 5
    assert journeys.goal(Source.of(wrong_turn().end(3).trace, judge=lambda answer: 0.0)) == 3
    (sample,) = journeys.journey(Source.of(wrong_turn().end(3).trace, judge=lambda answer: 0.0))
    assert sample.reward == 0.0
    assert journeys.journey(Source.of(wrong_turn().trace)) == []
