from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reflectree.apps.endpoint.body import ChatBody
from reflectree.apps.endpoint.keys import ANYONE, Key, Keys, digest_of
from reflectree.apps.endpoint.limits import Limits
from reflectree.apps.endpoint.offering import offer
from reflectree.apps.endpoint.requests import Chat, chat_of
from reflectree.apps.endpoint.running import Running
from reflectree.apps.endpoint.service import Service
from reflectree.models.base import Price, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected

ANN = Key(name="ann", digest=digest_of("sk-ann"))


class Model(ScriptedPolicy):
    """Says the last word it is asked, and can be held."""

    def __init__(self, **options: Any) -> None:
        super().__init__(self._say, **options)
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Any:
        self.asked.append(request)
        await self.open.wait()
        return await super().complete(request)

    def _say(self, request: Request, index: int) -> str:
        word = request.messages[-1].content.split("?")[0].split()[-1]
        return f"It is {word}.\nAnswer: {word}"


def service_of(model: Any, **options: Any) -> Service:
    return Service(offer([model], ["cot"], concurrency=4), **options)


@asynccontextmanager
async def begun(model: Any, **options: Any) -> AsyncIterator[Service]:
    service = service_of(model, **options)
    await service.begin()
    try:
        yield service
    finally:
        await service.end()


def chat(service: Service, word: str = "seven", **headers: str) -> Chat:
    body = ChatBody.model_validate({"model": "cot", "messages": [{"role": "user", "content": f"What is {word}?"}]})
    return chat_of(
        body, {name.replace("_", "-"): value for name, value in headers.items()}, service.offered, service.caps
    )


async def said(running: Running) -> str:
    return (await running.reply()).said.text


