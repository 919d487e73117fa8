"""The `gepa` package on a `Blueprint`: an adapter to its `GEPAAdapter` protocol, and one call that runs it.

Components are the texts of a design (instructions, rubrics) by their paths; running a candidate is `DesignEvaluator`'s,
on one account, with one cache. GEPA's engine is synchronous and has no budget of ours: what it asks for while the
account is empty is refused, and the search ends with the best so far. By the protocol a candidate that the space does
not allow scores 0 with the reason as feedback; the engine knows no failed candidates. The `gepa` method of
`reflectree.graphs.design_search.methods` is our own and needs no package.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs import blueprints
from reflectree.graphs.design_search.cache import Cache, Made
from reflectree.graphs.design_search.designs import BadDesign, applied
from reflectree.graphs.design_search.evaluator import DesignEvaluator, Evaluation
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.feedback import short
from reflectree.graphs.design_search.space import Space
from reflectree.graphs.design_search.splits import Splits
from reflectree.models.base import Choice, Message, PolicyModel, Request
from reflectree.models.calling import Caller
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage

log = logging.getLogger(__name__)
T = TypeVar("T")
ALWAYS = "operators.generate.instruction"
"""The text that is a component even where the seed leaves it empty."""
SHOWN = 500
"""Characters of a question or an answer that reflection is shown."""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One example's run as reflection sees it."""

    question: str
    answer: str
    feedback: str


@dataclass(frozen=True)
class Optimised:
    """What GEPA came to.

    Attributes:
        design: The best design by its validation mean.
        value: That mean.
        components: Its texts by path.
        usage: What designs and reflection cost.
        stop_reason: Why it ended: `metric_calls`, or `budget:CAP`.
        result: The package's own `GEPAResult`.
    """

    design: Blueprint
    value: float
    components: Mapping[str, str]
    usage: Usage
    stop_reason: str
    result: Any


