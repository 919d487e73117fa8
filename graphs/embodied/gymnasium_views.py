"""What an agent sees in MiniGrid and FrozenLake, in words, and the names of what it can do."""

from __future__ import annotations

from typing import Any

MINIGRID_ACTIONS = ("turn left", "turn right", "move forward", "pick up", "drop", "toggle", "done")
"""By MiniGrid's numbers; `toggle` opens doors and boxes, `done` says that the mission is fulfilled."""
FROZEN_LAKE_ACTIONS = ("go west", "go south", "go east", "go north")
"""By FrozenLake's numbers."""
_FACING = ("east", "south", "west", "north")
_TILES = {"S": "ice", "F": "ice", "H": "a hole", "G": "the goal"}
_SIDES = (("north", -1, 0), ("east", 0, 1), ("south", 1, 0), ("west", 0, -1))


def minigrid(world: Any, constants: Any) -> str:
    """The field of view of a MiniGrid agent, as distances ahead of it and to its sides.

    Args:
        world: The environment without its wrappers.
        constants: `minigrid.core.constants`.
    """
    image = world.gen_obs()["image"]
    columns, rows = image.shape[0], image.shape[1]
    seen, walls = list[tuple[int, str]](), dict[str, int]()
    ahead_of = "nothing"
    for column in range(columns):
        for row in range(rows):
            ahead, right = rows - 1 - row, column - columns // 2
            kind = constants.IDX_TO_OBJECT[int(image[column, row, 0])]
            if kind in ("unseen", "empty", "floor", "agent") or (ahead, right) == (0, 0):
                continue
            name = _named(kind, image[column, row], constants)
            if (ahead, right) == (1, 0):
                ahead_of = name
            if kind != "wall":
                seen.append((ahead + abs(right), f"{name} {_where(ahead, right)}"))
            elif ahead == 0 or right == 0:  # of the walls straight on and to the sides, the nearest
                side = "ahead" if ahead else "to the right" if right > 0 else "to the left"
                walls[side] = min(ahead + abs(right), walls.get(side, columns))
    held = f"carrying a {world.carrying.color} {world.carrying.type}" if world.carrying else "carrying nothing"
    parts = [f"You face {_FACING[int(world.agent_dir)]}, {held}.", f"Directly ahead: {ahead_of}."]
    parts.append(f"You see: {'; '.join(text for _, text in sorted(seen)) or 'nothing but floor and walls'}.")
    if walls:
        parts.append(f"Walls: {', '.join(f'{far} {side}' for side, far in sorted(walls.items()))}.")
    return " ".join(parts)


def frozen_lake(world: Any) -> str:
    """Where one stands on the lake, and what is on each side."""
    height, width = int(world.nrow), int(world.ncol)
    row, column = divmod(int(world.s), width)
    here = _tile(world, row, column)
    sides = [
        f"{name}: {_tile(world, row + down, column + right)}"
        if 0 <= row + down < height and 0 <= column + right < width
        else f"{name}: the edge"
        for name, down, right in _SIDES
    ]
    return (
        f"You are on {here} in row {row + 1}, column {column + 1} of {height} rows and {width} columns. "
        f"{', '.join(sides)}."
    )


def _tile(world: Any, row: int, column: int) -> str:
    return _TILES[world.desc[row][column].decode()]


def _named(kind: str, cell: Any, constants: Any) -> str:
    if kind in ("wall", "lava"):
        return f"a {kind}" if kind == "wall" else "lava"
    colour = constants.IDX_TO_COLOR[int(cell[1])]
    if kind != "door":
        return f"a {colour} {kind}"
    state = {number: word for word, number in constants.STATE_TO_IDX.items()}[int(cell[2])]
    return f"{'an' if state == 'open' else 'a'} {state} {colour} door"


def _where(ahead: int, right: int) -> str:
    """A place relative to the agent."""
    parts = [f"{ahead} ahead"] if ahead else []
    if right:
        parts.append(f"{abs(right)} to the {'right' if right > 0 else 'left'}")
    return " and ".join(parts)
