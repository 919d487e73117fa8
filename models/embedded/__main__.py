"""Shows the embedded model at work: one answer, and how fast it came."""

from __future__ import annotations

import asyncio
import sys
import time

from reflectree.models.base import Message, Request
from reflectree.models.embedded.policy import EmbeddedPolicy
from reflectree.rlm_ops.errors import ReflectreeError


def _say(text: str, fraction: float) -> None:
    sys.stderr.write(f"\r{text}: {fraction:4.0%}" + ("\n" if fraction >= 1 else ""))


async def demonstrate() -> None:
    """Ask one question, with eight samples at once, and write the first answer and the speed to standard output."""
    policy = EmbeddedPolicy(on_progress=_say)
    question = Request((Message("user", "In one sentence: why do trees grow towards the light?"),), 48, seed=1, n=8)
    started = time.perf_counter()
    await policy.complete(Request(question.messages, max_tokens=1))
    loaded = time.perf_counter()
    reply = await policy.complete(question)
    seconds = time.perf_counter() - loaded
    await policy.aclose()
    written = reply.usage.completion_tokens
    sys.stdout.write(f"{reply.choices[0].text.strip()}\n\n")
    sys.stdout.write(f"ready after {loaded - started:.1f} s; {len(reply.choices)} samples at once: {written} tokens, ")
    sys.stdout.write(f"{written / seconds:.0f} tokens/s\n")


if __name__ == "__main__":
    try:
        with asyncio.Runner() as runner:
            runner.run(demonstrate())
    except ReflectreeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
