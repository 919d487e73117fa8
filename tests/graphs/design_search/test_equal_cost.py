"""The seed at the winner's cost: as many samples as that pays, and no second name for the seed itself."""

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.equal_cost import at_equal_cost
from reflectree.rlm_ops.strategies.sampling import SelfConsistency
from reflectree.rlm_ops.usage import Usage

COT = blueprints.load("cot")
PAID = Usage(calls=10, prompt_tokens=400, completion_tokens=100)
"""40 tokens read and 10 written a task."""


def samples(tokens: float, together: int) -> int | None:
    strategy = at_equal_cost(COT, PAID, 10, tokens, together).scheme.strategy
    assert isinstance(strategy, SelfConsistency)
    return strategy.n


def test_a_prompt_is_paid_once_for_the_samples_of_one_request() -> None:
    assert samples(100, together=8) == 6
    assert samples(100, together=1) == 2
    assert samples(10_000_000, together=8) == 64


def test_a_cost_that_pays_one_sample_is_the_seed_itself() -> None:
    assert at_equal_cost(COT, PAID, 10, 55, 8) is COT
