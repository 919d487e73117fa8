"""Every named reasoning system, as a YAML file in this folder, and how to load one."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path as FilePath
from typing import Any

import yaml

from reflectree.rlm_ops.blueprint import Blueprint, nearest
from reflectree.rlm_ops.errors import BadInput


@functools.cache
def _names() -> tuple[str, ...]:
    return tuple(
        sorted(entry.name[:-5] for entry in resources.files(__name__).iterdir() if entry.name.endswith(".yaml"))
    )


def names() -> list[str]:
    """The names of the built-in blueprints, in order."""
    return list(_names())


def load(source: str | os.PathLike[str] | Mapping[str, Any] | Blueprint) -> Blueprint:
    """A blueprint from its name, a YAML or JSON file, data, or itself.

    Raises:
        BadInput: There is no such blueprint or file, or its content is wrong (each field named by its path).
    """
    if isinstance(source, Blueprint):
        return source
    if isinstance(source, Mapping):
        return Blueprint.parse(source)
    name = os.fspath(source)
    if name in names():
        return _built_in(name)
    if not name.endswith((".yaml", ".yml", ".json")):
        raise BadInput(f"unknown blueprint {name!r}; {nearest(name, names())}, or a .yaml or .json file")
    try:
        return _parse(FilePath(name).read_text(encoding="utf-8"), name)
    except OSError as error:
        raise BadInput(f"cannot read the blueprint {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not a text file: give a YAML or JSON file") from error


def complete(blueprint: Blueprint, chain: tuple[str, ...] = (), most: int = 8) -> Blueprint:
    """The blueprint with those nested in it spelled out, so that a trace holds all that is needed to run it again.

    Args:
        blueprint: The outer one.
        chain: The names of those it is nested in.
        most: Nested runs that the outer ones still allow.

    Raises:
        BadInput: It nests itself, or deeper than it allows.
    """
    operators = blueprint.operators
    chain = (*chain, blueprint.name)
    spelled: dict[str, Any] = {}
    for how in ("", *operators.generate.variants):
        nested = operators.generate.variant(how).nested
        if nested is None:
            continue
        inner = load(nested.blueprint)
        where = f"operators.generate{f'.variants.{how}' if how else ''}.nested"
        if inner.name in chain:
            raise BadInput(f"blueprint {chain[0]}: {where}: it nests itself: {' -> '.join((*chain, inner.name))}")
        least = min(most, nested.depth)
        if len(chain) > least:
            raise BadInput(
                f"blueprint {chain[0]}: {where}: {' -> '.join((*chain, inner.name))} is nested deeper than "
                f"its depth of {least}: nest less, or set depth (8 at most)"
            )
        spelled[how] = complete(inner, chain, least).model_dump(mode="json")
    if not spelled:
        return blueprint
    data = blueprint.model_dump(mode="json")
    generate = data["operators"]["generate"]
    for how, inner_data in spelled.items():
        place = generate["variants"][how] if how else generate
        if "nested" in place:
            place["nested"] = {**place["nested"], "blueprint": inner_data}
    return Blueprint.parse(data)


@functools.cache
def _built_in(name: str) -> Blueprint:
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _parse(text, f"blueprint {name}")


def dump(blueprint: Blueprint, *, full: bool = False) -> str:
    """The blueprint as YAML; `load` of it gives an equal one.

    Args:
        blueprint: What to write.
        full: Spell out every setting; else those of the strategy, and of the rest what differs from its default.
    """
    data = blueprint.model_dump(mode="json")
    if not full:
        scheme, short = data["scheme"], blueprint.model_dump(mode="json", exclude_defaults=True)
        data = {key: value for key, value in data.items() if key in short or key == "selection"}
        strategy = blueprint.scheme.strategy
        for key, value in scheme["strategy"].items():
            if isinstance(value, list) and value and isinstance(value[0], dict):  # operations of a plan
                scheme["strategy"][key] = [part.model_dump(exclude_defaults=True) for part in getattr(strategy, key)]
        if "operators" in short:
            data["operators"] = {op: settings for op, settings in short["operators"].items() if settings}
    # what holds plain values alone stands on one line
    return yaml.safe_dump(_plain(data), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _plain(value: Any) -> Any:
    """The value with tuples as lists: YAML knows no others."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _parse(text: str, origin: str) -> Blueprint:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"{origin} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise BadInput(f"{origin} holds no blueprint: it needs at least name and scheme")
    return Blueprint.parse(data, origin=origin)
