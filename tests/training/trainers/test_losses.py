import math

import pytest
import torch

from reflectree.training.trainers import losses


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_process_preference_golden() -> None:
    assert losses.bradley_terry(t(0.6), t(0.1)).item() == pytest.approx(0.474077, abs=1e-6)
    assert losses.ppm(t(0.6), t(0.1), torch.tensor([0])).item() == pytest.approx(0.474077, abs=1e-6)


def test_ppm_counts_questions_alike() -> None:
    better, worse = t(0.6, 0.6, 0.6, 1.0), t(0.1, 0.1, 0.1, 1.0)
    loss = losses.ppm(better, worse, torch.tensor([0, 0, 0, 1]))
    assert loss.item() == pytest.approx((0.474077 + math.log(2)) / 2, abs=1e-6)
    assert losses.bradley_terry(better, worse).item() == pytest.approx((3 * 0.474077 + math.log(2)) / 4, abs=1e-6)


def test_ppm_weights_count_within_a_question() -> None:
    loss = losses.ppm(t(0.6, 0.0), t(0.1, 9.0), torch.tensor([0, 0]), t(1.0, 0.0))
    assert loss.item() == pytest.approx(0.474077, abs=1e-6)


def test_implicit_golden() -> None:
    ratios = t(0.2, -0.1, 0.4)
    assert losses.implicit_rewards(ratios, 0.05).tolist() == pytest.approx([0.01, -0.005, 0.02])
    right, wrong = (losses.implicit_ce(ratios[None], t(y), 0.05).item() for y in (1.0, 0.0))
    assert right == pytest.approx(0.680725, abs=1e-6)
    assert wrong == pytest.approx(0.705725, abs=1e-6)


def test_dpo_golden() -> None:
    assert losses.dpo(t(0.8), t(-0.3), 0.1).item() == pytest.approx(0.639659, abs=1e-6)


def test_rpo_adds_the_likelihood() -> None:
    assert losses.rpo(t(0.8), t(-0.3), t(-2.0, -4.0), 0.1, 0.5).item() == pytest.approx(0.639659 + 1.5, abs=1e-6)


def test_step_apo_golden() -> None:
    values = torch.tensor([[0.7, 0.2]], dtype=torch.float64)
    assert losses.step_apo(t(0.8), t(-0.3), values, 0.1).item() == pytest.approx(0.907040, abs=1e-6)


def test_step_apo_without_a_difference_of_values_is_dpo() -> None:
    values = torch.tensor([[0.4, 0.4]], dtype=torch.float64)
    assert losses.step_apo(t(0.8), t(-0.3), values, 0.1).item() == pytest.approx(0.639659, abs=1e-6)


def test_value_losses() -> None:
    raw, wanted = t(0.0, 2.0), t(1.0, 0.5)
    squared = (0.25 + (1 / (1 + math.exp(-2)) - 0.5) ** 2) / 2
    assert losses.value_mse(raw, wanted).item() == pytest.approx(squared)
    assert losses.value_mse(raw / 2, wanted, scale="tanh").item() == pytest.approx(squared)
    assert losses.value_bce(t(0.0), t(0.3)).item() == pytest.approx(math.log(2))
    assert losses.value_bce(t(1.0), t(0.3), scale="tanh") == losses.value_bce(t(2.0), t(0.3))


def test_bce_is_least_at_the_label() -> None:
    at = [losses.value_bce(torch.logit(t(p)), t(0.3)).item() for p in (0.2, 0.3, 0.4)]
    assert at[1] < min(at[0], at[2])


def test_step_cross_entropy_with_soft_labels() -> None:
    logits = torch.tensor([[0.0, 1.0], [3.0, 3.0]], dtype=torch.float64)
    good = math.log(1 + math.exp(-1))
    bad = math.log(1 + math.e)
    loss = losses.step_cross_entropy(logits, t(0.375, 0.5), t(1.0, 0.0)).item()
    assert loss == pytest.approx(0.375 * good + 0.625 * bad)


def test_weighted_mean() -> None:
    assert losses.weighted_mean(t(1.0, 4.0), t(2.0, 1.0)).item() == pytest.approx(2.0)
    assert losses.weighted_mean(t(1.0, 4.0), t(0.0, 0.0)).item() == 0.0


def test_token_logprobs_skips_what_is_given() -> None:
    logits = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0))
    found = losses.token_logprobs(logits, torch.tensor([[losses.IGNORED, losses.IGNORED, 3, 1]]))
    logs = logits.log_softmax(-1)
    assert found.tolist() == [[0.0, pytest.approx(logs[0, 1, 3].item()), pytest.approx(logs[0, 2, 1].item())]]
