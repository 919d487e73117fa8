"""A seeded family of riddles on which prompts, modules and teams measurably matter, and a model that plays them.

Nothing is measured of language here: the model's chance of a right answer follows from what a design gives it, so that
a search over designs can be watched finding what there is to find. A riddle has one number as its answer; a wrong
answer is one of several others, so that voting helps.

* `prompt`: the instruction that names the trap raises the chance from .35 to .85;
* `module`: the chance of one sample is .45, and that of many that vote much higher;
* `agent`: each model knows one of two fields and says whether it is sure; who hears both can tell which to believe.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.task import Task

Kind = Literal["prompt", "module", "agent"]
HINT = "Count the zero as well."
"""The instruction that takes the trap away."""
DECOYS = (
    "Think step by step.",
    "Take a deep breath.",
    "You are an expert.",
    "Check your answer twice.",
    "Be brief.",
    "Explain your reasoning to a child.",
)
"""Instructions that change nothing."""
FIELDS = ("rivers", "stars")
CHANCES = {"prompt": (0.35, 0.85), "module": (0.45, 0.45), "agent": (0.05, 0.9)}
"""Chances of a right answer of one sample, without and with what helps."""
_ASKED = re.compile(r"Riddle (\d+) of (\w+)")
_SURE = re.compile(r"I am sure\.\s*\n+\s*Answer: (-?\d+)")


def answer_of(number: int) -> int:
    """The right answer of a riddle."""
    return 10 + zlib.crc32(f"riddle {number}".encode()) % 90


def tasks(count: int, seed: int = 0) -> list[Task]:
    """So many different riddles of both fields."""
    numbers = Random(seed).sample(range(1_000_000), count)
    return [
        Task(
            f"Riddle {number} of {FIELDS[place % 2]}: which number belongs to it?",
            verifier=verifiers.exact(str(answer_of(number))),
            id=f"riddle-{number}",
        )
        for place, number in enumerate(numbers)
    ]


@dataclass
class Player:
    """What a model of the family says; a script of `ScriptedPolicy`.

    Attributes:
        kind: What matters.
        knows: The field that it knows (`agent`).
        proposals: Makes the reply where a design is asked for, from a seeded generator and the request.
    """

    kind: Kind
    knows: str = FIELDS[0]
    proposals: Callable[[Random, Request], str] | None = None
    _last: Request | None = field(default=None, repr=False)
    _place: int = 0

    def __call__(self, request: Request, index: int) -> str:
        """One sample: the same for the same request and place in it, whatever else was asked before."""
        self._place = self._place + 1 if request is self._last else 0
        self._last = request
        text = "\n".join(message.content for message in request.messages)
        dice = Random(f"{request.seed}:{self._place}:{zlib.crc32(text.encode())}:{self.knows}")
        found = next(reversed(list(_ASKED.finditer(text))), None)
        if self.proposals is not None and (found is None or '"set"' in text or "scheme.strategy" in text):
            return self.proposals(dice, request)
        if request.json_schema is not None:
            return json.dumps({"reason": "It may be.", "score": dice.randint(3, 8)})
        if found is None:
            return "I cannot tell.\nAnswer: 0"
        return self._solve(int(found[1]), found[2], text, dice)

    def _solve(self, number: int, topic: str, asked: str, dice: Random) -> str:
        plain, helped = CHANCES[self.kind]
        right = answer_of(number)
        if self.kind == "agent":
            heard = _SURE.findall(asked)
            if heard:
                return f"I am sure.\nAnswer: {heard[0]}"
            sure = topic == self.knows
            chance = helped if sure else plain
        else:
            sure, chance = False, helped if HINT in asked else plain
        given = right if dice.random() < chance else 10 + (right - 10 + dice.randrange(1, 7)) % 90
        return f"I am {'sure' if sure else 'not sure'}.\nAnswer: {given}"


def edits(kind: Kind) -> tuple[dict[str, Any], ...]:
    """Edits among which a proposing model of the family draws: what helps, and what does not."""
    wordings = tuple({"operators.generate.instruction": words} for words in (*DECOYS, HINT))
    modules = tuple(
        {"scheme": {"structure": "tree", "granularity": "solution", "strategy": strategy}, "selection": "majority"}
        for strategy in (
            {"name": "self-consistency", "n": 3},
            {"name": "self-consistency", "n": 8},
            {"name": "self-consistency", "n": 16},
        )
    )
    cooler = ({"operators.generate.temperature": 0.2}, {"operators.generate.max_tokens": 256})
    if kind == "prompt":
        return wordings
    return (*modules, *wordings[:3], *cooler) if kind == "module" else (*_teams(), *wordings[:2], *cooler)


def _teams() -> tuple[dict[str, Any], ...]:
    """Teams of two and a chief who reads both: of one model twice, of the other twice, and of both."""
    return tuple(
        {
            "scheme": {
                "structure": "dag",
                "granularity": "solution",
                "strategy": {
                    "name": "team",
                    "members": [{"id": "a"}, {"id": "b"}, {"id": "chief", "reads": ["a", "b"]}],
                },
            },
            "operators.generate.variants": {"a": {"model": first}, "b": {"model": second}},
            "operators.aggregate.variants": {"chief": {"prompt": "layer", "model": "policy"}},
            "selection": "majority",
        }
        for first, second in (("policy", "policy"), ("second", "second"), ("policy", "second"))
    )


def proposing(choices: Sequence[dict[str, Any]]) -> Callable[[Random, Request], str]:
    """What proposes one of some edits, now and then with a reply that holds none."""

    def propose(dice: Random, request: Request) -> str:
        if dice.random() < 0.1:
            return "I would rather not change anything."
        reply = {"set": dice.choice(list(choices)), "why": "It may help."}
        return f"Here is a change.\n```json\n{json.dumps(reply)}\n```"

    return propose


def model(kind: Kind, *, latency: float = 0.0, knows: str = FIELDS[0], name: str = "") -> ScriptedPolicy:
    """A model that plays the family and proposes designs for it."""
    player = Player(kind, knows, proposing(edits(kind)))
    return ScriptedPolicy(player, latency=latency, name=name or f"riddler-{kind}")


@dataclass(frozen=True, slots=True)
class Named:
    """The model in words, from which another process builds its own; fields as the arguments of `model`."""

    kind: Kind
    knows: str = FIELDS[0]
    name: str = ""
    latency: float = 0.0

    def build(self) -> ScriptedPolicy:
        """The model."""
        return model(self.kind, latency=self.latency, knows=self.knows, name=self.name)
