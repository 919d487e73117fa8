"""Every shipped environment keeps to the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.graphs.embodied.conformance import conform

from reflectree.graphs.embodied import gymnasium, reaction, scienceworld, textworld, toy
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.errors import MissingExtra

Maker = Callable[[str], MakeEnvironment]

LIGHT: list[tuple[Maker, str]] = [
    (toy.environment, "kitchen-2"),
    (toy.environment, "laundry-0"),
    (toy.environment, "office-5"),
    (reaction.environment, "3"),
    (reaction.environment, "0/4"),
]
GRIDS = ["FrozenLake-v1/3", "MiniGrid-Empty-5x5-v0", "MiniGrid-DoorKey-5x5-v0/7"]
GAMES = ["coin-3", "treasure-12/1", "simple/2", "cooking-2"]


def made(maker: Maker, rest: str) -> MakeEnvironment:
    try:
        return maker(rest)
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("maker", "rest"), LIGHT, ids=lambda value: value if isinstance(value, str) else "")
def test_environments_without_packages(maker: Maker, rest: str) -> None:
    conform(maker(rest))


@pytest.mark.slow
@pytest.mark.parametrize("rest", GRIDS)
def test_grids(rest: str) -> None:
    conform(made(gymnasium.environment, rest), steps=15)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rest", GAMES)
def test_text_adventures(rest: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    shared: Path = tmp_path_factory.getbasetemp() / "games"
    monkeypatch.setenv("REFLECTREE_CACHE", str(shared))
    conform(made(textworld.environment, rest))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rest", ["find-plant/0", "use-thermometer/1"])
def test_the_laboratory(rest: str) -> None:
    if why := scienceworld.missing():
        pytest.skip(why)
    conform(made(scienceworld.environment, rest))
