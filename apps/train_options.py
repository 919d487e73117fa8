"""The options that `reflectree train` and `reflectree loop` share, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reflectree.training.splits import Splits

PAUSED = 3
"""The exit code of what a cap has paused."""

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change a setting; may be repeated (train --json has all)."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Most tasks.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of generated tasks and of all sampling.")]
Seconds = Annotated[float | None, typer.Option("--seconds", metavar="S", help="Pause after so long.")]
Tokens = Annotated[int | None, typer.Option("--tokens", metavar="N", help="Pause after so many tokens.")]
Key = Annotated[
    str,
    typer.Option(
        "--split-key", "--key", metavar="text|numbers", help="How tasks are told apart when they are divided."
    ),
]


def splits_by(key: str) -> Splits:
    """How tasks are divided that are told apart by this key."""
    from reflectree.training.splits import Splits

    return Splits(key=key)


def nested(changes: dict[str, Any]) -> dict[str, Any]:
    """`{"lora.r": 8}` as `{"lora": {"r": 8}}`."""
    made: dict[str, Any] = {}
    for path, value in changes.items():
        place = made
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return made
