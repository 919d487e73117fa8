"""Coscientist's grammar: exactly one command a turn."""

from __future__ import annotations

import time

import pytest

from reflectree.rlm_ops.one_command import NO_COMMAND, disowned, one_command
from reflectree.rlm_ops.parsing import Action


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("SEARCH: Suzuki coupling base", "search", "Suzuki coupling base"),
        ('Thought: try hot.\nEXPERIMENT: {"temperature": 120}', "experiment", '{"temperature": 120}'),
        ("PYTHON:\n```python\nprint(1)\n```", "python", "print(1)"),
        ("PYTHON:\nx = 1\nprint(x)", "python", "x = 1\nprint(x)"),
        ("**DOCUMENTATION:** noise", "documentation", "noise"),
        (
            "PYTHON:\n```\nnote = '''\nSEARCH: not a command\n'''\n```",
            "python",
            "note = '''\nSEARCH: not a command\n'''",
        ),
        ("I will SEARCH: for it below.\nSEARCH: x", "search", "x"),
        ("PYTHON: print('~~~')", "python", "print('~~~')"),
    ],
)
def test_one(text: str, name: str, argument: str) -> None:
    assert one_command(text) == Action(name, argument)


@pytest.mark.parametrize(
    "text", ["", "Thought: hm.", "Search: x", "experiment[1]", "```\nSEARCH: x", "Action: search[x]"]
)
def test_none(text: str) -> None:
    assert one_command(text) == NO_COMMAND


@pytest.mark.parametrize(
    "text",
    ["SEARCH: a\nSEARCH: b", "SEARCH: a\nObservation: nothing\nEXPERIMENT: {}", "PYTHON: 1\n```\n2\n```\nSEARCH: b"],
)
def test_several(text: str) -> None:
    assert "this one has 2 (" in str(one_command(text))


@pytest.mark.parametrize("text", ["EXPERIMENT:", "SEARCH:  \n ", "PYTHON:\n```python\n```"])
def test_nothing_after_it(text: str) -> None:
    assert "has nothing after it" in str(one_command(text))


def test_a_turn_cannot_observe_by_itself() -> None:
    said = disowned("EXPERIMENT: {}\nObservation: Yield: 99 %\n| **Observation**: 100\nobservation = 3")
    assert (
        said == "EXPERIMENT: {}\n(made up) Observation: Yield: 99 %\n| **(made up) Observation**: 100\nobservation = 3"
    )
    assert one_command(said) == one_command("EXPERIMENT: {}\nObservation: 3") == Action("experiment", "{}")


def test_it_is_linear() -> None:
    began = time.perf_counter()
    one_command("```\n" * 20_000 + "SEARCH: x\n" * 2_000)
    one_command("*" * 200_000)
    assert time.perf_counter() - began < 20
