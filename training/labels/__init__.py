"""Labels: pure functions from a run's trace (and what is known beside it) to samples.

`LABELS` names them all, with what each needs. `label` applies some of them to a trace and to the runs nested in it.

    source = Source.of(trace, judge=task.verifier.score)
    samples = label(source, ["rest-mcts", "siblings"])

A label that wants completions says of which prefixes (`Label.wanted`); `reflectree.training.labels.rolling` has them
made. Nothing here calls a model, reads a file or knows a trainer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels import (
    journeys,
    judged,
    monte_carlo,
    omega,
    operated,
    outcome,
    pits,
    preferences,
    rejection,
    rest,
    searched,
)
from reflectree.training.labels.source import Completion, Judge, Rollouts, Source, Wanted
from reflectree.training.samples import Sample, check

Need = Literal["outcomes", "rollouts", "continuations", "values", "comparisons", "judge", "annotations"]
"""What must be known: `outcomes` (a verifier's word on answers), `rollouts` (outcomes of completions), `continuations`
(the completions themselves), `values` (the run's evaluator and backups), `comparisons` (solutions compared in pairs),
`judge` (a language model's opinion in the trace), `annotations` (people's judgements)."""


@dataclass(frozen=True, slots=True)
class Label:
    """A way to label.

    Attributes:
        name: Its name, which is the beginning of `Origin.label`.
        function: The samples of a run.
        makes: The kind of sample it makes.
        needs: What must be known.
        wanted: Which prefixes want completions, where it needs any; asked again until it names none.
    """

    name: str
    function: Callable[[Source], Sequence[Sample]]
    makes: str
    needs: tuple[Need, ...] = ()
    wanted: Callable[[Source], list[Wanted]] | None = None


def _from_the_question(source: Source) -> list[Wanted]:
    return monte_carlo.wanted(source, root=True)


_TABLE = (
    Label("outcome", outcome.outcome, "solution", ("outcomes",)),
    Label("outcome/selected", outcome.selected, "solution", ("outcomes",)),
    Label("outcome/steps", outcome.broadcast, "labelled", ("outcomes",)),
    Label("rejection", rejection.rejection, "solution", ("outcomes",)),
    Label(
        "math-shepherd/hard", monte_carlo.math_shepherd_hard, "labelled", ("outcomes", "rollouts"), monte_carlo.wanted
    ),
    Label(
        "math-shepherd/soft", monte_carlo.math_shepherd_soft, "labelled", ("outcomes", "rollouts"), monte_carlo.wanted
    ),
    Label("rollouts/values", monte_carlo.rollout_values, "valued", ("outcomes", "rollouts"), _from_the_question),
    Label("pav", monte_carlo.pav, "labelled", ("outcomes", "rollouts"), _from_the_question),
    Label("tree/hard", monte_carlo.tree_hard, "labelled", ("outcomes",)),
    Label("tree/soft", monte_carlo.tree_soft, "labelled", ("outcomes",)),
    Label("omegaprm", omega.omegaprm, "labelled", ("outcomes", "rollouts"), omega.wanted),
    Label("omegaprm/values", omega.omegaprm_values, "valued", ("outcomes", "rollouts"), omega.wanted),
    Label("rest-mcts", rest.rest_mcts, "valued", ("outcomes",)),
    Label("rest-mcts/steps", rest.rest_mcts_steps, "labelled", ("outcomes",)),
    Label("rest-mcts/simple", rest.rest_mcts_simple, "valued", ("outcomes",)),
    Label("search", searched.search_values, "valued", ("values",)),
    Label("search/steps", searched.search_steps, "labelled", ("values",)),
    Label("td-lambda", searched.td_lambda, "valued", ("values",)),
    Label("n-step", searched.n_step, "valued", ("values",)),
    Label("judge", judged.judged, "labelled", ("judge",)),
    Label("judge/values", judged.judged_prefixes, "valued", ("judge",)),
    Label("human", judged.human, "labelled", ("annotations",)),
    Label("siblings", preferences.siblings, "preferred", ("values",)),
    Label("rstar-math", preferences.rstar_math, "preferred", ("outcomes", "values")),
    Label("llama-berry", preferences.berry, "preferred", ("comparisons",)),
    Label("outcome-pairs", preferences.outcomes, "preferred", ("outcomes",)),
    Label("self-explore", pits.self_explore, "preferred", ("outcomes", "continuations"), pits.wanted),
    Label("step-dpo", pits.step_dpo, "preferred", ("outcomes", "continuations"), pits.wanted),
    Label("operated", operated.thought, "operated", ("outcomes",)),
    Label("operated/dialogue", operated.dialogue, "operated", ("outcomes",)),
    Label("operated/choices", operated.choices, "operated", ("values",)),
    Label("journey", journeys.journey, "solution", ("outcomes",)),
    Label("journey/shortcut", journeys.shortcut, "solution", ("outcomes",)),
)

LABELS: dict[str, Label] = {entry.name: entry for entry in _TABLE}
"""Every way to label, by name."""


def named(name: str) -> Label:
    """A way to label.

    Raises:
        BadInput: There is none of this name.
    """
    if name not in LABELS:
        raise BadInput(f"unknown label {name!r}: use one of {', '.join(LABELS)}")
    return LABELS[name]


def label(source: Source, names: Iterable[str], *, nested: bool = True) -> list[Sample]:
    """The samples that these ways of labelling make of a run, each checked.

    Args:
        source: The run.
        names: Names of `LABELS`.
        nested: Runs held by its nodes are labelled too, from what their own traces tell.

    Raises:
        BadInput: A name is unknown.
    """
    chosen = [named(name) for name in names]
    sources = [source, *source.nested()] if nested else [source]
    return [check(sample) for run in sources for entry in chosen for sample in entry.function(run)]


__all__ = ["LABELS", "Completion", "Judge", "Label", "Need", "Rollouts", "Source", "Wanted", "label", "named"]
