from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from reflectree.agents.tool_calls import BadCall, Tool
from reflectree.agents.tools import BUILT_IN, check_tools, named, read_tools
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.settings import Enrich

needs_sandbox = pytest.mark.skipif(bool(available()), reason=available())


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def echo(text: str) -> str:
    """Say it again."""
    return text


def total(numbers: list[int]) -> int:
    """Add them all up."""
    return sum(numbers)


class Where(BaseModel):
    """Where to look."""

    city: str
    unit: Literal["C", "F"] = "C"
    days: int = Field(ge=1, le=7)


@tool(args_schema=Where)
def weather(city: str, unit: str, days: int) -> str:
    """The weather to come."""
    return f"{city}: {days} days in {unit}"


def only(entry: Any) -> Tool:
    (made,) = read_tools([entry]).values()
    return made


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [("2, 3", "5"), ("2", "3"), ("a=2, b=5", "7"), ('{"a": 2, "b": "4"}', "6"), ("b=3, a=1", "4"), ("'2', 2", "4")],
)
async def test_a_typed_function_takes_arguments_in_any_usual_way(arguments: str, seen: str) -> None:
    assert await only(add).call(arguments) == seen


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("1, 2, 3", "3 arguments; it takes a, b"),
        ("two", "a: Input should be a valid integer.*it takes a, b"),
        ("", "a: .*required"),
        ("c=3", "no argument 'c'"),
        ('{"a": 1, "z": 2}', "no argument 'z'"),
        ('{"a": 1', "not JSON"),
        ("1, (", "cannot read the arguments"),
        ("1)(2", "cannot read the arguments"),
        ("(" * 500, "cannot read the arguments"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_of(arguments: str, why: str) -> None:
    with pytest.raises(BadCall, match=why):
        await only(add).call(arguments)


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ("any, text (at all)", "any, text (at all)"),
        ('"quoted"', "quoted"),
        ("text=named", "named"),
        ("text == 3", "text == 3"),
        ('{"text": "in JSON"}', "in JSON"),
        ("{x for x in y}", "{x for x in y}"),
        ('{"other": 1}', '{"other": 1}'),
        (r'"\d+ \sigma"', r"\d+ \sigma"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
    ],
)
async def test_one_argument_takes_the_whole_text(arguments: str, seen: str) -> None:
    assert await only(echo).call(arguments) == seen


