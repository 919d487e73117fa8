"""The pages' tables are whole: every parameter of every strategy with its default, every blueprint with its card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs import blueprints
from reflectree.rlm_ops.strategies import STRATEGIES

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "strategies.md").read_text()
ELSEWHERE = {"confidence": "at the head of the page"}
INHERITED = {
    "rstar-math": ("c_base", "unvisited", "own_visit", "backup", "root_noise", "root_alpha"),
    "lats-env": (
        "formula",
        "c_base",
        "unvisited",
        "own_visit",
        "backup",
        "root_noise",
        "root_alpha",
        "widen_c",
        "widen_alpha",
        "resample_root",
        "prune_below",
        "backtrack_below",
        "finish_check",
    ),
}
IN_WORDS = {
    ("team", "members"): "required",
    ("got", "plan"): "see below",
    ("journey", "search"): "{name: beam}",
    ("mcts", "backup"): "mean",
}


def section(name: str) -> str:
    """The text under a strategy's heading, up to the next heading."""
    found = re.search(rf"^(?:### {name}|\*\*{name}\*\*)\n(.*?)(?=^#|^\*\*|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/strategies.md has no heading for {name}"
    return found[1]


def shown(default: Any) -> str:
    """A default as the page shows it."""
    if isinstance(default, list | tuple):
        return f"[{', '.join(map(str, default))}]"
    return {None: "null", True: "true", False: "false"}.get(default, str(default)) if _plain(default) else str(default)


def _plain(default: Any) -> bool:
    return default is None or isinstance(default, bool)


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"cot"}))
def test_every_parameter_stands_in_the_page_with_its_default(name: str) -> None:
    listed: dict[str, str] = {}
    for line in section(name).splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if line.startswith("| `") and len(cells) >= 3:
            listed |= dict(zip(re.findall(r"`([^`]+)`", cells[0]), re.findall(r"`([^`]+)`", cells[1]), strict=False))
    fields = {field: spec for field, spec in STRATEGIES[name].model_fields.items() if field not in ELSEWHERE}
    wanted = {
        field: IN_WORDS.get((name, field)) or shown(spec.get_default(call_default_factory=True))
        for field, spec in fields.items()
        if field not in INHERITED.get(name, ())
    }
    assert {field: listed.get(field) for field in wanted} == wanted


def test_every_blueprint_has_a_row_and_a_card() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \|", (DOCS / "blueprints.md").read_text().split("## One changed line")[0], re.MULTILINE
    )
    systems = (DOCS / "fidelity.md").read_text().split("\n## Formulas")[0]
    cards = re.findall(r"^### .*\(`([\w-]+)`\)", systems, re.MULTILINE)
    assert sorted(rows) == sorted(cards) == blueprints.names()
    assert rows == cards  # in one order
