"""The embedded model as a `PolicyModel`: requests in, samples out, on the engine that all such policies share.

Knows llama.cpp's completion wire and nothing of weights, threads or the server's life. One attempt a call; retries and
time-outs are one layer above (cancel the call, and its slot is free before the next token).
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from reflectree.models.base import FREE, Capabilities, Choice, Finish, Price, Reply, Request
from reflectree.models.embedded import engine as engines
from reflectree.models.embedded.engine import Engine, EngineSettings, in_thread
from reflectree.models.embedded.tokenizer import Tokenizer
from reflectree.models.embedded.weights import Progress, find_source
from reflectree.rlm_ops.errors import BadInput, ModelRejected, TransientModelError
from reflectree.rlm_ops.usage import Usage

DEFAULT_TEMPERATURE = 0.8
MAX_N = 64


def default_threads() -> int:
    """`$REFLECTREE_THREADS`, or 1.

    Raises:
        BadInput: The variable is not a positive whole number.
    """
    named = os.environ.get("REFLECTREE_THREADS", "1")
    if not named.isdecimal() or int(named) < 1:
        raise BadInput(f"REFLECTREE_THREADS must be a positive whole number, not {named!r}")
    return int(named)


@dataclass(slots=True)
class _Sample:
    """One sample as its chunks arrive."""

    text: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    alternatives: list[tuple[float, ...]] = field(default_factory=list)
    finish: Finish | None = None
    tokens: int = 0


@dataclass(slots=True)
class _Call:
    """One request on the wire: collects chunks on a pool thread, until `cancelled` is set from the event loop."""

    samples: list[_Sample]
    cancelled: bool = False

    def on_chunk(self, chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            raise _fault(chunk["error"])
        for part in chunk.get("choices", ()):
            sample = self.samples[part["index"]]
            sample.text.append(part.get("text") or "")
            for token in (part.get("logprobs") or {}).get("content", ()):
                sample.logprobs.append(float(token["logprob"]))
                sample.alternatives.append(tuple(float(best["logprob"]) for best in token.get("top_logprobs", ())))
            if part.get("finish_reason"):
                sample.finish = "length" if part["finish_reason"] == "length" else "stop"
                sample.tokens = int(chunk["usage"]["completion_tokens"])
        return self.cancelled


def _fault(error: dict[str, Any]) -> ModelRejected | TransientModelError:
    code, message = int(error.get("code", 500)), f"the embedded model: {error.get('message', error)}"
    return ModelRejected(message, status=code) if 400 <= code < 500 else TransientModelError(message)


class EmbeddedPolicy:
    """SmolLM2-135M-Instruct, run in this process; loaded on the first call and shared by all embedded policies.

    Where `top_p` is not asked for, llama.cpp's own truncation holds (top-k 40, top-p 0.95, min-p 0.05); where it is,
    it alone. The same request with the same seed gives the same text, whatever else is in the batch; sample `i` of
    `n` is what seed + i alone gives, and the prompt of all `n` is billed once. A prompt that leaves room for less
    than `max_tokens` ends with "length".
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        slots: int = 8,
        context: int = 2048,
        name: str = "embedded",
        on_progress: Progress | None = None,
    ) -> None:
        """Take the settings of `EngineSettings`; `on_progress` hears of the one-time preparation of the weights.

        Raises:
            BadInput: A setting is out of range.
        """
        self.name = name
        self.price: Price | None = FREE
        self._settings = EngineSettings(default_threads() if threads is None else threads, slots, context)
        self.capabilities = Capabilities(
            max_n=MAX_N, logprobs=True, prefill=True, json_schema=True, max_concurrency=slots, context_tokens=context
        )
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._loading: Future[Engine] | None = None
        self._tokenizer: Tokenizer | None = None
        self._closed = False

    def prompt_bound(self, request: Request) -> int:
        """The exact number of prompt tokens.

        Raises:
            MissingExtra: The model's package is not installed.
        """
        return len(self._encode(request))

    async def complete(self, request: Request) -> Reply:
        """Write `request.n` samples; see `PolicyModel.complete`.

        Raises:
            MissingExtra: A package is missing; the message has the two commands.
            ModelRejected: The prompt does not fit into the context, or a parameter is refused.
            TransientModelError: llama.cpp failed.
        """
        prompt = self._encode(request)
        room = self._settings.context - len(prompt)
        if room < 1:
            raise ModelRejected(
                f"the prompt has {len(prompt)} tokens and the embedded model's context holds "
                f"{self._settings.context}: shorten it, or make the policy with a larger context (up to 8192)"
            )
        if request.n < 1 or request.max_tokens < 1:
            raise ModelRejected("a request needs n >= 1 and max_tokens >= 1")
        engine = await self._engine()
        together = 1 if engine.knows(prompt) else self._settings.slots
        starts = range(0, request.n, together)
        calls = [_Call([_Sample() for _ in range(min(together, request.n - start))]) for start in starts]
        bodies = [_body(request, prompt, room, len(c.samples), start) for c, start in zip(calls, starts, strict=True)]
        try:
            await asyncio.gather(
                *(asyncio.wrap_future(engine.stream(b, c.on_chunk)) for b, c in zip(bodies, calls, strict=True))
            )
        finally:
            for call in calls:
                call.cancelled = True
        samples = [sample for call in calls for sample in call.samples]
        return _reply(samples, len(prompt), request.top_logprobs)

    async def aclose(self) -> None:
        """Let go of the engine; the last policy to do so stops it. Twice is the same as once."""
        with self._lock:
            self._closed = True
            loading, self._loading = self._loading, None
        if loading is None:
            return

        def release_when_loaded() -> None:
            if loading.exception() is None:
                engines.release(loading.result())

        # Shielded: cancelled or not, the engine is let go of.
        await asyncio.shield(asyncio.wrap_future(in_thread(release_when_loaded, "reflectree-embedded-close")))

    async def _engine(self) -> Engine:
        with self._lock:
            if self._closed:
                raise ModelRejected("this embedded policy is closed; make a new one")
            failed = self._loading is not None and self._loading.done() and self._loading.exception() is not None
            if self._loading is None or failed:
                self._loading = in_thread(
                    lambda: engines.acquire(self._settings, self._on_progress), "reflectree-embedded-load"
                )
            loading = self._loading
        # Shielded: a caller that is cancelled must not end the loading that others wait for.
        return await asyncio.shield(asyncio.wrap_future(loading))

    def _encode(self, request: Request) -> list[int]:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer.from_gguf(find_source())
        return self._tokenizer.encode_chat(request.messages, request.prefill)


