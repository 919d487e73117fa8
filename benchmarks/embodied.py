"""Environments and systems that act in them: the tables of docs/embodied.md.

    python -m benchmarks.embodied [--only speed|expert|systems|reaction] [--worlds toy,textworld,scienceworld]
        [--tasks 10] [--policy random|embedded] [--seconds 600] [--json FILE]

`speed`: steps, resets and snapshots a second. `expert`: each environment's own gold path, through the engine (ReAct
with a policy that says it) and judged by the replay in a fresh environment: the plumbing works. `systems`: ReAct,
Reflexion and LATS at equal steps in the environment and equal tokens, beside random valid commands without any engine.
With `--policy random` their policy draws one of the commands it is shown, so that it measures what the systems gain
without a model's judgement; `embedded` is the embedded model, one thread, which ends after `--seconds`. `reaction`: the
best yield after so many experiments: chance, Bayesian optimisation, and OPRO with a scripted proposer (or the embedded
model), five seeds. Scores are the environments' own and reach no policy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.report import load
from reflectree.graphs import blueprints
from reflectree.graphs.embodied.episodes import Guided
from reflectree.graphs.embodied.reaction import ReactionProblem, reaction_problem
from reflectree.graphs.embodied.reaction_baselines import bayesian, best_so_far, random_search
from reflectree.graphs.embodied.resolve import make as resolved
from reflectree.graphs.embodied.verifier import EpisodeVerifier
from reflectree.graphs.run import asolve
from reflectree.models.base import PolicyModel, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched
from reflectree.rlm_ops.strategies.episodes import CARRIED

WORLDS: Mapping[str, tuple[str, ...]] = {
    "toy": tuple(f"toy/{family}-{seed}" for seed in range(4) for family in ("kitchen", "laundry", "office"))[:10],
    "textworld": (
        *(f"textworld/coin-{level}" for level in (2, 4, 6)), *(f"textworld/treasure-{level}" for level in (3, 7, 12)),
        *(f"textworld/simple/{seed}" for seed in (0, 1)), *(f"textworld/cooking-{level}" for level in (1, 2)),
    ),
    "scienceworld": tuple(f"scienceworld/{task}/0" for task in (
        "find-plant", "find-animal", "find-living-thing", "find-non-living-thing", "lifespan-longest-lived",
        "lifespan-shortest-lived", "chemistry-mix", "power-component", "freeze", "boil",
    )),
    "gym": ("gym/FrozenLake-v1/3", "gym/MiniGrid-Empty-5x5-v0", "gym/MiniGrid-DoorKey-5x5-v0/7"),
}  # fmt: skip
SYSTEMS = ("react-env", "reflexion-env", "lats-env")
STEPS = 40
"""Commands that each system may have carried out in an environment, replays aside."""
TOKENS = 40_000
EXPERIMENTS, SEEDS = 20, 5
_OPRO_CAPS = {"scheme.strategy.starts": 5, "scheme.strategy.per_step": 5, "scheme.strategy.steps": 3}
"""Five starts and three rounds of five: as many experiments."""
_LISTED = re.compile(r"^\| Commands: (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: what, where, and the figures by name."""

    table: str
    what: str
    where: str
    figures: Mapping[str, float]

    def __str__(self) -> str:
        shown = "  ".join(f"{name} {value:.3g}" for name, value in self.figures.items())
        return f"{self.table:9} {self.where:42} {self.what:26} {shown}"


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
    return Line("speed", "random commands", name, figures)


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
    plan = blueprints.load("react-env").with_overrides({"scheme.strategy.steps": len(way)})
    result = await asolve(blueprint=plan, policy=policy, environment=make)
    score = EpisodeVerifier(make, 600).score(result.answer or "")
    return Line("expert", "react-env", name, {"commands": len(way), "score": score})


def chance(name: str, steps: int = STEPS) -> Line:
    """Random valid commands, without an engine: the floor."""
    environment, scores = resolved(name)(), list[float]()
    try:
        for seed in range(3):
            random, seen = Random(f"{name}:{seed}"), environment.reset()
            for _ in range(steps):
                if seen.done:
                    break
                seen = environment.step(random.choice(seen.actions))
            scores.append(seen.score or 0.0)
    finally:
        environment.close()
    return Line("systems", "random, no engine", name, {"score": fmean(scores), "won": fmean(s == 1.0 for s in scores)})


def draws(request: Request, index: int) -> str:
    """A policy without judgement: one of the commands it is shown, by the seed of its call."""
    shown = _LISTED.findall("\n".join([*(message.content for message in request.messages), request.prefill]))
    commands = [command for command in shown[-1].split("; ") if not command.startswith("(")] if shown else ["look"]
    return f"Thought: any.\nAction: {Random(f'{request.seed}:{index}').choice(commands)}"


async def systems(name: str, policy: PolicyModel, evaluator: Any, seconds: float) -> list[Line]:
    """The three systems in one environment, at equal steps and tokens."""
    lines, make = list[Line](), resolved(name)
    for system in SYSTEMS:
        plan = blueprints.load(system).with_overrides(_caps(system))
        began = time.perf_counter()
        result = await asolve(
            blueprint=plan,
            policy=policy,
            evaluator=evaluator if system != "react-env" else None,
            environment=make,
            budget=Budget(tokens=TOKENS, seconds=seconds / len(SYSTEMS)),
            concurrency=2,
        )
        carried = sum(isinstance(event, Enriched) and event.note.startswith(CARRIED) for event in result.trace)
        score = EpisodeVerifier(make, 600).score(result.answer) if result.answer else 0.0
        figures = {"score": score, "won": float(score == 1.0), "steps": float(carried)}
        figures |= {"tokens": float(result.usage.tokens), "seconds": time.perf_counter() - began}
        lines.append(Line("systems", f"{system}, {policy.name}", name, figures))
    return lines


