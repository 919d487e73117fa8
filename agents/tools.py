"""Tools that *act* steps may call: what is granted to a run, with typed arguments.

A tool is granted by whoever starts the run, never by a text. How a text calls one is in `reflectree.agents.tool_calls`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from reflectree.agents.tool_calls import Tool as Tool
from reflectree.rlm_ops.arithmetic import compute
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.settings import Enrich

FINISH = "finish"
"""The action that ends a chain; no tool may be called so."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def read_tools(given: Iterable[Any]) -> dict[str, Tool]:
    """Tools by name, from LangChain tools, typed functions, or the names of built-in ones (`python`, `calculator`).

    Raises:
        BadInput: Something is no tool, or a name is taken or unusable.
    """
    tools: dict[str, Tool] = {}
    for entry in given:
        tool = _read(entry)
        if not _NAME.fullmatch(tool.name) or tool.name.lower() == FINISH:
            raise BadInput(f"a tool cannot be called {tool.name!r}: use letters, digits and _, and not {FINISH!r}")
        if tool.name.lower() in map(str.lower, tools):
            raise BadInput(f"two tools are called {tool.name!r}: rename one")
        tools[tool.name] = tool
    return tools


def named(tools: Mapping[str, Tool], name: str) -> Tool | None:
    """The tool an action means; letter case does not matter."""
    return tools.get(name) or next((tool for own, tool in tools.items() if own.lower() == name.lower()), None)


def _read(entry: Any) -> Tool:
    if isinstance(entry, Tool):
        return entry
    if isinstance(entry, str):
        built_in = BUILT_IN.get(entry)
        if built_in is None:
            raise BadInput(f"no built-in tool {entry!r}: there are {', '.join(BUILT_IN)}; or give a function")
        if entry == "python":
            _require_sandbox("the tool python")
        return _read(built_in)
    if isinstance(entry, BaseTool):
        return _of_langchain(entry)
    if callable(entry):
        waits = inspect.iscoroutinefunction(entry)
        try:
            made = StructuredTool.from_function(None if waits else entry, entry if waits else None)
        except Exception as error:  # the boundary to a user's function, which is inspected here
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadInput(
                f"tool {getattr(entry, '__name__', entry)!r}: {why}: give a function with a name, types and a docstring"
            ) from error
        return _of_langchain(made)
    raise BadInput(f"{entry!r} is no tool: give a LangChain tool, a typed function with a docstring, or a name")


def _of_langchain(tool: BaseTool) -> Tool:
    arguments: dict[str, Any] = tool.args
    kinds = {name: _kind(spec) for name, spec in arguments.items()}
    takes = ", ".join(f"{name}: {kind}" if kind else name for name, kind in kinds.items())
    line = " ".join(tool.description.split())
    literals = frozenset(name for name, kind in kinds.items() if kind not in ("", "string"))
    waits = getattr(tool, "coroutine", None) is not None or type(tool)._arun not in (
        BaseTool._arun,
        StructuredTool._arun,
    )

    async def wait(given: dict[str, Any]) -> Any:
        return await tool.ainvoke(given)

    def work(given: dict[str, Any]) -> Any:
        return tool.invoke(given)

    return Tool(tool.name, f"{tool.name}[{takes}]: {line}", tuple(arguments), wait if waits else work, literals)


def _kind(spec: Any) -> str:
    """The type of an argument as its JSON schema says; "" where there are several or none."""
    kind = spec.get("type", "object" if "$ref" in spec else "") if isinstance(spec, Mapping) else ""
    return kind if isinstance(kind, str) else ""


def check_tools(settings: Enrich, tools: Mapping[str, Tool], blueprint: str) -> None:
    """Refuse a blueprint that acts with tools where none is granted, or runs code where there is no sandbox.

    Raises:
        BadInput: Names what to give.
    """
    kinds = {settings.variant(how).kind for how in ("", *settings.variants)}
    if kinds == {"tool"} and not tools:
        such = "those of Laboratory(...).tools" if settings.one_command else "for example --tool calculator"
        raise BadInput(f"blueprint {blueprint} acts with tools: give tools=[...], {such}")
    if "code" in kinds:
        _require_sandbox(f"blueprint {blueprint}")


def check_environment(settings: Enrich | None, environment: object, blueprint: str) -> None:
    """Refuse a blueprint that acts in an environment where none was given, and an environment that nobody would act in.

    Args:
        settings: Those of `enrich`; `None` where the blueprint does not use it.
        environment: What was given.
        blueprint: The blueprint's name.

    Raises:
        BadInput: Says so.
    """
    kinds = set() if settings is None else {settings.variant(how).kind for how in ("", *settings.variants)}
    if environment is None and "environment" in kinds:
        raise BadInput(f"blueprint {blueprint} acts in an environment: give environment=..., such as textworld/coin")
    if environment is not None and "environment" not in kinds:
        raise BadInput(
            f"blueprint {blueprint} does not act in an environment: react-env, reflexion-env, lats-env, voyager-env do"
        )


def _require_sandbox(what: str) -> None:
    from reflectree.rlm_ops.sandbox import available

    why = available()
    if why:
        raise BadInput(f"{what} runs code a model wrote, and there is no sandbox here: {why}")


def calculator(expression: str) -> str:
    """Work out an arithmetic expression, for example (3 + 5) * 7 / 2."""
    value = compute(expression)
    if value.denominator == 1:
        return str(value.numerator)
    try:
        return f"{value} = {float(value):.10g}"
    except OverflowError:  # more digits than a float has
        return str(value)


async def python(code: str) -> str:
    """Run a Python program in a sandbox without network or files and see what it prints."""
    from reflectree.rlm_ops.sandbox import arun_python
    from reflectree.rlm_ops.verifiers.code import extract_code

    outcome = await arun_python(extract_code(code) or code)
    printed = outcome.stdout.strip()
    if outcome.ok:
        return printed or "(nothing was printed)"
    why = outcome.stderr.strip()[-500:] or f"the program was stopped ({outcome.reason})"
    return "\n".join(filter(None, (printed, f"error: {why}")))


BUILT_IN: dict[str, Callable[..., Any]] = {"calculator": calculator, "python": python}
"""Tools every run may be granted by name."""
