"""Path sampling: whole paths drawn from the policy without replacement, over a tree that keeps what was written.

Independent solutions write the same steps again and again. Here a step that is there costs nothing, an old path is
never drawn twice, and the value model shifts the chances. With a power of 0 this is sampling without replacement
(Shi et al. 2020, arXiv 2002.09067); a high power is a best-first search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

from reflectree.models.neural.countdown.game import State
from reflectree.training.countdown.player import Taken
from reflectree.training.countdown.searches import Board, Draw, Search, by_value


def sampled(
    puzzle: State, budget: int, *, power: float = 1.0, least: float = 0.05, check: bool = False, sure: float = 2.0,
    seed: int = 0, temperature: float = 1.0,
) -> Search:  # fmt: skip
    """Paths drawn from the policy without replacement, leaning to where the value is high.

    Each path starts at the puzzle and takes, at each state, either a step that is there (which costs nothing) or a new
    one, by the policy's chances times value ** power; what was seen to its end is not entered again. With `check` a
    state of two numbers worth at least `least` has its last step written, until one is right; without, the best of them
    is committed to once the budget is spent, or one is worth `sure`.
    """
    board, random = Board(puzzle), Random(f"{seed} {puzzle}")
    outcome, left = board.outcome, {puzzle: 1.0}
    while outcome.tokens + (0 if check else 6) < budget and left[puzzle] > 1e-3:
        way = [puzzle]
        while len(way[-1].numbers) > 2:
            at = way[-1]
            before = outcome.tokens
            following = _follow(board, at, left, power, random)
            if following is None:
                reached = yield from board.grow(at, 1, temperature)
                following = reached[0] if reached else None
                for state in reached:
                    left.setdefault(state, 1.0)
            if following is None:
                if outcome.tokens == before:  # there are no more steps
                    left[at] = 0.0
                break
            way.append(following)
        last = way[-1]
        if len(last.numbers) == 2:
            worth = board.nodes[last].value
            if not check or worth < least:
                left[last] = 0.0
                if not check and worth >= sure:
                    break
            else:
                known = board.known.setdefault(last, {})
                row: list[Taken] = yield Draw(last, 1, True, temperature, dict(known))
                for step in row:
                    outcome.tokens += step.tokens
                    known[step.text] = step.log_prob
                    if step.after is not None and step.after.solved:
                        outcome.solved = True
                        return outcome
                left[last] = max(0.0, 1.0 - sum(map(math.exp, known.values()))) if row else 0.0
                left[last] = 0.0 if left[last] < 0.1 else left[last]
        for at in reversed(way):
            if len(at.numbers) > 2 and left[at] > 0:
                left[at] = _unseen(board, at) + sum(
                    math.exp(log_prob) * left[state] for state, log_prob in board.steps.get(at, {}).items()
                )
    return outcome if check else (yield from board.commit(by_value))


def _unseen(board: Board, at: State) -> float:
    """The policy's chance of a step of the state that was not drawn yet."""
    found = 1.0 - sum(map(math.exp, board.known.get(at, {}).values()))
    return found if found > 1e-3 else 0.0


def _follow(board: Board, at: State, left: Mapping[State, float], power: float, random: Random) -> State | None:
    """A next state that is there, or `None` for a new one."""
    steps = board.steps.get(at, {})
    values = [board.nodes[state].value for state in steps]
    fresh = sum(values) / len(values) if values else 0.0
    weights = [math.exp(p) * left[s] * board.nodes[s].value ** power for s, p in steps.items()]
    weights.append(_unseen(board, at) * fresh**power)
    if not steps or sum(weights) <= 0:
        return None
    return random.choices([*steps, None], weights)[0]
