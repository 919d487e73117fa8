"""The safety check: it reads a command before it is carried out, and what it refuses is not carried out (ChemCrow).

A check is any function of the command: it gives the reason for a refusal, or `None`. It blocks: the reason is what the
step observes, and nothing else happens. A check that itself goes wrong refuses. What is dangerous is data
(`reflectree.agents.hazards`); a list catches names and numbers, never intentions, and is no substitute for a person.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from langchain_core.tools import BaseTool

from reflectree.agents.hazards import HAZARDS, Hazard
from reflectree.agents.tool_calls import Tool
from reflectree.rlm_ops.environment import Environment, MakeEnvironment, Observation, agree
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

Check: TypeAlias = Callable[[str], str | None]
"""Why a command must not be carried out, or `None`."""

REFUSED = "refused by the safety check:"
_SAFE = frozenset({"", "none", "safe", "ok"})
_OTHER = re.compile(r"[\W_]+")


def listed(hazards: Iterable[Hazard] = HAZARDS) -> Check:
    """A check against a list: refuses any command that names one of its entries.

    >>> listed()("experiment[heat phosgene to 40 C]")
    'phosgene (75-44-5): chemical weapons convention, schedule 3'
    >>> listed()("experiment[ligand=XPhos, base=K3PO4]") is None
    True
    """
    known: list[tuple[str, str]] = []
    for hazard in hazards:
        number = f" ({hazard.cas})" if hazard.cas else ""
        told = f"{hazard.names[0]}{number}: {hazard.why}"
        known += [(f" {plain(name)} ", told) for name in filter(None, (*hazard.names, hazard.cas))]

    def check(command: str) -> str | None:
        text = f" {plain(command)} "
        return next((told for name, told in known if name in text), None)

    return check


def plain(text: str) -> str:
    """Text as names are compared: one case, one form a letter, nothing invisible, words apart by a space.

    >>> plain("CHLORO-form, 67-66-3")
    'chloro form 67 66 3'
    """
    visible = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return _OTHER.sub(" ", "".join(visible).casefold()).strip()


def as_check(given: Any) -> Check:
    """A check from a function, from a tool that says `safe` (or nothing) or why not, or from `hazards`, the list here.

    Raises:
        BadInput: It is none of these.
    """
    if given == "hazards":
        return listed()
    if isinstance(given, BaseTool):
        return _closed(_asks(given))
    if callable(given):
        return _closed(cast("Check", given))
    raise BadInput(f"safety={given!r}: give a function of the command that returns a reason or None, or 'hazards'")


def _asks(tool: BaseTool) -> Check:
    (name,) = list(tool.args)[:1] or [""]
    if len(tool.args) != 1:
        raise BadInput(f"the safety tool {tool.name!r} takes {len(tool.args)} arguments: give one of the command alone")

    def check(command: str) -> str | None:
        said = str(tool.invoke({name: command}) or "").strip()
        return None if said.casefold().rstrip(".") in _SAFE else said

    return check


def _closed(check: Check) -> Check:
    """A check that refuses where it cannot say."""

    def checked(command: str) -> str | None:
        try:
            reason = check(command)
        except Exception as error:  # the boundary to a user's check: what it cannot judge is not carried out
            return f"the check failed ({type(error).__name__}: {error})"
        if reason is None or isinstance(reason, str):
            return reason or None
        return f"the check gave {reason!r:.60} and no reason"

    return checked


@dataclass(frozen=True, slots=True)
class GuardedTool(Tool):
    """A tool behind a check."""

    check: Check = field(kw_only=True)

    async def call(self, text: str) -> str:
        """What is observed: the refusal, or what the tool gives."""
        reason = self.check(f"{self.name}[{text}]")
        return f"{REFUSED} {reason}" if reason is not None else await Tool.call(self, text)


def guarded_tools(tools: Mapping[str, Tool], check: Check) -> dict[str, Tool]:
    """The tools, each behind the check."""
    return {
        name: GuardedTool(tool.name, tool.description, tool.arguments, tool.run, tool.literals, check=check)
        for name, tool in tools.items()
    }


class GuardedEnvironment:
    """An environment behind a check, besides the one of its own.

    A command that is refused changes nothing, also where nobody asked `refuses` before.
    """

    def __init__(self, inner: Environment, check: Check) -> None:
        self._inner = inner
        self._check = check

    @property
    def name(self) -> str:
        """The inner one's."""
        return self._inner.name

    @property
    def task(self) -> Task:
        """The inner one's."""
        return self._inner.task

    def reset(self) -> Observation:
        """See `Environment.reset`."""
        return self._inner.reset()

    def step(self, command: str) -> Observation:
        """See `Environment.step`."""
        reason = self.refuses(command)
        return Observation(f"{REFUSED} {reason}", valid=False) if reason is not None else self._inner.step(command)

    def snapshot(self) -> object | None:
        """See `Environment.snapshot`."""
        return self._inner.snapshot()

    def restore(self, snapshot: object) -> None:
        """See `Environment.restore`."""
        self._inner.restore(snapshot)

    def refuses(self, command: str) -> str | None:
        """The check's reason, or the inner environment's own."""
        reason = self._check(command)
        return self._inner.refuses(command) if reason is None else reason

    def same(self, recorded: str, seen: str) -> bool:
        """See `Tolerant.same`."""
        return agree(self._inner, recorded, seen)

    def kill(self) -> None:
        """The inner one's, where it can be killed."""
        if (kill := getattr(self._inner, "kill", None)) is not None:
            kill()

    def close(self) -> None:
        """See `Environment.close`."""
        self._inner.close()


def guarded_environment(make: MakeEnvironment, check: Check) -> MakeEnvironment:
    """What makes environments that stand behind the check."""
    return lambda: GuardedEnvironment(make(), check)
