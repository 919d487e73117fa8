"""What cannot be loaded or scored is one clear line that names the fix; no code of a model is ever run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support import tiny_scorers as make
from tests.support.tiny_models import tiny_causal_lm, tiny_tokenizer

from reflectree.models.neural.heads import ValueHead
from reflectree.models.neural.load import load_scorer
from reflectree.models.neural.weights import load_tokenizer
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import Item, ItemRefused
from reflectree.rlm_ops.errors import BadInput

ITEM = Item(make.QUESTION, make.STEPS)


def refused(path: Any, **options: Any) -> str:
    with pytest.raises(BadInput) as error:
        load_scorer(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def change_config(path: Path, **changes: Any) -> None:
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_remote_code_is_never_run_and_the_architecture_is_known(tmp_path: Path) -> None:
    make.qwen_prm(tmp_path)  # its modules would end the process
    info = load_scorer(tmp_path).info
    assert (info.kind, info.per_step) == ("token-classifier", True)


def test_a_missing_folder_names_those_spelled_alike(tmp_path: Path) -> None:
    make.value_model(tmp_path / "countdown-value")
    said = refused(tmp_path / "countdown-valeu")
    assert said.startswith(
        f"there is no model folder {tmp_path}/countdown-valeu; did you mean {tmp_path}/countdown-value?"
    )


def test_a_name_that_is_not_in_the_cache_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert refused("nobody/no-model").endswith("download it with hf download nobody/no-model")


def test_a_file_and_an_empty_folder_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file: name the folder" in refused(tmp_path / "file")
    assert "has no config.json, so it is no model" in refused(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "merge the adapter into its base first" in refused(tmp_path)


def test_pickled_weights_are_refused_with_the_way_out(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    said = refused(tmp_path)
    assert "holds pickled weights, which can run code" in said
    assert "save_pretrained" in said


def test_missing_and_damaged_weights_are_told_apart(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"junk")
    assert "are damaged" in refused(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "has no model.safetensors" in refused(tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert "are not those of LlamaModel: layers.1.mlp.up_proj.weight is missing" in refused(tmp_path)


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    change_config(tmp_path, model_type="unheard-of")
    assert "has an unknown architecture, and code of models is never run" in refused(tmp_path)


def test_a_head_that_does_not_fit_the_base_is_refused(tmp_path: Path) -> None:
    ValueHead(16).save(make.value_model(tmp_path))
    assert "the value head expects 16 numbers and the base gives 32" in refused(tmp_path)


def test_a_published_head_that_does_not_fit_its_base_is_refused(tmp_path: Path) -> None:
    make.add_weights(make.qwen_prm(tmp_path), {"score.0.weight": torch.zeros(16, 16)})
    assert "does not fit its base: size mismatch for 0.weight" in refused(tmp_path)


def test_a_wrong_step_tag_is_refused(tmp_path: Path) -> None:
    make.value_model(tmp_path, step_tag="<|nope|>")
    assert "the format 'plain' does not suit the model 'tiny-value': the tokenizer has no token '<|nope|>'" in refused(
        tmp_path
    )


def test_a_format_of_another_family_is_refused(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path)
    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.chat_template = None
    (tmp_path / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(tmp_path)
    assert "the tokenizer has no chat template" in refused(tmp_path, format="rlhflow")


def test_a_language_model_without_a_card_asks_for_its_format(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path)
    assert "say how it is read with a format, one of math-shepherd, rlhflow, openr-qwen, pair" in refused(tmp_path)


def test_published_language_models_are_known_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "math-shepherd-mistral-7b-prm"
    tiny_causal_lm(folder, "mistral")
    scorer = load_scorer(folder)
    assert load_tokenizer(folder).decode(scorer.encode(ITEM).ids).endswith("Answer: 24ки")


def test_a_policy_scores_only_against_its_reference(tmp_path: Path) -> None:
    tiny_causal_lm(tmp_path)
    Card(kind="policy").save(tmp_path)
    assert "is a policy, which writes steps" in refused(tmp_path)
    assert "needs its reference" in refused(tmp_path, kind="implicit-prm")
    scorer = load_scorer(tmp_path, kind="implicit-prm", reference=tmp_path)
    assert scorer.score([scorer.encode(ITEM)])[0].steps == pytest.approx((0.5, 0.5, 0.5))
    with pytest.raises(ItemRefused, match="has none: send at least one"):
        scorer.encode(Item("What is 6 times 7?"))


def test_a_reference_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    make.implicit(tmp_path)
    tiny_causal_lm(tmp_path / "reference", vocab_size=300)
    assert "the reference has another vocabulary" in refused(tmp_path)


def test_unknown_options_name_the_known_ones(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    assert "there is no kind of scorer 'nope': it is one of value-head" in refused(tmp_path, kind="nope")
    assert "there is no step format 'nope': it is one of plain" in refused(tmp_path, format="nope")
    assert "there is no number type 'int8'" in refused(tmp_path, dtype="int8")
    assert "there is no device 'nope'" in refused(tmp_path, device="nope")
    if not torch.cuda.is_available():
        assert "this machine has no GPU" in refused(tmp_path, device="cuda")


def test_a_damaged_card_and_a_damaged_tokenizer_are_refused(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "has no tokenizer that can be loaded" in refused(tmp_path)
    (tmp_path / "reflectree.json").write_text('{"kind": "nope"}')
    assert "is not a model's card" in refused(tmp_path)


def test_a_class_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    make.token_classifier(tmp_path, labels=("bad", "fine"))
    assert "the model has no class 'fine', which its card calls good: it has LABEL_0, LABEL_1" in refused(tmp_path)
    change_config(tmp_path, id2label={"0": "fine", "1": "bad"}, label2id={"fine": 0, "bad": 1})
    named = load_scorer(tmp_path)
    (tmp_path / "reflectree.json").unlink()
    plain = load_scorer(tmp_path)
    encoded = plain.encode(ITEM)
    (ours,), (theirs,) = named.score([encoded]), plain.score([encoded])
    assert ours.steps == pytest.approx([1 - score for score in theirs.steps], abs=1e-6)


def test_an_item_that_is_too_long_is_refused_and_never_cut(tmp_path: Path) -> None:
    scorer = load_scorer(make.value_model(tmp_path))
    fitting = scorer.encode(Item("q", ("x" * 508,)))
    assert fitting.tokens == 512
    assert len(scorer.score([fitting])[0].steps) == 1
    with pytest.raises(ItemRefused, match="the item has 513 tokens and the model reads 512") as error:
        scorer.encode(Item("q", ("x" * 509,)))
    assert error.value.code == "context_overflow"


def test_of_a_pair_each_text_must_fit(tmp_path: Path) -> None:
    scorer = load_scorer(make.sequence_classifier(tmp_path), kind="preference")
    assert scorer.encode(Item("q", ("x" * 400,), ("y" * 400,))).tokens > 512
    with pytest.raises(ItemRefused, match="and the model reads 512"):
        scorer.encode(Item("q", ("x",), ("y" * 600,)))


def test_scores_that_do_not_match_the_steps_are_refused(tmp_path: Path) -> None:
    scorer = load_scorer(make.token_classifier(tmp_path), format="whole")
    with pytest.raises(ItemRefused, match="the item has 3 steps and the format 'whole' reads 1") as error:
        scorer.encode(ITEM)
    assert error.value.code == "reads_mismatch"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_an_error(bad: float, tmp_path: Path) -> None:
    make.value_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.norm.weight"][0] = bad
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    scorer = load_scorer(tmp_path)
    encoded = scorer.encode(ITEM)
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="'tiny-value' gave a score that is no number"):
            scorer.score([encoded])


def test_an_infinite_value_is_not_taken_for_a_sure_one(tmp_path: Path) -> None:
    make.value_model(tmp_path)
    head = load_file(tmp_path / "head.safetensors")
    head["head.4.bias"][0] = float("inf")
    save_file(head, tmp_path / "head.safetensors")
    scorer = load_scorer(tmp_path)
    with pytest.raises(FloatingPointError):
        scorer.score([scorer.encode(ITEM)])


def test_loading_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make.qwen_prm(tmp_path)
    capfd.readouterr()
    load_scorer(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_is_loaded_as_its_file_has_it(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    tiny_causal_lm(tmp_path, "qwen2")
    text = "a  b\n\nки <|step|>"
    again = load_tokenizer(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
