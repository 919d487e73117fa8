"""Scoring the siblings of a known node: with the prefix cache against without it, in one run on one machine.

`python -m benchmarks.prefix` measures this figure alone.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.child import in_child, settle
from benchmarks.report import Row, load, table

SIBLINGS = 16
PREFIX_TOKENS = 768
STEP_TOKENS = 48
LEAST_RATIO = 4.0
MOST_PPM = {"float32": 10, "bfloat16": 10_000}
WIDTH, LAYERS = 512, 4
PREFIX_STEPS = 8


def measure(quick: bool = False) -> list[Row]:
    """The rows of this figure."""
    run = in_child("benchmarks.prefix:ratio", rounds=1 if quick else 5, device="auto")
    where = f"{run['device']}, {run['dtype']}"
    name = f"{SIBLINGS} siblings of {STEP_TOKENS} tokens under a warm prefix of {run['prefix']}"
    note = f"{1000 * run['cached_s']:.0f} ms against {1000 * run['anew_s']:.0f}, {where}, {LAYERS} layers of {WIDTH}"
    return [
        Row(f"{name}: faster by the cache", run["ratio"], "x", at_least=LEAST_RATIO, note=note, details=run),
        Row(f"{name}: scores differ by", 1e6 * run["difference"], " ppm", at_most=MOST_PPM[run["dtype"]], note=where),
    ]


def ratio(rounds: int, device: str = "auto") -> dict[str, Any]:
    """Median seconds a batch of siblings takes with the cache and without, and how far their scores are apart."""
    import torch

    from reflectree.models.neural.load import load_scorer
    from reflectree.models.scoring.items import Item

    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        _model(Path(folder))
        cached = load_scorer(folder, device=device)
        anew = load_scorer(folder, device=device, prefix_cache_tokens=0)
    per_step = PREFIX_TOKENS // PREFIX_STEPS
    question = _words(draw, per_step - 2)
    before = tuple(_words(draw, per_step - 1) for _ in range(PREFIX_STEPS - 1))
    # A beam's worth of siblings each round, none seen before; the first round loads what is loaded on first use.
    times: dict[bool, list[float]] = {True: [], False: []}
    difference, batch = 0.0, []
    prefix = cached.encode(Item(question, before))
    cached.score([prefix])
    for number in range(rounds + 1):
        items = [Item(question, (*before, _words(draw, STEP_TOKENS - 1))) for _ in range(SIBLINGS)]
        batch = [anew.encode(item) for item in items]
        values = []
        for scorer in (cached, anew):
            settle()
            started = time.perf_counter()
            values.append([found.value for found in scorer.score(batch)])
            if number:
                times[scorer is cached].append(time.perf_counter() - started)
        difference = max(difference, *(abs(one - other) for one, other in zip(*values, strict=True)))
    assert all(found.cached == found.tokens for found in cached.score(batch))
    medians = {known: statistics.median(spent) for known, spent in times.items()}
    return {
        "ratio": statistics.median(slow / fast for fast, slow in zip(times[True], times[False], strict=True)),
        "cached_s": medians[True],
        "anew_s": medians[False],
        "difference": difference,
        "prefix": prefix.tokens,
        "step": batch[0].tokens - prefix.tokens,
        "device": torch.cuda.get_device_name()
        if anew.info.device != "cpu"
        else f"CPU, {torch.get_num_threads()} threads",
        "dtype": anew.info.dtype,
        "seconds": times,
    }


def _words(draw: random.Random, length: int) -> str:
    """A text of so many tokens: letters, each one token."""
    return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=length))


def _model(folder: Path) -> None:
    """A value model with random weights and a tokenizer of characters."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2Model

    from reflectree.models.neural.heads import ValueHead
    from reflectree.models.neural.weights import quiet
    from reflectree.models.scoring.card import Card
    from reflectree.models.scoring.template import STEP_END

    torch.manual_seed(0)
    special = ["<eos>", STEP_END]
    letters = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", additional_special_tokens=[STEP_END], model_max_length=2048
    )
    config = Qwen2Config(
        vocab_size=len(letters),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=2048,
    )
    with quiet():
        tokenizer.save_pretrained(folder)
        Qwen2Model(config).save_pretrained(folder)
    ValueHead(WIDTH).save(folder)
    Card(kind="value-head", name="random").save(folder)


def main() -> int:
    """Measure and print this figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefix", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: a look, not a measurement")
    before = load()
    rows = measure(parser.parse_args().quick)
    print(f"{table(rows)}\n\n{before} at the start, {load()} at the end")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
