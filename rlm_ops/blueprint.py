"""A complete reasoning system as data: frozen, hashable, the same in Python, JSON and YAML.

It names everything that can be named (structure, strategy and parameters, operators' settings, selection, budget) and
holds nothing live: models, verifiers and memories are given to a run beside it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, WrapValidator

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.strategies import STRATEGIES, Strategy


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def nearest(name: str, known: list[str]) -> str:
    """`known` as words for an error, the most similar name first."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? known: {', '.join(known)}" if close else f"known: {', '.join(known)}"


def _parse_strategy(value: Any, _: Any) -> Strategy:
    if isinstance(value, Strategy):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or "name" not in value:
        raise ValueError("name a strategy: {name: mcts, ...}")
    parameters = dict(value)
    name = parameters.pop("name")
    if name not in STRATEGIES:
        raise ValueError(f"unknown strategy {name!r}; {nearest(str(name), list(STRATEGIES))}")
    strategy = STRATEGIES[name]
    for key in parameters:
        if key not in strategy.model_fields:
            raise ValueError(f"unknown key {key!r}; {nearest(str(key), list(strategy.model_fields))}")
    return strategy.model_validate(parameters)


def _dump_strategy(strategy: Strategy) -> dict[str, Any]:
    return {"name": strategy.name, **strategy.model_dump()}


AnyStrategy = Annotated[Strategy, WrapValidator(_parse_strategy), PlainSerializer(_dump_strategy)]


class Scheme(_Part):
    """What grows and how: the structure, the size of a step, the strategy with its parameters."""

    structure: Literal["chain", "tree", "dag", "forest"] = "tree"
    granularity: Granularity = "step"
    strategy: AnyStrategy


class Generate(_Part):
    """Settings of the generator agent.

    Attributes:
        temperature: Sampling temperature; `None` leaves it to the provider.
        max_tokens: Most tokens a sample may write.
        delimiter: What ends a step (granularity `step`).
        timeout: Seconds after which a call is cut.
        priors: Ask for log-probabilities and use them as priors.
    """

    temperature: float | None = Field(default=0.8, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1024, ge=1)
    delimiter: str = "\n"
    timeout: float = Field(default=120.0, gt=0)
    priors: bool = False


class Evaluate(_Part):
    """Settings of the evaluator agent.

    Attributes:
        kind: `auto` takes the evaluator given to the run, else a verifier that knows no gold answer, else a judge.
        rubric: What the judge is asked to look at.
        rollouts: Completions sampled per evaluation (`rollouts`).
    """

    kind: Literal["auto", "verifier", "judge", "rollouts"] = "auto"
    rubric: str = "Is each step correct, and does it bring the answer closer?"
    rollouts: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=256, ge=1)
    timeout: float = Field(default=120.0, gt=0)


class Operators(_Part):
    """Settings of the operators' agents."""

    generate: Generate = Generate()
    evaluate: Evaluate = Evaluate()


class Caps(_Part):
    """The blueprint's own budget; a run's budget takes the smaller cap of each kind."""

    calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    usd: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)


class Blueprint(_Part):
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
    selection: Literal["value", "visits", "majority", "weighted_vote", "verified"] = "value"
    budget: Caps = Caps()

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
                if not isinstance(place.get(key), dict):
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
    if problem["type"] == "extra_forbidden":
        model: Any = cls
        for part in problem["loc"][:-1]:
            annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
            model = annotation if isinstance(annotation, type) else model
        return f"{path}: unknown key; {nearest(str(problem['loc'][-1]), list(getattr(model, 'model_fields', {})))}"
    return f"{path}: {problem['msg']}"
