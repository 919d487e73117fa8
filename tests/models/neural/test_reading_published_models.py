"""Scores are those that the models' own published readers give, computed here by transformers alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_models import tiny_causal_lm
from tests.support.tiny_scorers import (
    QUESTION,
    STEPS,
    implicit,
    qwen_prm,
    reference_logits,
    sequence_classifier,
    skywork,
    token_classifier,
)
from transformers import AutoModel, AutoModelForTokenClassification, LlamaForSequenceClassification

from reflectree.models.neural.load import load_scorer
from reflectree.models.neural.weights import load_tokenizer
from reflectree.models.scoring.items import Item, Scorer


def scores(scorer: Scorer, steps: tuple[str, ...] = STEPS, against: tuple[str, ...] | None = None) -> tuple[float, ...]:
    return scorer.score([scorer.encode(Item(QUESTION, steps, against))])[0].steps


def hidden(path: Path, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        states: torch.Tensor = AutoModel.from_pretrained(path).eval()(torch.tensor([ids])).last_hidden_state[0]
    return states


def test_qwen_prm_is_the_softmax_at_each_tag(tmp_path: Path) -> None:
    scorer = load_scorer(qwen_prm(tmp_path))
    tokenizer = load_tokenizer(tmp_path)
    text = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "<extra_0>".join(STEPS) + "<extra_0>"},
        ],
        tokenize=False,
    )
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    weights = load_file(tmp_path / "model.safetensors")
    states = hidden(tmp_path, ids)
    inner = torch.relu(states @ weights["score.0.weight"].T + weights["score.0.bias"])
    chances = (inner @ weights["score.2.weight"].T + weights["score.2.bias"]).softmax(-1)[:, 1]
    tag = tokenizer.convert_tokens_to_ids("<extra_0>")
    wanted = [float(chance) for chance, token in zip(chances, ids, strict=True) if token == tag]
    assert scores(scorer) == pytest.approx(wanted, abs=1e-5)


def test_math_shepherd_is_plus_against_minus_at_each_tag(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path, "mistral")
    tokenizer = load_tokenizer(tmp_path)
    text = f"{QUESTION} " + "\n".join(f"Step {n}: {step}ки" for n, step in enumerate(STEPS, 1))
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    labels = tokenizer.convert_tokens_to_ids(["+", "-"])
    chances = reference_logits(tmp_path, "mistral", ids)[:, labels].softmax(-1)[:, 0]
    (tag,) = tokenizer("ки", add_special_tokens=False)["input_ids"]
    wanted = [float(chance) for chance, token in zip(chances, ids, strict=True) if token == tag]
    assert len(wanted) == 3
    assert scores(load_scorer(tmp_path, format="math-shepherd")) == pytest.approx(wanted, abs=1e-5)


def test_rlhflow_is_read_where_the_answer_is_predicted(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path, "llama")
    tokenizer = load_tokenizer(tmp_path)
    labels = tokenizer.convert_tokens_to_ids(["+", "-"])
    conversation: list[dict[str, str]] = []
    wanted = []
    for number, step in enumerate(STEPS):
        conversation.append({"role": "user", "content": step if number else f"{QUESTION} {step}"})
        text: Any = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        wanted.append(float(reference_logits(tmp_path, "llama", ids)[-1, labels].softmax(-1)[0]))
        conversation.append({"role": "assistant", "content": "+"})
    assert scores(load_scorer(tmp_path, format="rlhflow")) == pytest.approx(wanted, abs=1e-5)


def test_skywork_is_a_logistic_at_each_newline(tmp_path: Path) -> None:
    skywork(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    ids = [tokenizer.bos_token_id, *tokenizer(f"{QUESTION}\n", add_special_tokens=False)["input_ids"]]
    reads = []
    for step in STEPS:
        ids += tokenizer(f"{step}\n", add_special_tokens=False)["input_ids"]
        reads.append(len(ids) - 1)
    weights = load_file(tmp_path / "model.safetensors")
    raw = hidden(tmp_path, ids) @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    assert scores(load_scorer(tmp_path)) == pytest.approx(raw.sigmoid()[reads, 0].tolist(), abs=1e-5)


def test_a_token_classifier_is_what_transformers_says(tmp_path: Path) -> None:
    scorer = load_scorer(token_classifier(tmp_path))
    encoded = scorer.encode(Item(QUESTION, STEPS))
    with torch.inference_mode():
        logits = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()(torch.tensor([encoded.ids])).logits[0]
    assert scores(scorer) == pytest.approx(logits.softmax(-1)[list(encoded.reads), 1].tolist(), abs=1e-5)


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_a_sequence_classifier_is_what_transformers_says(labels: int, tmp_path: Path) -> None:
    scorer = load_scorer(sequence_classifier(tmp_path, labels))
    encoded = scorer.encode(Item(QUESTION, STEPS))
    with torch.inference_mode():
        logits = LlamaForSequenceClassification.from_pretrained(tmp_path).eval()(torch.tensor([encoded.ids])).logits[0]
    wanted = logits.sigmoid()[0] if labels == 1 else logits.softmax(-1)[-1]
    assert scores(scorer) == pytest.approx([float(wanted)], abs=1e-5)


def test_bradley_terry_is_the_logistic_of_the_margin(tmp_path: Path) -> None:
    sequence_classifier(tmp_path)
    alone, pairs = load_scorer(tmp_path), load_scorer(tmp_path, kind="preference")
    (ours,), (theirs,) = scores(alone), scores(alone, ("wrong",))
    margin = math.log(ours / (1 - ours)) - math.log(theirs / (1 - theirs))
    wanted = 1 / (1 + math.exp(-margin))
    assert scores(pairs, STEPS, ("wrong",)) == pytest.approx([wanted], abs=1e-5)
    assert scores(pairs, ("wrong",), STEPS) == pytest.approx([1 - wanted], abs=1e-5)
    assert scores(pairs) == pytest.approx([ours], abs=1e-5)


def test_a_generative_preference_has_no_favourite_place(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path, "llama")
    scorer = load_scorer(tmp_path, format="pair")
    (ours,) = scores(scorer, ("right",), ("wrong",))
    (theirs,) = scores(scorer, ("wrong",), ("right",))
    assert ours == pytest.approx(1 - theirs, abs=1e-6)
    assert abs(ours - 0.5) > 1e-3
    assert scores(scorer, ("same",), ("same",)) == pytest.approx([0.5], abs=1e-6)


def test_implicit_rewards_sum_to_the_log_ratio_of_the_whole(tmp_path: Path) -> None:
    scorer = load_scorer(implicit(tmp_path, beta=0.05))
    encoded = scorer.encode(Item(QUESTION, STEPS))
    ids = torch.tensor(encoded.ids)
    logs = [
        reference_logits(path, "llama", ids).log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]
        for path in (tmp_path, tmp_path / "reference")
    ]
    rewards = 0.05 * (logs[0] - logs[1])  # of token t at t - 1
    begin = encoded.cuts[0] - 1
    wanted = [float(rewards[begin:read].sum().sigmoid()) for read in encoded.reads]
    assert scores(scorer) == pytest.approx(wanted, abs=1e-5)
