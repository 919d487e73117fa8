"""`reflectree plot FILE... -o PICTURE`: benchmarks that were kept, as one picture. Nothing is run and nothing paid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plot(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What `reflectree bench --out` has kept.")],
    out: Annotated[list[Path], typer.Option("--out", "-o", metavar="FILE", help=".svg, .png or .html; repeatable.")],
) -> None:
    """Draw accuracy against tokens, with intervals and baselines.

    Several files of the same tasks and model, each with another cap on tokens, become one line a blueprint.

    Try:

        reflectree plot mini-2k.jsonl mini-8k.jsonl mini-32k.jsonl -o mini.svg
    """
    from reflectree.apps import plots
    from reflectree.apps.terminal import note

    for picture in out:
        plots.check(picture)
    reports = [plots.read(file) for file in files]
    for picture in out:
        plots.draw(reports, picture)
        note(f"drew {picture}")
