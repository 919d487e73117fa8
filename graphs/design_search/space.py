"""Which designs a search may try: what may change at its level, limits, and the models and tools that were granted.

A design outside the space is refused with a reason, before anything is paid. Nothing here asks a model.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from reflectree.graphs.design_search import parameters as known
from reflectree.graphs.design_search.checking import Limits, check_limits, samples_of
from reflectree.graphs.design_search.designs import BadDesign, changes
from reflectree.graphs.design_search.parameters import LEVELS, Level, Parameter
from reflectree.graphs.design_search.teaming import TEAM
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies import STRATEGIES
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.strategies.parse import nearest

_PROMPT = tuple(
    f"operators.{op}.{where}{name}*"
    for op, fields in known.PROMPT_FIELDS.items()
    for name, _, _ in (*fields, *((("criteria", "text", ""),) if op == "evaluate" else ()))
    for where in ("", "variants.*.")
)
_MODULE = (
    *("scheme.*", "selection", "memory", "memory.*"),
    *(f"operators.{op}.*" for op in known.PROMPT_FIELDS),
)
ALLOWED: Mapping[Level, tuple[str, ...]] = {"prompt": _PROMPT, "module": _MODULE, "agent": _MODULE}
"""Paths that may differ from the seed's, by level; variants may come and go at level `agent` only."""


