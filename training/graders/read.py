"""From a description to a grader; whatever is wrong with one is said before anything is graded."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any, get_args

from reflectree.models.base import Message, PolicyModel, Role
from reflectree.models.calling import Caller
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.graders.base import Grader, check_template
from reflectree.training.graders.judged import ScoreModel
from reflectree.training.graders.literal import METRICS, OPERATIONS, StringCheck, TextSimilarity
from reflectree.training.graders.programmed import MultiGrader, PythonGrader, check_formula

Description = Mapping[str, Any]


def grader(
    description: Description | str | FilePath, *, ledger: Ledger | None = None, model: PolicyModel | None = None
) -> Grader:
    """The grader that a description, or a JSON or YAML file with one, stands for.

    Args:
        description: `{"type": "string_check", "name": ..., ...}` with the fields of OpenAI's graders.
        ledger: The account that `score_model` graders spend from; one without caps if absent.
        model: Takes the place of the models that `score_model` graders name.

    Raises:
        BadInput: It stands for none.
    """
    account = ledger if ledger is not None else Ledger(Budget())
    return _read(_loaded(description), account, model, "grader")


def _loaded(description: Description | str | FilePath) -> Description:
    if isinstance(description, Mapping):
        return description
    try:
        text = FilePath(description).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read the grader {description}: {error.strerror}") from error
    import yaml

    try:
        loaded = json.loads(text) if str(description).endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{description} is neither JSON nor YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(loaded, Mapping):
        raise BadInput(f"{description} holds no grader: write an object with a type")
    return loaded


def _read(given: Description, ledger: Ledger, model: PolicyModel | None, name: str) -> Grader:
    fields = _Fields(given, name)
    kind = fields.one_of("type", _READERS)
    read = _READERS[kind](fields, ledger, model)
    fields.finish()
    return read


class _Fields:
    """The fields of one description; those that nobody asked for are an error."""

    def __init__(self, given: Description, name: str) -> None:
        self.left = dict(given)
        self.name = str(self.left.pop("name", name))

    def take(self, field: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        value = self.left.pop(field, default)
        if value is ...:
            raise BadInput(f"the grader {self.name} lacks {field!r}")
        if value is not default and (isinstance(value, bool) or not isinstance(value, kind)):
            raise BadInput(f"the grader {self.name}: {field} cannot be {value!r}")
        return value

    def one_of(self, field: str, choices: Mapping[str, object]) -> str:
        value = self.take(field, str)
        if value not in choices:
            raise BadInput(f"the grader {self.name}: {field} is one of {', '.join(choices)}, not {value!r}")
        return str(value)

    def template(self, field: str) -> str:
        return check_template(self.take(field, str))

    def threshold(self) -> float | None:
        value = self.take("pass_threshold", (int, float), None)
        return None if value is None else float(value)

    def finish(self) -> None:
        if self.left:
            raise BadInput(f"the grader {self.name} has no field {min(self.left)!r}")


def _string_check(fields: _Fields, ledger: Ledger, model: PolicyModel | None) -> Grader:
    return StringCheck(
        fields.name, fields.template("input"), fields.template("reference"), fields.one_of("operation", OPERATIONS)
    )


def _similarity(fields: _Fields, ledger: Ledger, model: PolicyModel | None) -> Grader:
    metric = fields.one_of("evaluation_metric", METRICS)
    return TextSimilarity(
        fields.name, fields.template("input"), fields.template("reference"), metric, fields.threshold()
    )


def _python(fields: _Fields, ledger: Ledger, model: PolicyModel | None) -> Grader:
    source = fields.take("source", str)
    fields.take("image_tag", str, "")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise BadInput(f"the grader {fields.name}: line {error.lineno} of its source is no Python") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "grade" for node in tree.body):
        raise BadInput(f"the grader {fields.name}: its source defines no function grade(sample, item)")
    return PythonGrader(fields.name, source)


def _score_model(fields: _Fields, ledger: Ledger, model: PolicyModel | None) -> Grader:
    named = fields.take("model", str, "")
    if model is None and not named:
        raise BadInput(f"the grader {fields.name} lacks 'model'")
    turns = tuple(_turn(turn, fields.name) for turn in fields.take("input", list))
    span = fields.take("range", list, [0.0, 1.0])
    if len(span) != 2 or not all(isinstance(end, int | float) for end in span) or not span[0] < span[1]:
        raise BadInput(f"the grader {fields.name}: range is [lowest, highest], not {span}")
    sampling = fields.take("sampling_params", dict, {})
    return ScoreModel(
        fields.name,
        turns,
        Caller(model if model is not None else resolve_policy(named), ledger),
        (float(span[0]), float(span[1])),
        fields.threshold(),
        sampling.get("seed"),
        int(sampling.get("max_completions_tokens") or sampling.get("max_tokens") or 512),
    )


def _turn(turn: Any, name: str) -> Message:
    content = turn.get("content") if isinstance(turn, Mapping) else None
    if isinstance(content, Mapping):
        content = content.get("text")
    if not isinstance(content, str):
        raise BadInput(f"the grader {name}: input is a list of turns, each with a role and a content")
    named = str(turn.get("role", "user"))
    role: Any = "system" if named == "developer" else named
    if role not in get_args(Role):
        raise BadInput(f"the grader {name}: a turn's role is system, developer, user or assistant, not {role!r}")
    if role == "system" and "{{" in content:
        raise BadInput(f"the grader {name}: a system turn is no place for text of tasks and replies; use a user turn")
    return Message(role, check_template(content))


def _multi(fields: _Fields, ledger: Ledger, model: PolicyModel | None) -> Grader:
    parts = fields.take("graders", dict)
    if not parts or any(isinstance(part, Mapping) and part.get("type") == "multi" for part in parts.values()):
        raise BadInput(f"the grader {fields.name}: graders is an object of graders by name, none of type multi")
    graders = {name: _read(part, ledger, model, name) for name, part in parts.items()}
    return MultiGrader(fields.name, graders, check_formula(fields.take("calculate_output", str), graders))


_READERS: Mapping[str, Callable[[_Fields, Ledger, PolicyModel | None], Grader]] = {
    "string_check": _string_check,
    "text_similarity": _similarity,
    "python": _python,
    "score_model": _score_model,
    "multi": _multi,
}
