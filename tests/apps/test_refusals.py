"""What cannot work is exit code 2 with one line on standard error, and the endpoint is asked nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.apps.conftest import Cli

from reflectree.graphs import blueprints
from reflectree.models.loopback_process import Remote

NESTED = "operators.generate.variants.tree.nested"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-b", "react"], "--tool calculator"),
        (["-b", "react", "--tool", "hammer"], "no built-in tool 'hammer'"),
        (["-b", "ab-mcts"], "--role critic=MODEL"),
        (["-b", "operator-mcts", "-v", "exact:42"], "a verifier that knows no gold answer"),
        (["-b", "self-refine", "--set", "operators.refine.critique=critic"], "--role critic=MODEL"),
        (["-b", "forest", "--set", f"{NESTED}.blueprint=forest"], "it nests itself: forest -> forest"),
        (["-b", "forest", "--set", f"{NESTED}.depth=99"], "nested.depth"),
        (["-b", "got", "--set", "scheme.structure=tree"], "makes a dag and no tree"),
        (["-b", "got", "--set", "scheme.strategy.plan=[{id: a, op: polish}]"], "unknown operator 'polish'"),
        (
            ["-b", "got", "--set", "scheme.strategy.plan=[{id: a, op: generate, inputs: [a]}]"],
            "the plan goes in a circle",
        ),
        (["-b", "beam", "--set", "operators.generate.variants={}"], "asks for the variant 'whole'"),
        (["-b", "mcts", "--set", "operators.generate.model=poet"], "--role poet=MODEL"),
        (["-b", "mcts", "--set", "operators.evaluate.kind=reward"], "needs a reward model"),
        (["-b", "mcts", "--set", "operators.evaluate.kind=tests"], "visible tests"),
        (["-b", "mcts", "--set", "operators.evaluate.kind=confidence"], "operators.generate.alternatives"),
        (["-b", "mcts", "--set", "selection=verified"], "oracle"),
    ],
)
def test_a_blueprint_that_cannot_work_is_2_and_pays_nothing(
    arguments: list[str], said: str, cli: Cli, server: Remote, model: str
) -> None:
    before = server.counters()
    done = cli("solve", "What is 6 times 7?", "-m", model, "-n", 5, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert len(done.err.strip().splitlines()) == 1
    assert server.counters() == before


def test_a_file_that_nests_too_deep_is_2_and_pays_nothing(cli: Cli, server: Remote, model: str, tmp_path: Path) -> None:
    data = blueprints.load("cot").model_dump(mode="json")
    for name in ("d", "c", "b", "a"):
        outer = blueprints.load("cot").model_dump(mode="json")
        nested = {"blueprint": data, "depth": 2}
        data = {**outer, "name": name, "operators": {**outer["operators"], "generate": {"nested": nested}}}
    file = tmp_path / "deep.yaml"
    file.write_text(yaml.safe_dump(data))
    before = server.counters()
    done = cli("solve", "What is 6 times 7?", "-m", model, "-b", file)
    assert (done.code, done.out) == (2, "")
    assert "is nested deeper than its depth of 2" in " ".join(done.err.split())
    assert server.counters() == before
