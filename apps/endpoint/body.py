"""The body of `POST /v1/chat/completions`: what clients of OpenAI's API send, checked field by field.

A field that is not known is ignored, as every compatible server does, for clients send many. What would change the
meaning of a reply and cannot be done here (pictures, several choices, log-probabilities, the older functions) is
refused, never ignored. What a body means to a search is not known here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from reflectree.apps.endpoint.turns import Part, Turn, wrong

MOST_STOPS = 16
MOST_TOOLS = 128
MOST_TURNS = 10_000

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


def _choosable(choice: Any) -> Any:
    """Say what is wrong with the choice of a tool in one line, where the union would say it of each form."""
    if isinstance(choice, dict):
        function = choice.get("function")
        if (
            choice.get("type") != "function"
            or not isinstance(function, dict)
            or not isinstance(function.get("name"), str)
        ):
            raise wrong("invalid_choice", "name a function: {'type': 'function', 'function': {'name': NAME}}")
    elif choice not in ("none", "auto", "required", None):
        raise wrong("invalid_choice", "give 'none', 'auto', 'required', or a function by its name")
    return choice


def _stoppable(stop: Any) -> Any:
    """The same of the texts that end an answer."""
    words = stop if isinstance(stop, list) else [stop]
    if stop is not None and (len(words) > MOST_STOPS or not all(isinstance(word, str) for word in words)):
        raise wrong("invalid_stop", f"give a text, or a list of {MOST_STOPS} texts at most")
    return stop


class Function(Part):
    """A tool's name, what it is for, and the JSON schema of its arguments."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoiceFunction(Part):
    """The name of the tool that has to be called."""

    name: str


class Tool(Part):
    """A tool that the answer may call."""

    type: Literal["function"]
    function: Function


class ToolChoice(Part):
    """The tool that has to be called."""

    type: Literal["function"]
    function: ToolChoiceFunction


class JsonSchema(Part):
    """The form that the answer has to have."""

    name: str = "reply"
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class PlainFormat(Part):
    """Words, or some JSON object."""

    type: Literal["text", "json_object"]


class SchemaFormat(Part):
    """JSON of a form."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(Part):
    """What a stream holds beside the reply."""

    include_usage: bool | None = None


class ChatBody(Part):
    """A conversation, and how it is to be gone on with."""

    model: str = Field(min_length=1, description="BLUEPRINT/POLICY, or BLUEPRINT for the server's first policy.")
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MOST_TURNS)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Annotated[Literal["none", "auto", "required"] | ToolChoice | None, BeforeValidator(_choosable)] = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[PlainFormat | SchemaFormat, Field(discriminator="type")] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="Of what writes, in place of the blueprint's; near 0 a search's samples are alike."
    )
    top_p: Annotated[float, Field(ge=0, le=1)] | None = Field(default=None, description="As temperature.")
    max_tokens: Annotated[int, Field(ge=1, le=2**31)] | None = Field(
        default=None, description="Most tokens that one call of the policy may write."
    )
    max_completion_tokens: Annotated[int, Field(ge=1, le=2**31)] | None = Field(
        default=None, description="The newer name of max_tokens."
    )
    stop: Annotated[str | Annotated[list[str], Field(max_length=MOST_STOPS)] | None, BeforeValidator(_stoppable)] = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    n: int | None = Field(default=None, description="One reply only.", json_schema_extra={"enum": [1, None]})
    logprobs: bool | None = Field(default=None, description="Not offered.", json_schema_extra={"enum": [False, None]})
    reasoning_effort: Effort | None = Field(default=None, description="How much of the run's caps may be used.")
    functions: None = Field(default=None, description="The older form of tools; refused.")
    modalities: list[str] | None = Field(default=None, description="Text only.")
    user: str | None = None

    @field_validator("n")
    @classmethod
    def _one(cls, given: int | None) -> int | None:
        if given not in (None, 1):
            raise wrong("unsupported_value", "one reply only: ask again with another seed for another one")
        return given

    @field_validator("logprobs")
    @classmethod
    def _no_logprobs(cls, given: bool | None) -> bool | None:
        if given:
            raise wrong("unsupported_value", "a searched answer has no log-probabilities: leave it out")
        return given

    @field_validator("functions", mode="before")
    @classmethod
    def _no_functions(cls, given: Any) -> None:
        if given is not None:
            raise wrong("unsupported_value", "the older form is not offered: send tools")

    @field_validator("modalities")
    @classmethod
    def _text_only(cls, given: list[str] | None) -> list[str] | None:
        if given is not None and given != ["text"]:
            raise wrong("unsupported_value", "text is the only one offered")
        return given

    @model_validator(mode="after")
    def _tools_fit(self) -> ChatBody:
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise wrong("duplicate_tool", "tools: two have the same name")
        choice = self.tool_choice
        if choice == "required" and not names:
            raise wrong("missing_tools", "tool_choice: a call is required and no tools are given")
        if isinstance(choice, ToolChoice) and choice.function.name not in names:
            raise wrong("unknown_tool", f"tool_choice: no tool {choice.function.name[:64]!r} is given")
        return self
