"""The client of our own server against everything a server does."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from tests.models.values.rig import QUICK, client, path
from tests.support.value_loopback import ValueLoopback, value_of

from reflectree.models.base import PreferenceModel, RewardModel, ValueModel
from reflectree.models.calling import Retries
from reflectree.models.resolve_values import check_values, reach_values, value_model
from reflectree.models.scoring.items import Item, Scored
from reflectree.models.values.client import HttpValues
from reflectree.models.values.reading import NoScore
from reflectree.models.values.server import ServerValues
from reflectree.models.wire import Malformed
from reflectree.rlm_ops.errors import ModelError, ModelRejected, ModelTimeout, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.task import Task


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_values_and_step_scores_in_order() -> None:
    async def work() -> None:
        async with ValueLoopback() as server:
            model = client(server)
            paths = [path("a", "b"), path("c"), path()]
            assert isinstance(model, ServerValues)
            assert all(isinstance(model, kind) for kind in (ValueModel, RewardModel, PreferenceModel))
            assert await model.score(paths) == [value_of("Q?", ["a", "b"]), value_of("Q?", ["c"]), value_of("Q?", [])]
            assert await model.score_steps([path("a", "b"), path("c")]) == [
                [value_of("Q?", ["a"]), value_of("Q?", ["a", "b"])],
                [value_of("Q?", ["c"])],
            ]
            assert server.bodies[0] == {
                "model": "m",
                "items": [{"question": "Q?", "steps": list(steps)} for steps in (("a", "b"), ("c",), ())],
                "reduce": "model",
            }
            tally = model.tally
            assert (tally.requests, tally.failed, tally.items, tally.tokens, tally.cached) == (2, 0, 5, 21, 15)
            await model.aclose()

    run(work())


def test_the_context_is_read_and_gold_is_not_sent() -> None:
    async def work() -> None:
        from reflectree.rlm_ops.step import Path
        from reflectree.rlm_ops.verifiers.literal import exact

        async with ValueLoopback() as server:
            model = client(server)
            await model.score([Path(Task("Q?", context="Given.", verifier=exact("secret-42")))])
            assert server.bodies[0]["items"] == [{"question": "Given.\n\nQ?", "steps": []}]
            assert "secret-42" not in json.dumps(server.bodies)
            await model.aclose()

    run(work())


def test_concurrent_calls_are_one_request() -> None:
    async def work() -> None:
        async with ValueLoopback() as server:
            model = client(server)
            found = await asyncio.gather(*(model.score([path(f"s{n}")]) for n in range(50)))
            assert found == [[value_of("Q?", [f"s{n}"])] for n in range(50)]
            assert server.sizes == [50]
            await model.aclose()

    run(work())


def test_500_concurrent_calls_lose_and_mix_up_nothing_whatever_goes_wrong() -> None:
    async def work() -> None:
        faults = ["429", "ok", "503", "malformed", "ok", "reset", "ok"]
        async with ValueLoopback(faults, always=True, latency=0.005, most=40) as server:
            model = client(server, retries=Retries(60, 0.001, 0.01))  # four of seven requests fail

            async def one(number: int) -> tuple[int, float]:
                await asyncio.sleep(number % 7 * 0.003)
                (value,) = await model.score([path(f"s{number}")])
                return number, value

            found = await asyncio.gather(*map(one, range(500)))
            assert found == [(n, value_of("Q?", [f"s{n}"])) for n in range(500)]
            assert server.most_in_flight <= 16
            assert model.tally.items == 500
            await model.aclose()

    run(work())


@pytest.mark.parametrize("fault", ["429", "503", "malformed", "shape", "short", "reset"])
def test_a_transient_fault_is_tried_again(fault: str) -> None:
    async def work() -> None:
        async with ValueLoopback([fault]) as server:
            model = client(server)
            assert await model.score([path("a"), path("b")]) == [value_of("Q?", ["a"]), value_of("Q?", ["b"])]
            assert (len(server.bodies), model.tally.requests, model.tally.failed) == (2, 2, 1)
            await model.aclose()

    run(work())


@pytest.mark.parametrize(("fault", "kind"), [("429", TransientModelError), ("malformed", Malformed)])
def test_a_fault_without_end_is_given_up(fault: str, kind: type[ModelError]) -> None:
    async def work() -> None:
        async with ValueLoopback([fault], always=True) as server:
            model = client(server)
            with pytest.raises(kind):
                await model.score([path("a")])
            assert len(server.bodies) == QUICK.attempts
            assert [type(one) for one in await model.score_each([path("a"), path("b")])] == [kind, kind]
            await model.aclose()

    run(work())


def test_retry_after_is_honoured_up_to_the_longest_wait() -> None:
    async def work() -> None:
        async with ValueLoopback(["oom"]) as server:  # it wishes for 30 seconds
            model = client(server, retries=Retries(3, 5.0, 0.05))
            started = time.perf_counter()
            await model.score([path("a")])
            assert 0.05 <= time.perf_counter() - started < 20
            await model.aclose()

    run(work())


def test_a_server_out_of_memory_gets_smaller_batches_at_once() -> None:
    async def work() -> None:
        async with ValueLoopback(["oom"]) as server:
            model = client(server)
            assert len(await model.score([path("a"), path("b"), path("c")])) == 3
            assert server.sizes == [3, 2, 1]
            await model.aclose()

    run(work())


def test_a_time_out_is_a_fault() -> None:
    async def work() -> None:
        async with ValueLoopback(["timeout"], always=True) as server:
            model = client(server, timeout=0.05)
            with pytest.raises(ModelTimeout, match=r"within 0\.05 s"):
                await model.score([path("a")])
            await model.aclose()

    run(work())


@pytest.mark.parametrize(("fault", "requests"), [("401", 1), ("broken", 3)])
def test_a_refusal_is_not_repeated(fault: str, requests: int) -> None:
    """A wrong key is every item's; a contract that the scorer broke may be one item's, so that the halves are tried."""

    async def work() -> None:
        async with ValueLoopback([fault], always=True) as server:
            model = client(server)
            results = await model.score_each([path("a"), path("b")])
            assert [type(one) for one in results] == [ModelRejected, ModelRejected]
            assert len(server.bodies) == requests
            await model.aclose()

    run(work())


@pytest.mark.parametrize("named", [True, False])
def test_an_item_that_is_refused_fails_alone(named: bool) -> None:
    async def work() -> None:
        async with ValueLoopback(refuse=lambda steps: "" in steps, named=named) as server:
            model = client(server)
            paths = [path("a"), path("b", ""), path("c"), path(""), path("d")]
            results = await model.score_each(paths)
            assert [isinstance(one, Scored) for one in results] == [True, False, True, False, True]
            assert [one.value for one in results if isinstance(one, Scored)] == [
                value_of("Q?", [name]) for name in "acd"
            ]
            assert all("a step is empty" in str(one) for one in results if isinstance(one, ModelError))
            assert len(server.bodies) == (3 if named else 9)
            await model.aclose()

    run(work())


def test_a_batch_that_is_too_large_is_split_and_the_limit_remembered() -> None:
    async def work() -> None:
        async with ValueLoopback(most=3) as server:
            model = client(server)
            paths = [path(f"s{n}") for n in range(10)]
            assert await model.score(paths) == [value_of("Q?", [f"s{n}"]) for n in range(10)]
            server.bodies.clear()
            assert len(await model.score(paths)) == 10
            assert max(server.sizes) <= 3
            await model.aclose()

    run(work())


@pytest.mark.parametrize(
    ("fault", "message"), [("nan", "nan, which is no score"), ("range", "1.7"), ("null", "None"), ("many", "3 scores")]
)
def test_what_is_no_score_is_refused_and_not_asked_for_again(fault: str, message: str) -> None:
    async def work() -> None:
        async with ValueLoopback([fault]) as server:
            model = client(server)
            (result,) = await model.score_each([path("a", "b")])
            assert isinstance(result, NoScore)
            assert message in str(result)
            assert len(server.bodies) == 1
            await model.aclose()

    run(work())


def test_one_score_for_several_steps_is_refused_of_a_model_that_scores_steps() -> None:
    async def work() -> None:
        async with ValueLoopback(per_step=False, kind="sequence-classifier") as server:
            model = client(server)
            await reach_values(model)
            assert await model.score([path("a", "b")]) == [value_of("Q?", ["a", "b"])]
            assert isinstance(model, ServerValues)
            with pytest.raises(NoScore, match="1 scores for 2 steps"):
                await model.score_steps([path("a", "b")])
            await model.aclose()
            other = client(server)
            assert isinstance(other, ServerValues)
            other.dialect = other.dialect.told({"data": [{"id": "m", "per_step": True}]}, "m")
            with pytest.raises(NoScore, match="1 scores for 2 steps"):
                await other.score([path("a", "b")])
            await other.aclose()

    run(work())


def test_paths_are_compared_by_a_model_that_compares_and_else_by_value() -> None:
    async def work() -> None:
        async with ValueLoopback(kind="preference", per_step=False) as server:
            model = client(server)
            assert isinstance(model, PreferenceModel)
            better = 0.9 if value_of("Q?", ["a"]) > value_of("Q?", ["b"]) else 0.2
            assert (await model.prefer([(path("a"), path("b"))])) == [better]
            assert server.bodies[-1]["items"] == [{"question": "Q?", "steps": ["a"], "against": ["b"]}]
            await model.aclose()
        async with ValueLoopback() as server:
            model = client(server)
            assert isinstance(model, PreferenceModel)
            (chance,) = await model.prefer([(path("a"), path("b"))])
            assert chance == pytest.approx((1 + value_of("Q?", ["a"]) - value_of("Q?", ["b"])) / 2)
            assert "against" not in json.dumps(server.bodies)
            await model.aclose()

    run(work())


def test_nobody_there() -> None:
    async def work() -> None:
        model = value_model("http://127.0.0.1:9", retries=QUICK)
        with pytest.raises(ModelUnreachable, match="is the server running there"):
            await model.score([path("a")])
        assert model.tally.requests == 2
        assert "cannot be reached" in await check_values(model)
        await model.aclose()

    run(work())


def test_check_says_what_there_is() -> None:
    async def work() -> None:
        async with ValueLoopback(models=("m", "n"), api_key="k-123456") as server:
            model = client(server, api_key="k-123456")
            assert "answers; models: m, n" in await check_values(model)
            await model.aclose()
            other = client(server, "other", api_key="k-123456")
            assert "has no model 'other'; it has: m, n" in await check_values(other)
            await other.aclose()
            wrong = client(server, api_key="k-wrong-key")
            with pytest.raises(ModelRejected, match="REFLECTREE_VALUE_API_KEY") as refused:
                await wrong.score([path("a")])
            assert "k-wrong-key" not in str(refused.value) + repr(wrong)
            await wrong.aclose()

    run(work())


def test_who_hangs_up_is_not_worked_for() -> None:
    async def work() -> None:
        async with ValueLoopback(latency=5.0) as server:
            model = client(server)
            task = asyncio.create_task(model.score([path("a")]))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.1)
            assert (server.hung_up, server.in_flight) == (1, 0)
            await model.aclose()

    run(work())


def test_a_client_serves_several_event_loops_and_says_when_it_is_closed() -> None:
    with ValueLoopback().in_thread() as server:
        model: HttpValues = client(server)
        for _ in range(2):
            assert asyncio.run(model.score([path("a")])) == [value_of("Q?", ["a"])]

        async def closed_meanwhile() -> Any:
            task = asyncio.create_task(model.score_each([path("a")]))
            await asyncio.sleep(0)
            await model.aclose()
            return await task

        (result,) = asyncio.run(closed_meanwhile())
        assert isinstance(result, ModelError)
        assert "closed" in str(result)


def test_an_item_is_scored_without_a_path_too() -> None:
    async def work() -> None:
        async with ValueLoopback() as server:
            model = client(server)
            (result,) = await model.scored([Item("Why?", ("x", "y"))])
            assert isinstance(result, Scored)
            assert (len(result.steps), result.tokens, result.cached) == (2, 5, 3)
            await model.aclose()

    run(work())
