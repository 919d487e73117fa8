"""Turns of one command: read whole, counted by the trace."""

from __future__ import annotations

from typing import Any

import pytest

from reflectree.agents.replies import CUT, READERS, Draft, Reading
from reflectree.agents.turns import is_experiment, ordered, turn
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Enriched, Grown
from reflectree.rlm_ops.parsing import Action
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import ReasoningStructure, fold

RUN = "Thought: run.\nEXPERIMENT: {}"
ONE = Enrich(one_command=True, experiments=1)


def run_of(*steps: tuple[str, str]) -> ReasoningStructure:
    """A chain of turns, each with the note of what was observed ("" for none)."""
    events: list[Any] = [Began(question="Find it.", depth=9, seq=0)]
    for node, (text, note) in enumerate(steps, 1):
        events.append(Grown(nodes=(node - 1,), text=text, node=node, seq=len(events)))
        if note:
            events.append(Enriched(node=node, text=f"{text}\n{note}", note=note, seq=len(events)))
    return fold(events)


@pytest.mark.parametrize(
    ("note", "counts"),
    [
        ("Observation: Yield: 40 %", True),
        ("Observation: error: the experiment was not run", False),
        ("Observation: refused by the safety check: no", False),
        ("bad call: a turn is exactly one command", False),
        ("refused: a person did not allow it", False),
        ("", False),
    ],
)
def test_only_experiments_that_were_run_count(note: str, counts: bool) -> None:
    structure = run_of((RUN, note), (RUN, ""))
    assert is_experiment(structure, 1) == counts
    assert isinstance(turn(Call("enrich", (2,)), structure, ONE), str) == counts


def test_one_that_is_being_run_counts() -> None:
    structure = run_of((RUN, ""), (RUN, ""))
    structure.begin(Call("enrich", (1,)))
    assert "used up" in str(turn(Call("enrich", (2,)), structure, ONE))


def test_other_commands_are_free() -> None:
    structure = run_of(
        (RUN, "Observation: Yield: 40 %"), ("SEARCH: EXPERIMENT: x", "Observation: nothing"), ("SEARCH: y", "")
    )
    assert not is_experiment(structure, 2)
    assert turn(Call("enrich", (3,)), structure, ONE) == Action("search", "y")
    assert ordered(structure, 1) == RUN


def test_the_reader_keeps_a_turn_whole() -> None:
    read = READERS["experiment"]
    assert read(Draft("SEARCH: a\nSEARCH: b\n")) == Reading("SEARCH: a\nSEARCH: b")
    assert read(Draft("I wonder.")) == Reading("I wonder.")
    assert read(Draft("Done.\nAnswer: 42\nSomething")) == Reading("Done.\nAnswer: 42", "42")
    assert read(Draft("Answer: 42\nEXPERIMENT: {}")) == Reading("Answer: 42\nEXPERIMENT: {}")  # which of the two?
    assert read(Draft("SEARCH: a\nObservation: b")) == Reading("SEARCH: a\n(made up) Observation: b")
    assert read(Draft("SEARCH: a", cut=True)) == CUT
