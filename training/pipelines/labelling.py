"""Labels applied to finished runs: what each needs is got, once, and kept.

Completions are the expensive part, so those of a run are saved beside its trace as soon as they are made, and never
paid again. Everything else is `reflectree.training.labels`, which knows neither files nor models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reflectree.models.base import PolicyModel
from reflectree.models.calling import Caller, Retries
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.trace import Trace
from reflectree.training import labels
from reflectree.training.files import replace_json
from reflectree.training.labels.rolling import Complete, rolled
from reflectree.training.labels.source import Completion, Source
from reflectree.training.pipelines.completing import completer
from reflectree.training.samples import Sample, Split


class Labelling:
    """Some ways to label, and what they need.

    Args:
        names: Names of `reflectree.training.labels.LABELS`.
        policy: What completes prefixes, for labels that want completions.
        rollouts: Completions of a prefix (Math-Shepherd's N).
        folder: Where completions are kept; nowhere without one.
        annotated: Adds to a run what people said of its steps.
        nested: Runs inside runs are labelled too.

    Raises:
        BadInput: A name is unknown, or needs something that was not given.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        policy: PolicyModel | None = None,
        rollouts: int = 8,
        concurrency: int = 8,
        max_tokens: int | None = None,
        retries: Retries | None = None,
        folder: Path | None = None,
        annotated: Callable[[Source], Source] | None = None,
        nested: bool = True,
    ) -> None:
        self.chosen = [labels.named(name) for name in dict.fromkeys(names)]
        if not self.chosen:
            raise BadInput(f"no label: give at least one of {', '.join(labels.LABELS)}")
        for entry in self.chosen:
            if entry.wanted is not None and policy is None:
                raise BadInput(f"the label {entry.name} wants completions: give the model that writes them")
            if "annotations" in entry.needs and annotated is None:
                raise BadInput(
                    f"the label {entry.name} wants people's judgements: make them with reflectree data annotate, then "
                    "label its traces with reflectree data label"
                )
        self._policy, self._rollouts, self._concurrency = policy, rollouts, concurrency
        self._max_tokens, self._retries, self._folder = max_tokens, retries, folder
        self._annotated, self._nested = annotated, nested

    @property
    def names(self) -> list[str]:
        """The ways to label."""
        return [entry.name for entry in self.chosen]

    @property
    def calls(self) -> bool:
        """Whether a model is called."""
        return wants_completions(self.names)

    async def samples(
        self,
        trace: Trace,
        *,
        verifier: Verifier | None = None,
        split: Split = "train",
        round: int = 0,
        ledger: Ledger | None = None,
    ) -> list[Sample]:
        """The samples of a run.

        Args:
            trace: The run.
            verifier: What its answers are worth; without one, what the trace itself tells.
            split: The part its task belongs to.
            round: The round of the loop.
            ledger: The account completions are on.

        Raises:
            BudgetRefused: The account allows no more completions; those made of earlier runs are kept.
            TraceError: The trace is not sound.
        """
        worth = None if verifier is None else Worth(verifier)
        source = Source.of(
            trace,
            judge=worth.or_wrong if worth else None,
            continuations=self._kept(trace.run_id),
            split=split,
            round=round,
        )
        if worth and worth.unjudged:  # an answer that could not be judged is not a wrong one
            steps = source.structure.steps
            told = {node: value for node, value in source.outcomes.items() if steps[node].answer not in worth.unjudged}
            source = replace(source, outcomes=told)
        if self._annotated is not None:
            source = self._annotated(source)
        wanted = [entry.wanted for entry in self.chosen if entry.wanted is not None]
        if wanted:
            complete, before = self._complete(source, worth, ledger or Ledger(Budget())), source
            for planner in wanted:
                source = await rolled(source, planner, complete, k=self._rollouts, concurrency=self._concurrency)
            if source is not before:
                self._keep(trace.run_id, source)
        return labels.label(source, self.names, nested=self._nested)

    def _complete(self, source: Source, worth: Worth | None, ledger: Ledger) -> Complete:
        began = source.structure.began
        if self._policy is None or began is None:
            raise BadInput("completions need a model and a run that begins with its task")
        if worth is None:
            raise BadInput(
                f"completions of run {source.trace.run_id} cannot be judged: give its task set, so that its verifier "
                "is known (--taskset)"
            )
        plan = Blueprint.parse(began.blueprint, origin=f"run {source.trace.run_id}")
        return completer(
            Caller(self._policy, ledger, self._retries),
            plan.operators.generate,
            worth,
            seed=began.seed,
            max_tokens=self._max_tokens,
        )

    def _kept(self, run_id: str) -> dict[int, list[Completion]]:
        """The completions made before, as many a prefix as are wanted now."""
        if self._folder is None or not (file := self._file(run_id)).exists():
            return {}
        try:
            data = json.loads(file.read_bytes())
            if data["rollouts"] != self._rollouts:
                return {}
            return {int(node): list(map(_completion, made)) for node, made in data["nodes"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{file} is damaged: remove it, its completions are then made again") from error

    def _keep(self, run_id: str, source: Source) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        nodes = {str(node): [asdict(made) for made in found] for node, found in source.continuations.items()}
        replace_json(self._file(run_id), {"rollouts": self._rollouts, "nodes": nodes})

    def _file(self, run_id: str) -> Path:
        assert self._folder is not None, "asked for only where there is a folder"
        return self._folder / f"{run_id}.json"


def wants_completions(names: Sequence[str]) -> bool:
    """Whether one of these labels wants completions."""
    return any(labels.named(name).wanted is not None for name in names)


def traces_in(place: Path) -> Iterator[tuple[Path, Trace]]:
    """The traces of a folder, by name; of a job's folder those it holds; of a file the one it is.

    Raises:
        BadInput: There is none.
        TraceError: A file is no trace.
    """
    if not place.exists():
        raise BadInput(f"nothing at {place}: check the path")
    folder = place / "traces" if (place / "job.json").exists() else place
    files = [place] if place.is_file() else sorted(folder.glob("*.jsonl"))
    if not files:
        raise BadInput(f"no trace in {place}: give the folder of reflectree data generate, or one of *.jsonl traces")
    for file in files:
        yield file, Trace.load(file)


class Worth:
    """What answers are worth by a verifier, each asked for once.

    Attributes:
        unjudged: Answers that it could not judge.
    """

    def __init__(self, verifier: Verifier) -> None:
        self.unjudged: set[str] = set()
        self._verifier = verifier
        self._known: dict[str, float] = {}

    def __call__(self, answer: str) -> float:
        """The score; VerifierError where the answer cannot be judged."""
        if answer not in self._known:
            self._known[answer] = self._verifier.score(answer)
        return self._known[answer]

    def or_wrong(self, answer: str) -> float:
        """The score, or 0 where the answer cannot be judged; it is then among `unjudged`."""
        try:
            return self(answer)
        except VerifierError:
            self.unjudged.add(answer)
            return 0.0


def _completion(row: Mapping[str, Any]) -> Completion:
    return Completion(tuple(row["steps"]), row["answer"], float(row["reward"]), int(row["tokens"]))
