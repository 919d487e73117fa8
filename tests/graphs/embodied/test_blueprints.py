"""ReAct, Reflexion and LATS in a toy world, from their blueprints: scripted policies, a real environment."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import pytest
from tests.support.toy_world import WIN, Clock, ToyWorld, acted, recorded, toy

from reflectree.graphs import blueprints
from reflectree.graphs.embodied.isolated import Isolated
from reflectree.graphs.embodied.verifier import end_message
from reflectree.graphs.run import aresume, asolve
from reflectree.models.base import Capabilities, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.environment import Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched, Evaluated, Failed, Grown, Pruned
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.strategies import STRATEGIES

WON = end_message("You have won")
NAMES = ["react-env", "reflexion-env", "lats-env"]


def enriched(result: Any) -> list[Enriched]:
    return [event for event in result.trace if isinstance(event, Enriched)]


@pytest.mark.parametrize("name", NAMES)
def test_the_blueprint_spells_out_what_the_strategy_needs(name: str) -> None:
    blueprint = blueprints.load(name)
    strategy = blueprint.scheme.strategy
    assert type(strategy) is STRATEGIES[name]
    assert blueprints.load(blueprint.model_dump(mode="json")) == blueprint
    for op, how in strategy.variants():
        assert how in getattr(blueprint.operators, op).variants
    defaults = type(strategy)().model_dump()
    spelled = {key: value for key, value in strategy.model_dump().items() if key not in ("confidence", "iterations")}
    assert spelled == {key: defaults[key] for key in spelled}, "the defaults are the paper's"


@pytest.mark.parametrize("name", NAMES)
async def test_it_needs_an_environment(name: str) -> None:
    with pytest.raises(BadInput, match="acts in an environment"):
        await asolve("Open the door.", blueprint=name, policy=ScriptedPolicy("x"))


async def test_react_acts_to_the_end_of_the_episode() -> None:
    policy = ScriptedPolicy(acted(*WIN))
    made, make = recorded()
    result = await asolve(blueprint="react-env", policy=policy, environment=make)
    assert result.answer == "\n".join(WIN)
    assert (result.selected_correct, result.stop_reason) == (True, "complete")
    assert result.trace.began is not None
    assert result.trace.began.verifier == "episode"
    assert result.trace.began.question == "Open the door of the hall."
    assert "Commands: go north; jump" in result.trace.began.context
    # what is seen at the beginning and after each command is in front of the model
    first, last = policy.requests[0], policy.requests[-1]
    assert "You are in the hall." in first.messages[-1].content
    assert all("hall" not in message.content for message in first.messages if message.role == "system")
    assert "Observation: You take key. You are in the study. You hold the key.\n| Commands: go south\n" in last.prefill
    assert enriched(result)[-1].text.endswith("You have won.\n| (The episode is over.)")
    # one environment serves the chain, and nothing is replayed; the other is the verifier's; both are closed
    assert made[0].done_here == ["reset", *WIN]
    assert made[1].done_here == ["reset", *WIN]
    assert [world.closed for world in made] == [True, True]


async def test_the_score_of_the_environment_is_nowhere_but_in_the_report() -> None:
    result = await asolve(blueprint="react-env", policy=ScriptedPolicy(acted(*WIN)), environment=toy)
    assert "score" not in json.dumps([row for row in result.trace.rows if row["op"] != "answer"])


async def test_react_at_its_cap_ends_with_the_commands_so_far() -> None:
    blueprint = blueprints.load("react-env").with_overrides({"scheme.strategy.steps": 2})
    result = await asolve(blueprint=blueprint, policy=ScriptedPolicy(acted(*WIN)), environment=toy)
    assert result.answer == "go north\ntake key"
    assert result.selected_correct is False
    assert [event.how for event in result.trace if isinstance(event, Grown)] == ["act", "act"]
    assert [event.how for event in enriched(result)] == ["", "", "end"]


async def test_commands_that_are_not_understood_or_refused_end_an_episode() -> None:
    policy = ScriptedPolicy(acted("go north", "dance", "burn book", "Dance!", "jump", "sing"))
    result = await asolve(blueprint="react-env", policy=policy, environment=toy)
    assert result.answer == "go north"
    sources = [event.source for event in enriched(result)]
    assert sources == ["environment", "bad-call", "safety", "bad-call", "bad-call", "bad-call", "environment"]
    assert enriched(result)[2].note == "refused: nobody burns books here"


async def test_a_turn_is_begun_for_the_model_and_where_no_action_came_the_action_alone() -> None:
    def say(request: Request, index: int) -> str:
        return " do[jump]" if request.prefill.endswith("Action:") else " I would rather look around."

    policy = ScriptedPolicy(say)
    result = await asolve(blueprint="react-env", policy=policy, environment=toy)
    assert result.answer == "jump"
    assert [request.prefill for request in policy.requests] == ["Thought:", "Action:"]
    (step,) = [event for event in result.trace if isinstance(event, Grown)]
    assert (step.text, step.how) == ("Action: jump", "act")


async def test_react_asks_a_model_whose_turn_cannot_be_begun_for_the_action_alone() -> None:
    def say(request: Request, index: int) -> str:
        alone = "Write the next action alone" in request.messages[-1].content
        return "Action: do[jump]" if alone else "I would rather look around."

    policy = ScriptedPolicy(say, capabilities=Capabilities())
    result = await asolve(blueprint="react-env", policy=policy, environment=toy)
    assert result.answer == "jump"
    assert [event.how for event in result.trace if isinstance(event, Grown)] == ["action"]


async def test_a_line_that_is_a_listed_command_is_the_command() -> None:
    policy = ScriptedPolicy(["Thought: the study.\nGo north.", "take key", " go south; go north", "Action: open door"])
    result = await asolve(blueprint="react-env", policy=policy, environment=toy)
    assert result.answer == "\n".join(WIN)
    steps = [event.text for event in result.trace if isinstance(event, Grown)]
    assert steps[:3] == ["Thought: the study.\nAction: go north", "Action: take key", "Action: go south"]


@pytest.mark.parametrize(
    ("command", "why"), [("raise", "ValueError: the lamp went out"), ("babble", "gave a dict"), ("overflow", "score")]
)
async def test_what_goes_wrong_in_an_environment_fails_the_call_and_not_the_run(command: str, why: str) -> None:
    made, make = recorded()
    result = await asolve(blueprint="react-env", policy=ScriptedPolicy(acted("go north", command)), environment=make)
    (failure,) = [event for event in result.trace if isinstance(event, Failed)]
    assert why in failure.reason
    assert result.answer == "go north"
    assert made[0].closed


async def test_an_environment_that_hangs_fails_the_call_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, clocks = asyncio.get_running_loop(), list[asyncio.Timeout]()

    def timeout(seconds: float | None) -> asyncio.Timeout:
        clock = asyncio.Timeout(None if seconds is None else loop.time() + seconds)
        if seconds == 77:
            clocks.append(clock)
        return clock

    class Hangs(ToyWorld):
        def step(self, command: str) -> Observation:
            if command == "hang":  # its time is over as soon as it hangs, and not before, however busy the machine is
                loop.call_soon_threadsafe(clocks[-1].reschedule, 0.0)
            return super().step(command)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    blueprint = blueprints.load("react-env").with_overrides({"operators.enrich.timeout": 77})
    result = await asolve(blueprint=blueprint, policy=ScriptedPolicy(acted("go north", "hang")), environment=Hangs)
    (failure,) = [event for event in result.trace if isinstance(event, Failed)]
    assert "nothing within 77 s" in failure.reason
    assert result.answer == "go north"


async def test_an_environment_that_crashes_in_its_own_process_fails_the_call_and_not_the_run() -> None:
    make = partial(Isolated, "tests.support.toy_world:toy")
    result = await asolve(blueprint="react-env", policy=ScriptedPolicy(acted("go north", "crash")), environment=make)
    (failure,) = [event for event in result.trace if isinstance(event, Failed)]
    assert "it died (exit code 7)" in failure.reason
    assert result.answer == "go north"
    assert result.selected_correct is False


async def test_reflexion_learns_between_episodes() -> None:
    said = [*acted("jump"), "I jumped off the cliff. Fetch the key first.", *acted(*WIN)]
    policy = ScriptedPolicy(said)
    made, make = recorded()
    result = await asolve(blueprint="reflexion-env", policy=policy, environment=make, evaluator=WON)
    assert (result.answer, result.selected_correct, result.stop_reason) == ("\n".join(WIN), True, "confidence")
    judged = [(event.value, event.source) for event in result.trace if isinstance(event, Evaluated)]
    assert judged == [(0.0, "function"), (1.0, "function")]
    (lesson,) = [event for event in enriched(result) if event.node == 0]
    assert (lesson.source, lesson.text) == ("reflection", "I jumped off the cliff. Fetch the key first.")
    assert "Fetch the key first." in policy.requests[-1].messages[-1].content
    assert "You have lost." in policy.requests[1].messages[-1].content, "the reflection sees how the episode ended"
    assert made[0].done_here == ["reset", "jump", "restore", *WIN], "the next trial begins where the first began"


async def test_reflexion_judges_by_itself_where_nobody_else_does_and_reflects_on_an_unfinished_episode() -> None:
    def say(request: Request, index: int) -> str:
        if request.json_schema is not None:
            return json.dumps({"reason": "not there", "score": 2})
        if "differently" in request.messages[-1].content:
            return f"Lesson number {index}: take the key before anything else is done."
        return f"Thought: {index}.\nAction: {WIN[index % 2]}"

    blueprint = blueprints.load("reflexion-env").with_overrides(
        {"scheme.strategy.steps": 1, "scheme.strategy.trials": 5}
    )
    result = await asolve(blueprint=blueprint, policy=ScriptedPolicy(say), environment=toy)
    lessons = [event for event in enriched(result) if event.node == 0]
    assert len(lessons) == 4, "one between any two trials"
    assert len(lessons[-1].text.splitlines()) == 3, "the last three are kept"
    assert {event.source for event in result.trace if isinstance(event, Evaluated)} == {"judge"}
    assert result.selected_correct is False


def wanders(request: Request, index: int) -> str:
    if "What to learn?" in request.messages[-1].content:
        return "The cliff is deadly: look for the key in the study."
    words = ("go north", "take key", "go south", "open door", "jump")
    return f"Thought: number {index}.\nAction: {words[index % 5]}"


def nearness(path: Path) -> float:
    """What can be told from the observations alone."""
    text = path.text
    if "You have won" in text:
        return 1.0
    return 0.0 if "You have lost" in text else 0.3 + 0.3 * ("You hold the key" in text) - 0.2 * ("cannot" in text)


@pytest.mark.parametrize("snapshots", [True, False])
async def test_lats_finds_the_way(snapshots: bool) -> None:
    made, make = recorded(snapshots)
    policy = ScriptedPolicy(wanders)
    result = await asolve(
        blueprint="lats-env",
        policy=policy,
        environment=make,
        evaluator=nearness,
        budget=Budget(calls=400),
        concurrency=3,
    )
    assert (result.selected_correct, result.stop_reason) == (True, "confidence")
    assert result.answer is not None
    assert result.answer.splitlines()[-1] == "open door"
    events = list(result.trace)
    observed = {event.node for event in events if isinstance(event, Enriched)}
    assert {event.node for event in events if isinstance(event, Evaluated)} <= observed, "seen before it is valued"
    assert any(event.reason.startswith("repeats") for event in events if isinstance(event, Pruned))
    assert all(world.most_users == 1 for world in made), "never two calls on one environment"
    assert any("restore" in world.done_here for world in made) == snapshots
    lessons = [event for event in enriched(result) if event.node == 0]
    assert 1 <= len(lessons) <= 3


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_lats_values_may_be_mixed_with_self_consistency(concurrency: int) -> None:
    """With lambda .8: four of five samples say `go north`, .8 * .3 + .2 * .8, and one `jump`, .8 * 0 + .2 * .2."""
    plan = blueprints.load("lats-env").with_overrides(
        {
            "scheme.strategy.expand": "together",
            "scheme.strategy.rollout": 0,
            "scheme.strategy.reflections": 0,
            "scheme.strategy.iterations": 2,
            "operators.evaluate.consistency": 0.2,
        }
    )
    said = ("go north", "jump", "go north", "go north", "go north")
    policy = ScriptedPolicy(lambda request, index: f"Thought: {index}.\nAction: {said[index % 5]}")
    result = await asolve(
        blueprint=plan,
        policy=policy,
        environment=toy,
        evaluator=nearness,
        concurrency=concurrency,
        budget=Budget(calls=5),
    )
    events = list(result.trace)
    grown = [event.text.partition("Action: ")[2] for event in events if isinstance(event, Grown)]
    valued = {grown[event.node - 1]: event for event in events if isinstance(event, Evaluated)}
    assert {command: event.value for command, event in valued.items()} == {
        "go north": pytest.approx(0.4),
        "jump": pytest.approx(0.04),
    }
    assert {event.source for event in valued.values()} == {"function+consistency"}
    assert valued["go north"].note == "0.30, and 0.80 of the samples say so"


async def test_the_same_seed_and_replies_give_the_same_trace_however_states_are_reached() -> None:
    traces = []
    blueprint = blueprints.load("lats-env").with_overrides({"scheme.strategy.iterations": 30})
    for snapshots in (True, False):
        result = await asolve(
            blueprint=blueprint,
            policy=ScriptedPolicy(wanders),
            environment=lambda snapshots=snapshots: ToyWorld(snapshots),
            evaluator=nearness,
            concurrency=1,
        )
        traces.append(result.trace.rows)
    assert traces[0] == traces[1]


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [2, 5, 9])
async def test_a_killed_run_goes_on_in_environments_brought_back_by_replay(
    name: str, after: int, tmp_path: FilePath
) -> None:
    def say(request: Request, index: int) -> str:
        if "What to learn?" in request.messages[-1].content or "differently" in request.messages[-1].content:
            return "The cliff is deadly: look for the key in the study."
        if name == "reflexion-env" and "cliff is deadly" not in request.messages[-1].content:
            return "Thought: fly.\nAction: jump" if "take key" in request.prefill else "Thought: a\nAction: take key"
        done = request.prefill.count("Action:")
        if name == "lats-env" and index % 3:
            return f"Thought: number {index}.\nAction: {'jump' if index % 3 == 1 else 'go south'}"
        return f"Thought: step {done}.\nAction: {WIN[done % 4]}"

    events = 0

    def watch(event: object, structure: object) -> None:
        nonlocal events
        events += 1
        if events == after:
            raise Killed

    narrow = {"scheme.strategy.width": 3, "scheme.strategy.root_width": 3, "scheme.strategy.rollout": 0}
    blueprint = blueprints.load(name).with_overrides(narrow if name == "lats-env" else {})
    file = tmp_path / "runs.sqlite"
    options: dict[str, Any] = {"environment": toy, "evaluator": None if name == "react-env" else nearness}
    policy = ScriptedPolicy(say)
    with pytest.raises(Killed):
        await asolve(
            blueprint=blueprint, policy=policy, checkpoint=file, run_id="r", on_event=watch, concurrency=1, **options
        )
    made, make = recorded(snapshots=False)
    options["environment"] = make
    result = await aresume("r", file, policy=policy, concurrency=1, **options)
    assert result.selected_correct is True
    assert not [event for event in result.trace if isinstance(event, Failed)]
    assert policy.samples <= result.usage.calls + 1, "what was paid is not paid again"
    assert made, "the states were reached in new environments"


async def test_a_replay_that_goes_otherwise_is_told() -> None:
    _, make = recorded(snapshots=False, fickle="steps")
    policy = ScriptedPolicy(lambda request, index: wanders(request, index))
    result = await asolve(
        blueprint="lats-env",
        policy=policy,
        environment=make,
        evaluator=nearness,
        budget=Budget(calls=40),
        concurrency=2,
    )
    reasons = [event.reason for event in result.trace if isinstance(event, Failed) and event.of == "enrich"]
    assert any("is not deterministic: replayed as command 1" in reason for reason in reasons)


async def test_a_replay_that_the_environment_calls_as_good_fails_nothing() -> None:
    made: list[Clock] = []

    def make() -> Clock:
        made.append(Clock())
        return made[-1]

    result = await asolve(
        blueprint="lats-env",
        policy=ScriptedPolicy(wanders),
        environment=make,
        evaluator=nearness,
        budget=Budget(calls=400),
        concurrency=1,
    )
    assert result.selected_correct is True
    assert not [event for event in result.trace if isinstance(event, Failed) and event.of == "enrich"]
    assert sum(world.done_here.count("reset") for world in made) > len(made), "states were reached by replay"


async def test_without_a_task_or_an_environment_there_is_nothing_to_do() -> None:
    with pytest.raises(BadInput, match="no task"):
        await asolve(blueprint="cot", policy=ScriptedPolicy("x"))


async def test_an_environment_that_does_not_begin_is_told_before_anything_is_paid() -> None:
    def broken() -> ToyWorld:
        raise OSError("no game file")

    policy = ScriptedPolicy("x")
    with pytest.raises(BadInput, match=r"does not begin.*no game file"):
        await asolve(blueprint="react-env", policy=policy, environment=broken)
    assert policy.samples == 0
