"""What the command line is given, read: a task, a blueprint with overrides, a price, a function of the user's own.

Each reader turns words into data and says in one line what is wrong with them. It knows nothing of runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task


def read_task(text: str | None, file: str | None, *, brought: str | None = None) -> dict[str, str]:
    """The task from the command line: `question` or `row` of `RunOptions`.

    Args:
        text: The question; `-` is standard input.
        file: A file with one task, as JSON or plain text; `-` is standard input.
        brought: The environment or problem that brings a task of its own.

    Raises:
        BadInput: There is no task, or more than one.
    """
    if text is not None and file is not None:
        raise BadInput("two tasks: give a text or --task, not both")
    if text is None and file is None:
        if brought is not None:
            return {}
        raise BadInput("no task: give a question, for example reflectree solve 'What is 6 times 7?', or --task FILE")
    if text is not None and text != "-":
        return {"question": text}
    content = _read(file or "-")
    if not content.lstrip().startswith("{"):
        return {"question": content.strip()}
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in lines):
        raise BadInput(f"{file or 'standard input'} holds {len(lines)} tasks: solve takes one; bench runs whole files")
    return {"row": content.strip()}


def read_overrides(settings: Sequence[str]) -> dict[str, Any]:
    """`--set PATH=VALUE` as data; values are read as YAML.

    Raises:
        BadInput: There is no equals sign, or the value is not YAML.
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals or not path.strip():
            raise BadInput(f"--set {setting!r}: write PATH=VALUE, for example --set scheme.strategy.width=2")
        import yaml

        try:
            overrides[path.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise BadInput(f"--set {setting!r}: the value is not YAML") from error
    return overrides


def read_blueprint(source: str, settings: Sequence[str] = ()) -> Blueprint:
    """A blueprint by name or file, with overrides."""
    from reflectree.graphs import blueprints

    blueprint = blueprints.load(source)
    return blueprint.with_overrides(read_overrides(settings)) if settings else blueprint


def read_price(text: str | None) -> tuple[float, float] | None:
    """`PROMPT,COMPLETION` in dollars per million tokens."""
    if text is None:
        return None
    try:
        prompt, completion = map(float, text.split(","))
    except ValueError as error:
        fix = "write PROMPT,COMPLETION in dollars per million tokens, as in 0.25,2"
        raise BadInput(f"--price {text!r}: {fix}") from error
    if not (0 <= prompt < float("inf") and 0 <= completion < float("inf")):
        raise BadInput(f"--price {text!r}: prices are numbers of at least 0")
    return prompt, completion


def read_roles(given: Sequence[str]) -> dict[str, str]:
    """Models by role from `ROLE=MODEL` words.

    Raises:
        BadInput: A word is not of this form, or names a role twice.
    """
    roles: dict[str, str] = {}
    for word in given:
        role, equals, model = word.partition("=")
        if not equals or not role or not model or role in roles:
            raise BadInput(f"--role {word!r}: write ROLE=MODEL, each role once, as in --role critic=openai/gpt-5-mini")
        roles[role] = model
    return roles


def import_function(name: str, directory: str, what: str = "evaluator") -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names.

    Raises:
        BadInput: There is no such module, file or function.
    """
    module_name, colon, function = name.rpartition(":")
    if not colon or not module_name or not function:
        raise BadInput(f"--{what} {name!r}: write module:function, or file.py:function")
    try:
        from_file = module_name.endswith(".py")
        module = _load_file(Path(directory, module_name)) if from_file else _load(module_name, directory)
        found = getattr(module, function)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise BadInput(f"cannot import the {what} {name}: {error}") from error
    if what != "tool" and not callable(found):  # a tool may be an object; what is none is told where tools are read
        raise BadInput(f"the {what} {name} is no function")
    return found  # type: ignore[no-any-return]


def task_row(task: Task) -> str:
    """A task in the words of a task file's line, without its verifier."""
    examples = [{"question": e.question, "steps": list(e.steps), "answer": e.answer} for e in task.examples]
    row: dict[str, Any] = {"question": task.question, "context": task.context, "id": task.id or None}
    row |= {"examples": examples, "form": "" if task.form == "line" else task.form}
    return json.dumps({name: value for name, value in row.items() if value})


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read the task {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the task {file} is not UTF-8 text") from error


def look_in(directory: str) -> None:
    """Let imports find the caller's own modules, after everything that is installed."""
    if directory and directory not in sys.path:
        sys.path.append(directory)


def _load(module: str, directory: str) -> Any:
    look_in(directory)
    return importlib.import_module(module)


def _load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
