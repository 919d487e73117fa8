"""A laboratory for Coscientist: search, python, documentation and experiment as tools over one simulated reaction.

Documentation is the instrument's own pages, search looks through a small library on this machine, python runs in the
sandbox, and an experiment gives the measured yield. The surface's mean and summit are gold: they stand in the report
(`Laboratory.experiments`, `Laboratory.compare`) and in nothing a model sees. How many experiments a run has is the
blueprint's setting; how a turn is read is in `reflectree.agents.turns`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reflectree.agents.tool_calls import Tool
from reflectree.agents.tools import BUILT_IN
from reflectree.agents.turns import is_experiment, ordered
from reflectree.graphs.embodied.library import Library
from reflectree.graphs.embodied.reaction import CONDITIONS
from reflectree.graphs.embodied.reaction_baselines import bayesian, random_search
from reflectree.graphs.embodied.reaction_surface import EXAMPLE, NOISE, Conditions, ConditionsError, Surface
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.one_command import one_command
from reflectree.rlm_ops.parsing import Action
from reflectree.rlm_ops.structure import ROOT, fold
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace

PAGES: Mapping[str, str] = {
    "Running an experiment": f"Write the conditions as one JSON object on one line: EXPERIMENT: {EXAMPLE}",
    "Conditions": CONDITIONS,
    "Output": "An experiment answers with 'Yield: X %', from 0 to 100. A higher yield is better.",
    "Precision": (
        f"A measured yield differs from the true one by about {NOISE:g} points. Repeating an experiment under the same "
        "conditions gives the same measurement again, so it teaches nothing."
    ),
    "Errors": "Conditions that are missing, not in stock or out of range are not run; the answer says what is wrong.",
}
"""The manual of the instrument."""

NOTES: Mapping[str, str] = {
    "Changing one factor at a time": (
        "Varying a single condition while the others stay shows its effect near that point, and misses interactions: "
        "the best solvent for one catalyst need not be the best for another."
    ),
    "Space-filling designs": (
        "The first experiments of an optimisation are spread over the whole space, for instance by Latin hypercubes, "
        "with each choice of catalyst, base and solvent tried at least once."
    ),
    "Surrogate models": (
        "Bayesian optimisation fits a Gaussian process to the yields so far, and runs next where the expected "
        "improvement over the best yield is highest."
    ),
    "Local refinement": (
        "Once a good region is known, temperature, time and equivalents are changed in ever smaller steps around the "
        "best conditions."
    ),
    "Measurement noise": (
        "Differences smaller than the noise of a measurement do not rank two conditions: change the conditions more, "
        "or fit a model to several measurements."
    ),
}
"""The library that comes with the package: on the design of experiments. It knows nothing of any reaction here."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment of a run.

    Attributes:
        number: Which one it is, from 1.
        conditions: What it was run under.
        measured: The yield it showed, in percent.
        advantage: The normalised advantage of the conditions, without noise. Gold: for the report only.
    """

    number: int
    conditions: Conditions
    measured: float
    advantage: float


@dataclass(frozen=True)
class Laboratory:
    """One made-up reaction, and the four tools for it.

    Example:
        >>> laboratory = Laboratory(Surface(3))
        >>> [tool.name for tool in laboratory.tools]
        ['search', 'python', 'documentation', 'experiment']

    Attributes:
        surface: The reaction.
        library: What `search` looks through, text by title.
    """

    surface: Surface = field(default_factory=Surface)
    library: Mapping[str, str] | None = None

    @property
    def task(self) -> Task:
        """The goal in words."""
        return Task(
            "Find conditions under which the coupling reaction yields most, with as few experiments as possible. "
            "The answer is the best conditions found, as the JSON object that was run.",
            context="The manual of the instrument says which conditions can be set.",
            id=f"laboratory/{self.surface.seed}",
        )

    @cached_property
    def tools(self) -> tuple[Tool, ...]:
        """What the commands call; give them to a run as `tools=`."""
        notes = Library(NOTES if self.library is None else self.library)
        manual = Library(PAGES)

        def search(given: dict[str, Any]) -> str:
            return notes.find(given["words"])

        def documentation(given: dict[str, Any]) -> str:
            return manual.find(given["words"])

        async def python(given: dict[str, Any]) -> str:
            return str(await BUILT_IN["python"](given["code"]))

        return (
            Tool("search", "search (SEARCH: words): passages of the library that hold the words", ("words",), search),
            Tool("python", "python (PYTHON: program): what a program prints, in a sandbox", ("code",), python),
            Tool(
                "documentation",
                "documentation (DOCUMENTATION: words): pages of the instrument's manual",
                ("words",),
                documentation,
            ),
            Tool(
                "experiment",
                "experiment (EXPERIMENT: conditions): the yield under conditions, one JSON object",
                ("conditions",),
                self._run,
            ),
        )

    def _run(self, given: dict[str, Any]) -> str:
        try:
            return f"Yield: {self.surface.measured(Conditions.read(given['conditions']))} %"
        except ConditionsError as error:
            raise BadInput(f"the experiment was not run: {error}") from error

    def experiments(self, trace: Trace) -> list[Experiment]:
        """The experiments of a run, in order, each with its normalised advantage."""
        structure, found = fold(trace), list[Experiment]()
        for node in range(ROOT + 1, len(structure)):
            action = one_command(ordered(structure, node)) if is_experiment(structure, node) else ""
            if isinstance(action, Action):
                at = Conditions.read(action.arguments_text)
                found.append(Experiment(len(found) + 1, at, self.surface.measured(at), self.surface.advantage(at)))
        return found

    def compare(self, trace: Trace, seed: int = 0) -> dict[str, list[float]]:
        """The normalised advantage of what measured best, after each experiment: of the run, of chance, and of BO.

        All have as many experiments as the run had.

        Raises:
            MissingExtra: scikit-optimize is not installed.
        """
        run = [experiment.conditions for experiment in self.experiments(trace)]
        if not run:
            return {"run": [], "random": [], "bayesian": []}
        others = {name: search(self.surface, len(run), seed) for name, search in _OTHERS.items()}
        return {name: self._curve(conditions) for name, conditions in {"run": run, **others}.items()}

    def _curve(self, run: list[Conditions]) -> list[float]:
        best = (max(run[: count + 1], key=self.surface.measured) for count in range(len(run)))
        return [self.surface.advantage(at) for at in best]


_OTHERS = {"random": random_search, "bayesian": bayesian}
