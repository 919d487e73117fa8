"""Environments and systems that act in them: the tables of docs/embodied.md.

    python -m benchmarks.embodied [--only speed|expert|systems] [--worlds toy,textworld,scienceworld,gym]
        [--tasks 10] [--policy random|embedded] [--steps 15] [--tokens 3000] [--seconds 600] [--out FILE]

`speed`: steps, resets and snapshots a second. `expert`: each environment's own gold path, through the engine (ReAct
with a policy that says it) and judged by the replay in a fresh environment: the plumbing works. `systems`: ReAct,
Reflexion and LATS at equal commands and tokens, beside as many random valid commands without any engine. With
`--policy random` their policy draws one of the commands it is shown, so that it measures what the systems gain without
a model's judgement; `embedded` is the embedded model, one thread. Scores are the environments' own and reach no policy.
No run begins after `--seconds`. What stands in `--out` already, a JSON line each, is not measured again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.embodied_table import CHANCE, SYSTEMS, WORLDS, Line, summary
from benchmarks.report import load
from reflectree.graphs import blueprints
from reflectree.graphs.embodied.episodes import Guided
from reflectree.graphs.embodied.resolve import make as resolved
from reflectree.graphs.embodied.verifier import EpisodeVerifier
from reflectree.graphs.run import asolve
from reflectree.models.base import PolicyModel, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.commands import listed_commands
from reflectree.rlm_ops.environment import Environment
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched
from reflectree.rlm_ops.strategies.episodes import CARRIED

LONGEST = 180.0
"""Seconds of one run, so that what ends it are its tokens and commands: the clock is looked at between runs."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What a system may use in one environment: commands, tokens and seconds."""

    steps: int
    tokens: int
    seconds: float

    def of(self, system: str) -> dict[str, Any]:
        """Settings under which a system carries out about so many commands."""
        match system:
            case "react-env":
                return {"scheme.strategy.steps": self.steps}
            case "reflexion-env":
                return {"scheme.strategy.steps": self.steps // 2, "scheme.strategy.trials": 2}
            case _:
                width = {"scheme.strategy.width": 3, "scheme.strategy.root_width": 3, "scheme.strategy.rollout": 2}
                return {"scheme.strategy.iterations": self.steps, **width}


def speed(name: str) -> Line:
    """Steps, resets and snapshots a second of one environment, on random valid commands."""
    began = time.perf_counter()
    environment = resolved(name)()
    making = time.perf_counter() - began
    try:
        resets, seen = _seconds(environment.reset, 5)
        random, steps, spent = Random(name), 0, 0.0
        while spent < 2.0 and steps < 300:
            seconds, seen = _seconds(lambda: environment.step(random.choice(seen.actions)), 1)  # noqa: B023
            steps, spent = steps + 1, spent + seconds
            if seen.done:
                seen = environment.reset()
        figures = {"make_s": making, "resets/s": 1 / resets, "steps/s": steps / spent}
        kept, snapshot = _seconds(environment.snapshot, 3)
        if snapshot is not None:  # with the step after it: states may be copied late

            def back() -> None:
                environment.restore(snapshot)
                environment.step(seen.actions[0])

            figures |= {"keep_ms": 1000 * kept, "back_and_step_ms": 1000 * _seconds(back, 5)[0]}
    finally:
        environment.close()
    return Line("speed", CHANCE, name, figures)


def _seconds(do: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Mean seconds of a call, and what the last one gave."""
    began, gave = time.perf_counter(), None
    for _ in range(times):
        gave = do()
    return (time.perf_counter() - began) / times, gave


async def expert(name: str) -> Line:
    """The gold path, said by a policy, carried out by ReAct, judged by a replay elsewhere."""
    make = resolved(name)
    environment = make()
    try:
        way = environment.expert() if isinstance(environment, Guided) else ()
    finally:
        environment.close()
    policy = ScriptedPolicy([f"Thought: as planned.\nAction: {command}" for command in way])
    plan = blueprints.load("react-env").with_overrides(
        {"scheme.strategy.steps": len(way), "operators.enrich.timeout": 600}
    )
    result = await asolve(blueprint=plan, policy=policy, environment=make)
    score = EpisodeVerifier(make, 600).score(result.answer or "")
    return Line("expert", "react-env", name, {"commands": len(way), "score": score})


def chance(name: str, caps: Caps) -> Line:
    """Random valid commands, without an engine: the floor."""
    environment: Environment = resolved(name)()
    scores, steps = list[float](), 0
    try:
        for seed in range(3):
            random, seen = Random(f"{name}:{seed}"), environment.reset()
            for _ in range(caps.steps):
                if seen.done:
                    break
                seen, steps = environment.step(random.choice(seen.actions)), steps + 1
            scores.append(seen.score or 0.0)
    finally:
        environment.close()
    won = fmean(score == 1.0 for score in scores)
    return Line("systems", CHANCE, name, {"score": fmean(scores), "won": won, "commands": steps / 3, "tokens": 0.0})


def draws(request: Request, index: int) -> str:
    """A policy without judgement: one of the commands it is shown, by the seed of its call."""
    shown = listed_commands(request.prefill or request.messages[-1].content)
    return f"Thought: any.\nAction: {Random(f'{request.seed}:{index}').choice(shown or ('look',))}"


async def system(name: str, system: str, policy: PolicyModel, evaluator: Any, caps: Caps) -> Line:
    """One system in one environment, at so many commands and tokens."""
    make, began = resolved(name), time.perf_counter()
    result = await asolve(
        blueprint=blueprints.load(system).with_overrides(caps.of(system)),
        policy=policy,
        evaluator=evaluator if system != "react-env" else None,
        environment=make,
        budget=Budget(tokens=caps.tokens, seconds=caps.seconds),
        concurrency=1,
    )
    carried = sum(isinstance(event, Enriched) and event.note.startswith(CARRIED) for event in result.trace)
    score = EpisodeVerifier(make, 600).score(result.answer) if result.answer else 0.0
    figures = {"score": score, "won": float(score == 1.0), "commands": float(carried)}
    figures |= {"tokens": float(result.usage.tokens), "seconds": time.perf_counter() - began}
    return Line("systems", f"{system}, {policy.name}", name, figures)


def nothing_known(path: Any) -> float:
    """The evaluator of a policy without judgement: it knows nothing either."""
    return 0.5


async def measure(options: argparse.Namespace, lines: list[Line]) -> str:
    """Everything that was asked for and is not there yet; what a machine lacks is named and left out."""
    policy = resolve_policy("embedded") if options.policy == "embedded" else ScriptedPolicy(draws, name="random")
    evaluator = None if options.policy == "embedded" else nothing_known
    names = [name for world in options.worlds.split(",") for name in WORLDS[world][: options.tasks]]
    wanted = [options.only] if options.only else ["speed", "expert", "systems"]
    ends, there = time.monotonic() + options.seconds, {line.key for line in lines}

    async def made(table: str, what: str, name: str) -> Line:
        caps = Caps(options.steps, options.tokens, LONGEST)
        if table == "speed":
            return speed(name)
        if table == "expert":
            return await expert(name)
        return chance(name, caps) if what == CHANCE else await system(name, what, policy, evaluator, caps)

    whats = {"speed": (CHANCE,), "expert": ("react-env",), "systems": SYSTEMS}
    try:
        for table, name, what in ((one, name, what) for one in wanted for name in names for what in whats[one]):
            full = f"{what}, {policy.name}" if table == "systems" and what != CHANCE else what
            if (table, full, name) in there or time.monotonic() > ends:
                continue
            try:
                line = await made(table, what, name)
            except BadInput as error:
                sys.stderr.write(f"{name}: left out: {error}\n")
                continue
            lines.append(line)
            print(line, flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(line)) + "\n")
    finally:
        await policy.aclose()
    return policy.name


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embodied", description=__doc__)
    parser.add_argument("--only", choices=("speed", "expert", "systems"))
    parser.add_argument("--worlds", default="toy,textworld,scienceworld,gym")
    parser.add_argument("--tasks", type=int, default=10, help="of each world")
    parser.add_argument("--policy", choices=("random", "embedded"), default="random")
    parser.add_argument("--steps", type=int, default=15, help="commands a task")
    parser.add_argument("--tokens", type=int, default=3000, help="tokens a task")
    parser.add_argument("--seconds", type=float, default=600.0, help="of everything together")
    parser.add_argument("--out", type=Path, help="JSON lines: what is there already is not measured again")
    options = parser.parse_args()
    if unknown := [world for world in options.worlds.split(",") if world not in WORLDS]:
        parser.error(f"--worlds {','.join(unknown)}: there are {','.join(WORLDS)}")
    lines: list[Line] = []
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.out and options.out.exists():
        lines = [Line(**json.loads(row)) for row in options.out.read_text(encoding="utf-8").splitlines()]
    before = load()
    with asyncio.Runner() as runner:
        policy = runner.run(measure(options, lines))
    print("\n".join(["", *summary(lines, policy)]))
    print(f"\n{before} before, {load()} after")


if __name__ == "__main__":
    main()
