from __future__ import annotations

import pytest

from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.hiding import hidden
from reflectree.models.transport import Transport
from reflectree.rlm_ops.errors import ModelUnreachable


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("http://me:pw@10.0.0.7:8000/v1 answered 500: out of memory", "the model's server answered 500: out of memory"),
        ("see HTTPS://10.0.0.7/x", "see the model's server"),
        (
            "http://gpu-7:80/v1 cannot be reached (Cannot connect to host gpu-7:80 ssl:default [Connect call failed "
            "('10.0.0.7', 80)]): is the server running there?",
            "the model's server cannot be reached",
        ),
        (
            "failed to generate at 0: http://gpu-7:80/v1 cannot be reached (Cannot connect to host gpu…",
            "failed to generate at 0: the model's server cannot be reached",
        ),
        ("the reply was cut at max_tokens=1", "the reply was cut at max_tokens=1"),
    ],
)
def test_where_the_models_are_is_not_told(said: str, told: str) -> None:
    assert hidden(said) == told


async def test_an_error_of_the_real_client_tells_no_address() -> None:
    transport = Transport("http://127.0.0.1:1/v1", {})
    with pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:1") as error:
        await transport.exchange("GET", "/models", 5.0)
    await transport.aclose()
    told = api_error(error.value)
    assert (told.status, told.code, str(told)) == (503, "model_unavailable", "the model's server cannot be reached")
