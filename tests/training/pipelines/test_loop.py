"""The loop on a tiny model that half knows its task: it learns, resumes, pauses, and keeps nothing that is worse."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_models import tiny_causal_lm

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, MissingExtra, TraceError
from reflectree.rlm_ops.task import Task
from reflectree.training import trainers
from reflectree.training.pipelines.loop import LoopReport, aloop
from reflectree.training.pipelines.plan import read_plan
from reflectree.training.samples import Solution
from reflectree.training.splits import Splits

LETTERS = "abcdefghijkl"
TASKS = [Task(f"Say {letter}", verifier=verifiers.exact(letter), id=letter) for letter in LETTERS]
HALVES = Splits(valid=0.4, test=0.0)
PLAN: dict[str, Any] = {
    "rounds": 2,
    "sft_rounds": 1,
    "search": {
        "name": "sampling",
        "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "self-consistency", "n": 6}},
        "operators": {"generate": {"max_tokens": 24, "temperature": 1.0}},
        "selection": "majority",
    },
    "labels": ["rejection", "outcome/steps"],
    "sft": {"by": "expert-iteration", "settings": {"max_steps": 20, "lr": 5e-3, "valid": 0}},
    "rl": {"by": "grpo", "settings": {"iterations": 2, "questions": 4, "samples": 4, "max_tokens": 16, "lr": 1e-3}},
    "value": {"by": "value", "settings": {"max_steps": 4, "lr": 1e-3, "valid": 0}},
    "tokens": 600,
    "valid": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_causal_lm(folder / "random", hidden=32, layers=2, initializer_range=0.1)
    samples = [Solution(question=f"Say {x}", steps=(f"Answer: {y}",)) for x in LETTERS for y in (x, "z")]
    trainers.train("sft", samples, folder / "random", folder / "base", {"max_steps": 120, "lr": 1e-2, "valid": 0})
    return folder / "base"


async def looped(base: Path, out: Path, cap: Budget | None = None, **changes: Any) -> LoopReport:
    return await aloop(TASKS, out, base=base, plan=read_plan(PLAN, **changes), splits=HALVES, cap=cap)


@pytest.mark.slow
async def test_two_rounds_train_measure_and_keep(base: Path, tmp_path: Path) -> None:
    report = await looped(base, tmp_path / "loop")
    first, second = report.rounds
    assert (first["phase"], second["phase"]) == ("sft", "rl")
    assert first["data"]["finished"] > 0
    assert first["policy"]["samples"] > 0
    assert second["policy"]["history"]
    for row in report.rounds:
        assert row["kept"] == (row["measured"]["accuracy"] >= row["before"]["accuracy"])
        assert set(row["measured"]["table"]) == {"sampling", "self-consistency", "best-of-n"}
        assert row["measured"]["tokens"] > 0
        assert row["difference"]["low"] <= row["difference"]["value"] <= row["difference"]["high"]
        assert row["trained"]
    kept = [row["policy"]["folder"] for row in report.rounds if row["kept"]]
    assert report.policy == (kept[-1] if kept else str(base))
    again = await looped(base, tmp_path / "loop")
    assert again.rounds == report.rounds  # all of it is through: nothing is done twice
    with pytest.raises(TraceError, match="another plan"):
        await looped(base, tmp_path / "loop", tokens=700)


@pytest.mark.slow
async def test_a_run_into_which_no_call_fits_is_told_and_nothing_is_kept(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no call fits into the 20 tokens of a run"):
        await looped(base, tmp_path / "loop", tokens=20)
    assert not (tmp_path / "loop" / "round-0" / "policy").exists()


@pytest.mark.slow
async def test_a_cap_pauses_and_the_same_call_goes_on(base: Path, tmp_path: Path) -> None:
    paused = await looped(base, tmp_path / "loop", Budget(seconds=0.0), rounds=1)
    assert paused.paused == "seconds"
    assert paused.policy == str(base)
    done = await looped(base, tmp_path / "loop", rounds=1)
    assert done.paused is None
    assert done.rounds[0]["kept"] in (True, False)
    state = json.loads((tmp_path / "loop" / "loop.json").read_text())
    assert state["report"]["rounds"] == done.rounds


async def test_what_cannot_work_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give more tasks"):
        await aloop(TASKS[:1], tmp_path / "a", base="nowhere", splits=HALVES)
    unjudged = [Task(f"Say {letter}") for letter in LETTERS]
    with pytest.raises(BadInput, match="has no verifier"):
        await aloop(unjudged, tmp_path / "a", base="nowhere", splits=HALVES)
    with pytest.raises(BadInput, match="there is no folder nowhere"):
        await aloop(TASKS, tmp_path / "a", base="nowhere", splits=HALVES)
    tiny_causal_lm(tmp_path / "base", hidden=16, layers=1)
    with pytest.raises(BadInput, match="unknown value model 'nowhere'"):
        await aloop(TASKS, tmp_path / "a", base=tmp_path / "base", value="nowhere", splits=HALVES)
    with pytest.raises(BadInput, match="magic"):
        await aloop(TASKS, tmp_path / "a", base=tmp_path / "base", plan={"measure": "magic"}, splits=HALVES)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("missing", ["torch", "trl", "pyarrow"])
async def test_a_missing_package_is_said_before_anything_is_paid(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=f"needs {missing}"):
        await aloop(TASKS, tmp_path / "a", base="nowhere", splits=HALVES)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
async def test_a_cancelled_loop_does_not_wait_for_the_end_of_its_training(base: Path, tmp_path: Path) -> None:
    begun = asyncio.Event()
    here = asyncio.get_running_loop()
    updates: list[int] = []

    def told(number: int, stage: str, what: Any) -> None:
        if stage == "train_policy":
            updates.append(what.step)
            here.call_soon_threadsafe(begun.set)

    plan = read_plan(PLAN, sft={"by": "expert-iteration", "settings": {"max_steps": 100_000, "valid": 0}})
    loop = asyncio.create_task(
        aloop(TASKS, tmp_path / "loop", base=base, plan=plan, splits=HALVES, on_progress=told)
    )  # fmt: skip
    await asyncio.wait_for(begun.wait(), 60)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    await here.shutdown_default_executor()  # what asyncio.run waits for
    assert 0 < updates[-1] < 1000
    assert (tmp_path / "loop" / "round-0" / "policy.partial").is_dir()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rounds": 0}, "rounds"),
        ({"sft": {"by": "magic"}}, "sft.by is one of"),
        ({"value": {"by": "grpo"}}, "value.by"),
        ({"value": {"by": "sft"}}, "which make a scorer"),
        ({"rl": {"by": "grpo", "settings": {"group": 2}}}, "group: Extra inputs are not permitted; known: credit"),
        ({"sft": {"by": "sft", "settings": {"epochs": -1}}}, "setting 'epochs' of trainer 'sft'"),
        ({"value": {"by": "value", "settings": {"epoch": 1}}}, "setting 'epoch' of trainer 'value'"),
        ({"filters": ["magic"]}, "no filter 'magic'"),
        ({"labels": ["gold"]}, "unknown label"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_plan_is_checked(change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_plan(change)


def test_a_plan_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("rounds: 5\nsft: {by: sft, settings: {lr: 0.001}}\n")
    plan = read_plan(tmp_path / "plan.yaml", seed=3)
    assert (plan.rounds, plan.sft.by, plan.seed) == (5, "sft", 3)
    (tmp_path / "plan.yaml").write_text("- rounds\n")
    with pytest.raises(BadInput, match="holds no plan"):
        read_plan(tmp_path / "plan.yaml")


def test_a_change_of_one_setting_leaves_the_others(tmp_path: Path) -> None:
    given = {"sft": {"by": "sft", "settings": {"lr": 0.001, "epochs": 2}}}
    plan = read_plan(given, sft={"settings": {"epochs": 3}}, rl={"settings": {"iterations": 5}})
    assert plan.sft.settings == {"lr": 0.001, "epochs": 3}
    assert (plan.rl.by, plan.rl.settings) == ("grpo", {"iterations": 5})
    assert read_plan(given, sft={"by": "expert-iteration"}).sft.settings == {}
    with pytest.raises(BadInput, match="the plan of the loop: setting 'epochs' of trainer 'sft'"):
        read_plan(given, sft={"settings": {"epochs": -1}})