async def soon(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_many_at_once_and_each_its_own() -> None:
    model = Model()
    async with begun(model) as service:
        runs = [await service.start(chat(service, f"n{number}"), ANYONE) for number in range(50)]
        assert service.gate.under_way == 50
        assert [await said(run) for run in runs] == [f"n{number}" for number in range(50)]
        assert len({run.run_id for run in runs}) == 50
        assert service.gate.under_way == 0
        assert not model.closed
    assert model.closed


@pytest.mark.parametrize("kept", [False, True])
async def test_the_same_word_joins_the_run_or_its_reply(kept: bool, tmp_path: Path) -> None:
    model = Model()
    async with begun(model, checkpoint=tmp_path / "runs.sqlite" if kept else None) as service:
        model.open.clear()
        first = await service.start(chat(service, idempotency_key="w"), ANYONE)
        second = await service.start(chat(service, idempotency_key="w"), ANYONE)
        assert first.run_id == second.run_id
        await first.stirred(5)
        await first.cancel()  # one hangs up: the run is the other's
        model.open.set()
        assert await said(second) == "seven"
        third = await service.start(chat(service, idempotency_key="w"), ANYONE)
        assert await said(third) == "seven"
        assert len(model.requests) == 1
        with pytest.raises(ApiError) as error:
            await service.start(chat(service, "eight", idempotency_key="w"), ANYONE)
        assert (error.value.status, error.value.code) == (422, "idempotency_key_reused")
        assert "attached_total 2.0" in service.metrics_text()


@pytest.mark.parametrize("kept", [False, True])
async def test_a_run_that_nobody_waits_for_any_more_ends(kept: bool, tmp_path: Path) -> None:
    model = Model()
    async with begun(model, checkpoint=tmp_path / "runs.sqlite" if kept else None) as service:
        model.open.clear()
        run = await service.start(chat(service, x_reflectree_run="mine", idempotency_key="w"), ANYONE)
        await run.stirred(5)
        await run.cancel()
        assert service.gate.under_way == 0
        assert "cancelled_total 1.0" in service.metrics_text()
        state = await service.run_state("mine", ANYONE)
        assert (state and state.state) == ("interrupted" if kept else None)
        model.open.set()
        assert (
            await said(await service.start(chat(service, x_reflectree_run="mine", idempotency_key="w"), ANYONE))
            == "seven"
        )


async def test_a_name_is_its_keys_own(tmp_path: Path) -> None:
    bob = Key(name="bob", digest=digest_of("sk-bob"))
    async with begun(Model(), keys=Keys([ANN, bob]), checkpoint=tmp_path / "runs.sqlite") as service:
        anns = chat(service, x_reflectree_run="mine", idempotency_key="w")
        assert await said(await service.start(anns, ANN)) == "seven"
        assert await service.run_state("mine", bob) is None
        bobs = chat(service, "eight", x_reflectree_run="mine", idempotency_key="w")
        assert await said(await service.start(bobs, bob)) == "eight"
        state = await service.run_state("mine", ANN)
        assert state is not None
        assert state.replied is not None
        assert (state.state, state.replied.said.text, state.replied.result.run_id) == ("finished", "seven", "mine")


async def test_a_name_alone_is_taken_while_its_run_is_under_way(tmp_path: Path) -> None:
    model = Model()
    async with begun(model, checkpoint=tmp_path / "runs.sqlite") as service:
        model.open.clear()
        run = await service.start(chat(service, x_reflectree_run="mine"), ANYONE)
        with pytest.raises(ApiError) as error:
            await service.start(chat(service, x_reflectree_run="mine"), ANYONE)
        assert (error.value.status, error.value.code) == (409, "run_under_way")
        model.open.set()
        await run.reply()
        await asyncio.sleep(0)
        assert await said(await service.start(chat(service, x_reflectree_run="mine"), ANYONE)) == "seven"
        with pytest.raises(ApiError) as error:
            await service.start(chat(service, "eight", x_reflectree_run="mine"), ANYONE)
        assert (error.value.status, error.value.code) == (409, "run_conflict")


async def test_limits_are_the_keys(tmp_path: Path) -> None:
    model = Model()
    key = Key(name="ann", digest=digest_of("sk-ann"), concurrent=1)
    async with begun(model, keys=Keys([key]), limits=Limits(concurrent=5)) as service:
        model.open.clear()
        run = await service.start(chat(service), key)
        with pytest.raises(ApiError) as error:
            await service.start(chat(service), key)
        assert (error.value.status, error.value.code) == (429, "too_many_runs")
        assert 'refused_total{key="ann",reason="too_many_runs"} 1.0' in service.metrics_text()
        model.open.set()
        await run.reply()
        await asyncio.sleep(0)
        assert await said(await service.start(chat(service, "eight"), key)) == "eight"


async def test_what_was_spent_is_kept_over_a_restart(tmp_path: Path) -> None:
    model = Model(price=Price(1000.0, 1000.0))  # a tenth of a cent a token
    key = Key(name="ann", digest=digest_of("sk-ann"), tokens_per_day=1500)
    options: dict[str, Any] = {"keys": Keys([key]), "checkpoint": tmp_path / "runs.sqlite"}
    async with begun(model, **options) as service:
        replied = await (await service.start(chat(service), key)).reply()
        spent = replied.result.usage.tokens
        await asyncio.sleep(0)
    async with begun(Model(), **options) as service:
        grant = service.gate.enter(key, Budget())
        assert grant.budget.tokens == 1500 - spent


@pytest.mark.parametrize("kept", [False, True])
async def test_who_hangs_up_pays_for_the_calls_under_way(kept: bool, tmp_path: Path) -> None:
    model = Model(price=Price(1000.0, 2000.0))
    key = Key(name="ann", digest=digest_of("sk-ann"), tokens_per_day=9000, usd_per_day=50.0)
    options: dict[str, Any] = {"keys": Keys([key]), "checkpoint": tmp_path / "runs.sqlite" if kept else None}
    async with begun(model, **options) as service:
        model.open.clear()
        run = await service.start(chat(service), key)
        await soon(lambda: model.asked)
        await run.cancel()
        (request,) = model.asked
        most = model.prompt_bound(request) + request.max_tokens
        usd = Price(1000.0, 2000.0).of(model.prompt_bound(request), request.max_tokens)
        left = service.gate.enter(key, Budget()).budget
        assert left.tokens == 9000 - most
        assert left.usd == pytest.approx(50.0 - usd)
        assert f'tokens_total{{blueprint="cot",key="ann",kind="completion"}} {request.max_tokens:.1f}' in (
            service.metrics_text()
        )
    if kept:
        async with begun(Model(price=Price(1000.0, 2000.0)), **options) as service:
            assert service.gate.enter(key, Budget()).budget.tokens == 9000 - most


async def test_a_run_that_the_servers_end_interrupts_is_paid_once(tmp_path: Path) -> None:
    """What was under way at the end is the server's loss, and what was saved is on the bill of who goes on with it."""
    model = Model()
    key = Key(name="ann", digest=digest_of("sk-ann"), tokens_per_day=9000)
    options: dict[str, Any] = {"keys": Keys([key]), "checkpoint": tmp_path / "runs.sqlite"}
    async with begun(model, **options) as service:
        model.open.clear()
        run = await service.start(chat(service, x_reflectree_run="mine"), key)
        await soon(lambda: model.asked)
    assert run.done
    async with begun(Model(), **options) as service:
        await soon(lambda: service.gate.under_way == 0)
        state = await service.run_state("mine", key)
        assert state is not None
        assert state.replied is not None
        assert service.gate.enter(key, Budget()).budget.tokens == 9000 - state.replied.result.usage.tokens


async def test_a_restart_goes_on_with_what_was_under_way(tmp_path: Path) -> None:
    held = Model()
    options: dict[str, Any] = {"keys": Keys([ANN]), "checkpoint": tmp_path / "runs.sqlite"}
    async with begun(held, **options) as service:
        held.open.clear()
        run = await service.start(chat(service, x_reflectree_run="mine"), ANN)
        await run.stirred(5)
        state = await service.run_state("mine", ANN)
        assert (state and state.state) == "running"
    model = Model()
    async with begun(model, **options) as service:
        state = await service.run_state("mine", ANN)
        assert (state and state.state) == "running"
        await soon(lambda: service.gate.under_way == 0)
        state = await service.run_state("mine", ANN)
        assert (state and state.state) == "finished"
        assert "recovered_total 1.0" in service.metrics_text()
        assert "cancelled_total 0.0" in service.metrics_text()
    async with begun(Model(), **options) as service:  # once
        assert service.gate.under_way == 0


async def test_what_cannot_be_gone_on_with_waits_and_is_no_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = Model()
    async with begun(held, keys=Keys([ANN]), checkpoint=tmp_path / "runs.sqlite") as service:
        held.open.clear()
        await (await service.start(chat(service, x_reflectree_run="mine"), ANN)).stirred(5)
    async with begun(Model(), checkpoint=tmp_path / "runs.sqlite") as service:
        assert service.gate.under_way == 0
    assert "run mine is of the key ann, which is gone" in caplog.text
    other = Service(offer([Model(name="other")], ["cot"]), keys=Keys([ANN]), checkpoint=tmp_path / "runs.sqlite")
    await other.begin()
    await asyncio.sleep(0.01)
    await other.end()


async def test_why_a_run_failed_is_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "runs.sqlite"}
    broken = ScriptedPolicy(lambda request, index: ModelRejected("no such model", 404))
    async with begun(broken, **options) as service:
        run = await service.start(chat(service, x_reflectree_run="mine"), ANYONE)
        with pytest.raises(ModelRejected, match="no such model"):
            await run.reply()
        assert 'run_errors_total{error="ModelRejected"} 1.0' in service.metrics_text()
    async with begun(broken, **options) as service:
        state = await service.run_state("mine", ANYONE)
        assert state is not None
        assert isinstance(state.error, ApiError)
        assert (state.state, state.error.status) == ("failed", 502)
        assert "no such model" in str(state.error)


