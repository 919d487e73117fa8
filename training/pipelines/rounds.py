"""One session of the loop: the nodes of its graph, and what they work on.

It is handed tasks that are divided and models that are checked; it knows nothing of command lines.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.statistics import paired_bootstrap
from reflectree.rlm_ops.task import Task
from reflectree.training import filters as rules
from reflectree.training import trainers
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.pipelines.generation import agenerate
from reflectree.training.pipelines.measuring import measured
from reflectree.training.pipelines.plan import LoopPlan, is_preset
from reflectree.training.pipelines.standing import LoopReport, Standing
from reflectree.training.splits import Splits

OnStage = Callable[[int, str, dict[str, Any]], None]
"""Told the round, the stage and what came of it."""
OnProgress = Callable[[int, str, Any], None]
"""Told the round, the stage and how it stands, while it runs."""


class LoopState(TypedDict):
    """The graph's state: where it is."""

    round: int
    paused: str | None


class Rounds:
    """One session of the loop: the nodes of its graph and what they work on."""

    def __init__(
        self,
        folder: Path,
        plan: LoopPlan,
        parts: dict[str, list[Task]],
        splits: Splits,
        base: str,
        value: str | None,
        cap: Budget,
        on_stage: OnStage | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.folder, self.plan, self.parts, self.splits = folder, plan, parts, splits
        self.on_stage, self.on_progress = on_stage, on_progress
        asked = {
            "plan": json.loads(plan.model_dump_json(exclude={"rounds"})),
            "base": base,
            "value": value,
            "splits": splits.to_json(),
        }
        self.standing = Standing(folder, asked, cap, LoopReport(str(folder), base, value))

    @property
    def report(self) -> LoopReport:
        """How the loop stands."""
        return self.standing.report

    def graph(self) -> StateGraph[LoopState, None, LoopState, LoopState]:
        """The graph, to be compiled."""
        graph: StateGraph[LoopState, None, LoopState, LoopState] = StateGraph(LoopState)
        stages = ("generate", "train_policy", "train_value", "measure", "keep")
        for name in stages:
            graph.add_node(name, getattr(self, f"{name}_node"))
        graph.add_conditional_edges(START, self._again)
        for name, then in pairwise(stages):
            graph.add_conditional_edges(name, lambda state, then=then: END if state.get("paused") else then)
        graph.add_conditional_edges("keep", self._again)
        return graph

    def _again(self, state: LoopState) -> str:
        return "generate" if state["round"] < self.plan.rounds and not state.get("paused") else END

    async def generate_node(self, state: LoopState) -> dict[str, Any]:
        """Search the training tasks with the models that are kept, and make samples of the traces."""
        number, plan = state["round"], self.plan
        row = self._row(number)
        if "data" in row:
            return {}
        values = None if self.report.value is None else value_model(self.report.value)
        found = await agenerate(
            self.parts["train"], self.folder / f"round-{number}" / "data",
            blueprint=plan.search, policy=f"local/{self.report.policy}", evaluator=values,
            evaluator_name=self.report.value or "", budget=Budget(tokens=plan.tokens), cap=self.standing.left(number),
            runs=plan.runs, seed=plan.seed + 1000 * number, parallel=plan.parallel, concurrency=plan.concurrency,
            oracle=plan.oracle, splits=self.splits, only=("train",), labels=plan.labels,
            filters=[rules.read(spec) for spec in plan.filters], buffer=self.buffer, round=number,
            on_run=lambda run, entry: self._tell(number, "generate", entry),
        )  # fmt: skip
        if values is not None:
            await values.aclose()
        if found.paused is not None:
            return {"paused": found.paused}
        if found.finished and not found.usage.calls:
            raise BadInput(
                f"no call fits into the {plan.tokens} tokens of a run, so there is nothing to learn: raise tokens"
            )
        row["data"] = found.to_json()
        return self._through(number, "generate", row["data"])

    async def train_policy_node(self, state: LoopState) -> dict[str, Any]:
        """Train the policy: on samples, or by reinforcement learning on the tasks."""
        number = state["round"]
        row, trained = self._row(number), self.plan.trained(state["round"])
        if "policy" in row:
            return {}
        if self.standing.late:
            return {"paused": "seconds"}
        out = self.folder / f"round-{number}" / "policy"
        if is_preset(trained):
            from reflectree.training.trainers.rl.run import run

            found = await self._aside(
                number, "train_policy", "on_iteration",
                run, trained.by, self.parts["train"], self.report.policy, out, trained.settings,
            )  # fmt: skip
            row["policy"] = {"by": trained.by, "folder": str(out), "history": found.history}
        else:
            samples = self._samples(trained.by)
            if not samples:
                row["policy"] = {"by": trained.by, "folder": None, "why": "no sample to learn from"}
            else:
                made = await self._aside(
                    number, "train_policy", "on_progress",
                    trainers.train, trained.by, samples, self.report.policy, out, trained.settings,
                )  # fmt: skip
                row["policy"] = {"by": trained.by, "folder": str(out), "samples": made.samples,
                                 "loss": [made.loss_first, made.loss_last], "tokens": made.tokens}  # fmt: skip
        return self._through(number, "train_policy", row["policy"])

    async def train_value_node(self, state: LoopState) -> dict[str, Any]:
        """Train the value model on everything in the buffer."""
        number, wanted = state["round"], self.plan.value
        row = self._row(number)
        if "value" in row or wanted is None:
            return {}
        if self.standing.late:
            return {"paused": "seconds"}
        samples = self._samples(wanted.by)
        if not samples:
            row["value"] = {"by": wanted.by, "folder": None, "why": "no sample to learn from"}
        else:
            out = self.folder / f"round-{number}" / "value"
            start = self.report.value if self.plan.value_from == "kept" else None
            made = await self._aside(
                number, "train_value", "on_progress",
                trainers.train, wanted.by, samples, start or row["policy"]["folder"] or self.report.policy, out,
                wanted.settings,
            )  # fmt: skip
            row["value"] = {"by": wanted.by, "folder": str(out), "samples": made.samples,
                            "loss": [made.loss_first, made.loss_last], "tokens": made.tokens}  # fmt: skip
        return self._through(number, "train_value", row["value"])

    async def measure_node(self, state: LoopState) -> dict[str, Any]:
        """Search the held-out tasks with the models that are kept (once) and with the new ones."""
        number = state["round"]
        row = self._row(number)
        if "measured" in row:
            return {}
        if self.standing.late:
            return {"paused": "seconds"}
        if number == 0 or "measured" not in self.report.rounds[number - 1]:
            row["before"] = await self._measured(number, "before", self.report.policy, self.report.value)
        else:
            previous = self.report.rounds[number - 1]
            row["before"] = previous["measured"] if previous["kept"] else previous["before"]
        policy, value = self._candidates(row)
        if (policy, value) == (self.report.policy, self.report.value):
            row["measured"] = row["before"]
        else:
            row["measured"] = await self._measured(number, "after", policy, value)
        return self._through(number, "measure", row["measured"])

    async def keep_node(self, state: LoopState) -> dict[str, Any]:
        """Keep the new models if they are not worse."""
        number = state["round"]
        row = self._row(number)
        old, new = row["before"], row["measured"]
        difference = paired_bootstrap(
            [float(new["right"][name]) for name in new["right"]], [float(old["right"][name]) for name in new["right"]]
        )
        row["difference"] = {"value": difference.estimate, "low": difference.low, "high": difference.high}
        row["kept"] = new["accuracy"] >= old["accuracy"] - self.plan.tolerance
        row["trained"] = self._candidates(row) != (self.report.policy, self.report.value)
        if row["kept"]:
            self.report.policy, self.report.value = self._candidates(row)
        self._through(number, "keep", {name: row[name] for name in ("kept", "trained", "difference")})
        return {"round": number + 1}

    @property
    def buffer(self) -> ReplayBuffer:
        """The buffer of all rounds."""
        return ReplayBuffer(self.folder / "buffer", splits=self.splits)

    async def _measured(self, number: int, which: str, policy: str, value: str | None) -> dict[str, Any]:
        held_out, out = self.parts["valid"][: self.plan.valid], self.folder / f"round-{number}" / f"{which}.jsonl"
        return await measured(
            held_out, self.plan, policy, value, out, lambda outcome: self._tell(number, "measure", outcome)
        )

    def _samples(self, trainer: str) -> list[Any]:
        return [sample for kind in trainers.TRAINERS[trainer].kinds for sample in self.buffer.read(kind)]

    def _candidates(self, row: dict[str, Any]) -> tuple[str, str | None]:
        policy = row["policy"]["folder"] or self.report.policy
        return policy, row.get("value", {}).get("folder") or self.report.value

    def _row(self, number: int) -> dict[str, Any]:
        while len(self.report.rounds) <= number:
            place = len(self.report.rounds)
            self.report.rounds.append({"round": place, "phase": self.plan.phase(place)})
        return self.report.rounds[number]

    def _through(self, number: int, stage: str, came: dict[str, Any]) -> dict[str, Any]:
        self.standing.save()
        if self.on_stage is not None:
            self.on_stage(number, stage, came)
        return {}

    def _tell(self, number: int, stage: str, what: Any) -> None:
        if self.on_progress is not None:
            self.on_progress(number, stage, what)

    async def _aside(self, number: int, stage: str, told: str, train: Callable[..., Any], *given: Any) -> Any:
        """Train in a thread, which ends at its next word once this is cancelled: Ctrl-C does not wait for the end."""
        stop = threading.Event()

        def tell(what: Any) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            self._tell(number, stage, what)

        try:
            return await asyncio.to_thread(train, *given, **{told: tell})
        except asyncio.CancelledError:
            stop.set()
            raise
