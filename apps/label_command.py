"""`reflectree data label`: training samples of traces that are there already.

Options in, numbers out; the work is done by `reflectree.apps.labelling`, which is imported once the command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reflectree.apps.data_options import (
    Buffer,
    Filters,
    Json,
    Labels,
    MaxCalls,
    MaxSeconds,
    MaxTokens,
    MaxUsd,
    Quiet,
    Rollouts,
    Round,
    SplitKey,
    TestShare,
    ValidShare,
    splits_of,
)
from reflectree.apps.interrupting import interruptible
from reflectree.apps.run_options import (
    ApiKeyEnv,
    BaseUrl,
    Model,
    PriceOption,
)

if TYPE_CHECKING:
    pass

DONE, PAUSED = 0, 3


def label(
    traces: Annotated[
        Path, typer.Argument(metavar="TRACES", help="A trace, a folder of traces, or the folder of data generate.")
    ],
    labels: Labels = None,
    filters: Filters = None,
    buffer: Buffer = None,
    taskset: Annotated[
        str | None,
        typer.Option(
            "--taskset",
            "-t",
            metavar="TASKSET",
            help="The tasks they are of, whose verifiers judge answers and completions.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="As for data generate.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="As for data generate.")] = 0,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            "--annotations", metavar="FILE", help="Judgements of data annotate; by default TRACE.judged.json."
        ),
    ] = None,
    rollouts: Rollouts = 8,
    round: Round = 0,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: ApiKeyEnv = None,
    price: PriceOption = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    max_seconds: MaxSeconds = None,
    test_share: TestShare = None,
    valid_share: ValidShare = None,
    split_key: SplitKey = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make training samples of traces that are there already.

    Samples that the buffer has are not stored again, so that a command may be repeated. Completions that a label wants
    are written by --model, kept beside the traces, and paid once.

    Try:

        reflectree data label data -l outcome -l search -f informative -B buffer

        reflectree data label data -l math-shepherd/soft -t tasks.jsonl -m vllm/my-model --max-calls 5000 -B buffer

        reflectree data label run.jsonl -l human -B buffer

    Exit codes: 0 done, 2 bad input, 3 paused by a cap, 4 model unreachable, 130 interrupted and kept.
    """
    from reflectree.apps import dataview, inputs
    from reflectree.apps.labelling import label_traces
    from reflectree.rlm_ops.budget import Budget
    from reflectree.training.pipelines.recipe import ModelWords

    named = model is not None or base_url is not None
    price_given = inputs.read_price(price)
    words = (
        ModelWords(name=model or "", base_url=base_url, api_key_env=api_key_env, price=price_given) if named else None
    )
    with interruptible(quiet):
        report = label_traces(
            traces,
            labels or (),
            filters or (),
            buffer or (traces if traces.is_dir() else traces.parent) / "buffer",
            words=words,
            taskset=(taskset, limit, seed),
            annotations=annotations,
            rollouts=rollouts,
            round=round,
            cap=Budget(max_calls, max_tokens, max_usd, max_seconds),
            splits=splits_of(test_share, valid_share, split_key),
            show=dataview.Show(quiet),
        )
    dataview.print_labels(report, as_json)
    raise typer.Exit(PAUSED if report.paused else DONE)