@given(st.text(max_size=40), st.sampled_from(["add", "echo", "total", "now"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    tool = read_tools([add, echo, total, Tool("now", "now[]", (), lambda arguments: "now")])[name]
    try:
        assert set(tool.read(text)) <= set(tool.arguments)
    except BadCall:
        pass


async def test_arguments_that_are_no_text_are_read_as_values() -> None:
    assert await only(total).call("[1, 2, 3]") == "6"
    assert await only(total).call("numbers=[4]") == "4"
    with pytest.raises(BadCall, match="valid list"):
        await only(total).call("__import__('os')")


async def test_a_langchain_tool_with_a_schema() -> None:
    made = only(weather)
    assert made.description == "weather[city: string, unit: string, days: integer]: The weather to come."
    assert await made.call("Rome, days=2") == "Rome: 2 days in C"
    with pytest.raises(BadCall, match="unit: Input should be 'C' or 'F'"):
        await made.call('{"city": "Rome", "unit": "K", "days": 1}')
    with pytest.raises(BadCall, match="days: Input should be less than or equal to 7"):
        await made.call("Rome, C, 8")


class Slow(BaseTool):
    name: str = "slow"
    description: str = "Takes its time."

    def _run(self, text: str) -> str:
        raise AssertionError("the async way is there")

    async def _arun(self, text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()


async def shout(text: str) -> str:
    """Say it loudly."""
    await asyncio.sleep(0)
    return text.upper()


class Later:
    """A callable object that does not tell that it is async."""

    async def __call__(self, arguments: dict[str, Any]) -> str:
        return str(arguments["text"]).upper()


@pytest.mark.parametrize("entry", [Slow(), shout, Tool("later", "later[text]", ("text",), Later())])
async def test_async_tools_are_awaited(entry: Any) -> None:
    assert await only(entry).call("hi") == "HI"


async def test_what_is_no_text_is_shown_as_json() -> None:
    made = Tool("any", "any[]", (), lambda arguments: {"ä": [1, None], "when": threading})
    assert (await made.call("")).startswith('{"ä": [1, null], "when": "<module')


def throw(error: BaseException, arguments: dict[str, Any]) -> str:
    raise error


async def test_what_a_tool_raises_is_the_callers() -> None:
    for error, kind in (
        (KeyError("x"), KeyError),
        (StopIteration(1), RuntimeError),
        (SystemExit(3), RuntimeError),
        (TypeError("its own"), TypeError),
    ):
        with pytest.raises(kind):
            await Tool("stop", "stop[]", (), functools.partial(throw, error)).call("")


async def test_a_sync_tool_that_hangs_blocks_nobody() -> None:
    gate = threading.Event()

    def hang(text: str) -> str:
        """Wait."""
        gate.wait(30)
        return text

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await only(hang).call("x")
    assert time.monotonic() - began < 5
    gate.set()  # its late result finds nobody
    for thread in threading.enumerate():
        if thread.name == "reflectree-tool":
            assert thread.daemon
            thread.join(5)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["abacus"], "no built-in tool 'abacus': there are calculator, python"),
        ([3], "3 is no tool"),
        ([add, add], "two tools are called 'add'"),
        ([Tool("finish", "", (), str)], "cannot be called 'finish'"),
        ([Tool("a b", "", (), str)], "cannot be called 'a b'"),
        ([lambda x: x], "give a function with a name, types and a docstring"),
        ([functools.partial(add, 1)], "give a function with a name, types and a docstring"),
    ],
)
def test_what_is_no_tool_is_refused(given: list[Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        read_tools(given)


def test_names_are_found_whatever_their_case() -> None:
    tools = read_tools([echo, "calculator"])
    assert list(tools) == ["echo", "calculator"]
    assert named(tools, "Calculator") is tools["calculator"]
    assert named(tools, "search") is None


async def test_the_calculator() -> None:
    calculator = only("calculator")
    assert await calculator.call("(3 + 5) * 7 / 2") == "28"
    assert await calculator.call("expression=10/4") == "5/2 = 2.5"
    assert (await calculator.call("10**64 * 10**64 * 10**64 * 10**64 * 10**64 / 3")).endswith("/3")
    with pytest.raises(BadInput, match="no arithmetic"):
        await calculator.call("__import__('os').system('true')")


@needs_sandbox
async def test_python_runs_in_the_sandbox() -> None:
    python = only("python")
    assert await python.call("print(6 * 7)") == "42"
    assert await python.call("```python\nprint([1, 2])\n```") == "[1, 2]"
    assert await python.call("x = 1") == "(nothing was printed)"
    seen = await python.call("print('so far')\nimport socket\nsocket.socket()")
    assert seen.startswith("so far\nerror: ")
    assert "PermissionError" in seen
    assert set(BUILT_IN) == {"calculator", "python"}


def test_a_blueprint_that_acts_needs_tools() -> None:
    acting = Enrich(kind="tool")
    with pytest.raises(BadInput, match=r"react acts with tools: give tools=\[...\]"):
        check_tools(acting, {}, "react")
    check_tools(acting, read_tools(["calculator"]), "react")
    check_tools(Enrich(variants={"reflect": {"kind": "reflect"}}), {}, "lats")


def test_code_needs_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.rlm_ops.sandbox.available", lambda: "no seccomp")
    with pytest.raises(BadInput, match=r"rstar-math runs code a model wrote, and there is no sandbox here: no seccomp"):
        check_tools(Enrich(variants={"run": {"kind": "code"}}), {}, "rstar-math")
    with pytest.raises(BadInput, match="the tool python runs code"):
        read_tools(["python"])
