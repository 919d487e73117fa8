from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.agents.base import Agent, AgentRun
from reflectree.agents.refiner import Refiner, check_refine
from reflectree.models.base import Choice
from reflectree.models.calling import Caller, Retries
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelRejected, TransientModelError, VerifierError
from reflectree.rlm_ops.events import Enriched, Failed, Grown, Pruned
from reflectree.rlm_ops.settings import Refine
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.verifiers.code import visible

Replies = Sequence[str | Choice | Exception]


def draft(text: str = "6 * 7 = 43\nAnswer: 43", answer: str | None = "43") -> History:
    history = History(3, 3, 5)
    history.tell(Grown(nodes=(0,), text=text, granularity="solution", status="terminal", answer=answer))
    return history


class Play:
    """A refiner, a run, and what its models were asked."""

    def __init__(
        self,
        history: History,
        replies: Replies,
        *,
        critic: Replies | None = None,
        verifier: Verifier | None = None,
        budget: Budget | None = None,
        **settings: Any,
    ) -> None:
        self.models = {"policy": ScriptedPolicy(replies)}
        if critic is not None:
            self.models["critic"] = ScriptedPolicy(critic)
        ledger = Ledger(budget or Budget())
        callers = {role: Caller(model, ledger, Retries(2, 0.01, 0.01)) for role, model in self.models.items()}
        self.history = history
        self.agent = Refiner(Refine(**settings), "solution", verifier=verifier, models=self.models)
        self.run = cast(
            AgentRun,
            SimpleNamespace(
                structure=history.live, seed=0, caller=lambda role: callers.get(role, callers["policy"]), ledger=ledger
            ),
        )

    def event(self, node: int = 1, how: str = "") -> Any:
        (event,) = run_virtually(self.agent.carry_out([Call("refine", (node,), how=how)], self.run))
        return event

    def asked(self, role: str = "policy") -> list[str]:
        return [request.messages[-1].content for request in self.models[role].requests]


def even(answer: str) -> float:
    return float(int(answer) % 2 == 0)


EVEN = verifiers.function(even, gold=False)


def test_it_is_an_agent() -> None:
    agent: Agent = Refiner(Refine(), "step", verifier=None, models={})
    assert (agent.name, agent.op, agent.local) == ("refiner", "refine", False)
    assert agent.groups([Call("refine", (1,)), Call("refine", (2,))]) == [
        [Call("refine", (1,))],
        [Call("refine", (2,))],
    ]
    with pytest.raises(TypeError, match="not local"):
        agent.act(Call("refine", (1,)), cast(AgentRun, None))


def test_a_critic_s_words_and_the_rewrite_are_one_event_on_one_bill() -> None:
    play = Play(draft(), ["6 * 7 = 42\nAnswer: 42\nQ: next?"], critic=["Verdict: wrong\nThe product is off."])
    event = play.event()
    assert isinstance(event, Grown)
    assert (event.op, event.nodes, event.after, event.granularity) == ("refine", (1,), 0, "solution")
    assert (event.text, event.status, event.answer) == ("6 * 7 = 42\nAnswer: 42", "terminal", "42")
    assert (event.source, event.note) == ("critic", "Verdict: wrong\nThe product is off.")
    assert event.usage.calls == 2
    assert event.usage == play.run.ledger.spent
    assert "<feedback>\nVerdict: wrong\nThe product is off.\n</feedback>" in play.asked()[0]
    play.history.tell(event)
    assert play.history.live.path(2).text == "6 * 7 = 42\nAnswer: 42"


def test_a_content_critic_costs_one_request_and_no_rewrite() -> None:
    event = Play(draft(), [], critic=["Verdict: correct"]).event()
    assert isinstance(event, Failed)
    assert (event.reason, event.usage.calls) == ("nothing to refine: the critic finds nothing wrong", 1)


def test_the_policy_criticises_itself_only_where_it_is_told_to() -> None:
    event = Play(draft(), ["Verdict: wrong", "Answer: 42"], critique="self").event()
    assert (event.source, event.answer, event.usage.calls) == ("self", "42", 2)
    event = Play(draft(), []).event()
    assert (type(event), event.reason) == (Failed, "nothing gives the feedback that critique=auto wants")


