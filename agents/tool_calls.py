"""One tool, and how an action calls it: arguments read from text, the call carried out, the result as words.

Arguments are data: nothing in them is evaluated. Which tools a run has, and what they are made from, is not known here.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import contextvars
import inspect
import json
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError


class BadCall(ValueError):
    """Arguments that do not fit the tool, in words for the model."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as steps see it.

    Attributes:
        name: What an action calls it.
        description: One line for the prompt: what it does and its arguments.
        arguments: The names of its arguments, in order.
        run: Carries out a call; gets the arguments by name and returns what is observed. One that is no coroutine
            function is run in a thread of its own.
        literals: Arguments that are no text, so that `3` or `[1, 2]` stands for a value.
    """

    name: str
    description: str
    arguments: tuple[str, ...]
    run: Callable[[dict[str, Any]], Any]
    literals: frozenset[str] = field(default=frozenset())

    async def call(self, text: str) -> str:
        """What is observed when an action calls the tool with the arguments that `text` gives.

        Raises:
            BadCall: The arguments do not fit.
        """
        arguments = self.read(text)
        try:
            result = self.run(arguments) if inspect.iscoroutinefunction(self.run) else in_thread(self.run, arguments)
            result = await result
            if inspect.isawaitable(result):  # of a callable object, which does not tell that it is async
                result = await result
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise BadCall(f"{self.name}: {place}: {first['msg']}; it takes {self._takes}") from error
        return result if isinstance(result, str) else await in_thread(_as_json, result)

    def read(self, text: str) -> dict[str, Any]:
        """Arguments by name: a JSON object, `name=value` pairs, or values in order; one argument takes the whole text.

        Raises:
            BadCall: They cannot be read, or name an argument that is not there.
        """
        text = text.strip()
        if text.startswith("{") and (given := self._read_object(text)) is not None:
            return given
        if len(self.arguments) == 1:
            (name,) = self.arguments
            stripped = re.sub(rf"^{re.escape(name)}\s*=(?!=)\s*", "", text)
            quoted = stripped[:1] in ("'", '"') or name in self.literals
            return {name: _literal(stripped) if quoted else stripped} if text else {}
        return self._read_call(text) if text else {}

    @property
    def _takes(self) -> str:
        return ", ".join(self.arguments) or "nothing"

    def _read_object(self, text: str) -> dict[str, Any] | None:
        """The arguments in a JSON object; `None` where the text is the only argument itself."""
        alone = len(self.arguments) == 1
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            if alone:
                return None
            raise BadCall(f"{self.name}: the arguments are not JSON: {error}") from error
        if alone and self.arguments[0] not in value:
            return None
        return self._known(value)

    def _read_call(self, text: str) -> dict[str, Any]:
        try:
            node = _parsed(f"f({text})")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BadCall(f"{self.name}: cannot read the arguments {text!r:.80}; it takes {self._takes}") from error
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):  # it held brackets of its own
            raise BadCall(f"{self.name}: cannot read the arguments {text!r:.80}; it takes {self._takes}")
        if len(node.args) > len(self.arguments):
            raise BadCall(f"{self.name}: {len(node.args)} arguments; it takes {self._takes}")
        values = [_value(value) for value in node.args]
        named = {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}
        return self._known({**dict(zip(self.arguments, values, strict=False)), **named})

    def _known(self, arguments: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in arguments if name not in self.arguments]
        if unknown:
            raise BadCall(f"{self.name}: no argument {unknown[0]!r:.80}; it takes {self._takes}")
        return arguments


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a daemon thread of its own: one that hangs holds up neither the loop nor the program's end."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: Exception | None) -> None:
        if not outcome.done():  # given up meanwhile
            outcome.set_exception(error) if error is not None else outcome.set_result(result)

    def work() -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = context.run(function, *arguments)
        except StopIteration as stopped:  # a future cannot hold it
            error = RuntimeError(f"StopIteration: {stopped}")
        except BaseException as raised:  # whatever it is, it is the waiter's
            error = raised if isinstance(raised, Exception) else RuntimeError(f"{type(raised).__name__}: {raised}")
        with contextlib.suppress(RuntimeError):  # the loop is over, and nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="reflectree-tool", daemon=True).start()
    return await outcome


def _as_json(result: Any) -> str:
    return json.dumps(result, ensure_ascii=False, default=str)


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # models write LaTeX and patterns with single backslashes
        return ast.parse(text, mode="eval").body


def _value(node: ast.expr) -> Any:
    """The value of a literal; anything else is its own text. Nothing is evaluated."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ast.unparse(node)


def _literal(text: str) -> Any:
    """The value a text stands for as a literal, of Python or JSON; else the text. Nothing is evaluated."""
    try:
        return ast.literal_eval(_parsed(text))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