def _caps(system: str) -> dict[str, Any]:
    """Settings under which a system carries out at most about `STEPS` commands."""
    match system:
        case "react-env":
            return {"scheme.strategy.steps": STEPS}
        case "reflexion-env":
            return {"scheme.strategy.steps": STEPS // 2, "scheme.strategy.trials": 2}
        case _:
            return {"scheme.strategy.iterations": STEPS, "scheme.strategy.width": 3, "scheme.strategy.root_width": 3}


def nothing_known(path: Any) -> float:
    """The evaluator of a policy without judgement: it knows nothing either."""
    return 0.5


async def reaction(seed: int, policy: PolicyModel | None, seconds: float) -> list[Line]:
    """The best yield after so many experiments, by each way of choosing them, and its normalised advantage."""
    problem = reaction_problem(seed)
    surface, lines = problem.surface, list[Line]()
    ways = {"random": random_search, "Bayesian (scikit-optimize)": bayesian}
    for name, search in ways.items():
        for repeat in range(SEEDS if search is random_search else 2):
            run = search(surface, EXPERIMENTS, repeat)
            best = max(run, key=surface.measured)
            curve = best_so_far(surface, run)
            figures = {"at 5": curve[4], "at 10": curve[9], f"at {EXPERIMENTS}": curve[-1]}
            lines.append(Line("reaction", name, problem.name, {**figures, "advantage": surface.advantage(best)}))
    proposer = policy or ScriptedPolicy(_proposes(problem), name="varies the best")
    lines.append(await _opro(problem, proposer, seconds))
    return lines


def _proposes(problem: ReactionProblem) -> Callable[[Request, int], str]:
    """A proposer without chemistry: random conditions at first, then variations of the best one it is shown."""

    def say(request: Request, index: int) -> str:
        random = Random(f"{problem.name}:{request.seed}:{index}")
        text = request.messages[-1].content.rpartition("for example:")[0]
        shown = re.findall(r"\{[^{}]*\}", text)
        candidate = problem.vary(shown, random) if shown and random.random() < 0.8 else problem.draw(random)
        return f"Another try.\nAnswer: {candidate}"

    return say


async def _opro(problem: ReactionProblem, policy: PolicyModel, seconds: float) -> Line:
    measured = list[float]()

    def counted(event: Any, structure: Any) -> None:
        measured.extend(getattr(event, "scores", ()))

    result = await asolve(
        problem.task,
        blueprint=blueprints.load("opro").with_overrides(_OPRO_CAPS),
        policy=policy,
        evaluator=problem,
        budget=Budget(seconds=seconds),
        on_event=counted,
    )
    curve = [max(measured[: at + 1]) for at in range(len(measured))]
    found = problem.report(result.answer) if result.answer else {"advantage": 0.0}
    figures = {f"at {at}": curve[at - 1] for at in (5, 10, len(curve)) if 0 < at <= len(curve)}
    return Line("reaction", f"opro, {policy.name}", problem.name, {**figures, "advantage": found["advantage"]})


async def measure(options: argparse.Namespace) -> list[Line]:
    """Everything that was asked for; what a machine lacks is named and left out."""
    names = [name for world in options.worlds.split(",") for name in WORLDS[world][: options.tasks]]
    wanted = [options.only] if options.only else ["speed", "expert", "systems", "reaction"]
    policy = resolve_policy("embedded") if options.policy == "embedded" else ScriptedPolicy(draws, name="random")
    evaluator = None if options.policy == "embedded" else nothing_known
    lines, ends = list[Line](), time.monotonic() + options.seconds

    def note(new: Sequence[Line]) -> None:
        lines.extend(new)
        for line in new:
            print(line, flush=True)

    try:
        for name in names:
            try:
                if "speed" in wanted:
                    note([speed(name)])
                if "expert" in wanted:
                    note([await expert(name)])
                if "systems" in wanted and (left := ends - time.monotonic()) > 0:
                    note([chance(name), *await systems(name, policy, evaluator, left / max(1, len(names)))])
            except BadInput as error:
                sys.stderr.write(f"{name}: left out: {error}\n")
        if "reaction" in wanted:
            for seed in range(SEEDS):
                note(await reaction(seed, policy if options.policy == "embedded" else None, options.seconds / SEEDS))
    finally:
        await policy.aclose()
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embodied", description=__doc__)
    parser.add_argument("--only", choices=("speed", "expert", "systems", "reaction"))
    parser.add_argument("--worlds", default="toy,textworld,scienceworld,gym")
    parser.add_argument("--tasks", type=int, default=10, help="of each world")
    parser.add_argument("--policy", choices=("random", "embedded"), default="random")
    parser.add_argument("--seconds", type=float, default=600.0, help="of systems, and of the reaction, all together")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = load()
    with asyncio.Runner() as runner:
        lines = runner.run(measure(options))
    print(f"\n{before} before, {load()} after")
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
