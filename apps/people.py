"""What stands outside a run: a person at the terminal whom it asks, and the figures of an answer that it never saw."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

from reflectree.apps.terminal import clean, note
from reflectree.rlm_ops.errors import NeedsPerson

if TYPE_CHECKING:
    from reflectree.apps.asking import RunOptions
    from reflectree.apps.ready import Output


def asked(waiting: NeedsPerson, output: Output) -> str | None:
    """What the person at the terminal says, "" where that is nothing.

    `None` where they leave, or nobody sits there: the question is printed all the same, and waits.
    """
    from reflectree.agents.asking import Question

    question = Question.from_row(waiting.question)
    if output.as_json:
        typer.echo(json.dumps({"run_id": waiting.run_id, "question": waiting.question}, ensure_ascii=False))
        return None
    note(clean(str(question)))
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    try:
        reply: str = typer.prompt("your reply", default="", show_default=False, err=True)
    except typer.Abort:  # Ctrl-C and Ctrl-D say nothing, not even that there is nothing to say: the question stays
        typer.echo(err=True)
        return None
    return reply


def held_out(options: RunOptions, answer: str | None) -> dict[str, Any] | None:
    """The held-out figures of a problem's answer; `None` where there is no problem or none of its answers."""
    from reflectree.agents.evaluators.base import ScoreError

    if options.problem is None or answer is None:
        return None
    try:
        figures: dict[str, Any] = options.measured().report(answer)
    except ScoreError as error:
        return {"problem": str(error)}
    return figures
