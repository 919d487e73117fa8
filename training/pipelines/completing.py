"""Completions of prefixes by a policy: what Monte Carlo labels and preference pairs are made of.

A completion is asked for exactly as a blueprint that writes whole solutions would ask, and read, checked and tried
again in the same way; its steps are what stands between the delimiters of the blueprint the prefix comes from. It knows
nothing of labels.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Sequence

from reflectree.agents import prompts
from reflectree.agents.attempts import Attempt
from reflectree.agents.sampling import Plan
from reflectree.models.calling import Caller
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import TransientModelError, VerifierError
from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.splitting import split_steps
from reflectree.rlm_ops.step import Path
from reflectree.training.labels.rolling import Complete
from reflectree.training.labels.source import Completion

LEAST_TOKENS = 512
"""Room for a whole completion, where the prefix's blueprint writes single steps."""


def completer(
    caller: Caller,
    settings: Generate,
    worth: Callable[[str], float],
    *,
    seed: int = 0,
    max_tokens: int | None = None,
) -> Complete:
    """What completes paths with a policy.

    Args:
        caller: The way to call it, on an account.
        settings: How the prefixes' blueprint generates: temperature, delimiter, time-out.
        worth: What an answer is worth, in [0, 1]; a completion without one is worth 0, and
            one whose answer cannot be judged (VerifierError) is left out.
        seed: With the path it seeds the sampling.
        max_tokens: Most tokens a completion may write.
    """
    room = max_tokens or max(LEAST_TOKENS, settings.max_tokens)
    changed = {"prompt": "solve", "granularity": "solution", "max_tokens": room, "variants": {}, "nested": None}
    plan = Plan(settings.model_copy(update=changed), "solution")
    delimiter = settings.delimiter

    async def complete(path: Path, count: int) -> Sequence[Completion]:
        attempt = Attempt(plan, path, prompts.begun(path, delimiter))
        request = plan.request(
            prompts.solving(path), attempt.prefill, caller.policy.capabilities,
            n=count, index=0, seed=_seed(path, seed), path=path,
        )  # fmt: skip
        outcome = await caller.call(request, attempt.check, attempt.rephrase)
        events = attempt.events([Call("generate", (0,), index) for index in range(count)], outcome)
        made: list[Completion] = []
        for event in events:
            if isinstance(event, Grown):
                steps = tuple(split_steps(event.text, delimiter))
                with contextlib.suppress(VerifierError):  # one that cannot be judged is not wrong: it is left out
                    reward = 0.0 if event.answer is None else worth(event.answer)
                    made.append(Completion(steps, event.answer, reward))
        if not made:
            raise TransientModelError(f"{caller.policy.name} wrote nothing usable after {len(path.steps)} steps")
        return made

    return complete


def _seed(path: Path, seed: int) -> int:
    """Equal for equal prefixes of equal runs, in [0, 2^31)."""
    words = "\x00".join((str(seed), path.task.prose, *(step.text for step in path.steps)))
    return zlib.crc32(words.encode("utf-8", "replace")) & 0x7FFFFFFF