async def test_while_it_is_known_that_nothing_can_be_saved_nothing_is_begun(tmp_path: Path) -> None:
    model = Model()
    async with begun(model, checkpoint=tmp_path / "runs.sqlite") as service:
        await service.check_ready()
    async with begun(model, checkpoint=tmp_path / "runs.sqlite") as service:
        (tmp_path / "runs.sqlite").rename(tmp_path / "away")
        assert (await service.start(chat(service), ANYONE)).done is False  # nobody has asked yet
        for ask in (service.check_ready(), service.start(chat(service), ANYONE)):
            with pytest.raises(ApiError) as error:
                await ask
            assert (error.value.status, error.value.code) == (503, "checkpoint_failed")
        assert service.gate.under_way == 1


async def test_a_run_that_cannot_be_saved_is_counted_as_one_that_failed(tmp_path: Path) -> None:
    async with begun(Model(), checkpoint=tmp_path / "runs.sqlite") as service:
        other = sqlite3.connect(tmp_path / "runs.sqlite")
        other.execute("DROP TABLE reflectree_runs")
        other.close()
        with pytest.raises(sqlite3.OperationalError):
            await (await service.start(chat(service), ANYONE)).reply()
        assert 'run_errors_total{error="OperationalError"} 1.0' in service.metrics_text()
        assert service.gate.under_way == 0


