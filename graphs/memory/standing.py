"""What a way of learning works on: the rules, the statements or the sheet that a memory has in a scope."""

from __future__ import annotations

from collections.abc import Iterable

from reflectree.agents.memory import Known
from reflectree.graphs.memory.access import Memory
from reflectree.memory.learning import Rule, rules_of
from reflectree.memory.learning.votes import SLACK
from reflectree.memory.records import Concept, Experience, Record, Reflection
from reflectree.rlm_ops.remembering import Learn

SHEET = "sheet"
"""The title of the record that is a sheet of notes."""
MOST_STATEMENTS = 20
"""Most statements that are shown to be revised."""


def rules(memory: Memory) -> list[Rule]:
    """The rules, those with most votes first."""
    return rules_of(one for one in _here(memory) if not (isinstance(one, Reflection) and one.title == SHEET))


def sheet(memory: Memory) -> Reflection | None:
    """The newest sheet of notes."""
    found = [one for one in _here(memory) if isinstance(one, Reflection) and one.title == SHEET]
    return found[-1] if found else None


def statements(memory: Memory) -> list[Concept]:
    """The statements, the newest last."""
    return [one for one in _here(memory) if isinstance(one, Concept)]


def successes(memory: Memory) -> list[Experience]:
    """The tasks that were solved, the newest last."""
    return [one for one in _here(memory) if isinstance(one, Experience) and one.succeeded]


def known_for(memory: Memory, stage: Learn) -> tuple[Known, ...]:
    """What a stage of learning is shown of the memory itself."""
    match stage.how:
        case "curate":
            most = stage.capacity + SLACK
            return tuple(Known(rule.id, rule.text, "reflection") for rule in rules(memory)[:most])
        case "sheet":
            page = sheet(memory)
            return () if page is None else (Known(page.id, page.lesson, page.kind),)
        case "concepts":
            return tuple(Known(one.id, one.told, one.kind) for one in statements(memory)[-MOST_STATEMENTS:])
        case _:
            return ()


def _here(memory: Memory) -> Iterable[Record]:
    """The records of the memory's scope that may be worked on."""
    for record in memory.ledger.state.records.values():
        if record.standing.trust != "quarantined" and record.origin.scope == memory.scope:
            yield record
