"""Structured output of a chat model: what is bound to it, and what parses its messages.

The schema is held to before a message leaves the model, so that parsing only makes objects of what is valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from reflectree.rlm_ops.errors import BadInput, BudgetRefused

Method = Literal["json_schema", "function_calling", "json_mode"]


def structured(
    model: BaseChatModel, schema: Any, method: str, *, include_raw: bool = False, strict: bool | None = None
) -> Runnable[Any, Any]:
    """The model with its output parsed as `schema` says.

    Args:
        model: Takes `response_format`, and tools by `bind_tools`.
        schema: A pydantic class, a `TypedDict`, a JSON schema, or a tool in OpenAI's form.
        method: `json_schema`, `function_calling`, or `json_mode` (an object of any form, parsed as `schema`).
        include_raw: Give `{"raw": message, "parsed": ..., "parsing_error": ...}`.
        strict: Taken for other models' sake: a schema is always held to.

    Raises:
        BadInput: There is no such method.
    """
    pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
    said = {"kwargs": {"method": method, "strict": strict}, "schema": convert_to_json_schema(schema)}
    bound: Runnable[Any, Any]
    parser: Runnable[Any, Any]
    match method:
        case "function_calling":
            name = convert_to_openai_tool(schema)["function"]["name"]
            bound = model.bind_tools(
                [schema], tool_choice=name, parallel_tool_calls=False, ls_structured_output_format=said
            )
            parser = (
                PydanticToolsParser(tools=[schema], first_tool_only=True)
                if pydantic
                else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
            )
        case "json_schema" | "json_mode":
            bound = model.bind(response_format=_format(schema, method), ls_structured_output_format=said)
            parser = PydanticOutputParser(pydantic_object=schema) if pydantic else JsonOutputParser()
        case _:
            raise BadInput(f"method={method!r}: use json_schema, function_calling or json_mode")
    parser = RunnableLambda(_whole, name="whole") | parser
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _whole(message: BaseMessage) -> BaseMessage:
    """The message, where the run came to one.

    Raises:
        BudgetRefused: The budget ended before an answer, and nothing could be parsed.
    """
    cause, _, cap = str(message.response_metadata.get("stop_reason", "")).partition(":")
    if message.response_metadata.get("finish_reason") != "length":
        return message
    ended = f"the budget of {cap} ended" if cause == "budget" else "the budget ended"
    raise BudgetRefused(cap, f"{ended} before there was an answer to parse: raise the cap (max_calls, max_usd, ...)")


def _format(schema: Any, method: str) -> Mapping[str, Any]:
    if method == "json_mode":
        return {"type": "json_object"}
    plain = convert_to_json_schema(schema)
    return {"type": "json_schema", "json_schema": {"name": str(plain.get("title", "reply")), "schema": plain}}