def test_a_verifier_s_verdict_is_feedback_and_costs_nothing() -> None:
    play = Play(draft(), ["Answer: 42"], verifier=EVEN, critic=["never asked"])
    event = play.event()
    assert (event.source, event.usage.calls) == ("verifier", 1)
    assert "gives the answer '43' a score of 0.00" in event.note
    assert Play(draft(answer="42"), [], verifier=EVEN).event().reason.endswith("the verifier finds nothing wrong")
    event = Play(draft("Hm.", None), ["Answer: 42"], verifier=EVEN).event()
    assert event.note == "There is no answer to check yet."


def test_a_verifier_s_own_trouble_is_no_verdict() -> None:
    class Broken:
        name, gold = "broken", False

        def __init__(self, error: Exception) -> None:
            self.error = error

        def score(self, answer: str) -> float:
            raise self.error

    event = Play(draft(), ["Answer: 42"], verifier=Broken(VerifierError("no licence"))).event()
    assert event.note == "The answer '43' could not be checked: no licence"
    event = Play(draft(), [], verifier=Broken(ZeroDivisionError("oops"))).event()
    assert event.reason == "the verifier failed: ZeroDivisionError: oops"


def test_the_failing_test_s_output_is_feedback() -> None:
    text = "```python\ndef add(a, b):\n    return a - b\n```"
    tests = visible(["assert add(0, 0) == 0", "assert add(1, 2) == 3, 'got ' + str(add(1, 2))"], entry_point="add")
    play = Play(draft(text, None), ["```python\ndef add(a, b):\n    return a + b\n```"], verifier=tests)
    (event,) = _in_real_time(play)
    assert (event.source, event.usage.calls) == ("tests", 1)
    assert event.note.startswith("This test fails (error):\nassert add(1, 2) == 3")
    assert "AssertionError: got -1" in event.note
    (event,) = _in_real_time(Play(draft(event.text, None), [], verifier=tests))
    assert event.reason == "nothing to refine: the tests find nothing wrong"


def _in_real_time(play: Play) -> Any:
    return asyncio.run(play.agent.carry_out([Call("refine", (1,))], play.run))


def test_tests_that_are_gold_are_not_shown() -> None:
    tests = visible(["assert True"])
    gold = type(tests)(tests.tests, gold=True)
    assert Refiner(Refine(), "solution", verifier=gold, models={}).sources.tests is None


def test_what_a_tool_observed_is_feedback() -> None:
    history = draft()
    history.tell(Enriched(node=1, text="6 * 7 = 43\nAnswer: 43", answer="43", source="tool", note="calculator: 42"))
    play = Play(history, ["Answer: 42"], critic=["never asked"])
    event = play.event()
    assert (event.source, event.note, event.usage.calls) == ("tool", "calculator: 42", 1)
    event = Play(draft(), [], critique="tool").event()
    assert event.reason == "no tool observed anything at node 1"


def test_other_words_need_no_feedback() -> None:
    play = Play(draft(), ["It is 43.\nAnswer: 43"], prompt="clarify")
    event = play.event()
    assert (event.source, event.note, event.usage.calls) == ("", "", 1)
    assert "each inference is explicit" in play.asked()[0]


def test_a_variant_changes_what_is_asked() -> None:
    play = Play(
        draft(), ["43\nAnswer: 43"], critique="self", variants={"short": {"prompt": "summarise", "critique": "none"}}
    )
    event = play.event(how="short")
    assert (event.how, event.usage.calls) == ("short", 1)
    assert "in as few words" in play.asked()[0]


def test_a_step_stays_one_step_in_its_place() -> None:
    history = History(3, 3, 5)
    history.tell(Grown(nodes=(0,), text="a"))
    history.tell(Grown(nodes=(1,), text="b"))
    play = Play(history, ["\n", "B, better\nand a second step"], critique="none")
    event = play.event(2)
    assert (event.text, event.granularity, event.after, event.status) == ("B, better", "step", 1, "open")
    first, second = play.models["policy"].requests
    assert first.stop == ("\n",)
    assert second.prefill == "\n", "a model that begins with a blank line begins after it"
    assert "<before>\na\n</before>" in first.messages[-1].content


