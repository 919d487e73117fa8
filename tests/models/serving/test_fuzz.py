"""Whatever is sent, the answer is a score or a refusal in OpenAI's form, and never a defect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.serving.conftest import Client

from reflectree.models.serving.app import ENDPOINTS

PATHS = [path for endpoint in ENDPOINTS for path in endpoint.paths]
FIELDS = sorted({(field.alias or name) for endpoint in ENDPOINTS for name, field in endpoint.body.model_fields.items()})
INNER = ["question", "messages", "steps", "against", "role", "content", "type", "text", "instructions", "criteria",
         "choices", "levels", "label", "value", "description", "name"]  # fmt: skip
WORDS = ["user", "assistant", "noul", "choice", "score", "predicate", "text", "model", "min", "fake", "a<extra_0>", ""]

texts = st.text(max_size=12) | st.sampled_from(WORDS)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER) | texts, inner, max_size=4),
    max_leaves=12,
)
turns = st.lists(st.fixed_dictionaries({"role": st.sampled_from(WORDS[:2]), "content": texts}), max_size=3)
items = st.lists(st.fixed_dictionaries({"question": texts, "steps": st.lists(texts, max_size=3)}), max_size=3)
named = st.dictionaries(texts, st.fixed_dictionaries({"type": st.sampled_from(WORDS[2:5]), "criteria": values}))
asked = st.lists(st.fixed_dictionaries({"type": st.sampled_from(WORDS[3:6]), "instructions": texts}), max_size=3)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "items": items, "messages": turns, "input": texts | st.lists(texts, max_size=3), "queries": texts,
        "documents": st.lists(texts, max_size=3), "texts": st.lists(texts, max_size=3), "query": texts,
        "inputs": st.lists(st.lists(texts, max_size=2), max_size=2), "state": values, "questions": asked | named,
    },
)  # fmt: skip
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=5) | plausible | values


CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=12, suppress_health_check=CALM)
@given(path=st.sampled_from(PATHS), body=bodies)
def test_no_body_is_a_defect(path: str, body: Any, client: Client) -> None:
    _check(client, path, json.dumps(body).encode())


@pytest.mark.slow
@settings(max_examples=500, suppress_health_check=CALM)
@given(path=st.sampled_from(PATHS), body=bodies)
def test_none_of_many_bodies_is_a_defect(path: str, body: Any, client: Client) -> None:
    _check(client, path, json.dumps(body).encode())


@settings(max_examples=15, suppress_health_check=CALM)
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=60))
def test_no_bytes_are_a_defect(path: str, body: bytes, client: Client) -> None:
    _check(client, path, body)


def _check(client: Client, path: str, body: bytes) -> None:
    reply = client.post(path, body)
    assert reply.status_code in (200, 400, 404, 422), (path, body, reply.text)
    if reply.status_code != 200:
        assert set(reply.json()["error"]) == {"message", "type", "code", "param"}
