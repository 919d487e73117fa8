from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.calls import GROWING, OPERATORS, PURE, Call

calls = st.builds(
    Call, st.sampled_from(OPERATORS), st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple), st.integers(0, 9)
)


@given(calls, st.integers(0, 2**40))
def test_a_seed_is_what_every_provider_takes(call: Call, run_seed: int) -> None:
    assert 0 <= call.seed(run_seed) < 2**31
    assert call.seed(run_seed) == Call(call.op, call.nodes, call.index, "for another reason").seed(run_seed)


def test_seeds_are_the_same_for_ever() -> None:
    """A resumed run of a later release must draw the same samples: a golden number."""
    assert Call("generate", (0,)).seed(0) == 1501596793
    assert Call("aggregate", (3, 1), 2).seed(7) == 895949768


@pytest.mark.parametrize(
    "other",
    [Call("refine", (1, 2), 3), Call("generate", (12,), 3), Call("generate", (2, 1), 3), Call("generate", (1, 2), 4)],
)
def test_other_calls_have_other_identities_and_seeds(other: Call) -> None:
    call = Call("generate", (1, 2), 3)
    assert call != other
    assert call.seed(0) != other.seed(0)


def test_the_reason_is_no_part_of_the_identity() -> None:
    assert Call("prune", (1,), reason="a") == Call("prune", (1,), reason="b")
    assert len({Call("prune", (1,), reason="a"), Call("prune", (1,), reason="b")}) == 1


def test_operators_are_either_pure_or_carried_out() -> None:
    assert {"restructure"} == PURE & GROWING, "what needs no model may still add nodes"
    assert set(OPERATORS) == PURE | GROWING | {"evaluate", "enrich"}
