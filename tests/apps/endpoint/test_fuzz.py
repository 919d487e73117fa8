"""Whatever is sent, the answer is a reply or a refusal in OpenAI's form, and never a defect."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.apps.endpoint.conftest import ASK, Start
from tests.apps.endpoint.small_service import scripted, serving

from reflectree.apps.endpoint.body import ChatBody

CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
WORDS = ["user", "assistant", "tool", "text", "function", "json_schema", "object", "mcts/scripted", "auto", "", "\x00"]
INNER = ["role", "content", "type", "text", "function", "name", "parameters", "properties", "tool_calls", "arguments",
         "id", "tool_call_id", "json_schema", "schema", "include_usage", "$ref"]  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(WORDS)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner, max_size=4),
    max_leaves=12,
)
JSON = {"content-type": "application/json"}
bodies = st.dictionaries(st.sampled_from(sorted(ChatBody.model_fields)), values, max_size=5)


@settings(max_examples=40, suppress_health_check=CALM)
@given(fields=bodies, whole=st.booleans())
def test_no_body_is_a_defect(http: httpx.Client, fields: dict[str, Any], whole: bool) -> None:
    body = {**ASK, **fields} if whole else fields
    reply = http.post("/v1/chat/completions", content=json.dumps(body).encode(), headers=JSON)
    _check(reply.status_code, reply.text, body)


@settings(max_examples=30, suppress_health_check=CALM)
@given(raw=st.binary(max_size=60))
def test_no_bytes_are_a_defect(http: httpx.Client, raw: bytes) -> None:
    reply = http.post("/v1/chat/completions", content=raw, headers=JSON)
    _check(reply.status_code, reply.text, raw)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_thousand_malformed_requests_of_schemathesis_are_no_defect(start: Start) -> None:
    """Requests that break the description as served, in every place: never a status of 500, always the one form."""
    schemathesis = pytest.importorskip("schemathesis")
    client = start(scripted("Answer: 1"))
    schema = schemathesis.openapi.from_url(f"{client.url}/openapi.json")
    seen: Counter[int] = Counter()

    def send(case: Any) -> None:
        reply = case.call(timeout=20)
        seen[reply.status_code] += 1
        _check(reply.status_code, reply.text, case.body, all_statuses=True)

    for operation in schema.get_all_operations():
        found = operation.ok()
        chats = found.path == "/v1/chat/completions"
        modes = schemathesis.GenerationMode  # what takes nothing cannot be asked in a wrong way
        strategy = found.as_strategy(generation_mode=modes.NEGATIVE if chats else modes.POSITIVE)
        many = settings(
            max_examples=1000 if chats else 30,
            suppress_health_check=CALM,
            phases=[Phase.generate],
            database=None,
            derandomize=True,
        )
        many(given(case=strategy)(send))()
    print(dict(seen))
    assert sum(seen.values()) >= 1000
    assert not seen[500]
    assert client.service.in_flight == 0


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """The one server of all examples."""
    with serving(scripted("Answer: 1")) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


def _check(status: int, text: str, body: Any, *, all_statuses: bool = False) -> None:
    assert status != 500, (body, text)
    if not all_statuses:
        assert status in (200, 400, 404, 422, 502), (status, body, text)
    if status >= 400:
        assert set(json.loads(text)["error"]) == {"message", "type", "code", "param"}
