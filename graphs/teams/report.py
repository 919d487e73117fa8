"""What a team came to: its answer, what its members said, what each of them cost, and what sampling does instead.

Nothing here runs anything. Beside the answer stand its tokens, and self-consistency at as many.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from reflectree.graphs.result import Result
from reflectree.graphs.teams.messages import Said, messages
from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.usage import NO_USAGE, Usage

LONGEST = 400
"""Characters of a message that are printed."""


@dataclass(frozen=True, slots=True)
class Share:
    """A member's part in a run.

    Attributes:
        member: Its name.
        turns: How often it was asked.
        failed: How often nothing came of that.
        usage: What it cost; samples that shared a request are on the bill of the first of them.
    """

    member: str
    turns: int = 0
    failed: int = 0
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class TeamReport:
    """A team's run beside self-consistency at equal tokens.

    Attributes:
        result: The team's run.
        alone: Self-consistency of the policy on the same task, under a budget of as many tokens as the team used;
            `None` only where the team used none, or the model failed (`problem` says why).
        messages: What was said, in order of arrival.
        problem: Why there is nothing to compare with.
    """

    result: Result
    alone: Result | None
    messages: tuple[Said, ...]
    problem: str = ""

    @classmethod
    def of(cls, result: Result, alone: Result | None, problem: str = "") -> TeamReport:
        """The report of two runs."""
        return cls(result, alone, messages(result.trace), problem)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Turns and tokens by member, in order of their first turns; the usages add up to the team's bill."""
        found: dict[str, Share] = {}
        for said in self.messages:
            share = found.get(said.member, Share(said.member))
            found[said.member] = replace(
                share,
                turns=share.turns + 1,
                failed=share.failed + bool(said.problem),
                usage=share.usage + said.usage,
            )
        return tuple(found.values())

    @property
    def agrees(self) -> bool | None:
        """Whether team and self-consistency come to the same answer; `None` where one of them has none."""
        if self.alone is None or self.alone.answer is None or self.result.answer is None:
            return None
        return normalise(self.alone.answer) == normalise(self.result.answer)

    def to_json(self, trace_path: str | None = None) -> dict[str, Any]:
        """Everything but the traces as plain values."""
        return {
            "team": self.result.to_json(trace_path),
            "self_consistency": None if self.alone is None else self.alone.to_json(),
            "problem": self.problem,
            "agrees": self.agrees,
            "members": [asdict(share) for share in self.shares],
            "messages": [asdict(said) for said in self.messages],
        }

    def __str__(self) -> str:
        """The conversation in words, the bill of each member, and both answers with their tokens."""
        lines = [_line(said) for said in self.messages]
        lines += ["", "member            turns  failed  tokens"]
        lines += [f"{s.member:<16}  {s.turns:>5}  {s.failed:>6}  {s.usage.tokens:>6}" for s in self.shares]
        lines += ["", _outcome("team", self.result)]
        if self.alone is not None:
            lines.append(_outcome("self-consistency", self.alone))
        elif self.problem:
            lines.append(f"self-consistency: not measured: {_printable(self.problem)}")
        return "\n".join(lines)


def _line(said: Said) -> str:
    """A message as a person reads it: the words are data, without what could overwrite others on a terminal."""
    head = f"[{said.round}] {said.member}"
    if len(said.reads) > 1 or any(said.reads):
        head += f" (reads {', '.join(map(str, said.reads))})"
    if said.problem:
        return f"{head}: nothing came: {_printable(said.problem)}"
    words = [] if said.value is None else [f"{said.value:.2f}"]
    words += [_printable(part) for part in (said.note, said.text) if part]
    return f"{head}: {' -> '.join(words)}"


def _printable(text: str) -> str:
    words = " ".join(text.split())
    words = words if len(words) <= LONGEST else f"{words[:LONGEST]} ..."
    return "".join(c if c.isprintable() else "\ufffd" for c in words)


def _outcome(name: str, result: Result) -> str:
    answer = f"no answer ({result.stop_reason})" if result.answer is None else _printable(result.answer)
    verdict = {True: ", right", False: ", wrong", None: ""}[result.selected_correct]
    return f"{name}: {answer}{verdict} ({result.usage.tokens} tokens, {result.usage.calls} calls)"
