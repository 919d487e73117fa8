"""A design under search: a `Blueprint` as canonical text, read from a model's reply, and compared in words.

What a design may be is the space's to say (`reflectree.graphs.design_search.space`). Replies are data: they are parsed
as JSON or as YAML without anchors, and never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import yaml
from typing_extensions import override

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.parsing import json_objects
from reflectree.rlm_ops.remembering import Remember

if TYPE_CHECKING:
    from reflectree.graphs.design_search.space import Space

MOST_REPLY = 100_000
"""Characters of a reply that are read: what is longer holds no design."""
MOST_BRACKETS = 500
"""Opening brackets of a block that is read as YAML: what has more is nested to cost time."""
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_WORDS = frozenset({"set", "why"})


class BadDesign(BadInput):
    """A proposed design cannot be run, or is not allowed. The proposal has failed; it is never worth 0."""


def canonical(design: Blueprint) -> str:
    """The design as JSON that is the same for equal designs: sorted, with defaults left out.

    >>> text = canonical(Blueprint.parse({"name": "a", "scheme": {"strategy": "cot"}}))
    >>> text
    '{"name":"a","scheme":{"strategy":{"name":"cot"}}}'
    >>> canonical(Blueprint.parse(json.loads(text))) == text
    True
    """
    return json.dumps(short(design), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def short(design: Blueprint) -> dict[str, Any]:
    """The design's data, with what `Blueprint.parse` restores left out."""
    whole = design.model_dump(mode="json")
    data: dict[str, Any] = design.model_dump(mode="json", exclude_defaults=True)
    strategy = design.scheme.strategy
    data["scheme"]["strategy"] = {
        "name": strategy.name,
        **strategy.model_dump(mode="json", exclude_defaults=True),
    }
    if "operators" in data:
        data["operators"] = {op: settings for op, settings in data["operators"].items() if settings}
        if not data["operators"]:
            del data["operators"]
    if Blueprint.parse(data).model_dump(mode="json") != whole:  # a default that depends on others: spell all out
        return whole
    return data


def read_design(text: str, space: Space, parent: Blueprint | None = None) -> Blueprint:
    """The design that a reply proposes: a whole blueprint, or an edit of `parent`.

    An edit is `{"set": {"scheme.strategy.n": 8, "operators.generate.instruction": "..."}, "why": "..."}`. Of several
    objects in a reply, the last that can be read as one of both counts.

    Args:
        text: The reply; the object stands in a fenced block, or by itself.
        space: What a design may be; it is checked.
        parent: What an edit changes; the space's seed by default.

    Raises:
        BadDesign: There is none in it, it cannot run, or it is not allowed; the message says why.
    """
    parent = parent or space.seed
    found = _last(text)
    if found is None:
        raise BadDesign('the reply holds no design: give one JSON object, {"set": {PATH: VALUE}, "why": "..."}')
    return space.check(_made(found, parent))


def why(text: str) -> str:
    """The reason that a reply gives for its design, or ""."""
    found = _last(text)
    reason = found.get("why") if found is not None else None
    return reason.strip() if isinstance(reason, str) else ""


def applied(parent: Blueprint, changes: Mapping[str, Any]) -> Blueprint:
    """The parent with dotted paths replaced, a memory part made where one is set.

    Raises:
        BadDesign: A path or a value is wrong.
    """
    if parent.memory is None and any(path.startswith("memory.") for path in changes):
        changes = {"memory": Remember().model_dump(mode="json"), **changes}
    try:
        return parent.with_overrides(changes)
    except (BadInput, TypeError) as error:
        raise BadDesign(str(error)) from error


def difference(first: Blueprint, second: Blueprint) -> str:
    """What tells the second design from the first, one changed path a line; "" where they run the same."""
    return "\n".join(f"{path}: {_said(old)} -> {_said(new)}" for path, old, new in changes(first, second))


def changes(first: Blueprint, second: Blueprint) -> list[tuple[str, Any, Any]]:
    """The paths whose values differ, in order, with both values; `None` where a design has no such path."""
    old, new = dict(_flat(_relevant(first))), dict(_flat(_relevant(second)))
    return [
        (path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def _relevant(design: Blueprint) -> dict[str, Any]:
    data = design.model_dump(mode="json")
    return {key: value for key, value in data.items() if key not in ("name", "description", "source")}


def _flat(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted path; lists and empty dictionaries are leaves."""
    for key, value in data.items():
        path = f"{before}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _said(value: Any, most: int = 160) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _made(found: Mapping[str, Any], parent: Blueprint) -> Blueprint:
    """The design that an object stands for."""
    if "scheme" in found:
        data = {"name": parent.name, **{key: value for key, value in found.items() if key != "why"}}
        try:
            return Blueprint.parse(data, origin="design")
        except (BadInput, TypeError, RecursionError) as error:
            raise BadDesign(str(error)) from error
    edit = found["set"] if "set" in found else {key: value for key, value in found.items() if key not in _WORDS}
    if not isinstance(edit, Mapping) or not edit or not all(isinstance(path, str) for path in edit):
        raise BadDesign('the edit changes nothing: give {"set": {PATH: VALUE}}')
    return applied(parent, edit)


def _last(text: str) -> dict[str, Any] | None:
    """The last object of a reply that looks like a design or an edit."""
    if len(text) > MOST_REPLY:
        raise BadDesign(f"the reply has {len(text)} characters: a design has at most {MOST_REPLY}")
    blocks = _FENCE.findall(text)
    for block in reversed(blocks):
        found = _mapping(block)
        if found is not None and _looks_right(found):
            return found
    objects = [dict(found) for found in json_objects(text) if isinstance(found, Mapping) and _looks_right(found)]
    if objects:
        return objects[-1]
    found = None if blocks else _mapping(text)
    return found if found is not None and _looks_right(found) else None


def _looks_right(found: Mapping[str, Any]) -> bool:
    return "set" in found or "scheme" in found or any("." in str(key) for key in found)


class _PlainLoader(yaml.SafeLoader):
    """YAML without anchors: an alias can make a small text huge, or a tree a cycle."""

    @override
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed in a design")
        return super().compose_node(parent, index)


def _mapping(text: str) -> dict[str, Any] | None:
    if ":" not in text or text.count("[") + text.count("{") > MOST_BRACKETS:
        return None
    try:
        found = yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        if "aliases are not allowed" in str(error):
            raise BadDesign("the design repeats parts by YAML anchors, which may be cyclic: spell it out") from error
        return None
    except (RecursionError, ValueError):
        return None
    return dict(found) if isinstance(found, Mapping) and all(isinstance(key, str) for key in found) else None
