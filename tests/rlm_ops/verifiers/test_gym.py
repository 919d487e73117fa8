from __future__ import annotations

from typing import Any

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.verifiers.guards import EVALUATES_PYTHON, EVALUATES_SYMPY
from reflectree.rlm_ops.verifiers.gym import gym_dataset

pytestmark = pytest.mark.slow  # the import of reasoning-gym takes seconds

HOSTILE = "[].append(open('{path}', 'w').write('x'))"


def test_the_sets_own_checker_judges() -> None:
    verifier = verifiers.reasoning_gym("chain_sum", 3, seed=1)
    assert (verifier.name, verifier.gold) == ("reasoning_gym:chain_sum", True)
    assert verifier.score(str(verifier.entry["answer"])) == 1.0
    assert verifier.score("no") == 0.0


def test_a_set_made_before() -> None:
    dataset = gym_dataset("leg_counting")
    entry = dataset[0]
    assert verifiers.reasoning_gym(dataset, entry).score(entry["answer"]) == 1.0
    assert verifiers.reasoning_gym(dataset, 0).entry == entry


def test_the_right_answer_is_not_shown() -> None:
    verifier = verifiers.reasoning_gym("caesar_cipher", 0)
    assert str(verifier.entry["answer"]) not in repr(verifier)


def test_seeds_do_not_overlap() -> None:
    first, second = gym_dataset("chain_sum", seed=0), gym_dataset("chain_sum", seed=1)
    assert first[0] == gym_dataset("chain_sum", seed=0)[0]
    assert not {first[i]["question"] for i in range(50)} & {second[i]["question"] for i in range(50)}
    raw = gym_dataset("chain_sum", config={"seed": 6})
    assert gym_dataset("chain_sum", config={"seed": 7})[0]["question"] == raw[1]["question"]


@pytest.mark.parametrize("name", sorted(EVALUATES_PYTHON | EVALUATES_SYMPY - {"intermediate_integration"}))
def test_sets_that_evaluate_get_only_harmless_text(name: str, tmp_path: Any) -> None:
    dataset = gym_dataset(name, seed=1)
    for index in range(5):
        verifier = verifiers.reasoning_gym(dataset, index)
        assert verifier.score(str(verifier.entry["answer"])) == 1.0
    target = tmp_path / "pwned"
    assert verifiers.reasoning_gym(dataset, 0).score(HOSTILE.format(path=target)) == 0.0
    assert not target.exists()


def test_a_checker_that_raises() -> None:
    class Broken:
        def __getitem__(self, idx: int) -> dict[str, Any]:
            return {"answer": "1"}

        def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
            raise RuntimeError("no")

    with pytest.raises(VerifierError, match="Broken raised RuntimeError: no"):
        verifiers.reasoning_gym(Broken(), 0).score("1")


def test_what_does_not_exist() -> None:
    with pytest.raises(BadInput, match=r"did you mean.*countdown"):
        verifiers.reasoning_gym("count_down", 0)
    with pytest.raises(BadInput, match="there are 1"):
        verifiers.reasoning_gym("???", 0)
    with pytest.raises(BadInput, match="refuses its configuration"):
        verifiers.reasoning_gym("countdown", 0, config={"min_numbers": 9, "max_numbers": 2})
    with pytest.raises(BadInput, match="start at 0"):
        verifiers.reasoning_gym("countdown", -1)
    with pytest.raises(BadInput, match="seed"):
        verifiers.reasoning_gym("countdown", 0, seed=-1)
    with pytest.raises(BadInput, match="Failed to generate"):
        verifiers.reasoning_gym("countdown", 0, config={"max_value": 2, "max_numbers": 4})
