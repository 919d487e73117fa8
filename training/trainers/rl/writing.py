"""Sampling solutions from the policy that is being trained, and reading them as steps.

The library's `generate` does the decoding. Every solution is cut at the token limit, never silently: `Written.ended`
says whether the policy ended it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reflectree.models.scoring.template import StepTemplate, special_id
from reflectree.rlm_ops.answers import extract_answer
from reflectree.training.trainers.rl.episodes import Written

Start = tuple[str, tuple[str, ...]]
"""A question and the steps that are given."""


def write(
    model: Any,
    tokenizer: Any,
    starts: Sequence[Start],
    n: int,
    *,
    max_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    template: StepTemplate | None = None,
    rows: int = 64,
) -> list[list[Written]]:
    """`n` solutions of each start.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        starts: Where the solutions begin.
        n: Solutions a start.
        max_tokens: Most tokens of one.
        temperature: Sampling temperature; 0 takes the likeliest token.
        top_p: Nucleus mass.
        seed: Of all of them together.
        template: How steps become tokens.
        rows: Most solutions decoded at once.
    """
    template = template or StepTemplate()
    todo = [k for k in range(len(starts)) for _ in range(n)]
    prompts = [template.prompt(tokenizer, question, steps) for question, steps in starts]
    written = sample(
        model, tokenizer, [prompts[k] for k in todo],
        max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed, rows=rows,
    )  # fmt: skip
    found: list[list[Written]] = [[] for _ in starts]
    for k, ids in zip(todo, written, strict=True):
        found[k].append(read(tokenizer, template, starts[k], ids))
    return found


def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    rows: int = 64,
) -> list[list[int]]:
    """The tokens written after each prompt, the end of the text included, what fills the row up not."""
    eos = special_id(tokenizer, "")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos
    device = next(model.parameters()).device
    sampling: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    found: list[list[int]] = []
    learning = model.training
    model.eval()
    for first in range(0, len(prompts), rows):
        chunk = prompts[first : first + rows]
        width = max(map(len, chunk))
        ids = torch.full((len(chunk), width), pad, dtype=torch.long)
        real = torch.zeros((len(chunk), width), dtype=torch.long)
        for row, prompt in enumerate(chunk):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            real[row, width - len(prompt) :] = 1
        with torch.no_grad(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed * 1_000_003 + first)
            written = model.generate(
                input_ids=ids.to(device),
                attention_mask=real.to(device),
                max_new_tokens=max_tokens,
                eos_token_id=eos,
                pad_token_id=pad,
                **sampling,
            )[:, width:].tolist()
        found += [row[: row.index(eos) + 1] if eos in row else row for row in written]
    model.train(learning)
    return found


def read(tokenizer: Any, template: StepTemplate, start: Start, ids: Sequence[int]) -> Written:
    """The solution that the written tokens are."""
    eos, end = special_id(tokenizer, ""), special_id(tokenizer, template.step_end)
    ended = eos in ids
    body = list(ids[: ids.index(eos)]) if ended else list(ids)
    steps: list[str] = []
    piece: list[int] = []
    for token in [*body, end]:
        if token != end:
            piece.append(token)
            continue
        text = str(tokenizer.decode(piece, skip_special_tokens=True)).strip()
        if text:
            steps.append(text)
        piece = []
    question, given = start
    answer = extract_answer("\n".join(steps)) if steps else None
    return Written(question, (*given, *steps), answer, ended, len(body) + ended, given=len(given))
