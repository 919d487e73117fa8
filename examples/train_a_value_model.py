"""A value model of your own from the data of a search: searched, labelled, trained and put to use, on one core.

    python examples/train_a_value_model.py                             # some two minutes; a script plays
    python examples/train_a_value_model.py --model openai/gpt-5-mini   # a model plays; its calls cost what they cost

The game: reach a number by exactly four dice of your choice. Everybody can check an answer; what a half-finished path
is worth nobody says, and that is what the model learns. It needs `pip install 'reflectree[training]'`. At the end stand
27 tries a row, so that differences below .2 are chance; whole solutions are not what this model learnt to read.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import reflectree as rt
from reflectree.models.base import Request
from reflectree.rlm_ops.extras import require
from reflectree.testing import ScriptedPolicy

SHOWN = rt.Example(
    "Reach 15 by four dice.",
    ("take 5: 10 to go, 3 left", "take 3: 7 to go, 2 left", "take 6: 1 to go, 1 left", "take 1: 0 to go, 0 left"),
    "5 + 3 + 6 + 1",
)
TRAIN, TEST = (7, 9, 11, 12, 14, 16, 18, 20, 22), (6, 8, 10, 13, 15, 17, 19, 21, 23)


def play(request: Request, sample: int) -> str:
    """Stands in for a model: it takes dice at random, counts right, and answers with what it took."""
    target = int(re.findall(r"Reach (\d+)", request.messages[-1].content)[-1])
    taken = [int(die) for die in re.findall(r"take (\d)", request.prefill)]
    dice, lines = random.Random((request.seed or 0) * 31 + sample), []
    while len(taken) < 4:
        taken.append(dice.randint(1, 6))
        lines.append(f"take {taken[-1]}: {target - sum(taken)} to go, {4 - len(taken)} left")
        if request.stop:  # a step was asked for, and no whole solution
            return lines[0]
    return "\n".join([*lines, "Answer: " + " + ".join(map(str, taken))])


def task(target: int) -> rt.Task:
    """The question, an example, and the rule that checks an answer."""

    def right(answer: str) -> bool:
        dice = [int(die) for die in re.findall(r"\d+", answer)]
        return len(dice) == 4 and 1 <= min(dice) <= max(dice) <= 6 and sum(dice) == target

    return rt.Task(f"Reach {target} by four dice.", examples=(SHOWN,), verifier=rt.verifiers.function(right))


def base_model(folder: Path) -> None:
    """A language model of some 30,000 random weights that reads characters: where training begins."""
    require("torch", "training", "training a value model")
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.manual_seed(0)
    letters = {letter: number for number, letter in enumerate(["<pad>", "<eos>", *sorted(ByteLevel.alphabet())])}
    made = ByteLevelBPETokenizer(vocab=letters, merges=[])._tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>")
    shape: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=256, pad_token_id=0, eos_token_id=1, **shape
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def search(target: int, policy: Any, evaluator: Any, seed: int, **settings: Any) -> rt.Result:
    """One beam search over dice."""
    settings = {"name": "beam", "rounds": 5, "finish": False, "confidence": None, **settings}
    changed = {"scheme.strategy": settings, "operators.generate.max_tokens": 64, "selection": "value"}
    beam, cap = rt.blueprints.load("beam").with_overrides(changed), rt.Budget(calls=200)
    return rt.solve(task(target), blueprint=beam, policy=policy, evaluator=evaluator, budget=cap, seed=seed)


def sampled(target: int, policy: Any, evaluator: Any, seed: int, tokens: int) -> rt.Result:
    """Whole solutions in place of a search, for as many tokens: voted on, or ranked by the evaluator."""
    name = "self-consistency" if evaluator is None else "best-of-n"
    plan = rt.blueprints.load(name).with_overrides({"scheme.strategy.n": None, "operators.generate.max_tokens": 64})
    cap = rt.Budget(tokens=tokens)
    return rt.solve(task(target), blueprint=plan, policy=policy, evaluator=evaluator, budget=cap, seed=seed)


def tell(name: str, runs: list[rt.Result]) -> int:
    """One row: how often a right answer was given and found, and the tokens a task, which are returned."""
    given = sum(bool(run.selected_correct) for run in runs) / len(runs)
    found = sum(bool(run.in_structure) for run in runs) / len(runs)
    tokens = sum(run.usage.tokens for run in runs) // len(runs)
    print(f"{name:40}{given:8.2f}{found:8.2f}{tokens:16,}")
    return tokens


def main() -> None:
    """Search, label, train, search again."""
    from reflectree.training.labels import label
    from reflectree.training.labels.source import Source
    from reflectree.training.trainers import train

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model by name; without one a script plays")
    parser.add_argument("--runs", type=int, default=8, help="searches for each of nine numbers, to make data of")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path, default=None, help="keep the models in this folder")
    args = parser.parse_args()
    policy: Any = rt.policy(args.model) if args.model else ScriptedPolicy(play)

    samples, spent = [], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.out or Path(temporary)
        base_model(folder / "base")
        for target in TRAIN:
            rule: Any = task(target).verifier
            for seed in range(args.runs):
                run = search(target, policy, lambda path: 0.5, seed, n=24, m=3, select="stochastic")
                samples += label(Source.of(run.trace, judge=rule.score), ["tree/soft"])
                spent += run.usage.tokens
        print(f"{len(samples)} samples from {len(TRAIN) * args.runs} searches, {spent:,} tokens")
        settings = {"epochs": args.epochs, "lr": 3e-3, "head_lr": 3e-3, "batch": 32, "valid": 0.1}
        report = train("value", samples, folder / "base", folder / "value", settings)
        print(f"trained: loss on held-out numbers {report.valid_first:.3f} -> {report.valid_last:.3f}")
        value = rt.value_model(str(folder / "value"))
        cases = [(target, seed) for target in TEST for seed in range(3)]  # numbers that no data was made of
        print(f"{'on nine other numbers':40}{'right':>8}{'found':>8}{'tokens a task':>16}")
        tell("beam, no guide", [search(t, policy, lambda path: 0.5, seed, n=6, m=3) for t, seed in cases])
        tokens = tell(
            "beam, guided by the value model", [search(t, policy, value, seed, n=6, m=3) for t, seed in cases]
        )
        tell("best-of-n, ranked by the value model", [sampled(t, policy, value, seed, tokens) for t, seed in cases])
        tell("self-consistency", [sampled(t, policy, None, seed, tokens) for t, seed in cases])


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
