"""`json_schema`: the answer is JSON that follows a schema. It checks a form, so it is not gold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.extras import require

_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """Right where the answer parses as JSON and follows the schema, kept as JSON text."""

    schema: str
    name: str = "json-schema"
    gold: bool = False

    def score(self, answer: str) -> float:
        """1 for JSON that follows the schema, else 0.

        Raises:
            VerifierError: The schema itself fails, for example on a reference that cannot be resolved.
        """
        try:
            value = json.loads(_unfenced(answer), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return 0.0
        try:
            return float(_validator(self.schema).is_valid(value))
        except RecursionError:
            return 0.0
        except Exception as error:
            raise VerifierError(f"the JSON schema cannot be applied: {error}") from error


def json_schema(schema: Mapping[str, Any] | bool) -> JsonSchema:
    """A verifier of JSON answers; references to other documents are not fetched.

    Raises:
        BadInput: The schema is not a valid JSON schema.
        MissingExtra: The `jsonschema` package is not installed.
    """
    try:
        text = json.dumps(schema, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise BadInput(f"the JSON schema is not JSON: {error}") from error
    _validator(text)
    return JsonSchema(text)


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:  # jsonschema's validator classes share no public type
    library = require("jsonschema", "verify", "a JSON-schema verifier")
    registry = require("referencing", "verify", "a JSON-schema verifier").Registry()
    schema = json.loads(text)
    kind = library.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except library.exceptions.SchemaError as error:
        raise BadInput(f"the JSON schema is not valid: {error.message}") from error
    return kind(schema, registry=registry)


def _unfenced(answer: str) -> str:
    """An answer without the code fence around it."""
    text = answer.strip()[:_LONGEST]
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text.partition("\n")[2].removesuffix("```")
    return text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
