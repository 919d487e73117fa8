"""Inference-time reasoning search for any language model.

This is the table of contents. A name loads its module when it is first used, so that `import reflectree` costs
milliseconds and no optional package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reflectree.agents import evaluators
    from reflectree.graphs import blueprints
    from reflectree.graphs.adapters.chat_model import ReasoningChatModel
    from reflectree.graphs.adapters.middleware import SearchMiddleware
    from reflectree.graphs.adapters.runnables import answerer, reasoner
    from reflectree.graphs.adapters.tool import reason_tool
    from reflectree.graphs.design_search.run import adesign_search, design_search
    from reflectree.graphs.discovery.discover import adiscover, discover
    from reflectree.graphs.reasoning import build_graph
    from reflectree.graphs.result import Result
    from reflectree.graphs.run import aresume, asaved_trace, asolve, resume, saved_trace, solve
    from reflectree.graphs.teams.convening import aconvene, convene
    from reflectree.models.base import Capabilities, Price
    from reflectree.models.calling import Retries
    from reflectree.models.resolve import policy
    from reflectree.models.resolve_values import value_model
    from reflectree.rlm_ops import errors, verifiers
    from reflectree.rlm_ops.blueprint import Blueprint
    from reflectree.rlm_ops.budget import Budget
    from reflectree.rlm_ops.step import Path, Step
    from reflectree.rlm_ops.structure import fold
    from reflectree.rlm_ops.task import Example, Task
    from reflectree.rlm_ops.trace import Trace

__version__ = "0.1.0"

__all__ = [
    "Blueprint",
    "Budget",
    "Capabilities",
    "Example",
    "Path",
    "Price",
    "ReasoningChatModel",
    "Result",
    "Retries",
    "SearchMiddleware",
    "Step",
    "Task",
    "Trace",
    "__version__",
    "aconvene",
    "adesign_search",
    "adiscover",
    "answerer",
    "aresume",
    "asaved_trace",
    "asolve",
    "blueprints",
    "build_graph",
    "convene",
    "design_search",
    "discover",
    "errors",
    "evaluators",
    "fold",
    "policy",
    "reason_tool",
    "reasoner",
    "resume",
    "saved_trace",
    "solve",
    "value_model",
    "verifiers",
]

_OBJECTS = {
    "Blueprint": "rlm_ops.blueprint",
    "Budget": "rlm_ops.budget",
    "Capabilities": "models.base",
    "Example": "rlm_ops.task",
    "Path": "rlm_ops.step",
    "Price": "models.base",
    "ReasoningChatModel": "graphs.adapters.chat_model",
    "Result": "graphs.result",
    "Retries": "models.calling",
    "SearchMiddleware": "graphs.adapters.middleware",
    "Step": "rlm_ops.step",
    "Task": "rlm_ops.task",
    "Trace": "rlm_ops.trace",
    "aconvene": "graphs.teams.convening",
    "adesign_search": "graphs.design_search.run",
    "adiscover": "graphs.discovery.discover",
    "answerer": "graphs.adapters.runnables",
    "aresume": "graphs.run",
    "asaved_trace": "graphs.run",
    "asolve": "graphs.run",
    "build_graph": "graphs.reasoning",
    "convene": "graphs.teams.convening",
    "design_search": "graphs.design_search.run",
    "discover": "graphs.discovery.discover",
    "fold": "rlm_ops.structure",
    "policy": "models.resolve",
    "reason_tool": "graphs.adapters.tool",
    "reasoner": "graphs.adapters.runnables",
    "resume": "graphs.run",
    "saved_trace": "graphs.run",
    "solve": "graphs.run",
    "value_model": "models.resolve_values",
}
_MODULES = {
    "blueprints": "graphs.blueprints",
    "errors": "rlm_ops.errors",
    "evaluators": "agents.evaluators",
    "verifiers": "rlm_ops.verifiers",
}


def __getattr__(name: str) -> Any:
    if name in _OBJECTS:
        value = getattr(importlib.import_module(f"reflectree.{_OBJECTS[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"reflectree.{_MODULES[name]}")
    else:
        raise AttributeError(f"module 'reflectree' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