@dataclass(frozen=True)
class Space:
    """The designs that a search may try.

    Attributes:
        level: `prompt`, `module` or `agent`; each may do what those before it may.
        seed: The design that the search begins with; what a level may not change stays as it is there.
        models: The roles whose models were granted, each with the model's name or a word on what it is good at.
        tools: Names of the tools that were granted.
        verifier: Whether the tasks have a verifier that knows no gold answer, which designs may ask.
        memory: Whether a memory to recall from was given.
        strategies: Names of the strategies that may be used beside the seed's own; by default those that the level
            commonly takes.
        limits: How large a design may be.
        trial: Refuses (`BadInput`) a design that could not be run with what was given.
    """

    level: Level
    seed: Blueprint
    models: Mapping[str, str] = field(default_factory=lambda: {"policy": ""})
    tools: tuple[str, ...] = ()
    verifier: bool = False
    memory: bool = False
    strategies: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    trial: Callable[[Blueprint], object] | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise BadInput(f"level {self.level!r}: {nearest(str(self.level), list(LEVELS))}")
        for name in self.strategies or ():
            if name not in STRATEGIES:
                raise BadInput(f"strategies: unknown strategy {name!r}; {nearest(name, list(STRATEGIES))}")

    @property
    def allowed_strategies(self) -> tuple[str, ...]:
        """The strategies that a design may use, the seed's first."""
        own = self.seed.scheme.strategy.name
        if self.level == "prompt":
            return (own,)
        usual = known.STRATEGIES_AT_MODULE + (known.TEAMS if self.level == "agent" else ())
        wanted = usual if self.strategies is None else self.strategies
        return (own, *(name for name in wanted if name in STRATEGIES and name != own))

    def check(self, design: Blueprint) -> Blueprint:
        """The design, if it is in the space.

        Raises:
            BadDesign: It is not, or cannot be run; the message says why.
        """
        check_limits(design, self.limits)
        name = design.scheme.strategy.name
        if name not in self.allowed_strategies:
            raise BadDesign(f"strategy {name!r} is not among those allowed: {', '.join(self.allowed_strategies)}")
        self._check_granted(design)
        self._check_level(design)
        if self.trial is not None:
            try:
                self.trial(design)
            except BadInput as error:
                raise BadDesign(f"it cannot be run: {error}") from error
        return design

    def parameters(self, design: Blueprint) -> tuple[Parameter, ...]:
        """What may be changed in a design, at its strategy."""
        uses = design.scheme.strategy.uses() | {"generate"}
        found: list[Parameter] = []
        for op in known.PROMPT_FIELDS:
            if op not in uses:
                continue
            settings = getattr(design.operators, op)
            for where in ("", *(f"variants.{how}." for how in settings.variants)):
                found += self._prompts(op, where)
                if self.level != "prompt":
                    found += self._settings(op, where)
        if self.level != "prompt":
            found += known.of_strategy(type(design.scheme.strategy), self.limits.samples)
            found.append(
                Parameter("selection", "choice", "how the answer is selected", "module", choices=self._selections)
            )
            if self.memory:
                found.append(Parameter("memory.recall.limit", "integer", "records recalled", "module", 0, 12))
        return tuple(found)

    def describe(self, design: Blueprint | None = None) -> str:
        """What a model that proposes designs is told: paths with types and ranges, strategies, roles, tools, limits."""
        lines = ["Paths that may be set:"]
        lines += [f"- {parameter.said()}" for parameter in self.parameters(design or self.seed)]
        if self.level != "prompt":
            lines += ['Strategies (set scheme.strategy whole, as {"name": ..., PARAMETER: ...}):']
            lines += [f"- {_strategy_line(STRATEGIES[name], self.limits.samples)}" for name in self.allowed_strategies]
            lines += ["A strategy that merges nodes needs scheme.structure dag; others take tree."]
        roles = ", ".join(f"{role} ({about})" if about else role for role, about in self.models.items())
        lines += [f"Models by role: {roles}."]
        lines += [f"Tools: {', '.join(self.tools)}." if self.tools else "There are no tools."]
        if self.level == "agent":
            lines += [
                "A member may have a role of its own: operators.generate.variants.NAME = {instruction, model, "
                "temperature} where it reads nobody, operators.aggregate.variants.NAME = {prompt: layer, instruction, "
                f"model}} where it reads others; at most {self.limits.members} each. Set operators.OP.variants whole."
            ]
        lines += [self.limits.said(), "Nothing else may change. Right answers of tasks are not available to a design."]
        return "\n".join(lines)

    def mutate(self, design: Blueprint, rng: Random) -> Blueprint:
        """A valid neighbour of a design, drawn by `rng`; it differs from the design.

        Raises:
            BadDesign: None was found.
        """
        from reflectree.graphs.design_search.varying import mutate

        return mutate(self, design, rng)

    def crossover(self, first: Blueprint, second: Blueprint, rng: Random) -> Blueprint:
        """A valid design of parts of two; it may be equal to one of them."""
        from reflectree.graphs.design_search.varying import crossover

        return crossover(self, first, second, rng)

    @property
    def _selections(self) -> tuple[str, ...]:
        return known.SELECTIONS + (("verified",) if self.verifier else ())

    def _prompts(self, op: str, where: str) -> list[Parameter]:
        limits = self.limits
        most = {"text": limits.text, "texts": limits.demos, "demos": limits.demos}
        return [
            Parameter(f"operators.{op}.{where}{name}", kind, about, "prompt", high=most[kind])
            for name, kind, about in known.PROMPT_FIELDS[op]
        ]

    def _settings(self, op: str, where: str) -> list[Parameter]:
        before = f"operators.{op}.{where}"
        found = [
            Parameter(before + name, kind, about, "module", low, min(high, self.limits.tokens) if high > 100 else high)
            for name, kind, (low, high), about in known.NUMBERS[op]
        ]
        for name, choices, about in known.CHOICES[op]:
            if name == "kind" and self.verifier:
                choices = (*choices, "verifier")
            if name == "critique" and "critic" in self.models:
                choices = (*choices, "critic")
            found.append(Parameter(before + name, "choice", about, "module", choices=choices))
        roles = tuple(self.models)
        if len(roles) > 1:
            found.append(Parameter(f"{before}model", "choice", "whose model", "module", choices=roles))
        return found

    def _check_level(self, design: Blueprint) -> None:
        allowed = ALLOWED[self.level]
        for path, _, _ in changes(self.seed, design):
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in allowed):
                raise BadDesign(f"{path} may not change at level {self.level}")
        if self.level == "agent":
            return
        for op in known.PROMPT_FIELDS:
            before, now = (set(getattr(one.operators, op).variants) for one in (self.seed, design))
            if before != now:
                raise BadDesign(f"operators.{op}.variants may not come and go at level {self.level}")

    def _check_granted(self, design: Blueprint) -> None:
        kinds: set[str] = {"generate", "enrich"} & design.scheme.strategy.uses()
        for op in known.PROMPT_FIELDS:
            settings = getattr(design.operators, op)
            for how in ("", *settings.variants):
                one = settings.variant(how)
                self._check_role(f"operators.{op}{f'.variants.{how}' if how else ''}", one.model)
                if op == "evaluate" and one.kind in ("verifier", "tests") and not self.verifier:
                    raise BadDesign(f"it asks for gold: evaluate.kind {one.kind} needs a verifier that search may ask")
                if op == "enrich" and "enrich" in kinds:
                    self._check_enrich(one.kind)
        if design.selection == "verified" and not self.verifier:
            raise BadDesign("it asks for gold: selection verified needs a verifier that search may ask")
        if design.memory is not None and self.seed.memory is None and not self.memory:
            raise BadDesign("it asks for a memory, and none was granted")

    def _check_role(self, where: str, role: str) -> None:
        if role not in self.models and role not in ("policy", "judge", "critic", "discriminator"):
            raise BadDesign(
                f"{where}.model: no model was granted for the role {role!r}; {nearest(role, list(self.models))}"
            )

    def _check_enrich(self, kind: str) -> None:
        if kind == "tool" and not self.tools:
            raise BadDesign("it asks for tools, and none were granted")
        if (
            kind in ("code", "human", "environment")
            and kind not in self.tools
            and self.seed.operators.enrich.kind != kind
        ):
            raise BadDesign(f"it asks for {kind} (operators.enrich.kind), which was not granted")


def _strategy_line(strategy: type[Strategy], most: int) -> str:
    fields = [parameter.said().removeprefix("scheme.strategy.") for parameter in known.of_strategy(strategy, most)]
    if strategy.name == TEAM:
        fields = ['members: a list of {"id": NAME, "reads": [NAMES of earlier members]}; the last ones answer']
    about = (strategy.__doc__ or "").strip().splitlines()
    return f"{strategy.name}: {about[0] if about else ''}" + (f" ({'; '.join(fields)})" if fields else "")


__all__ = ["ALLOWED", "LEVELS", "Level", "Limits", "Parameter", "Space", "samples_of"]
