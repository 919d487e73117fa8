"""A complete reasoning system as data: frozen, hashable, the same in Python, JSON and YAML.

It names everything that can be named (structure, strategy and parameters, operators' settings, selection, budget) and
holds nothing live: models, verifiers and memories are given to a run beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.remembering import Remember
from reflectree.rlm_ops.settings import Aggregate, Enrich, Evaluate, Generate, Part, Refine
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.strategies.parse import AnyStrategy, nearest

__all__ = ["Blueprint", "Caps", "Evaluate", "Generate", "Operators", "Scheme", "digest_of", "nearest"]


class Scheme(Part):
    """What grows and how: the structure, the size of a step, the strategy with its parameters."""

    structure: Literal["chain", "tree", "dag", "forest"] = "tree"
    granularity: Granularity = "step"
    strategy: AnyStrategy


class Operators(Part):
    """Settings of the operators' agents."""

    generate: Generate = Generate()
    refine: Refine = Refine()
    aggregate: Aggregate = Aggregate()
    enrich: Enrich = Enrich()
    evaluate: Evaluate = Evaluate()


class Caps(Part):
    """The blueprint's own budget; a run's budget takes the smaller cap of each kind."""

    calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    usd: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)


Selection = Literal["value", "visits", "majority", "weighted_vote", "verified", "borda", "discriminated"]


class Blueprint(Part):
    """A reasoning system.

    Example:
        >>> blueprint = Blueprint(name="mine", scheme={"strategy": {"name": "mcts", "width": 2}})
        >>> Blueprint.parse(blueprint.model_dump()) == blueprint
        True
    """

    name: str = Field(min_length=1)
    description: str = ""
    source: str = ""
    scheme: Scheme
    operators: Operators = Operators()
    selection: Selection = "value"
    budget: Caps = Caps()
    memory: Remember | None = None

    later = frozenset({"memory"})

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """The strategy asks for nothing that the rest does not define."""
        strategy, structure = self.scheme.strategy, self.scheme.structure
        if "aggregate" in strategy.uses() and structure != "dag":
            raise ValueError(
                f"scheme.structure: strategy {strategy.name} merges nodes, which makes a dag and no {structure}"
            )
        for op, how in strategy.variants():
            known = list(getattr(self.operators, op).variants) if hasattr(self.operators, op) else []
            if how and how not in known:
                raise ValueError(
                    f"operators.{op}.variants: strategy {strategy.name} asks for the variant {how!r}; "
                    f"{nearest(how, known)}"
                )
        evaluate = self.operators.evaluate
        mixes = any(evaluate.variant(how).consistency for how in ("", *evaluate.variants))
        if mixes and strategy.evaluates and getattr(strategy, "expand", "") != "together":
            raise ValueError(
                "operators.evaluate.consistency: it counts the samples that say the same, so all must be there before "
                "one is valued: set scheme.strategy.expand to together (strategies mcts and lats-env have it)"
            )
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any], *, origin: str = "blueprint") -> Blueprint:
        """Validate data.

        Raises:
            BadInput: Names each wrong field by its path, and the nearest known name of an unknown one.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise BadInput(f"{origin}: " + "; ".join(_explain(cls, problem) for problem in error.errors())) from error

    def with_overrides(self, overrides: Mapping[str, Any]) -> Blueprint:
        """A copy in which dotted paths are replaced: `{"scheme.strategy.width": 2}`.

        Raises:
            BadInput: A path or value is wrong.
        """
        data = self.model_dump()
        for path, value in overrides.items():
            *parents, last = path.split(".")
            place = data
            for key in parents:
                if key in place and not isinstance(place[key], dict):
                    raise BadInput(f"--set {path}: {key!r} has no parts to set; set it whole")
                if key not in place:
                    raise BadInput(f"--set {path}: no {key!r} here; {nearest(key, list(place))}")
                place = place[key]
            place[last] = value
        return Blueprint.parse(data, origin=f"blueprint {self.name}")

    @property
    def digest(self) -> str:
        """Hash of everything that changes how it runs: name, description and source are left out."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(data: Mapping[str, Any]) -> str:
    """`Blueprint.digest` of a blueprint's data, which need not be one this process knows how to run."""
    relevant = {key: value for key, value in data.items() if key not in ("name", "description", "source")}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def _explain(cls: type[BaseModel], problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    if not path:  # a rule over several fields names the one it is about itself
        return said
    if problem["type"] == "extra_forbidden":
        model: Any = cls
        for part in problem["loc"][:-1]:
            annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
            model = annotation if isinstance(annotation, type) else model
        return f"{path}: unknown key; {nearest(str(problem['loc'][-1]), list(getattr(model, 'model_fields', {})))}"
    return f"{path}: {said}"