class BlueprintAdapter:
    """A `GEPAAdapter` over the texts of a blueprint.

    Args:
        space: Which designs are allowed; its seed is what candidates change.
        evaluator: Runs designs.
        ledger: The account.
        loop: Runs coroutines, all on one event loop.
    """

    propose_new_texts = None

    def __init__(self, space: Space, evaluator: DesignEvaluator, ledger: Ledger, loop: asyncio.Runner) -> None:
        self.space = space
        self.evaluator = evaluator
        self.ledger = ledger
        self._loop = loop
        self.stopped: Exception | None = None
        """What ended the search: GEPA's engine goes on after an error, and would do so for ever."""
        self._batch = require("gepa.core.adapter", "gepa", "optimising with GEPA").EvaluationBatch

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """A coroutine's result; an error ends the search."""
        try:
            return self._loop.run(work)
        except (BudgetRefused, ModelError, ScoreError) as error:
            self.stopped = self.stopped or error
            raise

    def components(self) -> dict[str, str]:
        """The seed's texts by path: those that say something, and the generator's instruction."""
        data = self.space.seed.model_dump(mode="json")
        found = {p.path: _at(data, p.path) for p in self.space.parameters(self.space.seed) if p.kind == "text"}
        return {path: text for path, text in found.items() if text or path == ALWAYS}

    def design(self, candidate: Mapping[str, str]) -> Blueprint:
        """The design that a candidate stands for.

        Raises:
            BadDesign: The space does not allow it.
        """
        return self.space.check(applied(self.space.seed, dict(candidate)))

    def evaluate(self, batch: list[Task], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """Run a candidate on examples.

        Raises:
            BudgetRefused, ScoreError, ModelError: The account is empty, or an example came to nothing.
        """
        try:
            design = self.design(candidate)
        except BadDesign as error:
            lost = [Trajectory(short(task.prose, SHOWN), "", f"invalid design: {error}") for task in batch]
            return self._batch(outputs=[None] * len(batch), scores=[0.0] * len(batch), trajectories=lost)
        done = self.run(self._evaluated(design, batch))
        told = [_told(task, made) for task, made in zip(batch, done.made, strict=True)] if capture_traces else None
        return self._batch(
            outputs=[made.answer for made in done.made],
            scores=list(done.scores),
            trajectories=told,
            num_metric_calls=len(batch),
        )

    async def _evaluated(self, design: Blueprint, batch: list[Task]) -> Evaluation:
        """A design over examples, with a second try: what was settled in the first is not paid again."""
        try:
            return await self.evaluator.evaluate(design, batch, self.ledger, "gepa")
        except ScoreError:  # another owner: what was paid before is then known, and an empty account is told as such
            return await self.evaluator.evaluate(design, batch, self.ledger, "gepa, second try")

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What reflection reads: questions, answers and what the verifier says; never the right answers."""
        records = [
            {"Inputs": run.question, "Generated Outputs": run.answer, "Feedback": run.feedback}
            for run in eval_batch.trajectories or ()
        ]
        return {path: records for path in components_to_update}


class Reflection:
    """A model as GEPA's reflection model: text in, text out, on the adapter's account.

    Args:
        model: The model.
        adapter: The adapter.
    """

    def __init__(self, model: PolicyModel, adapter: BlueprintAdapter) -> None:
        self._caller = Caller(model, adapter.ledger)
        self._adapter = adapter
        self.total_cost = 0.0
        """Dollars so far, by which GEPA's own cap on reflection goes."""

    def __call__(self, prompt: str | Sequence[Mapping[str, Any]]) -> str:
        """The reply to a prompt, or to a conversation.

        Raises:
            BudgetRefused, ModelError: There is none.
        """
        said = prompt if isinstance(prompt, str) else "\n\n".join(str(turn["content"]) for turn in prompt)
        request = Request((Message("user", said),), max_tokens=2048)
        outcome = self._adapter.run(self._caller.call(request, _empty))
        self.total_cost += outcome.usage.usd or 0.0
        sample = outcome.samples[0]
        return "" if isinstance(sample, str) else sample.text


def optimise(
    seed_blueprint: Any,
    tasks: Splits,
    *,
    policy: Any = "embedded",
    reflection: Any = "policy",
    metric_calls: int = 200,
    budget: Budget | None = None,
    minibatch: int = 3,
    concurrency: int = 8,
    seed: int = 0,
    cache: Cache | None = None,
    **options: Any,
) -> Optimised:
    """Optimise the texts of a blueprint with the `gepa` package. The test part stays sealed.

    It is synchronous, as the package is: from async code, call it by `asyncio.to_thread`.

    Args:
        seed_blueprint: The design to begin with: a name, file or data.
        tasks: The parts; reflection sees the train part, the front stands on the validation part.
        policy: The model that designs use.
        reflection: The model that rewrites texts; "policy" is the policy itself.
        metric_calls: GEPA's own budget: examples run.
        budget: Hard caps of designs and reflection together.
        minibatch: Examples of a reflection.
        concurrency: Calls in flight at once.
        seed: Seed of GEPA and of all sampling.
        cache: Where outcomes are kept.
        options: Further arguments of `gepa.optimize` (`use_merge`, `run_dir`, `candidate_selection_strategy`, ...).

    Raises:
        MissingExtra: The package is not installed.
        BadInput: Something given cannot work, or not even the seed could be measured.
    """
    gepa = require("gepa", "gepa", "optimising with GEPA")
    start = blueprints.complete(blueprints.load(seed_blueprint))
    model = resolve_policy(policy)
    bench = Bench({"policy": model}, width=concurrency, seed=seed)
    space = Space("prompt", start, trial=lambda design: bench.setup(design, None))
    ledger, loop = Ledger(budget or Budget()), asyncio.Runner()
    evaluator = DesignEvaluator(tasks, Examples(bench, cache or Cache()), minibatch)
    adapter = BlueprintAdapter(space, evaluator, ledger, loop)
    stops = [*_as_list(options.pop("stop_callbacks", None)), lambda state: adapter.stopped is not None]
    reflecting = model if reflection == "policy" else resolve_policy(reflection)
    try:
        result = gepa.optimize(
            seed_candidate=adapter.components(),
            trainset=list(tasks.train),
            valset=list(tasks.validation),
            adapter=adapter,
            reflection_lm=Reflection(reflecting, adapter),
            reflection_minibatch_size=minibatch,
            max_metric_calls=metric_calls,
            stop_callbacks=stops,
            logger=options.pop("logger", None) or _Quiet(),
            raise_on_exception=options.pop("raise_on_exception", False),
            seed=seed,
            **options,
        )
        if adapter.stopped is not None and not isinstance(adapter.stopped, BudgetRefused):
            raise adapter.stopped
    except BudgetRefused as error:
        raise BadInput(f"the budget ends before the seed design is measured ({error.cap}): raise it") from error
    finally:
        for one, given in ((model, policy), (reflecting, reflection)):
            if one is not given and (one is not model or given is policy):
                loop.run(one.aclose())
        loop.close()
    best = dict(result.candidates[result.best_idx])
    value = float(result.val_aggregate_scores[result.best_idx])
    reason = f"budget:{adapter.stopped.cap}" if isinstance(adapter.stopped, BudgetRefused) else "metric_calls"
    return Optimised(adapter.design(best), value, best, ledger.spent, reason, result)


class _Quiet:
    """GEPA's log lines go to `logging`."""

    def log(self, message: str) -> None:
        log.debug("%s", message)


def _as_list(stops: Any) -> list[Any]:
    return [] if stops is None else list(stops) if isinstance(stops, list | tuple) else [stops]


def _told(task: Task, made: Made) -> Trajectory:
    name = task.verifier.name if task.verifier is not None else "verifier"
    said = "right" if made.score >= 1.0 else f"worth {made.score:.2f} of 1" if made.score > 0 else "wrong"
    return Trajectory(short(task.prose, SHOWN), short(made.answer or "(no answer)", SHOWN), f"{name}: {said}")


def _empty(choice: Choice) -> str | None:
    return None if choice.text.strip() else "the reply is empty"


def _at(data: Any, path: str) -> str:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, str) else ""


__all__ = ["BlueprintAdapter", "Optimised", "Reflection", "optimise"]
