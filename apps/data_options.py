"""The options that `reflectree data` commands share, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reflectree.training.splits import Splits

_CAPS, _SPLITS, _DATA = "The whole job (pauses)", "Splits", "Data"
Buffer = Annotated[
    Path | None,
    typer.Option("--buffer", "-B", metavar="FOLDER", rich_help_panel=_DATA, help="The replay buffer samples go to."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label", "-l", metavar="NAME", rich_help_panel=_DATA,
        help="A way to label, as outcome, search, siblings, math-shepherd/soft; may be repeated. All: data labels.",
    ),
]  # fmt: skip
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", "-f", metavar="NAME[=VALUE]", rich_help_panel=_DATA,
        help="steps=1-12, length=1-4000, no-repetition[=moves], language, answer, informative, reward=1, "
        "per-question=8; may be repeated.",
    ),
]  # fmt: skip
Rollouts = Annotated[
    int,
    typer.Option("--rollouts", min=1, rich_help_panel=_DATA, help="Completions of a prefix, for labels that want any."),
]
Round = Annotated[int, typer.Option("--round", min=0, rich_help_panel=_DATA, help="The round of the loop they are of.")]
TestShare = Annotated[
    float | None, typer.Option("--test-share", rich_help_panel=_SPLITS, help="Share of tasks never learnt from (0.1).")
]
ValidShare = Annotated[
    float | None, typer.Option("--valid-share", rich_help_panel=_SPLITS, help="Share of the validation part (0.1).")
]
SplitKey = Annotated[
    str | None,
    typer.Option(
        "--split-key", metavar="text|numbers", rich_help_panel=_SPLITS,
        help="What makes two questions the same: their text, or their numbers and target (Countdown).",
    ),
]  # fmt: skip
MaxCalls = Annotated[int | None, typer.Option("--max-calls", rich_help_panel=_CAPS, help="Most requests to models.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", rich_help_panel=_CAPS, help="Most tokens.")]
MaxUsd = Annotated[float | None, typer.Option("--max-usd", rich_help_panel=_CAPS, help="Most dollars.")]
MaxSeconds = Annotated[float | None, typer.Option("--max-seconds", rich_help_panel=_CAPS, help="Most seconds.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def splits_of(test: float | None, valid: float | None, key: str | None) -> Splits | None:
    """The splits that were asked for; `None` where nothing was said of them.

    Raises:
        BadInput: They cannot be.
    """
    from reflectree.training.splits import Splits

    given: dict[str, Any] = {"test": test, "valid": valid, "key": key}
    given = {name: value for name, value in given.items() if value is not None}
    return Splits(**given) if given else None
