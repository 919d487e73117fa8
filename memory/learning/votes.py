"""ExpeL's insights (arXiv 2308.10144): a list of rules with votes, and the four operations a model may ask for.

Pure: a list and operations in, a list out. `parsed` reads a reply, which is data: the malformed is left out.
The numbers are the release's: ADD begins at 2, AGREE and EDIT add 1, REMOVE takes 1, or 3 where the list is over full;
a rule without votes is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Op = Literal["REMOVE", "AGREE", "EDIT", "ADD"]
ORDER: tuple[Op, ...] = ("REMOVE", "AGREE", "EDIT", "ADD")
MOST_RULES, SLACK, MOST_OPERATIONS = 20, 5, 4
BEGIN, STEP, HARD_STEP = 2, 1, 3

_LINE = re.compile(r"^\W*(REMOVE|AGREE|EDIT|ADD)\s*(\d+)?\s*[:.]\s*(.*)$", re.MULTILINE)
_WORD = re.compile(r"\b(?:REMOVE|AGREE|EDIT|ADD)\b")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and its votes; `id` is the record's, "" for one that was just added."""

    text: str
    votes: int = BEGIN
    id: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked: of which rule (1 is the first; 0 for ADD), and the new text."""

    op: Op
    number: int = 0
    text: str = ""


def parsed(reply: str, rules: Sequence[Rule]) -> list[Operation]:
    """The well-formed operations of a reply, at most four, one a rule.

    A text ends in a period and holds no operation's word; a number names a rule that is there. An ADD whose text is
    part of a rule, or holds one, is left out; an EDIT to the text of a rule that is there is an AGREE with that rule.
    """
    found: list[Operation] = []
    touched: set[int] = set()
    for name, digits, said in _LINE.findall(reply):
        text, number = said.strip(), int(digits or 0)
        if name in ("ADD", "EDIT") and (not text.endswith(".") or _WORD.search(text)):
            continue
        if name == "ADD":
            if not any(text in rule.text or rule.text in text for rule in rules):
                found.append(Operation("ADD", 0, text))
            continue
        if name == "EDIT":
            same = next((at for at, rule in enumerate(rules, 1) if rule.text == text), 0)
            name, number = ("AGREE", same) if same else (name, number)
        if not 1 <= number <= len(rules) or number in touched:
            continue
        touched.add(number)
        found.append(Operation(name, number, text if name == "EDIT" else ""))
    return found[:MOST_OPERATIONS]


def applied(rules: Sequence[Rule], operations: Sequence[Operation], most: int = MOST_RULES) -> list[Rule]:
    """The list after the operations, in the order REMOVE, AGREE, EDIT, ADD, by votes; the one given stays as it is."""
    step = HARD_STEP if len(rules) >= most + SLACK else STEP
    now = list(rules)
    for op in ORDER:
        for one in (operation for operation in operations if operation.op == op):
            at = one.number - 1
            match op:
                case "REMOVE":
                    now[at] = replace(now[at], votes=now[at].votes - step)
                case "AGREE":
                    now[at] = replace(now[at], votes=now[at].votes + STEP)
                case "EDIT":
                    now[at] = replace(now[at], votes=now[at].votes + STEP, text=one.text)
                case "ADD":
                    now.append(Rule(one.text))
    return sorted((rule for rule in now if rule.votes > 0), key=lambda rule: -rule.votes)


def full(rules: Sequence[Rule], most: int = MOST_RULES) -> bool:
    """Whether the model should be asked for removals."""
    return len(rules) >= most
