from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.commands import MOST, bare, command_span, listed_commands, read_command


@pytest.mark.parametrize(
    "text",
    [
        "Action: go north",
        "Thought: the key is north.\nAction: go north",
        "action: go north",
        "**Action:** go north",
        "Action 3: go north.",
        "- Action: go north",
        "1. Action: go north",
        "> Action: > go north",
        'Action: "go north"',
        "Action: `go north`",
        "Action: 'go  north'.",
        "Action: [go north]",
        "Action: do[go north]",
        "Action: do(go north)",
        "Action: 1. go north",
        "Action: - go north",
        "Action: **go north**",
        "Action:\ngo north",
        "Action:\n```\ngo north\n```",
        "Command: go north",
        "Action: go north\nObservation: I made this up\nAction: go south",
        "Action: go north\nAction: go south",
    ],
)
def test_the_command_is_read_whatever_stands_around_it(text: str) -> None:
    assert read_command(text) == "go north"


@pytest.mark.parametrize(
    "text",
    ["", "go north", "Action:", "Action: ", "Action: ``", "Observation: x\nAction: go north", "Commands: go north"],
)
def test_what_gives_no_command(text: str) -> None:
    assert read_command(text) is None


def test_a_command_keeps_what_is_its_own() -> None:
    assert read_command("Action: put apple in/on fridge 1") == "put apple in/on fridge 1"
    assert read_command('Action: say "hello" to "bob"') == 'say "hello" to "bob"'
    assert read_command("Action: set heat to 3.5") == "set heat to 3.5"
    assert read_command("Action: experiment[ligand=XPhos]") == "experiment[ligand=XPhos]"


def test_what_is_too_long_is_prose() -> None:
    assert read_command("Action: " + "x" * MOST) == "x" * MOST
    assert read_command("Action: " + "x" * (MOST + 1)) is None


def test_the_span_is_the_line_after_the_marker() -> None:
    text = "Thought: t\nAction: go north\nmore"
    span = command_span(text)
    assert span is not None
    assert text[slice(*span)].strip() == "go north"


@given(st.text(max_size=60))
def test_what_is_bare_stays_so(text: str) -> None:
    assert bare(bare(text)) == bare(text)


@pytest.mark.parametrize("piece", ["*", "> ", "Action", "Action:", "1. ", "[", "`", "\n", '"'])
def test_no_text_takes_long(piece: str) -> None:
    begun = time.perf_counter()
    read_command(piece * 50_000)
    read_command("Action: " + piece * 50_000)
    assert time.perf_counter() - begun < 20


def test_the_commands_listed_last_are_read() -> None:
    text = "Commands: fly\n\nObservation: a hall\n| Commands: go north; look\nAction: look\nObservation: a hall"
    assert listed_commands(text) == ("go north", "look")
    assert listed_commands(f"{text}\n| Commands: jump; and 12 more") == ("jump",)
    assert listed_commands("| Commands: wait") == ("wait",)
    assert listed_commands("Commands: fly") == listed_commands("") == ()
