"""LangSmith's count of tokens, where a chat model is made of other chat models: each call is counted once.

LangSmith adds up all model runs of a trace. The message of a search carries the bill of all its calls, some of which
have told the tracer themselves, under their own model's name and so at its price. The search's own run is therefore
counted for the rest: all of it where the policy is no LangChain model, nothing where every call was one. What the
message says is not changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.schemas import Run

_COUNTED = ("input_tokens", "output_tokens", "total_tokens")


class CountsOnce(LangChainTracer):
    """LangSmith's tracer, for which a model's run is counted for what no model run below it has told."""

    @classmethod
    def of(cls, tracer: LangChainTracer) -> CountsOnce:
        """The same tracer, with the same runs under way."""
        if isinstance(tracer, cls):
            return tracer
        one: Any = copy.copy(tracer)
        one.__class__ = cls
        counts: CountsOnce = one
        return counts

    def _on_llm_end(self, run: Run) -> None:
        below = [usage for usage in map(_usage_of, _models_below(run)) if usage]
        if below:
            for usage in _bills(run):
                for name in _COUNTED:
                    usage[name] = max(0, usage.get(name, 0) - sum(told.get(name, 0) for told in below))
        super()._on_llm_end(run)


def counting_once(handlers: Iterable[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    """The same handlers, LangSmith's tracer as one that counts each call once."""
    return [CountsOnce.of(handler) if isinstance(handler, LangChainTracer) else handler for handler in handlers]


def _models_below(run: Run) -> Iterator[Run]:
    for child in run.child_runs:
        if child.run_type == "llm":
            yield child
        yield from _models_below(child)


def _usage_of(run: Run) -> dict[str, int]:
    """What a model's run is counted for."""
    return dict((run.extra or {}).get("metadata", {}).get("usage_metadata") or {})


def _bills(run: Run) -> Iterator[dict[str, int]]:
    """The usage of each message in the tracer's copy of a reply."""
    for generations in (run.outputs or {}).get("generations", ()):
        for generation in generations:
            message = generation.get("message")
            usage = message.get("kwargs", {}).get("usage_metadata") if isinstance(message, dict) else None
            if isinstance(usage, dict):
                yield usage


__all__ = ["CountsOnce", "counting_once"]
