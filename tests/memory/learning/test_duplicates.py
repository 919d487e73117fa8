"""Near duplicates without a model."""

from __future__ import annotations

import pytest
from tests.memory.records.making import lesson

from reflectree.memory.learning import Learning, playbook, tag, twin
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Concept, Origin
from reflectree.memory.records.texts import tokens_of

OLD = lesson("Check the units of every quantity before you add.")


@pytest.mark.parametrize(
    ("text", "meaning", "said"),
    [
        ("check the units of  every quantity before you add.", 0.0, "same"),
        ("Check the units of every quantity before you add them.", 0.0, "same"),
        ("Check the units of every value before you add.", 0.95, "same"),
        ("Check the units of every value before you add.", 0.5, None),
        ("Make sure that dimensions agree in sums.", 0.95, "ask"),
        ("Make sure that dimensions agree in sums.", 0.5, None),
        ("Never check the units of every quantity before you add.", 0.99, None),
        ("Check the units of every 2 quantity before you add.", 0.99, None),
    ],
)
def test_likeness(text: str, meaning: float, said: str | None) -> None:
    found = twin(lesson(text, run="new"), [OLD], {OLD.id: meaning}, Learning())
    assert (found.likeness if found else None) == said


def test_concepts_of_opposite_polarity_are_never_the_same() -> None:
    origin = Origin(source="env")
    one = Concept(left="a", relation="causes", right="b", polarity=True, origin=origin)
    other = Concept(left="a", relation="causes", right="b", polarity=False, origin=origin)
    assert twin(one, [other], {other.id: 1.0}, Learning()) is None


def test_a_playbook_is_ordered_pruned_and_fits() -> None:
    ledger = Ledger()
    names = ledger.write(*(lesson(f"Lesson number {number}.") for number in range(4)))
    assert tag(ledger, {names[1]: "helpful", names[2]: "harmful", "r-00000000dead": "helpful"}, names) == 2
    ledger.quarantine(names[3])
    records = ledger.state.records.values()
    assert [record.id for record in playbook(records)] == [names[1], names[0]]
    assert len(playbook(records, tokens=tokens_of(" " * 3 * 85))) == 1
