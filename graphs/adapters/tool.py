"""`reason_tool`: a tool with which any LangChain or LangGraph agent hands a hard question to a search.

The agent sees a question and a context; the search runs as a child of the agent's run, tells it what it is doing as
`custom` stream parts, and gives the answer as text, with what it cost as the message's artifact.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.prebuilt import ToolRuntime

from reflectree.graphs import blueprints
from reflectree.graphs.adapters.progress import line_of
from reflectree.graphs.live import OnEvent
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models import background
from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Form, Task

DESCRIPTION = (
    "Think hard about one question: several lines of reasoning are tried, scored, and the best answer is returned. "
    "Slow and thorough: use it where a wrong answer is likely. It sees nothing but the question and the context it is "
    "given, so say everything it needs."
)


def reason_tool(
    blueprint: Any = "best-of-n",
    policy: Any = "embedded",
    *,
    name: str = "reason",
    description: str = DESCRIPTION,
    form: Form = "text",
    on_event: OnEvent | None = None,
    **options: Any,
) -> BaseTool:
    """The tool; async and sync.

    Args:
        blueprint: The reasoning system, as `asolve` takes it.
        policy: The model, as `asolve` takes it.
        name: What the agent calls it by.
        description: When the agent is to use it.
        form: What an answer is, as `Task` has it.
        on_event: Called with each event and the structure after it.
        **options: Those of `asolve`: evaluator, verifier, judge, budget, concurrency, seed, memory, ...

    Returns:
        A tool whose result is the answer, and whose artifact says `score`, `usage`, `run_id`, `stop_reason`, `nodes`.
        What goes wrong is told to the agent in one line, as a tool message of status `error`.

    Raises:
        BadInput: There is no such blueprint, or an option is one that each question sets.
    """
    own = sorted({"task", "run_id", "reply"} & options.keys())
    if own:
        raise BadInput(f"reason_tool: leave {own[0]} out, each question is a task and a run of its own")
    plan = blueprints.load(blueprint)

    async def ask(question: str, context: str, runtime: ToolRuntime | None) -> tuple[str, dict[str, Any]]:
        run_id = uuid.uuid4().hex[:12]
        try:
            result = await asolve(
                Task(question, context=context, form=form),
                blueprint=plan,
                policy=policy,
                run_id=run_id,
                on_event=_telling(runtime, run_id, on_event),
                **options,
            )
        except ReflectreeError as error:
            raise ToolException(str(error)) from error
        return _said(result), artifact_of(result)

    # LangGraph finds the runtime by this very annotation, and hides it from the model
    async def areason(question: str, context: str = "", runtime: ToolRuntime = None) -> Any:  # type: ignore[assignment]
        return await ask(question, context, runtime)

    def reason(question: str, context: str = "", runtime: ToolRuntime = None) -> Any:  # type: ignore[assignment]
        return background.run(ask(question, context, runtime))

    return StructuredTool.from_function(
        reason,
        areason,
        name=name,
        description=description,
        response_format="content_and_artifact",
        handle_tool_error=True,
        tags=["reflectree", plan.name],
    )


def artifact_of(result: Result) -> dict[str, Any]:
    """What the tool message's artifact says of the search."""
    return {
        "run_id": result.run_id,
        "score": result.score,
        "stop_reason": result.stop_reason,
        "nodes": result.nodes,
        "usage": dataclasses.asdict(result.usage),
    }


def _said(result: Result) -> str:
    """The answer, or that there is none."""
    return result.answer if result.answer is not None else f"No answer was found ({result.stop_reason})."


def _telling(runtime: ToolRuntime | None, run_id: str, also: OnEvent | None) -> OnEvent | None:
    """Sends each event's line to the host's `custom` stream."""
    if runtime is None:
        return also
    write: Callable[[Any], None] = runtime.stream_writer

    def tell(event: Event, structure: ReasoningStructure) -> None:
        line = line_of(event, structure)
        if line is not None:
            write({"reflectree": {"run_id": run_id, "tool_call_id": runtime.tool_call_id, "line": line}})
        if also is not None:
            also(event, structure)

    return tell


__all__ = ["DESCRIPTION", "artifact_of", "reason_tool"]