def _body(request: Request, prompt: list[int], room: int, n: int, first: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt": prompt,
        "n": n,
        "max_tokens": min(request.max_tokens, room),
        "temperature": DEFAULT_TEMPERATURE if request.temperature is None else request.temperature,
        "stop": list(request.stop),
        "seed": -1 if request.seed is None else (request.seed + first) % 2**32,
        "cache_prompt": True,
    }
    if request.top_p is not None:
        body |= {"top_p": request.top_p, "top_k": 0, "min_p": 0.0}
    if request.top_logprobs:
        body["logprobs"] = request.top_logprobs
    if request.json_schema is not None:
        body["json_schema"] = request.json_schema
    return body


def _reply(samples: list[_Sample], prompt_tokens: int, top_logprobs: int) -> Reply:
    if any(sample.finish is None for sample in samples):
        raise TransientModelError("the embedded model was stopped before the reply was complete")
    choices = tuple(
        Choice(
            "".join(s.text),
            s.finish or "stop",
            tuple(s.logprobs) if top_logprobs else None,
            alternatives=tuple(s.alternatives) if top_logprobs > 1 and all(s.alternatives) else None,
        )
        for s in samples
    )
    return Reply(choices, Usage(1, 0, prompt_tokens, sum(s.tokens for s in samples), 0.0))
