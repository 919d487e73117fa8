"""What every environment keeps to: the contract of `rlm_ops/environment.py`, as checks that take any of them.

Use them for an environment of your own: `conform(make)` with a `MakeEnvironment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from reflectree.graphs.embodied.episodes import Guided
from reflectree.rlm_ops.environment import Environment, MakeEnvironment, Observation, Tolerant, agree
from reflectree.rlm_ops.errors import BadInput

NONSENSE = "frobnicate the xyzzy"


def conform(make: MakeEnvironment, steps: int = 6) -> None:
    """All checks on one pair of environments; each begins with a reset."""
    one, other = make(), make()
    try:
        is_an_environment(one)
        needs_a_reset(one)
        begins_the_same(one, other)
        walk = random_walk(one, steps)
        does_the_same(one, other, walk)
        goes_back(one, other, walk)
        ignores_what_it_does_not_understand(one, other, walk)
        if isinstance(one, Guided):
            is_won_by_its_expert(one)
    finally:
        other.close()
        closes_for_good(one)


def is_an_environment(one: Environment) -> None:
    assert isinstance(one, Environment)
    assert one.name
    assert one.task.question
    assert one.task.verifier is None, "gold does not come with the task"


def needs_a_reset(one: Environment) -> None:
    with pytest.raises(BadInput, match="reset"):
        one.step("look")


def begins_the_same(one: Environment, other: Environment) -> None:
    first = one.reset()
    assert first.text
    assert not first.done
    assert first.valid
    assert first.score is None or 0.0 <= first.score < 1.0
    alike(one, [first, first], [one.reset(), other.reset()])


def random_walk(one: Environment, steps: int) -> list[str]:
    """Commands that it lists as possible, drawn with a fixed seed."""
    random, seen, walk = Random(one.name), one.reset(), list[str]()
    while len(walk) < steps and not seen.done:
        walk.append(random.choice(seen.actions))
        seen = one.step(walk[-1])
        assert seen.valid, f"{walk[-1]!r} was listed as possible: {seen}"
        assert seen.score is None or 0.0 <= seen.score <= 1.0
        assert seen.actions or seen.done
    return walk


def alike(one: Environment, recorded: Sequence[Observation], seen: Sequence[Observation]) -> None:
    """They agree in all but what the environment itself says does not matter in a text."""
    assert len(recorded) == len(seen)
    for old, new in zip(recorded, seen, strict=True):
        hints = () if isinstance(one, Tolerant) else old.actions  # which of many are listed may differ then, too
        assert replace(old, text="", actions=hints) == replace(new, text="", actions=hints and new.actions)
        assert agree(one, old.text, new.text), f"{old.text}\n---\n{new.text}"


def played(one: Environment, walk: Sequence[str]) -> list[Observation]:
    return [one.reset(), *(one.step(command) for command in walk)]


def does_the_same(one: Environment, other: Environment, walk: Sequence[str]) -> None:
    """From its own start, and in an environment of its own."""
    seen = played(one, walk)
    alike(one, seen, played(one, walk))
    alike(one, seen, played(other, walk))


def goes_back(one: Environment, other: Environment, walk: Sequence[str]) -> None:
    """Restoring a state is replaying what led to it, as often as one likes, here or in another environment."""
    whole = played(one, walk)
    middle = len(walk) // 2
    played(one, walk[:middle])
    kept = one.snapshot()
    if kept is None:
        return
    rest = [one.step(command) for command in walk[middle:]]
    alike(one, whole[middle + 1 :], rest)
    other.reset()
    for place in (one, one, other):
        place.restore(kept)
        alike(one, rest, [place.step(command) for command in walk[middle:]])
    with pytest.raises(BadInput, match="no state"):
        one.restore("something else")


def ignores_what_it_does_not_understand(one: Environment, other: Environment, walk: Sequence[str]) -> None:
    """Nonsense between two commands makes no difference to what comes after."""
    whole = played(one, walk)
    before = other.reset()
    for nonsense in (NONSENSE, "", "\n"):
        seen = other.step(nonsense)
        assert not seen.valid
        assert (seen.done, seen.score, seen.actions) == (False, before.score, before.actions)
    seen_later = list[Observation]()
    for command in walk:
        seen_later.append(other.step(command))
        assert not other.step(NONSENSE).valid
    alike(one, whole[1:], seen_later)


def is_won_by_its_expert(one: Guided) -> None:
    way = one.expert()
    seen = one.reset()
    for command in way:
        if seen.done:  # a gold path may go on after the goal is reached
            break
        assert one.refuses(command) is None
        seen = one.step(command)
        assert seen.valid, f"{command!r}: {seen}"
    assert seen.done
    assert seen.score == pytest.approx(1.0, abs=1e-12)
    assert seen.actions == ()
    for command in (way[0], NONSENSE):
        after = one.step(command)
        assert (after.done, after.score, after.valid) == (True, seen.score, False)


def closes_for_good(one: Environment) -> None:
    one.close()
    one.close()
    with pytest.raises(BadInput, match="closed"):
        one.reset()
    with pytest.raises(BadInput, match="closed"):
        one.step("look")
