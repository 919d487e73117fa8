"""A check that blocks: what it refuses is not carried out, whoever asks and however."""

from __future__ import annotations

import pytest
from langchain_core.tools import tool

from reflectree.agents import hazards
from reflectree.agents.safety import REFUSED, GuardedEnvironment, as_check, guarded_environment, guarded_tools, listed
from reflectree.agents.tools import read_tools
from reflectree.graphs.run import asolve
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.environment import Environment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched
from reflectree.rlm_ops.task import Task


@pytest.mark.parametrize(
    "command",
    [
        "search[synthesis of SARIN]",
        "search[75-44-5]",
        "experiment[reagent=mustard-gas]",
        "experiment[reagent=Mustard\u00a0 gas]",
        "experiment[phos\u200bgene at 20 C]",
        "experiment[\uff50hosgene]",  # a full-width letter
    ],
)
def test_the_list_finds_names_and_numbers_however_they_are_written(command: str) -> None:
    assert listed()(command)


@pytest.mark.parametrize("command", ["experiment[ligand=XPhos, temperature=75]", "search[tabunga]", "python[44-5]", ""])
def test_the_list_lets_other_commands_pass(command: str) -> None:
    assert listed()(command) is None


def test_every_entry_is_found_by_each_of_its_names_and_says_who_lists_it() -> None:
    check = listed()
    for hazard in hazards.HAZARDS:
        for name in (*hazard.names, hazard.cas):
            assert check(f"mix[{name}]") == f"{hazard.names[0]} ({hazard.cas}): {hazard.why}"


def test_a_check_that_cannot_say_refuses() -> None:
    def broken(command: str) -> str | None:
        raise OSError("no list")

    assert as_check(broken)("x") == "the check failed (OSError: no list)"
    assert "gave True" in str(as_check(lambda command: True)("x"))
    assert as_check(lambda command: "")("x") is None
    with pytest.raises(BadInput, match="safety=3"):
        as_check(3)


def test_a_tool_as_a_check() -> None:
    @tool
    def control(molecule: str) -> str:
        """Say whether it is controlled."""
        return "Safe." if molecule == "mix[water]" else "controlled"

    @tool
    def two(molecule: str, place: str) -> str:
        """Say whether it is controlled there."""
        return ""

    check = as_check(control)
    assert check("mix[water]") is None
    assert check("mix[x]") == "controlled"
    with pytest.raises(BadInput, match="takes 2 arguments"):
        as_check(two)


async def test_a_guarded_tool_is_not_called() -> None:
    called: list[str] = []

    def mix(what: str) -> str:
        """Mix it."""
        called.append(what)
        return "mixed"

    tools = guarded_tools(read_tools([mix]), listed())
    assert await tools["mix"].call("phosgene") == f"{REFUSED} phosgene (75-44-5): {hazards.HAZARDS[10].why}"
    assert await tools["mix"].call("water") == "mixed"
    assert called == ["water"]


class Kettle:
    """An environment that counts what was done to it."""

    name = "kettle"
    task = Task("Boil it.")

    def __init__(self) -> None:
        self.done: list[str] = []

    def reset(self) -> Observation:
        self.done.clear()
        return Observation("cold")

    def step(self, command: str) -> Observation:
        self.done.append(command)
        return Observation("warm")

    def snapshot(self) -> object | None:
        return tuple(self.done)

    def restore(self, snapshot: object) -> None:
        assert isinstance(snapshot, tuple)
        self.done = list(snapshot)

    def refuses(self, command: str) -> str | None:
        return "it has no lid" if command == "shake" else None

    def close(self) -> None:
        self.done.append("closed")


def test_a_guarded_environment_changes_nothing_it_refuses() -> None:
    kettle = Kettle()
    guarded = guarded_environment(lambda: kettle, listed())()
    assert isinstance(guarded, GuardedEnvironment)
    assert isinstance(guarded, Environment)
    assert guarded.reset().text == "cold"
    refused = guarded.step("add sarin")
    assert (refused.valid, refused.text.startswith(REFUSED)) == (False, True)
    assert guarded.step("shake").text == f"{REFUSED} it has no lid"
    assert guarded.step("heat").text == "warm"
    kept = guarded.snapshot()
    assert kept == ("heat",)
    guarded.step("heat")
    guarded.restore(kept)
    assert kettle.done == ["heat"]
    assert (guarded.name, guarded.task) == ("kettle", kettle.task)
    guarded.close()
    assert kettle.done == ["heat", "closed"]


async def test_a_run_behind_the_list() -> None:
    policy = ScriptedPolicy(
        ["Thought: gas.\nAction: mix[phosgene]", "Thought: water then.\nAction: mix[water]", "Action: finish[water]"]
    )

    def mix(what: str) -> str:
        """Mix it."""
        assert what == "water"
        return "mixed"

    result = await asolve("What may be mixed?", blueprint="react", policy=policy, tools=[mix], safety="hazards")
    notes = [event.note for event in result.trace if isinstance(event, Enriched)]
    assert notes[0].startswith(f"Observation: {REFUSED} phosgene")
    assert notes[1] == "Observation: mixed"
    assert result.answer == "water"