def test_prices_that_are_needed() -> None:
    unknown = ScriptedPolicy("x", price=None)
    with pytest.raises(BadInput, match="the key k has usd_per_day"):
        service_of(unknown, keys=Keys([Key(name="k", digest="x", usd_per_day=1.0)]))
    with pytest.raises(BadInput, match="--max-usd"):
        service_of(unknown, caps=Budget(usd=1.0))


async def test_a_cap_in_dollars_that_nobody_could_reckon_is_refused_before_anything_is_begun() -> None:
    async with begun(Model(price=None)) as service:
        with pytest.raises(ApiError, match="X-Reflectree-Max-Tokens") as error:
            await service.start(chat(service, x_reflectree_max_usd="0.1"), ANYONE)
        assert (error.value.status, error.value.param) == (422, "x-reflectree-max-usd")
        assert service.gate.under_way == 0
    async with begun(Model(price=Price(1.0, 1.0))) as service:
        assert await said(await service.start(chat(service, x_reflectree_max_usd="0.1"), ANYONE)) == "seven"


async def test_that_a_model_failed_is_logged_for_who_runs_it(caplog: pytest.LogCaptureFixture) -> None:
    broken = ScriptedPolicy(lambda request, index: ModelRejected("http://gpu-7/v1 refused the key (401)", 401))
    async with begun(broken) as service:
        run = await service.start(chat(service, x_reflectree_run="mine"), ANYONE)
        with pytest.raises(ModelRejected):
            await run.reply()
    assert "run mine of anyone: ModelRejected: http://gpu-7/v1 refused the key (401)" in caplog.text


def test_what_is_offered() -> None:
    offering = offer([Model()])
    assert {"cot", "mcts", "best-of-n"} <= set(offering.plans)
    assert "react" not in offering.plans  # wants tools
    with pytest.raises(BadInput, match="blueprint react cannot be served"):
        offer([Model()], ["react"])
    with pytest.raises(BadInput, match="two models have the same name"):
        offer(["a=http://127.0.0.1:1/v1#x", "a=http://127.0.0.1:2/v1#y"], ["cot"])
    with pytest.raises(BadInput, match="two blueprints are called 'cot'"):
        offer([Model()], ["cot", "cot"])
    named = offer(["gpt=http://127.0.0.1:1/v1#x", "http://127.0.0.1:1/v1#y"], ["cot"])
    assert named.offered.policies == ("gpt", "http://127.0.0.1:1/v1#y")
