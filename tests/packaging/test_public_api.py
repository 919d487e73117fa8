"""The public names and their signatures are a promise: `public_api.json` beside this file is the released one.

After a change that is meant: `.venv/bin/python tests/packaging/test_public_api.py` rewrites it.
"""

from __future__ import annotations

import enum
import inspect
import json
import types
from pathlib import Path
from typing import Any

import reflectree

SNAPSHOT = Path(__file__).with_name("public_api.json")


def public_api() -> dict[str, Any]:
    """Every public name with its signature; of modules and classes, their public members."""
    return {name: describe(getattr(reflectree, name)) for name in sorted(reflectree.__all__) if name != "__version__"}


def describe(value: Any) -> Any:
    """What a caller can rely on: signatures of functions, members of classes and modules, else the type's name."""
    if inspect.ismodule(value):
        return {name: describe(getattr(value, name)) for name in _names(value)}
    if inspect.isclass(value):
        members = {name: _member(static) for name, static in _members(value).items()}
        return {"()": _signature(value), **dict(sorted(members.items()))}
    return _signature(value) if callable(value) else type(value).__name__


def _names(module: types.ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def _members(cls: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(cls, name)
        for owner in cls.__mro__
        if owner.__module__.startswith("reflectree")
        for name in vars(owner)
        if not name.startswith("_") and name != "model_config"
    }


def _member(static: Any) -> str:
    if isinstance(static, property):
        return "property"
    if isinstance(static, classmethod | staticmethod):
        return f"{type(static).__name__}{_signature(static.__func__)}"
    if isinstance(static, types.FunctionType):
        return _signature(static)
    return "value" if isinstance(static, enum.Enum) else "attribute"


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    bare = [parameter.replace(annotation=_text(parameter.annotation)) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=_text(signature.return_annotation)))


def _text(annotation: Any) -> Any:
    """Annotations as written: their evaluated form differs between Python versions."""
    if annotation is inspect.Signature.empty or not isinstance(annotation, str):
        return annotation
    return _Verbatim(annotation)


class _Verbatim(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def test_the_public_api_is_the_one_recorded() -> None:
    recorded = json.loads(SNAPSHOT.read_text())
    assert public_api() == recorded, "meant? then run: .venv/bin/python tests/packaging/test_public_api.py"


def test_every_name_of_the_contents_is_listed_once_and_documented() -> None:
    assert len(set(reflectree.__all__)) == len(reflectree.__all__)
    assert set(reflectree.__all__) <= set(dir(reflectree))
    undocumented = [name for name in reflectree.__all__ if name[0] != "_" and not getattr(reflectree, name).__doc__]
    assert undocumented == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(reflectree, "solv")


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(public_api(), indent=1, ensure_ascii=False) + "\n")
