"""What the test of a design costs, and what one would get for the same money without a search: the seed, voting."""

from __future__ import annotations

import math

from reflectree.graphs.design_search.checking import samples_of
from reflectree.graphs.design_search.examples import Examples
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.usage import Usage

MOST_SAMPLES = 64
"""Samples of the seed at equal cost."""


def at_equal_cost(seed: Blueprint, usage: Usage, examples: int, tokens: float, together: int) -> Blueprint:
    """The seed as self-consistency that costs as many tokens a task, or as few less as can be.

    One request gives several samples, and its prompt is paid once.

    Args:
        seed: The seed design.
        usage: What it cost on some examples.
        examples: How many they were.
        tokens: The tokens to spend on a task.
        together: Samples that one request gives at most.
    """
    prompt = usage.prompt_tokens / max(1, usage.calls)
    sample = usage.completion_tokens / max(1, usage.calls, examples * samples_of(seed))
    n = 1
    while n < MOST_SAMPLES and prompt * math.ceil((n + 1) / together) + sample * (n + 1) <= tokens:
        n += 1
    if n == 1 and seed.scheme.strategy.name == "cot":
        return seed  # one sample is what it takes already: not to be paid again under another name
    scheme = {"structure": "tree", "granularity": "solution", "strategy": {"name": "self-consistency", "n": n}}
    return seed.with_overrides({"name": f"{seed.name}-at-equal-cost", "scheme": scheme, "selection": "majority"})


def rival(examples: Examples, seed: Blueprint, tokens: float) -> Blueprint:
    """The seed at the cost of a design that takes so many tokens a task, by what the seed cost in the search."""
    count, usage = examples.cache.cost(seed.digest, examples.bench.name)
    return at_equal_cost(seed, usage, count, tokens, _together(examples))


def bill_of_test(examples: Examples, seed: Blueprint, winner: str, size: int) -> Budget:
    """What the test of a winner will cost: the seed, the winner and the seed at its cost, by their cost in the search.

    Args:
        examples: What has been run.
        seed: The seed design.
        winner: The winner's digest.
        size: Examples of the test part.
    """
    parts = [_each(examples, seed.digest)]
    if winner != seed.digest:
        parts.append(_each(examples, winner))
        _, tokens, usd = parts[-1]
        same = rival(examples, seed, tokens)
        if same is not seed:
            parts.append((samples_of(same) / _together(examples) + 1, tokens, usd))
    calls, tokens, usd = (sum(part[place] for part in parts) * size for place in range(3))
    return Budget(math.ceil(calls), math.ceil(tokens), usd)


def _each(examples: Examples, digest: str) -> tuple[float, float, float]:
    """Calls, tokens and dollars of a design, an example."""
    count, usage = examples.cache.cost(digest, examples.bench.name)
    count = max(1, count)
    return usage.calls / count, usage.tokens / count, (usage.usd or 0.0) / count


def _together(examples: Examples) -> int:
    """Samples that one request gives at most."""
    bench = examples.bench
    most: int = bench.models["policy"].capabilities.max_n
    return max(1, min(bench.width, most))
