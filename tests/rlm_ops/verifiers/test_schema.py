from __future__ import annotations

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput, VerifierError

SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


def test_json_that_follows_the_schema() -> None:
    verifier = verifiers.json_schema(SCHEMA)
    assert (verifier.name, verifier.gold) == ("json-schema", False)
    assert verifier.score('{"city": "Paris"}') == 1.0
    assert verifier.score('```json\n{"city": "Paris"}\n```') == 1.0
    assert hash(verifier) == hash(verifiers.json_schema(dict(SCHEMA)))


@pytest.mark.parametrize("answer", ["", "Paris", "{}", '{"city": 5}', '{"city": "Paris"', "NaN", "[" * 100_000])
def test_anything_else(answer: str) -> None:
    assert verifiers.json_schema(SCHEMA).score(answer) == 0.0


def test_not_a_schema() -> None:
    with pytest.raises(BadInput, match="not valid"):
        verifiers.json_schema({"type": "objekt"})
    with pytest.raises(BadInput, match="not JSON"):
        verifiers.json_schema({"const": object()})


def test_references_are_not_fetched() -> None:
    verifier = verifiers.json_schema({"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(VerifierError, match="cannot be applied"):
        verifier.score("{}")
