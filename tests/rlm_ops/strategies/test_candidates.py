"""Whole candidates: measured once each, kept by what they are worth, counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.candidates import Asked, Book, form_of, settle
from reflectree.rlm_ops.structure import ReasoningStructure


def structure(*events: Event, form: Any = "line") -> ReasoningStructure:
    made = ReasoningStructure()
    for event in (Began(question="?", form=form), *events):
        tell(made, event)
    return made


def tell(found: ReasoningStructure, event: Event) -> None:
    found.apply(replace(event, seq=found.applied))


def said(node: int, answer: str | None, how: str = "") -> Grown:
    status: Any = "open" if answer is None else "terminal"
    return Grown(nodes=(0,), index=node - 1, node=node, text=f"{answer}", status=status, answer=answer, how=how)


def scored(node: int, value: float) -> Evaluated:
    return Evaluated(node=node, value=value)


def test_new_candidates_are_measured_and_others_taken_out() -> None:
    found = structure(said(1, "1/2"), said(2, None), said(3, " 1/2."), said(4, "3"))
    calls = settle(found, 1) or []
    assert calls == [Call("prune", (2,)), Call("prune", (3,))]
    assert [call.reason for call in calls] == ["states no candidate", "repeats node 1"]
    assert settle(structure(said(1, "a"), said(2, "b"), said(3, "c")), 2) == [
        Call("evaluate", (1,)),
        Call("evaluate", (2,)),
    ]


def test_nothing_to_settle_is_told_from_no_slot_to_do_it() -> None:
    assert settle(structure(), 4) is None
    assert settle(structure(said(1, "a"), scored(1, 0.5)), 4) is None
    assert settle(structure(said(1, "a")), 0) == []


def test_candidates_of_different_variants_may_say_the_same() -> None:
    found = structure(said(1, "a", "x"), said(2, "a", "y"), said(3, "a", "x"))
    assert settle(found, 4, apart=True) == [Call("prune", (3,))]


@pytest.mark.parametrize(
    ("one", "other", "form", "same"),
    [
        ("0.50", " 0.5.", "line", True),
        ("x = 1", "x = 2", "line", False),
        ("def f():\n    return 1\n", "def f():  \n\n    return 1", "code", True),
        ("def f():\n    return 1\n", "def f():\n  return 1\n", "code", False),
        ("A = 1", "a = 1", "code", False),
    ],
)
def test_when_two_candidates_are_the_same(one: str, other: str, form: Any, same: bool) -> None:
    found = structure(said(1, one), said(2, other), form=form)
    assert (form_of(found, 1) == form_of(found, 2)) is same


def test_the_book_ranks_what_was_measured_the_older_of_equals_last() -> None:
    found = structure(said(1, "a"), said(2, "b"), said(3, "c"), said(4, "d"), said(5, "e"))
    for node, value in ((1, 0.5), (2, 0.9), (3, 0.5), (4, 0.1)):
        tell(found, scored(node, value))
    tell(found, Failed(of="evaluate", nodes=(5,)))
    book = Book()
    book.read(found)
    assert book.best(3) == (3, 1, 2)
    assert book.best(9) == (4, 3, 1, 2)


def test_all_that_was_asked_for_is_counted_however_it_is_counted() -> None:
    found, counted = structure(), Asked()

    def begin(call: Call) -> None:
        if call.op == "aggregate":
            counted.open(call.nodes)
        found.begin(call)

    assert counted.total(found) == 0
    for index in range(3):
        begin(Call("generate", (0,), index))
    for node in (1, 2):
        tell(found, said(node, str(node)))
    for index in range(4):
        begin(Call("aggregate", (1, 2), index))
    assert counted.total(found) == 7
    for index in range(4):
        tell(found, Failed(of="aggregate", nodes=(1, 2), index=index))
    assert counted.total(found) == 7
    begin(Call("aggregate", (1, 2), 4))
    assert counted.total(found) == Asked().total(found) == 8
