"""A strategy as a field of a blueprint: `{name: mcts, width: 2}` in, the same out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainSerializer, WrapValidator

from reflectree.rlm_ops.strategies.base import Strategy


def nearest(name: str, known: list[str]) -> str:
    """`known` as words for an error, the most similar name first."""
    if not known:
        return "there are none"
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}? known: {', '.join(known)}" if close else f"known: {', '.join(known)}"


def parse_strategy(value: Any, _: Any) -> Strategy:
    """The strategy that data stands for.

    Raises:
        ValueError: There is no such strategy or parameter.
    """
    from reflectree.rlm_ops.strategies import STRATEGIES  # a strategy may hold another, so the table is read late

    if isinstance(value, Strategy):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or "name" not in value:
        raise ValueError("name a strategy: {name: mcts, ...}")
    parameters = dict(value)
    name = parameters.pop("name")
    if not isinstance(name, str) or name not in STRATEGIES:
        raise ValueError(
            f"unknown strategy {name!r}; {nearest(str(name), list(STRATEGIES))}; one of your own has to be registered "
            "first (reflectree.rlm_ops.strategies.register), or declared as an entry point of an installed distribution"
        )
    strategy = STRATEGIES[name]
    for key in parameters:
        if key not in strategy.model_fields:
            raise ValueError(f"unknown key {key!r}; {nearest(str(key), list(strategy.model_fields))}")
    return strategy.model_validate(parameters)


def dump_strategy(strategy: Strategy) -> dict[str, Any]:
    """The data that stands for a strategy."""
    return {"name": strategy.name, **strategy.model_dump()}


AnyStrategy = Annotated[Strategy, WrapValidator(parse_strategy), PlainSerializer(dump_strategy)]
