"""Namespaces as text: `("users", "ada")` is `users.ada.`, so that a prefix of labels is a prefix of characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langgraph.store.base import MatchCondition

from reflectree.rlm_ops.errors import BadInput

Namespace = tuple[str, ...]


def written(namespace: Sequence[str]) -> str:
    """The path of a namespace whose labels LangGraph has validated: without periods, not empty.

    Raises:
        BadInput: A label cannot be stored as UTF-8.
    """
    path = "".join(f"{label}." for label in namespace)
    storable(path, "a namespace")
    return path


def read(path: str) -> Namespace:
    """The namespace of a path."""
    return tuple(path.split(".")[:-1])


def storable(text: str, what: str) -> str:
    """The text, if a database and an index can hold it.

    Raises:
        BadInput: It has a lone surrogate or a NUL character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} has a lone surrogate, {text!a:.80}: use valid Unicode text") from None
    if "\x00" in text:
        raise BadInput(f"{what} has a NUL character, {text!a:.80}: use printable text")
    return text


def selected(
    namespaces: Iterable[Namespace], conditions: Sequence[MatchCondition] | None, max_depth: int | None
) -> list[Namespace]:
    """The namespaces that meet all conditions, cut at `max_depth`, without repetition, in order."""
    kept = [space for space in namespaces if all(_meets(space, condition) for condition in conditions or ())]
    return sorted({space[:max_depth] for space in kept})


def _meets(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if condition.match_type not in ("prefix", "suffix"):
        raise BadInput(f"unknown match type {condition.match_type!r}: use prefix or suffix")
    if len(namespace) < len(path):
        return False
    part = namespace[: len(path)] if condition.match_type == "prefix" else namespace[len(namespace) - len(path) :]
    return all(wanted in ("*", label) for label, wanted in zip(part, path, strict=True))
