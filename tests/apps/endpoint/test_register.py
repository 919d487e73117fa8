from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reflectree.apps.endpoint.body import ChatBody
from reflectree.apps.endpoint.register import Register, check_same
from reflectree.apps.endpoint.requests import Chat, chat_of
from reflectree.apps.endpoint.shared import Shared
from reflectree.graphs.adapters.names import Offered
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget


def chat(question: str = "Why?", run: str | None = None, word: str | None = None) -> Chat:
    body = ChatBody.model_validate({"model": "cot", "messages": [{"role": "user", "content": question}]})
    told = {name: value for name, value in (("x-reflectree-run", run), ("idempotency-key", word)) if value}
    return chat_of(body, told, Offered(("cot",), ("m",)), Budget())


def begun(run_id: str, asked: Chat) -> Shared:
    """A run that is under way until it is let go of."""

    async def work(on_event: Any) -> Any:
        await asyncio.Event().wait()

    return Shared(run_id, asked.digest, asked.model, 0.0, work, lambda: None)


def refused(register: Register, asked: Chat) -> tuple[int, str]:
    with pytest.raises(ApiError) as error:
        register.find("ann", asked)
    return error.value.status, error.value.code


async def test_a_run_is_joined_by_the_clients_word_and_by_its_name_once_it_is_done() -> None:
    register = Register()
    shared = begun("r1", chat())
    register.add("ann", shared, "w")
    assert register.find("ann", chat(word="w")) is shared
    assert register.find("ann", chat(word="w", run="r1")) is shared
    assert register.find("ann", chat(word="other", run="r1")) is shared  # a new word for a run of that name
    assert register.find("ann", chat(word="other")) is None
    assert register.find("bob", chat(word="w", run="r1")) is None
    assert register.find("ann", chat()) is None
    assert refused(register, chat(run="r1")) == (409, "run_under_way")
    await shared.cancel()
    assert register.find("ann", chat(run="r1")) is shared
    assert (register.get("ann", "r1"), register.get("bob", "r1")) == (shared, None)
    assert list(register) == [shared]


async def test_what_was_begun_with_something_else_is_not_joined() -> None:
    register = Register()
    shared = begun("r1", chat())
    register.add("ann", shared, "w")
    assert refused(register, chat("When?", word="w")) == (422, "idempotency_key_reused")
    assert refused(register, chat(word="w", run="r2")) == (422, "idempotency_key_reused")
    assert refused(register, chat("When?", run="r1")) == (409, "run_conflict")
    with pytest.raises(ApiError, match="use a new name"):
        check_same(chat("When?", run="r1"), "r1", shared.digest)
    check_same(chat(run="r1"), "r1", shared.digest)
    await shared.cancel()


async def test_the_oldest_of_those_that_ended_is_forgotten_and_what_is_under_way_never() -> None:
    register = Register(kept=2)
    runs = [begun(f"r{number}", chat()) for number in range(4)]
    for number, shared in enumerate(runs):
        register.add("ann", shared, f"w{number}")
    for number in (1, 2, 3):
        register.keep("ann", f"r{number}", f"w{number}")
    assert list(register) == [runs[0], runs[2], runs[3]]
    assert register.find("ann", chat(word="w1")) is None
    register.forget("ann", "r0", "w0")
    assert register.find("ann", chat(word="w0")) is None
    assert register.get("ann", "r0") is None
    for shared in runs:
        await shared.cancel()
