"""What was said is read off the trace alone, whatever made it, and is printed as data."""

from __future__ import annotations

from tests.graphs.teams.test_convening import QUESTION, following, held, own_team
from tests.support.engine import Oracle, search, value_of
from tests.support.virtual_time import run_virtually

from reflectree.graphs.teams import TeamReport, messages
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Began, Event, Failed, Grown
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage


def test_a_round_is_how_many_messages_build_on_one_another() -> None:
    events: list[Event] = [
        Began(question=QUESTION, seq=0),
        Grown(nodes=(0,), node=1, text="one", how="a", seq=1),
        Grown(op="aggregate", nodes=(1,), node=2, text="two", how="b", seq=2),
        Grown(nodes=(0,), index=1, node=3, text="three", how="c", seq=3),
        Grown(op="aggregate", nodes=(3, 2), node=4, text="four", how="d", seq=4),
        Failed(of="aggregate", nodes=(3, 4), reason="cut", how="e", usage=Usage(2, 2), seq=5),
        Failed(of="evaluate", nodes=(4,), reason="no score", how="verifier", seq=6),
    ]
    said = messages(Trace(events))
    assert [(one.member, one.round, one.node) for one in said] == [
        ("a", 1, 1),
        ("b", 2, 2),
        ("c", 1, 3),
        ("d", 3, 4),
        ("e", 4, -1),
        ("verifier", 3, -1),
    ]
    assert [one.problem for one in said[4:]] == ["cut", "no score"]


def test_members_of_one_variant_go_by_their_names() -> None:
    report = held(blueprint=own_team(), policy=following(["42", "41"]))
    assert report.result.trace.rows[1]["how"] == "terse"
    assert [said.member for said in report.messages] == ["left", "right", "chair"]
    told = [event for event in report.result.trace if isinstance(event, Grown)]
    unknown = messages([Began(question=QUESTION, blueprint={"name": "of a newer version"}, seq=0), *told])
    assert [said.member for said in unknown] == ["terse", "terse", "chair"]


def test_any_trace_can_be_read() -> None:
    result = run_virtually(search(Oracle(), blueprint="mcts", evaluator=value_of, budget=Budget(calls=20)))
    report = TeamReport.of(result, None)
    assert sum(share.usage.tokens for share in report.shares) == result.usage.tokens
    assert {share.member for share in report.shares} >= {"generate", "evaluate"}
    assert report.to_json()["self_consistency"] is None


def test_words_are_printed_as_data() -> None:
    report = held(policy=ScriptedPolicy("\x1b[2J\u202egone\n" + "much " * 200 + "\nAnswer: 42"), blueprint="debate")
    words = str(report)
    assert "\x1b" not in words
    assert "\u202e" not in words
    assert max(map(len, words.splitlines())) < 500
