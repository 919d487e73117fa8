"""`ReasoningChatModel`: a reasoning system as a LangChain chat model.

Whatever takes a chat model takes it: a chain, `create_agent`, a graph. One call is one run; its message carries the
bill of the whole run. What a run is made with is in `chat_settings`, streams are the business of `chat_stream`.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from reflectree.graphs.adapters.chat_messages import chunks_of, message_of, progress_chunk
from reflectree.graphs.adapters.chat_settings import ReasoningSettings
from reflectree.graphs.adapters.chat_stream import replies_of, threaded
from reflectree.graphs.adapters.counting import counting_once
from reflectree.graphs.adapters.openai_form import choice_of, wants_of
from reflectree.graphs.adapters.parenting import as_child, heard, of_config, of_run
from reflectree.graphs.adapters.replying import Replied
from reflectree.graphs.adapters.structured import Method, structured
from reflectree.graphs.adapters.wants import CHOICES
from reflectree.graphs.live import OnEvent
from reflectree.models import background
from reflectree.rlm_ops.errors import BadInput


class ReasoningChatModel(ReasoningSettings):
    r"""A chat model whose replies are reasoned by a blueprint with a policy.

    >>> from reflectree.models.fakes import ScriptedPolicy
    >>> model = ReasoningChatModel(blueprint="cot", policy=ScriptedPolicy("17 * 23 = 391\nAnswer: 391"))
    >>> model.invoke("What is 17 times 23?").content
    '391'
    """

    _parent: BaseCallbackManager | None = PrivateAttr(default=None)
    _run_of: uuid.UUID | None = PrivateAttr(default=None)
    _open: list[AsyncGenerator[ChatGenerationChunk, None]] = PrivateAttr(default_factory=list)

    # What it is told to do

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        parallel_tool_calls: bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that its replies may call.

        Args:
            tools: Dictionaries, pydantic classes, functions or LangChain tools.
            tool_choice: `auto`, `none`, `any` or `required`, a tool's name, or OpenAI's dictionary.
            parallel_tool_calls: Whether one reply may make several calls; it may unless this is false.
            strict: Taken for other models' sake: arguments are always held to their schema.
            **kwargs: Anything else a call may set.

        Raises:
            BadInput: A name, a schema or the choice cannot be.
        """
        formed: list[dict[str, Any]] = []
        for tool in map(convert_to_openai_tool, tools):
            if tool not in formed:
                formed.append(tool)
        bound = {"tools": formed, **kwargs}
        if tool_choice is not None:
            bound["tool_choice"] = tool_choice
        if parallel_tool_calls is not None:
            bound["parallel_tool_calls"] = parallel_tool_calls
        names = {wants_of([tool]).tools[0].name for tool in formed}  # two of one name are refused when they are used
        choice = choice_of(tool_choice)
        if choice not in (*CHOICES, *names):
            raise BadInput(f"tool choice {choice!r}: use one of {', '.join((*CHOICES, *sorted(names)))}")
        return self.bind(**bound)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model with its replies parsed: objects of a pydantic class, or dictionaries.

        Args:
            schema: A pydantic class, a `TypedDict`, a JSON schema, or a tool in OpenAI's form.
            include_raw: Give `{"raw": message, "parsed": ..., "parsing_error": ...}`.
            method: `json_schema`, `function_calling`, or `json_mode`.
            strict: Taken for other models' sake: a schema is always held to.
            **kwargs: None are known.

        Raises:
            BadInput: There is no such method or argument.
        """
        if kwargs:
            raise BadInput(f"with_structured_output takes no {', '.join(sorted(kwargs))}")
        return structured(self, schema, method, include_raw=include_raw, strict=strict)

    # How it replies

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return background.run(self._result(messages, stop, run_manager, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._result(messages, stop, run_manager, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        one = self._below(run_manager)
        yield from threaded(lambda: one._chunks(messages, stop, run_manager, kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = self._chunks(messages, stop, run_manager, kwargs)
        if self._run_of is not None:
            self._open.append(chunks)  # `astream` closes it: closed here as well, it would be closed twice at once
        async for chunk in chunks:
            yield chunk

    async def _result(
        self, messages: list[BaseMessage], stop: list[str] | None, run: Any, kwargs: dict[str, Any]
    ) -> ChatResult:
        one = self._with(kwargs)
        reply = await one._below_us(messages, stop, run, kwargs, None)
        return ChatResult(generations=[ChatGeneration(message=message_of(reply, one.model_name))])

    async def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, run: Any, kwargs: dict[str, Any]
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        one = self._with(kwargs)
        replies = replies_of(lambda tell: one._below_us(messages, stop, run, kwargs, tell), progress=self.progress)
        async with contextlib.aclosing(replies):
            async for item in replies:
                if isinstance(item, str):
                    yield progress_chunk(item)
                else:
                    for chunk in chunks_of(item, one.model_name):
                        yield chunk

    async def _below_us(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        run: Any,
        kwargs: dict[str, Any],
        tell: OnEvent | None,
    ) -> Replied:
        """One run, as a child of the LangChain run it belongs to."""
        known = getattr(run, "run_id", None) or self._run_of or uuid.uuid4()
        parent = self._parent or of_run(run)
        return await as_child(parent, lambda: self._run(messages, stop, known.hex, kwargs, tell))

    # LangChain does not tell a stream which run it belongs to; these see to it that it knows

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Stream a reply; see `BaseChatModel.stream`."""
        one, config = self._of(config)
        yield from super(ReasoningChatModel, one).stream(input, config, stop=stop, **kwargs)

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Stream a reply; see `BaseChatModel.astream`."""
        one, config = self._of(config)
        try:
            async for chunk in super(ReasoningChatModel, one).astream(input, config, stop=stop, **kwargs):
                yield chunk
        finally:  # LangChain leaves what it iterated to the garbage collector, and the run would go on until then
            for chunks in one._open:
                await chunks.aclose()

    def _generate_with_cache(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        one = self._below(run_manager)
        return super(ReasoningChatModel, one)._generate_with_cache(messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        one = self._below(run_manager)
        return await super(ReasoningChatModel, one)._agenerate_with_cache(messages, stop, run_manager, **kwargs)

    def _of(self, config: RunnableConfig | None) -> tuple[ReasoningChatModel, RunnableConfig]:
        """The model below the run that a configuration will begin, and the configuration with that run's id."""
        config = ensure_config(config)
        run = config.get("run_id") or uuid.uuid4()
        config["run_id"], config["callbacks"] = run, heard(config)
        one = self.model_copy()
        one._parent, one._run_of, one._open = of_config(config, self.callbacks), run, []
        return one, config

    def _below(self, run_manager: Any) -> ReasoningChatModel:
        """The model below a run that goes on."""
        if run_manager is None or self._parent is not None:
            return self
        run_manager.handlers = counting_once(run_manager.handlers)
        one = self.model_copy()
        one._parent, one._run_of, one._open = of_run(run_manager), run_manager.run_id, []
        return one
