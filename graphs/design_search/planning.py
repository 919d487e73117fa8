"""What a search over designs is made of: everything that is given, checked before anything is paid.

Nothing is run here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.acceptance import LEVEL, Rule
from reflectree.graphs.design_search.checking import Limits
from reflectree.graphs.design_search.designs import BadDesign
from reflectree.graphs.design_search.examples import Bench
from reflectree.graphs.design_search.methods import DEFAULT, Method
from reflectree.graphs.design_search.methods import method as method_named
from reflectree.graphs.design_search.parameters import Level
from reflectree.graphs.design_search.space import Space
from reflectree.graphs.design_search.splits import Splits, example_id
from reflectree.graphs.design_search.spread import Cluster
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task


@dataclass(frozen=True)
class Plan:
    """What a search is made of, validated before anything is paid.

    Attributes:
        space: Which designs are allowed.
        method: How they are searched, and `blueprint` with which numbers.
        splits: The tasks.
        bench: What designs are run with.
        proposes: Whether a model proposes.
        minibatch: Examples a minibatch.
        rule: How sure one is that a design is better than the seed, and `level` how sure one has to be.
        cluster: Where designs are run, if not in this process.
    """

    space: Space
    method: Method
    blueprint: Blueprint
    splits: Splits
    bench: Bench
    proposes: bool
    about: str = ""
    minibatch: int = 8
    rule: Rule = "bootstrap"
    level: float = LEVEL
    settings: Mapping[str, Any] = field(default_factory=dict)
    cluster: Cluster | None = None

    def header(self) -> dict[str, Any]:
        """What a folder's outcomes and trace belong to."""
        names = sorted(example_id(task) for part in (self.splits.train, self.splits.validation) for task in part)
        return {
            "seed_design": self.space.seed.digest,
            "level": self.space.level,
            "method": self.method.name,
            "method_digest": self.blueprint.digest,
            "tasks": hashlib.sha256("\n".join(names).encode()).hexdigest()[:16],
            "models": {role: model.name for role, model in sorted(self.bench.models.items())},
            "seed": self.bench.seed,
            "minibatch": self.minibatch,
            "proposes": self.proposes,
        }


def planned(
    seed_blueprint: Any,
    tasks: Splits | Iterable[Task],
    level: Level,
    method: str | Method | None,
    bench: Bench,
    proposes: bool,
    *,
    settings: Mapping[str, Any],
    strategies: Sequence[str] | None,
    limits: Limits,
    minibatch: int,
    rule: Rule,
    certainty: float,
    about: str,
) -> Plan:
    """Everything checked, nothing paid.

    Raises:
        BadInput: Something cannot work.
    """
    seed = blueprints.complete(blueprints.load(seed_blueprint))
    splits = tasks if isinstance(tasks, Splits) else Splits.of(tasks)
    for name, count in (
        ("minibatch", minibatch),
        ("concurrency", bench.width),
        ("example_budget: calls", 1 if bench.budget.calls is None else bench.budget.calls),
    ):
        if count < 1:
            raise BadInput(f"{name}={count}: give at least 1")
    verifiers = [task.verifier for part in (splits.train, splits.validation) for task in part]
    free = all(verifier is not None and not verifier.gold for verifier in verifiers)
    space = Space(
        level,
        seed,
        models={role: model.name for role, model in bench.models.items()},
        tools=tuple(getattr(tool, "name", getattr(tool, "__name__", str(tool))) for tool in bench.tools),
        verifier=free,
        memory=bench.memory is not None,
        strategies=None if strategies is None else tuple(strategies),
        limits=limits,
        trial=lambda design: bench.setup(design, verifiers[0]),
    )
    try:
        space.check(seed)
    except BadDesign as error:
        raise BadInput(f"the seed design {seed.name}: {error}") from error
    way = method_named(method or DEFAULT[level]) if not isinstance(method, Method) else method
    if way.only_there and level != way.level:
        raise BadInput(f"method {way.name} works at level {way.level} alone, not at {level}")
    overrides = {path if "." in path else f"scheme.strategy.{path}": value for path, value in settings.items()}
    blueprint = way.blueprint.with_overrides(overrides) if overrides else way.blueprint
    return Plan(space, way, blueprint, splits, bench, proposes, about, minibatch, rule, certainty, dict(settings))
