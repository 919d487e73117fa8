import asyncio

import pytest

from reflectree.models.neural.countdown.game import state
from reflectree.models.neural.countdown.load import load_policy, load_value
from reflectree.training.countdown.engine import blueprint, solved_by_engine
from reflectree.training.countdown.searches import Outcome


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("countdown-beam", [2, 4, 6, 8]),
        ("countdown-best-of-n", [2, 4, 6, 8]),
        ("countdown-path-sampling", [2, 4, 6, 8]),
        ("countdown-beam-five", [1, 2, 4, 6, 8]),
    ],
)
def test_the_shipped_models_search_in_the_frameworks_engine(name: str, numbers: list[int]) -> None:
    async def search() -> tuple[list[Outcome], int]:
        policy, value = load_policy(), load_value()
        try:
            outcomes = await solved_by_engine([state(20, numbers)], blueprint(name), policy, value, seed=1)
        finally:
            await policy.aclose()
            await value.aclose()
        return outcomes, value.tally.items

    (outcome,), scored = asyncio.run(search())
    assert 50 < outcome.tokens < 600
    assert scored > 5
    assert outcome.solved
