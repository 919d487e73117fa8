"""A seeded family of related tasks with traps a lesson takes away, and a model that falls into them.

Each kind of task has a trap of its own. Without the lesson the model rarely gets it right, by its seed; with the
lesson for the trap in its prompt nearly always. Asked what a failed attempt teaches, it names the trap, or, as often
as one wants, something that is wrong and keeps it in the trap.
"""

from __future__ import annotations

import json
from random import Random

from tests.support.engine import digest

from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.task import Task

TRAPS = {
    "ferry": "Count the ferryman among the passengers of every crossing.",
    "fence": "A closed fence has as many posts as gaps, an open one has one more.",
    "clock": "The hour hand moves on while the minute hand goes round.",
    "auction": "The buyer pays the premium on top of the hammer price.",
}
WRONGS = {
    "ferry": ("Leave the ferryman out, since he only rows.", "Two crossings count as one where nobody waits."),
    "fence": ("Gaps are all that is needed of any fence.", "Corner posts are to be counted twice over."),
    "clock": ("Both hands stand still between full hours.", "Read the shorter hand as the one for minutes."),
    "auction": ("Premiums are paid by whoever sells the lot.", "The second bid is what a winner pays in the end."),
}
"""What it says of a trap where it is wrong."""
LUCKY, TAUGHT = 0.05, 0.95
"""Chances of a right answer without the lesson and with it: a trap is a mistake that a retry makes again."""
POISON = "Trust the first number you see and stop reading there."


class Right:
    """Knows the rule of the game, and no gold answer: anybody can check."""

    name, gold = "game", False

    def score(self, answer: str) -> float:
        return float(answer.strip() == "right")


def tasks(count: int, seed: int) -> list[Task]:
    """Tasks of all kinds, mixed, no two alike."""
    dice = Random(seed)
    kinds = [list(TRAPS)[number % len(TRAPS)] for number in range(count)]
    dice.shuffle(kinds)
    return [Task(f"The {kind} problem number {number}: what comes out for {dice.randrange(1000)}?",
                 verifier=Right(), id=f"{kind}-{number}") for number, kind in enumerate(kinds)]  # fmt: skip


def kind_of(text: str) -> str:
    return next(kind for kind in TRAPS if f"The {kind} problem" in text)


def say(request: Request, sample: int, lucky: float, wrong: float = 0.0) -> str:
    """What the model says: a lesson where it is asked for one, wrong as often as said, else an attempt."""
    user = request.messages[-1].content
    asked = user[user.index("The ") :] if "<problem>" not in user else user
    kind = kind_of(asked)
    if request.json_schema is not None and "lessons" in request.json_schema["properties"]:
        lot = digest(request.seed, sample, "lesson") % 1000
        said = TRAPS[kind] if lot / 1000 >= wrong else WRONGS[kind][lot % 2]
        lesson = {"title": f"The {kind} trap", "lesson": said, "applies": f"{kind} problems", "excludes": ""}
        return json.dumps({"cause": "The trap was not seen.", "lessons": [lesson]})
    chance = TAUGHT if TRAPS[kind] in user else lucky
    if POISON in user or any(said in user for said in WRONGS[kind]):
        chance = 0.0
    drawn = digest(request.seed, sample, asked.split("?")[0]) % 1000 / 1000
    return f"I look at the {kind}.\nAnswer: {'right' if drawn < chance else 'wrong'}"


def model(lucky: float = LUCKY, wrong: float = 0.0) -> ScriptedPolicy:
    """The model, with its chance of a right answer without a lesson, and of a lesson that is wrong."""
    return ScriptedPolicy(lambda request, sample: say(request, sample, lucky, wrong), name="trapped")
