"""Trainers of scorers: each lowers its loss, and what is written scores as it did in training."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.tiny_models import tiny_causal_lm
from tests.support.training_jobs import MakeJob, samples_of

from reflectree.models.neural.heads import scaled
from reflectree.models.neural.load import load_scorer
from reflectree.models.scoring.items import Item
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Labelled, Preferred, Sample, Solution, Valued
from reflectree.training.trainers import TRAINERS, implicit, orm, pairwise, policies, ppm, prm, scored, train, value
from reflectree.training.trainers.common import Plan
from reflectree.training.trainers.losses import bradley_terry

MODULES: dict[str, Any] = {
    "value": value,
    "prm": prm,
    "orm": orm,
    "pairwise": pairwise,
    "ppm": ppm,
    "implicit": implicit,
}
STEPS = ("good", "b3")
ITEM = Item("add 3", STEPS)


def trained(plan: Plan) -> tuple[list[float], Any]:
    """The losses of a training, and the model in evaluation mode."""
    plan.trainer.train()
    return [log["loss"] for log in plan.trainer.state.log_history if "loss" in log], plan.trainer.model.eval()


def written(plan: Plan, folder: Path) -> Any:
    """The scorer that is loaded from what a plan writes."""
    folder.mkdir()
    plan.write(folder)
    plan.card.save(folder)
    return load_scorer(folder, device="cpu")


def scores(scorer: Any, item: Item = ITEM) -> tuple[float, ...]:
    return tuple(scorer.score([scorer.encode(item)])[0].steps)


def train_and_write(name: str, make_job: MakeJob, tmp_path: Path, **settings: Any) -> tuple[Plan, Any, Any]:
    kind = TRAINERS[name].kinds[0]
    job = make_job(name, samples_of(kind), **settings)
    plan = MODULES[name].plan(job)
    seen, model = trained(plan)
    assert seen[-1] < 0.7 * seen[0], seen
    return plan, model, written(plan, tmp_path / "out")


@pytest.mark.parametrize("settings", [{}, {"loss": "bce", "scale": "tanh", "head_layers": 1, "lora": {"r": 4}}])
def test_value(make_job: MakeJob, tmp_path: Path, settings: dict[str, Any]) -> None:
    plan, net, scorer = train_and_write("value", make_job, tmp_path, head_lr=2e-2, **settings)
    assert scorer.info.kind == "value-head"
    for steps in ((), STEPS[:1], STEPS):
        encoded = scorer.encode(Item("add 3", steps))
        one = {"ids": encoded.ids, "reads": encoded.reads, "labels": [0.0] * len(encoded.reads), "weight": 1.0}
        batch = scored.collated([one, {**one, "ids": (*encoded.ids, 5, 6)}], 0)
        with torch.no_grad():
            raw = net(batch["input_ids"], batch["attention_mask"], batch["rows"], batch["reads"])
        wanted = scaled(raw, plan.card.scale).tolist()
        found = scorer.score([encoded])[0]
        assert [found.value] == pytest.approx([wanted[len(encoded.reads) - 1]], abs=1e-5)
        if steps:
            assert list(found.steps) == pytest.approx(wanted[: len(steps)], abs=1e-5)


def test_value_learns_step_values_where_they_are_read(make_job: MakeJob) -> None:
    made = value.plan(make_job("value", [Labelled(question="q", steps=("a", "b", "c"), labels=(0.2, math.nan, 0.9))]))
    (one,) = made.trainer.train_dataset
    job = make_job("value", samples_of("valued"))
    encoded = scored.encoded(job, made.card, "q", ("a", "b", "c"))
    assert one["reads"] == [encoded.reads[0], encoded.reads[2]]
    assert one["labels"] == [0.2, 0.9]
    tag = job.base.tokenizer.convert_tokens_to_ids("<|step|>")
    assert [one["ids"][at] for at in one["reads"]] == [tag, tag]


def test_a_value_model_goes_on_with_its_head(make_job: MakeJob, tmp_path: Path) -> None:
    plan = value.plan(make_job("value", samples_of("valued"), max_steps=2))
    _, net = trained(plan)
    written(plan, tmp_path / "out").close()
    job = make_job("value", samples_of("valued"))
    again = scored.value_net(replace(job, base=replace(job.base, folder=tmp_path / "out")), 1)
    assert all(torch.equal(a, b) for a, b in zip(net.head.parameters(), again.head.parameters(), strict=True))


@pytest.mark.parametrize("settings", [{}, {"lora": {"r": 4}, "lr": 1e-2}])
def test_prm(make_job: MakeJob, tmp_path: Path, settings: dict[str, Any]) -> None:
    plan, model, scorer = train_and_write("prm", make_job, tmp_path, threshold=0.6, **settings)
    encoded = scorer.encode(ITEM)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([encoded.ids])).logits[0]
    wanted = logits.softmax(-1)[list(encoded.reads), 1].tolist()
    assert list(scores(scorer)) == pytest.approx(wanted, abs=1e-5)
    assert scores(scorer)[0] > scores(scorer, Item("add 3", ("bad", "b3")))[0]
    assert plan.card.labels == ("bad", "good")


def test_prm_of_a_model_that_says_a_token(make_job: MakeJob, tmp_path: Path) -> None:
    _, model, scorer = train_and_write("prm", make_job, tmp_path, format="math-shepherd")
    encoded = scorer.encode(ITEM)
    minus, plus = scorer.format.labels(scorer.tokenizer, scorer.card)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([encoded.ids])).logits[0]
    wanted = logits[:, [minus, plus]].softmax(-1)[list(encoded.reads), 1].tolist()
    assert list(scores(scorer)) == pytest.approx(wanted, abs=1e-5)


def test_prm_learns_nothing_but_step_tags(make_job: MakeJob) -> None:
    sample = Labelled(question="q", steps=("a", "b", "c"), labels=(1.0, math.nan, 0.2))
    made = prm.plan(make_job("prm", [sample]))
    batch = made.trainer.data_collator(made.trainer.train_dataset)
    model = made.trainer.model.eval()
    logits = model(input_ids=batch["input_ids"]).logits
    logits.retain_grad()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(model), "forward", lambda *args, **kwargs: type("Out", (), {"logits": logits}))
        loss: Any = prm.loss_of(model, batch, (0, 1))
        loss.backward()
    assert logits.grad is not None
    moved = logits.grad[0].abs().sum(-1).nonzero().flatten().tolist()
    tags = (batch["input_ids"][0] == 7).nonzero().flatten().tolist()
    assert moved == [tags[0], tags[2]]
    assert len(tags) == 3


@pytest.mark.parametrize("settings", [{}, {"head": "value", "loss": "mse", "head_lr": 2e-2}, {"lora": {"r": 4}}])
def test_orm(make_job: MakeJob, tmp_path: Path, settings: dict[str, Any]) -> None:
    _, model, scorer = train_and_write("orm", make_job, tmp_path, **settings)
    encoded = scorer.encode(ITEM)
    with torch.no_grad():
        if settings.get("head") == "value":
            one = {"ids": encoded.ids, "reads": encoded.reads[-1:], "labels": [0.0], "weight": 1.0}
            batch = scored.collated([one], 0)
            logit = model(batch["input_ids"], batch["attention_mask"], batch["rows"], batch["reads"])[0]
        else:
            logit = model(input_ids=torch.tensor([encoded.ids])).logits[0, 0]
    found = scorer.score([encoded])[0].value
    assert found == pytest.approx(logit.sigmoid().item(), abs=1e-5)
    assert found > scorer.score([scorer.encode(Item("add 2", ("bad", "b2")))])[0].value


@pytest.mark.parametrize("settings", [{"head_lr": 1e-2, "centre": 0.01}, {"format": "whole", "lora": {"r": 4}}])
def test_pairwise(make_job: MakeJob, tmp_path: Path, settings: dict[str, Any]) -> None:
    plan, model, scorer = train_and_write("pairwise", make_job, tmp_path, **settings)
    better, worse = Item("add 1", ("s", "good")), Item("add 1", ("s", "bad 3"))
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([scorer.encode(item).ids])).logits[0, 0] for item in (better, worse)]
    found = [scorer.score([scorer.encode(item)])[0].value for item in (better, worse)]
    assert found == pytest.approx([logit.sigmoid().item() for logit in logits], abs=1e-5)
    assert found[0] > found[1]
    if settings.get("format") == "whole":
        assert plan.card.kind == "preference"
        chance = scorer.score([scorer.encode(Item("add 1", better.steps, worse.steps))])[0].value
        assert chance == pytest.approx((logits[0] - logits[1]).sigmoid().item(), abs=1e-5)


def test_pairwise_is_trls_bradley_terry(make_job: MakeJob) -> None:
    made = pairwise.plan(make_job("pairwise", samples_of("preferred")))
    batch = made.trainer.data_collator([made.trainer.train_dataset[i] for i in range(3)])
    model = made.trainer.model.eval()
    with torch.no_grad():
        theirs = made.trainer.compute_loss(model, dict(batch))
        better, worse = model(**batch).logits.squeeze(-1).chunk(2)
    assert theirs.item() == pytest.approx(bradley_terry(better, worse).item(), abs=1e-6)


def test_ppm(make_job: MakeJob, tmp_path: Path) -> None:
    plan, net, scorer = train_and_write("ppm", make_job, tmp_path)
    found = [scorer.score([scorer.encode(Item("add 1", ("s", way)))])[0] for way in ("good", "bad 3")]
    assert found[0].value > found[1].value
    assert found[0].steps[0] == pytest.approx(found[1].steps[0], abs=1e-5)  # the shared step, whatever follows
    batch = plan.trainer.data_collator([plan.trainer.train_dataset[1]])
    with torch.no_grad():
        raw = net(batch["input_ids"], batch["attention_mask"], batch["rows"], batch["reads"])
    assert raw[0].sigmoid().item() == pytest.approx(found[0].value, abs=1e-5)


def test_ppm_reads_a_solution_once(make_job: MakeJob) -> None:
    pairs = [Preferred(question="q", chosen=("a",), rejected=(bad,)) for bad in ("b", "c", "d")]
    (one,) = ppm.plan(make_job("ppm", [*pairs])).trainer.train_dataset
    assert len(one["ids"]) == 4
    assert [pair[:2] for pair in one["pairs"]] == [(0, 1), (0, 2), (0, 3)]


@pytest.mark.parametrize("settings", [{}, {"lora": {"r": 4}, "lr": 2e-2}])
def test_implicit(make_job: MakeJob, tmp_path: Path, settings: dict[str, Any]) -> None:
    plan, model, scorer = train_and_write("implicit", make_job, tmp_path, beta=0.5, **settings)
    job = make_job("implicit", samples_of("solution"))
    encoded = scorer.encode(ITEM)
    batch = policies.labelled([(encoded.ids, encoded.cuts[0])], 0)
    reference = job.base.load("policy").eval()
    with torch.no_grad():
        rewards = 0.5 * policies.log_ratios(model, reference, batch)[0]
    # The sum of token rewards is the logit of the whole, and that so far is each step's.
    sums = [rewards[:read].sum().sigmoid().item() for read in encoded.reads]
    assert list(scores(scorer)) == pytest.approx(sums, abs=1e-5)
    assert sums[-1] == pytest.approx(rewards.sum().sigmoid().item(), abs=1e-6)
    assert plan.card.reference == "reference"


def test_the_reference_of_an_implicit_model_is_the_base(make_job: MakeJob, tmp_path: Path, base: Path) -> None:
    made = implicit.plan(make_job("implicit", samples_of("solution"), max_steps=2))
    seen, _ = trained(made)
    assert seen[0] == pytest.approx(math.log(2), abs=1e-6)  # no log-ratio before the first update
    written(made, tmp_path / "out").close()
    theirs = load_file(base / "model.safetensors")
    ours = load_file(tmp_path / "out" / "reference" / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("arch", ["qwen2", "mistral"])
def test_other_architectures(arch: Any, tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path / "base", arch)
    settings = {"epochs": 6, "batch": 4, "lr": 5e-3, "checkpoint": 0}
    report = train("prm", samples_of("labelled"), tmp_path / "base", tmp_path / "out", settings)
    assert report.loss_last < report.loss_first
    assert len(scores(load_scorer(tmp_path / "out", device="cpu"))) == 2


@pytest.mark.parametrize(
    ("name", "sample", "settings", "said"),
    [
        ("value", Valued(question="q", steps=("a\n\n", "<|step|>"), value=0.5), {}, "contains the step tag"),
        ("prm", Labelled(question="q", steps=("a", " "), labels=(1.0, 0.0)), {}, "step 2 of a sample is empty"),
        ("prm", Labelled(question="q", steps=("a ки",), labels=(1.0,)), {"format": "math-shepherd"}, "ки"),
        ("orm", Solution(question="q", steps=("a",)), {"format": "of nobody"}, "no step format 'of nobody'"),
        (
            "pairwise",
            Preferred(question="q", chosen=("a",), rejected=("b",), weight=2.0),
            {},
            "counts all samples alike",
        ),
    ],
)
def test_bad_input(make_job: MakeJob, name: str, sample: Sample, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        MODULES[name].plan(make_job(name, [sample], **settings))
