from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from reflectree.graphs.embodied import scienceworld
from reflectree.rlm_ops.errors import BadInput

pytest.importorskip("scienceworld")


def test_there_are_thirty_tasks() -> None:
    assert len(scienceworld.names()) == 30
    assert "boil" in scienceworld.names()


def test_a_task_that_is_none_says_what_there_is() -> None:
    with pytest.raises(BadInput, match="there are boil, change-the-state-of-matter-of, "):
        scienceworld.environment("bake/0")
    with pytest.raises(BadInput, match="the variation must be a whole number"):
        scienceworld.environment("boil/first")


def test_without_java_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert (
        scienceworld.missing()
        == "no `java` was found: ScienceWorld needs a Java runtime of version 17 or so on the path"
    )
    with pytest.raises(BadInput, match="scienceworld/boil: no `java` was found"):
        scienceworld.environment("boil")


def test_what_the_simulator_draws_anew_is_no_difference() -> None:
    same = scienceworld.ScienceWorld.same
    world = object.__new__(scienceworld.ScienceWorld)
    cups = "On the table is: a bowl (containing nothing), a cup (containing red paint), a cup (containing blue paint)."
    other = "On the table is: a cup (containing blue paint), a bowl (containing nothing), a cup (containing red paint)."
    assert same(world, cups, other)
    assert not same(world, cups, other.replace("blue", "green"))
    assert not same(world, cups, other.replace("a bowl (containing nothing), ", ""))
    reading = "the thermometer measures a temperature of 45 degrees celsius"
    assert same(world, reading, reading.replace("45", "-3"))
    assert not same(world, reading, "the thermometer is broken")
    assert same(world, "In it, you see:\n\tan adult bee\n\tthe agent", "In it, you see:\n\tthe agent")
    assert not same(world, "a bee hive", "nothing")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_command_that_means_several_things_is_settled_by_a_number() -> None:
    if why := scienceworld.missing():
        pytest.skip(why)
    with pytest.raises(BadInput, match="boil has variations 0 to 29"):
        scienceworld.environment("boil/30")()
    env = scienceworld.environment("boil/0")()
    env.reset()
    asked = env.step("open door")
    assert (asked.valid, asked.actions) == (True, ("0", "1", "2", "3", "4", "5"))
    assert "0: open door between art studio and hallway" in asked.text
    assert env.step("look around").valid is False
    assert env.step("0").text == "The door is now open."
    assert "A door to the art studio (that is open)" in env.step("look around").text
    env.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_simulator_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes a list of its objects into the folder it is started in."""
    if why := scienceworld.missing():
        pytest.skip(why)
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    env = scienceworld.environment("boil/0")()
    env.reset()
    (folder,) = temporary.glob("reflectree-scienceworld-*")
    assert any(folder.iterdir())
    env.close()
    assert [*here.iterdir(), *temporary.glob("reflectree-*")] == []
