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


@functools.cache
def _built_in(name: str) -> Blueprint:
    text = resources.files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _parse(text, f"blueprint {name}")


def dump(blueprint: Blueprint) -> str:
    """The blueprint as YAML; `load` of it gives an equal one."""
    return yaml.safe_dump(blueprint.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _parse(text: str, origin: str) -> Blueprint:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"{origin} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise BadInput(f"{origin} holds no blueprint: it needs at least name and scheme")
    return Blueprint.parse(data, origin=origin)
