from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.usage import NO_USAGE, Usage, total

counts = st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts, st.none() | st.integers(0, 2**40).map(float))


@given(usages, usages, usages)
def test_adding_is_a_sum(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + NO_USAGE == a
    assert total([a, b, c]) == a + b + c
    assert (a + b).tokens == a.tokens + b.tokens


@given(usages)
def test_unknown_dollars_never_become_zero(usage: Usage) -> None:
    assert (usage + Usage(usd=None)).usd is None


@given(usages)
def test_a_row_holds_everything(usage: Usage) -> None:
    row: list[Any] = usage.to_row()
    assert Usage(*row) == usage


def test_nothing_spent_is_false() -> None:
    assert not NO_USAGE
    assert not total([])
    assert Usage(calls=1)
    assert Usage(completion_tokens=1)
