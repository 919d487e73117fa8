"""How a run is asked for, in words that can be written down, and the live parts made of them.

A checkpoint remembers these words, so that a run can be resumed by its id alone. They never hold a key, only the name
of the environment variable that does. Nothing here runs anything.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reflectree.models.base import PolicyModel, Price
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task, Verifier

DEFAULT_CALLS = 200
DEFAULT_SECONDS = 300.0
"""The caps of a run for which none was given: nobody should pay for a search without an end by accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is asked with.

    Attributes:
        question: The task as plain text, or
        row: the task as a JSON object with the fields of a task file's line.
        blueprint: The reasoning system as data, overrides applied.
        model: The model's string; `None` is the embedded one, or the only model of `base_url`.
        api_key_env: Name of the environment variable that holds the key.
        price: Dollars per million prompt and completion tokens.
        directory: Where `evaluator` and `python:` verifiers are looked for besides installed packages.
    """

    question: str = ""
    row: str = ""
    blueprint: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    price: tuple[float, float] | None = None
    judge: str | None = None
    evaluator: str | None = None
    verifier: str | None = None
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    concurrency: int = 8
    seed: int = 0
    oracle: bool = False
    directory: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunOptions:
        """What a checkpoint remembers; fields of other versions are left alone."""
        known = {spec.name for spec in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        price = values.get("price")
        return cls(**{**values, "price": tuple(price) if price else None})

    def to_json(self) -> dict[str, Any]:
        """The words to remember."""
        return asdict(self)

    def changed(self, **given: Any) -> RunOptions:
        """These options with those replaced that are given (not `None`)."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def with_default_caps(self) -> RunOptions:
        """These options, capped where no cap was given."""
        if any(cap is not None for cap in (self.calls, self.tokens, self.usd, self.seconds)):
            return self
        return replace(self, calls=DEFAULT_CALLS, seconds=DEFAULT_SECONDS)

    @property
    def budget(self) -> Budget:
        """The caps; BadInput where one is negative."""
        return Budget(self.calls, self.tokens, self.usd, self.seconds)

    def task(self) -> Task:
        """The task, with the verifier its file names."""
        if not self.row:
            return Task(self.question)
        from reflectree.graphs.tasksets.jsonl import read_task

        return read_task(self.row)

    def policy(self, on_progress: Callable[[str, float], None]) -> PolicyModel:
        """The model that writes steps; no connection is made."""
        if self.model in (None, "embedded") and not (self.base_url or self.api_key_env):
            from reflectree.models.embedded import EmbeddedPolicy

            return EmbeddedPolicy(on_progress=on_progress)
        from reflectree.models import resolve

        name = self.model if self.model is not None else "" if self.base_url else "embedded"
        price = None if self.price is None else Price(*self.price)
        return resolve.policy(name, base_url=self.base_url, api_key=self._key(), price=price)

    def judge_policy(self) -> PolicyModel | None:
        """The model that judges, where it is another one."""
        from reflectree.models import resolve

        return None if self.judge is None else resolve.policy(self.judge)

    def verifier_of(self, task: Task) -> Verifier | None:
        """The verifier given, else the task's own."""
        if self.verifier is None:
            return task.verifier
        from reflectree.rlm_ops.verifiers import parse_spec

        if self.verifier.startswith("python:"):
            _look_in(self.directory)
        return parse_spec(self.verifier)

    def evaluator_function(self) -> Callable[..., Any] | None:
        """The user's own evaluator."""
        return None if self.evaluator is None else import_function(self.evaluator, self.directory)

    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env)
        if not key:
            raise BadInput(
                f"the environment variable {self.api_key_env} is not set: export it, or name another one with "
                "--api-key-env (the name of the variable, not the key)"
            )
        return key


def read_task(text: str | None, file: str | None) -> dict[str, str]:
    """The task from the command line: `question` or `row` of `RunOptions`.

    Args:
        text: The question; `-` is standard input.
        file: A file with one task, as JSON or plain text; `-` is standard input.

    Raises:
        BadInput: There is no task, or more than one.
    """
    if text is not None and file is not None:
        raise BadInput("two tasks: give a text or --task, not both")
    if text is None and file is None:
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


def import_function(name: str, directory: str) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names.

    Raises:
        BadInput: There is no such module, file or function.
    """
    module_name, colon, function = name.rpartition(":")
    if not colon or not module_name or not function:
        raise BadInput(f"--evaluator {name!r}: write module:function, or file.py:function")
    try:
        from_file = module_name.endswith(".py")
        module = _load_file(Path(directory, module_name)) if from_file else _load(module_name, directory)
        found = getattr(module, function)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise BadInput(f"cannot import the evaluator {name}: {error}") from error
    if not callable(found):
        raise BadInput(f"the evaluator {name} is no function of a Path")
    return found  # type: ignore[no-any-return]


def task_row(task: Task) -> str:
    """A task in the words of a task file's line, without its verifier."""
    examples = [{"question": e.question, "steps": list(e.steps), "answer": e.answer} for e in task.examples]
    row = {"question": task.question, "context": task.context, "id": task.id or None, "examples": examples}
    return json.dumps({name: value for name, value in row.items() if value})


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read the task {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the task {file} is not UTF-8 text") from error


def _look_in(directory: str) -> None:
    """Let imports find the caller's own modules, after everything that is installed."""
    if directory and directory not in sys.path:
        sys.path.append(directory)


def _load(module: str, directory: str) -> Any:
    _look_in(directory)
    return importlib.import_module(module)


def _load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
