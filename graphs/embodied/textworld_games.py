"""TextWorld games by name: `coin-3`, `treasure-12`, `simple`, `cooking-2`, each with an optional `/SEED`.

A game is made once by the package's own generator (`tw-make`'s challenges, compiled by the Inform 7 that it brings)
and kept in a cache folder, from which every environment of that name plays it.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from reflectree.graphs.embodied.episodes import number
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require

KINDS: Mapping[str, tuple[str, int, str]] = {
    "coin": ("tw-coin_collector", 100, "take the coin at the end of a chain of LEVEL rooms"),
    "treasure": ("tw-treasure_hunter", 30, "find a thing in a maze; doors from level 11 on, keys from 21 on"),
    "simple": ("tw-simple", 0, "find the food of a house and put it on the stove; each right step counts"),
    "cooking": ("tw-cooking", 5, "cook a recipe of LEVEL ingredients in a house of six rooms"),
}
"""By name: the package's challenge, its highest level (0 where it has none), and what is to be done."""
CACHE_VARIABLE = "REFLECTREE_CACHE"


@dataclass(frozen=True, slots=True)
class Game:
    """Which game: its kind, level and seed."""

    kind: str
    level: int
    seed: int

    @property
    def name(self) -> str:
        """The name without the prefix, in full."""
        return (f"{self.kind}-{self.level}" if self.level else self.kind) + f"/{self.seed}"

    @property
    def challenge(self) -> str:
        """The package's name of its kind."""
        return KINDS[self.kind][0]

    @property
    def settings(self) -> dict[str, Any]:
        """What the challenge is made with."""
        match self.kind:
            case "simple":
                return {"rewards": "dense", "goal": "detailed", "test": False}
            case "cooking":
                wanted = {"recipe": self.level, "take": self.level, "go": 6, "recipe_seed": self.seed}
                return {**wanted, "open": True, "cook": True, "cut": True, "drop": False, "split": None}
            case _:
                return {"level": self.level}


def game(rest: str) -> Game:
    """The game of a name.

    Raises:
        BadInput: There is none of that name.
    """
    spec, _, seed = rest.partition("/")
    kind, _, level = spec.partition("-")
    if kind not in KINDS:
        raise BadInput(f"no environment textworld/{rest}: there are {listed()}")
    most = KINDS[kind][1]
    at = number(level, "the level", f"textworld/{rest}") if level else 0
    if not (1 <= at <= most if most else at == 0):
        fix = f"give a level from 1 to {most}" if most else "it has no levels"
        raise BadInput(f"no environment textworld/{rest}: {fix}; there are {listed()}")
    return Game(kind, at, number(seed or "0", "the seed", f"textworld/{rest}"))


def listed() -> str:
    """All games in words."""
    return "; ".join(f"textworld/{kind}{'-LEVEL' if most else ''} ({what})" for kind, (_, most, what) in KINDS.items())


def file_of(game: Game) -> Path:
    """The compiled game, made now where it is not in the cache yet (some seconds).

    It is made in a folder of its own and moved into place: whoever is interrupted leaves no half of it.

    Raises:
        BadInput: The cache folder cannot be written, or the generator refuses.
        MissingExtra: TextWorld is not installed.
    """
    textworld = require("textworld", "textworld", f"textworld/{game.name}")
    folder = cache_folder() / f"textworld-{textworld.__version__}" / game.name.replace("/", "-seed-")
    path = folder / "game.z8"
    if not path.exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not path.exists():
                    _make(game, textworld, folder)
        except OSError as error:
            raise BadInput(
                f"textworld/{game.name} cannot be made in {folder.parent} ({error}): set {CACHE_VARIABLE} to a folder "
                "that can be written"
            ) from error
    return path


def quiet() -> None:
    """Silence the interpreter's warning that it does not know a game: what it then lacks is not used here.

    The filter is set again with each game, and left in place: games are made in threads, which share their filters.
    """
    jericho = require("jericho.jericho", "textworld", "TextWorld")
    warnings.filterwarnings("ignore", category=jericho.UnsupportedGameWarning)


def cache_folder() -> Path:
    """Where made games are kept: `$REFLECTREE_CACHE`, else the user's cache folder, else a temporary one."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "reflectree"
    except RuntimeError:  # no home
        return Path(tempfile.gettempdir()) / "reflectree-cache"


def _make(game: Game, textworld: Any, folder: Path) -> None:
    challenges = require("textworld.challenges", "textworld", f"textworld/{game.name}").CHALLENGES
    generator = require("textworld.generator", "textworld", f"textworld/{game.name}")
    quiet()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as parts:
        made = Path(parts) / "game"
        options = textworld.GameOptions()
        options.seeds = game.seed
        options.path, options.file_ext = str(made / "game.z8"), ".z8"
        try:
            world = challenges[game.challenge][1](settings=game.settings, options=options)
            generator.compile_game(world, options)
        except (ValueError, AssertionError, generator.QuestGenerationError) as error:
            raise BadInput(f"textworld/{game.name} cannot be made: {error}; try another seed") from error
        os.replace(made, folder)