def test_a_rewrite_that_changes_nothing_is_none() -> None:
    event = Play(draft(), ["6 * 7 = 43 \n\nAnswer: 43"], critique="none").event()
    assert (event.reason, event.usage.calls) == ("the rewrite changes nothing", 1)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Choice("", "length"), "the rewrite is empty: hidden reasoning used up max_tokens"),
        (Choice("no", "filter"), "the rewrite was refused by the provider's filter"),
        (Choice("half a th", "length"), "the rewrite was cut at max_tokens"),
    ],
)
def test_replies_that_cannot_be_used_fail_the_call(reply: Choice, reason: str) -> None:
    event = Play(draft(), [reply, reply], critique="none").event()
    assert (event.reason, event.usage.calls) == (reason, 2)


def test_a_reply_cut_after_its_answer_can_be_used() -> None:
    assert Play(draft(), [Choice("Answer: 42\nNow", "length")], critique="none").event().answer == "42"
    assert Play(draft(), ["Answer: 42"], critic=[Choice("Verdict: wrong, since", "length")]).event().answer == "42"


def test_an_empty_critique_fails_the_call() -> None:
    event = Play(draft(), [], critic=["", Choice("I cannot", "filter")]).event()
    assert (event.reason, event.usage.calls) == ("the critique was refused by the provider's filter", 2)
    event = Play(draft(), [], critic=[TransientModelError("503"), TransientModelError("503")]).event()
    assert (event.reason, event.usage.calls) == ("503", 2)


def test_a_paid_critique_stays_on_the_bill_whatever_comes_after_it() -> None:
    refused = Play(draft(), ["never"], critic=["Verdict: wrong"], budget=Budget(calls=1)).event()
    assert isinstance(refused, Failed)
    assert refused.usage.calls == 1
    rejected = Play(draft(), [ModelRejected("413", 413)], critic=["Verdict: wrong"]).event()
    assert (rejected.reason, rejected.usage.calls) == ("413", 1)


def test_refusals_before_anything_is_paid_go_up() -> None:
    with pytest.raises(BudgetRefused):
        Play(draft(), ["never"], critic=["never"], budget=Budget(calls=0)).event()
    with pytest.raises(BudgetRefused):
        Play(draft(), ["never"], critique="none", budget=Budget(calls=0)).event()
    with pytest.raises(ModelRejected):
        Play(draft(), [ModelRejected("401", 401)], critique="none").event()


def test_what_cannot_be_refined_is_not_paid_for() -> None:
    history = draft()
    history.tell(Pruned(nodes=(1,)))
    event = Play(history, [], critique="none").event()
    assert (event.reason, event.usage.calls) == ("node 1 is pruned: it is left alone", 0)


def test_no_feedback_is_refused_before_the_first_call() -> None:
    with pytest.raises(BadInput, match=r"mine refines.*verifier.*critic.*rarely helps.*refine\.critique to self"):
        check_refine(Refine(), None, {}, "mine")
    with pytest.raises(BadInput, match=r"variants\.strict\.critique is critic, which needs a critic model"):
        check_refine(Refine(critique="self", variants={"strict": {"critique": "critic"}}), None, {}, "mine")
    with pytest.raises(BadInput, match="needs visible code tests"):
        check_refine(Refine(critique="tests"), EVEN, {}, "mine")
    with pytest.raises(BadInput, match="needs a verifier that knows no gold answer"):
        check_refine(Refine(critique="verifier"), None, {}, "mine")
    with pytest.raises(BadInput, match="needs a strategy that acts with tools"):
        check_refine(Refine(critique="tool"), EVEN, {}, "mine", observes=False)


def test_feedback_that_is_there_is_accepted() -> None:
    check_refine(Refine(), EVEN, {}, "mine")
    check_refine(Refine(), None, {"critic": ScriptedPolicy("")}, "mine")
    for settings in (
        Refine(critique="self"),
        Refine(critique="none"),
        Refine(critique="tool"),
        Refine(prompt="rephrase"),
    ):
        check_refine(settings, None, {}, "mine")
