"""Teams against self-consistency at equal tokens, on scripted agents whose errors are known: docs/teams.md.

    python -m benchmarks.teams [--tasks 24] [--seeds 5] [--json FILE]

The agents are scripts, so this measures what a team's *structure* gains under an assumption, and says nothing about any
model. Errors are `independent` (each sample is right 60 % of the time, wrong answers scatter) or `common` (on two tasks
in five most samples fall into the same trap). Who reads others `follows` (takes what most of them say) or `recognises`
(takes a right answer it sees six times in ten, else follows). A critic and a verifier tell right from wrong as well as
readers do: not at all where these follow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from reflectree.agents.prompts import CRITIQUE, REFINE
from reflectree.agents.prompts.solving import ASKS
from reflectree.graphs.result import Result
from reflectree.graphs.teams import aconvene
from reflectree.models.base import Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.statistics import Interval, paired_bootstrap
from reflectree.rlm_ops.task import Task

TEAMS = ("debate", "moa", "role-team")
FAMILIES = tuple((errors, reading) for errors in ("independent", "common") for reading in ("follows", "recognises"))
SKILL, TRAPPED, FREE = 0.6, 0.2, 0.9
"""Chance of a right sample: of independent errors, in a trap, and where there is none."""
TRAPS, EYE = 0.4, 0.6
"""Share of tasks with a trap, and the chance that a reader knows a right answer when it sees one."""
RIGHT, TRAP = 42, 7
WORDS = "I write down what is given and work through it one step after the other until the result stands there. " * 2


@dataclass(frozen=True, slots=True)
class Row:
    """One team on one family.

    Attributes:
        team: Its blueprint.
        errors: How samples err.
        reading: What readers do.
        accuracy: Share of tasks it got right; `alone`: that of self-consistency at equal tokens.
        tokens: Mean tokens a task, and those of self-consistency.
        gain: Difference of the accuracies with the 95 % interval of a paired bootstrap over tasks and seeds.
    """

    team: str
    errors: str
    reading: str
    accuracy: float
    alone: float
    tokens: float
    alone_tokens: float
    gain: Interval

    @property
    def verdict(self) -> str:
        """`gain` or `loss` only where the interval leaves out 0."""
        return "gain" if self.gain.low > 0 else "loss" if self.gain.high < 0 else "no gain"


class Agents:
    """The script of all agents of a family."""

    def __init__(self, errors: str, reading: str) -> None:
        self.errors = errors
        self.eye = EYE if reading == "recognises" else 0.0
        self.policy = ScriptedPolicy(self.say, capabilities=replace(ABLE, max_n=1), name=f"{errors}-{reading}")

    def say(self, request: Request, sample: int) -> str:
        """A reply that depends on the request alone."""
        system, asked = request.messages[0].content, request.messages[-1].content
        dice = Random(zlib.crc32(f"{request.seed}:{asked}".encode()))
        number = next(int(found[1]) for m in request.messages if (found := re.search(r"Problem (\d+)", m.content)))
        shown = [int(answer) for m in request.messages[1:] for answer in re.findall(r"Answer: (\d+)", m.content)]
        if request.json_schema is not None:
            seen_right = shown[-1] == RIGHT if dice.random() < self.eye else dice.random() < SKILL
            return json.dumps({"reason": "so", "score": 10 if seen_right else 1})
        if system == CRITIQUE:
            fine = shown[-1] == RIGHT if dice.random() < self.eye else dice.random() < SKILL
            return "Verdict: correct" if fine else "Verdict: wrong\nA step does not follow."
        if ASKS["plan"] in asked:
            return "1. Read.\n2. Work it out.\n3. Check."
        if shown and system != REFINE:
            return f"{WORDS}\nAnswer: {self._read(shown, dice)}"
        return f"{WORDS}\nAnswer: {self._draw(number, dice)}"

    def _draw(self, number: int, dice: Random) -> int:
        """An answer of one's own."""
        if self.errors == "common":
            trap = Random(number).random() < TRAPS
            return RIGHT if dice.random() < (TRAPPED if trap else FREE) else TRAP
        return RIGHT if dice.random() < SKILL else dice.randrange(100, 106)

    def _read(self, shown: list[int], dice: Random) -> int:
        """An answer after one has read others."""
        if RIGHT in shown and dice.random() < self.eye:
            return RIGHT
        votes = Counter(shown)
        most = max(votes.values())
        return dice.choice([answer for answer in votes if votes[answer] == most])


async def measure(team: str, errors: str, reading: str, tasks: int, seeds: int) -> Row:
    """A team on a family."""
    agents = Agents(errors, reading)
    models = {"critic": agents.policy} if team == "role-team" else {}
    mine: list[Result] = []
    others: list[Result] = []
    for seed in range(seeds):
        for number in range(tasks):
            words = f"Problem {seed * tasks + number}: what comes out in the end?"
            task = Task(words, verifier=verifiers.numeric(RIGHT))
            report = await aconvene(task, team, policy=agents.policy, models=models, seed=seed, concurrency=4)
            assert report.alone is not None
            mine.append(report.result)
            others.append(report.alone)
    right, baseline = ([float(bool(result.selected_correct)) for result in results] for results in (mine, others))
    count = len(mine)
    return Row(
        team,
        errors,
        reading,
        sum(right) / count,
        sum(baseline) / count,
        sum(result.usage.tokens for result in mine) / count,
        sum(result.usage.tokens for result in others) / count,
        paired_bootstrap(right, baseline),
    )


def line(row: Row) -> str:
    """A row of the table."""
    gain = f"{row.gain.estimate:+.2f} [{row.gain.low:+.2f}, {row.gain.high:+.2f}]"
    head = f"| `{row.team}` | {row.errors} | {row.reading} | {row.accuracy:.2f} | {row.alone:.2f} "
    return f"{head}| {gain} {row.verdict} | {row.tokens:.0f} | {row.alone_tokens:.0f} |"


async def table(tasks: int, seeds: int) -> list[Row]:
    """Measure all, and print each row once it is there."""
    print("| team | errors | readers | accuracy | self-consistency | difference | tokens | its tokens |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for team in TEAMS:
        for errors, reading in FAMILIES:
            rows.append(await measure(team, errors, reading, tasks, seeds))
            print(line(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teams", description=__doc__)
    parser.add_argument("--tasks", type=int, default=24, help="tasks a seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    options = parser.parse_args()
    rows = asyncio.run(table(options.tasks, options.seeds))
    if options.json is not None:
        data = [{**asdict(row), "verdict": row.verdict} for row in rows]
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
