"""Trainers of policies: each lowers its loss, learns what it should and no more, and agrees with TRL's formulas."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm, tiny_tokenizer
from tests.support.training_jobs import QUICK, MakeJob, sample_of, samples_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from reflectree.models.scoring.card import read_card
from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Operated, Preferred, Solution
from reflectree.training.trainers import TRAINERS, dpo, expert_iteration, losses, policies, sft, step_apo, train
from reflectree.training.trainers.base import quiet

NAMES = [name for name, spec in TRAINERS.items() if spec.makes == "policy"]


@pytest.mark.parametrize("lora", [None, {"r": 4}])
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls(name: str, lora: Any, base: Path, tmp_path: Path) -> None:
    samples = samples_of(TRAINERS[name].kinds[0])
    report = train(name, samples, base, tmp_path / "out", {**QUICK, "lora": lora, "epochs": 4})
    assert report.loss_last < 0.9 * report.loss_first
    card = read_card(tmp_path / "out")
    assert card is not None
    assert (card.kind, card.format, card.step_tag) == ("policy", "steps", "<|step|>")
    assert not (tmp_path / "out" / "README.md").exists()
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out", use_safetensors=True)
    assert model.get_input_embeddings().weight.shape[0] == 280


def test_a_policy_says_what_it_learnt(base: Path, tmp_path: Path) -> None:
    told = [Solution(question="What is 1+1?", steps=("one and one", "so 2"))]
    train("sft", told, base, tmp_path / "out", {"lr": 2e-2, "epochs": 30, "batch": 1, "checkpoint": 0})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor([StepTemplate().prompt(tokenizer, "What is 1+1?")])
    with torch.no_grad():
        for _ in range(40):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
    assert tokenizer.decode(ids[0]).startswith("<bos>What is 1+1?\n\none and one<|step|>so 2<|step|><eos>")


def test_only_steps_are_learnt(make_job: MakeJob) -> None:
    job = make_job("sft", [Solution(question="q", steps=("given", "learnt"), given=1)])
    (one,) = sft.examples(job, job.data.train)
    tokenizer = job.base.tokenizer
    assert tokenizer.decode([i for i in one["labels"] if i != -100]) == "learnt<|step|><eos>"
    assert tokenizer.decode(one["input_ids"]) == "<bos>q\n\ngiven<|step|>learnt<|step|><eos>"


def test_a_conversation_as_steps(make_job: MakeJob) -> None:
    job = make_job("sft", [sample_of("operated", 3)])
    (one,) = sft.examples(job, job.data.train)
    decoded = job.base.tokenizer.decode
    whole = "<bos>add 3\n\ngenerate<|step|>Step 1<|step|>Answer: 1<|step|><eos>"
    assert decoded(one["input_ids"]) == whole
    assert decoded([i for i in one["labels"] if i != -100]) == "generate<|step|>Answer: 1<|step|><eos>"


def test_a_conversation_as_a_chat(make_job: MakeJob) -> None:
    job = make_job("sft", [sample_of("operated", 3)], template="chat")
    (one,) = sft.examples(job, job.data.train)
    decoded = job.base.tokenizer.decode
    turns = ("user\nadd 3", "assistant\ngenerate", "user\nStep 1", "assistant\nAnswer: 1")
    assert decoded(one["input_ids"]) == "".join(f"<|im_start|>{turn}<|im_end|>\n" for turn in turns)
    assert decoded([i for i in one["labels"] if i != -100]) == "generate<|im_end|>\nAnswer: 1<|im_end|>\n"
    assert policies.policy_card(job).format == "chat"


def test_a_solution_as_a_chat(make_job: MakeJob) -> None:
    job = make_job("sft", [Solution(question="q", steps=("a", "b"))], template="chat")
    (one,) = sft.examples(job, job.data.train)
    assert job.base.tokenizer.decode([i for i in one["labels"] if i != -100]) == "a\nb<|im_end|>\n"


def test_supervised_loss_is_the_mean_over_learnt_tokens_times_weights(make_job: MakeJob) -> None:
    plain = samples_of("solution", 2)
    heavy = [replace(plain[0], weight=3.0), plain[1]]
    made = [sft.plan(make_job("sft", samples)) for samples in (plain, heavy)]
    batches = [plan.trainer.data_collator(list(plan.trainer.train_dataset)) for plan in made]
    model = made[0].trainer.model.eval()
    with torch.no_grad():
        logits = model(input_ids=batches[0]["input_ids"], attention_mask=batches[0]["attention_mask"]).logits
        sums = -losses.token_logprobs(logits, batches[0]["labels"]).sum(-1)
        found = [p.trainer.compute_loss(p.trainer.model.eval(), b).item() for p, b in zip(made, batches, strict=True)]
    count = (batches[0]["labels"] != -100).sum()
    assert found[0] == pytest.approx((sums.sum() / count).item(), rel=1e-5)
    assert found[1] == pytest.approx(((3 * sums[0] + sums[1]) / count).item(), rel=1e-5)


@pytest.mark.parametrize(("name", "alpha"), [("dpo", 0.0), ("rpo", 0.7)])
def test_trl_and_our_formulas_agree(name: str, alpha: float, make_job: MakeJob, base: Path, tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path / "other", seed=1)
    job = make_job(name, samples_of("preferred", 4), likelihood=alpha, beta=0.3)
    moved = replace(job, base=replace(job.base, folder=tmp_path / "other"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dpo, "reference_of", lambda _: policies.reference_of(moved))
        trainer = dpo.plan(job).trainer
    batch = trainer.data_collator(list(trainer.train_dataset))
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, losses.IGNORED)
    with torch.no_grad(), quiet():
        theirs = trainer.compute_loss(trainer.model.eval(), dict(batch)).item()
        given = {**batch, "labels": labels}
        better, worse = policies.log_ratios(trainer.model, trainer.ref_model, given).sum(-1).chunk(2)
        logits = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    chosen = labels[: len(labels) // 2]
    logs = losses.token_logprobs(logits[: len(chosen)], chosen)[chosen[:, 1:] != losses.IGNORED]
    ours = losses.rpo(better, worse, logs, 0.3, alpha).item()
    assert abs(better[0].item()) > 1e-3
    assert theirs == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_the_reference_is_frozen(lora: Any, make_job: MakeJob) -> None:
    made = step_apo.plan(make_job("step-apo", samples_of("preferred"), lora=lora, max_steps=3))
    trainer = made.trainer
    batch = trainer.data_collator(trainer.train_dataset)
    model = trainer.model.eval()
    reference: Any = None if lora else trainer._loss.keywords["reference"]
    with torch.no_grad():
        assert policies.log_ratios(model, reference, batch).abs().max() < 1e-5
    trainer.train()
    model.eval()
    with torch.no_grad():
        assert policies.log_ratios(model, reference, batch).abs().max() > 1e-3
        before = make_job("step-apo", samples_of("preferred")).base.load("policy").eval()
        ours = model(input_ids=batch["input_ids"]).logits if reference is None else None
        if ours is not None:
            with model.disable_adapter():
                assert torch.allclose(model(input_ids=batch["input_ids"]).logits, before(batch["input_ids"]).logits)
        else:
            assert reference is not None
            assert all(torch.equal(a, b) for a, b in zip(reference.parameters(), before.parameters(), strict=True))


def test_the_shared_prefix_is_given(make_job: MakeJob) -> None:
    job = make_job("step-dpo", [Preferred(question="q", steps=("s",), chosen=("a",), rejected=("b", "c"))])
    (one,) = policies.pair_examples(job, job.data.train)
    decoded = job.base.tokenizer.decode
    assert decoded(one["prompt_ids"]) == "<bos>q\n\ns<|step|>"
    assert (decoded(one["chosen_ids"]), decoded(one["rejected_ids"])) == ("a<|step|>", "b<|step|>c<|step|>")
    whole = make_job("dpo", job.data.train)
    assert decoded(policies.pair_examples(whole, whole.data.train)[0]["chosen_ids"]) == "a<|step|><eos>"


def test_a_policy_learns_a_token_that_is_new(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path / "base", vocab_size=269)
    tiny_tokenizer(tmp_path / "base", step_token=False)
    settings = {**QUICK, "lora": {"r": 4}, "lr": 2e-2, "epochs": 8}
    for name in ("sft", "dpo"):
        report = train(name, samples_of(TRAINERS[name].kinds[0]), tmp_path / "base", tmp_path / name, settings)
        assert report.loss_last < 0.9 * report.loss_first
        if name == "dpo":  # with its adapters off the model is its own reference
            assert report.loss_first == pytest.approx(math.log(2), abs=1e-5)
        model = AutoModelForCausalLM.from_pretrained(tmp_path / name)
        assert model.lm_head.weight.shape[0] == 270
        assert not torch.allclose(model.lm_head.weight[269], model.lm_head.weight[:269].mean(0), atol=1e-3)


def test_expert_iteration_keeps_the_good_ones() -> None:
    solutions = [
        Solution(question="q", steps=("a", "b"), reward=1.0),
        Solution(question="q", steps=("A b",), reward=1.0),
        Solution(question="q", steps=("wrong",), reward=0.0),
        Solution(question="q", steps=("c",), reward=1.0),
        Solution(question="q", steps=("d",), reward=1.0),
        Solution(question="p", steps=("a", "b"), reward=0.5),
    ]
    kept, dropped = expert_iteration.chosen(solutions, 1.0, 2)
    assert [solution.steps for solution in kept] == [("a", "b"), ("c",)]
    assert dropped == {"duplicate": 1, "reward": 2, "per_question": 1}
    assert len(expert_iteration.chosen(solutions, 0.5, 0)[0]) == 4


def test_expert_iteration_reports_what_it_dropped(base: Path, tmp_path: Path) -> None:
    report = train("expert-iteration", samples_of("solution"), base, tmp_path / "out", {**QUICK, "epochs": 1})
    assert (report.samples, dict(report.dropped)) == (4, {"reward": 4})


BAD = Solution(question="q", steps=("a",), reward=0.0)


@pytest.mark.parametrize(
    ("module", "name", "sample", "settings", "said"),
    [
        (sft, "sft", replace(BAD, given=1), {}, "1 steps of which 1 are given"),
        (sft, "sft", Solution(question="q", steps=("a", "b"), given=1), {"template": "chat"}, "learns solutions whole"),
        (
            sft,
            "sft",
            Operated(question="q", messages=(("user", "<eos>"),)),
            {"template": "chat"},
            "special token '<eos>'",
        ),
        (expert_iteration, "expert-iteration", BAD, {}, "no solution has a reward of 1 or more"),
        (step_apo, "step-apo", Preferred(question="q", chosen=("a",), rejected=("b",)), {}, "one pair has none"),
        (
            dpo,
            "dpo",
            Preferred(question="q", chosen=("a",), rejected=("b",), weight=0.5),
            {},
            "counts all samples alike",
        ),
    ],
)
def test_bad_input(module: Any, name: str, sample: Any, settings: Any, said: str, make_job: MakeJob) -> None:
    with pytest.raises(BadInput, match=said):
        module.plan(make_job(name, [sample], **settings))
