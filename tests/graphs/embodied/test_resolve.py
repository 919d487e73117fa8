from __future__ import annotations

import pytest
from tests.support.toy_world import ToyWorld, recorded, toy

from reflectree.graphs.embodied import resolve
from reflectree.graphs.embodied.isolated import Isolated
from reflectree.rlm_ops.environment import Environment
from reflectree.rlm_ops.errors import BadInput


def test_a_function_and_a_class_make_environments() -> None:
    assert resolve.make(toy) is toy
    assert resolve.make(ToyWorld) is ToyWorld


def test_an_environment_is_lent_and_never_closed() -> None:
    world = ToyWorld()
    make = resolve.make(world)
    assert resolve.most_of(make) == 1
    lent = make()
    assert isinstance(lent, Environment)
    assert lent.name == world.name
    lent.reset()
    lent.step("go north")
    kept = lent.snapshot()
    lent.restore(kept)
    assert lent.refuses("burn it")
    lent.close()
    assert world.done_here == ["reset", "go north", "restore"]
    assert not world.closed


def test_a_name_is_looked_up_in_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    import tests.support.toy_world as module

    monkeypatch.setitem(resolve.KINDS, "made-up", module.__name__)
    monkeypatch.setattr(module, "environment", lambda rest: lambda: (rest, "made"), raising=False)
    assert resolve.make("made-up/coin-3/easy")() == ("coin-3/easy", "made")  # type: ignore[comparison-overlap]
    isolated = resolve.make("isolated/made-up/coin-3")()
    assert isinstance(isolated, Isolated)
    assert isolated.spec == "made-up/coin-3"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("textwold/x", r"unknown environment 'textwold/x'; did you mean 'textworld/...'\?"),
        ("isolated/nothing", "unknown environment 'nothing'"),
        (3, "environment=3: give a name such as"),
    ],
)
def test_what_is_none_is_refused(given: object, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        resolve.make(given)


def test_the_task_is_the_goal_and_what_is_seen_first() -> None:
    made, make = recorded()
    task = resolve.task_of(make)
    assert task.question == "Open the door of the hall."
    assert task.context == "Observation: You are in the hall.\n| Commands: go north; jump"
    assert made[0].closed
