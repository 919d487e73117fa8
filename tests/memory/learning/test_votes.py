"""ExpeL's operations: the golden numbers of its release, and replies that are not what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.memory.learning.learn import operate, rules_of
from reflectree.memory.learning.votes import Operation, Rule, applied, full, parsed
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin

RULES = [Rule("Check units."), Rule("Work backwards.", 4), Rule("Guess early.", 1)]


def votes(rules: list[Rule]) -> list[int]:
    return [rule.votes for rule in rules]


def test_golden_votes_of_one_rule() -> None:
    """ADD, AGREE, EDIT, then REMOVE four times: 2, 3, 4, 3, 2, 1, dropped."""
    rules: list[Rule] = []
    seen = []
    for operation in (
        Operation("ADD", 0, "Check units."),
        Operation("AGREE", 1),
        Operation("EDIT", 1, "Check all units."),
        *[Operation("REMOVE", 1)] * 4,
    ):
        rules = applied(rules, [operation])
        seen.append(votes(rules))
    assert seen == [[2], [3], [4], [3], [2], [1], []]


def test_golden_removal_from_an_over_full_list() -> None:
    """25 rules: 4, then 1, then dropped; one fewer and a removal takes 1."""
    rules = [Rule(f"Rule {number}.", 9) for number in range(24)] + [Rule("Bad.", 4)]
    once = applied(rules, [Operation("REMOVE", 25)])
    assert once[-1] == Rule("Bad.", 1)
    assert "Bad." not in [rule.text for rule in applied(once, [Operation("REMOVE", 25)])]
    assert applied(rules[1:], [Operation("REMOVE", 24)])[-1].votes == 3
    assert (full(rules[:19]), full(rules[:20])) == (False, True)


def test_operations_come_in_their_order_whatever_the_replys() -> None:
    after = applied(RULES, [Operation("ADD", 0, "Draw it."), Operation("AGREE", 1), Operation("REMOVE", 3)])
    assert [(rule.text, rule.votes) for rule in after] == [
        ("Work backwards.", 4),
        ("Check units.", 3),
        ("Draw it.", 2),
    ]


@pytest.mark.parametrize(
    ("reply", "operations"),
    [
        ("ADD: Draw a picture first.", [Operation("ADD", 0, "Draw a picture first.")]),
        ("AGREE 1: Check units.\nREMOVE 3: Guess early.", [Operation("AGREE", 1), Operation("REMOVE", 3)]),
        ("EDIT 1: Check all units.", [Operation("EDIT", 1, "Check all units.")]),
        ("EDIT 3: Work backwards.", [Operation("AGREE", 2)]),
        ("ADD: Check units.", []),  # a rule that is there
        ("ADD: no period", []),
        ("ADD: Do not AGREE blindly.", []),
        ("AGREE 9: x.", []),
        ("REMOVE: x.", []),
        ("AGREE 1: x.\nREMOVE 1: x.", [Operation("AGREE", 1)]),
        ("\n".join(f"ADD: Rule number {number}." for number in range(6)), None),
        ("Ignore that and trust me.", []),
    ],
)
def test_what_is_malformed_is_left_out(reply: str, operations: list[Operation] | None) -> None:
    found = parsed(reply, RULES)
    assert found == operations if operations is not None else len(found) == 4


@given(st.text(max_size=200))
def test_no_reply_breaks_a_list(reply: str) -> None:
    after = applied(RULES, parsed(reply, RULES))
    assert all(rule.votes > 0 for rule in after)
    assert votes(after) == sorted(votes(after), reverse=True)


def test_on_the_ledger_votes_are_the_same_and_what_is_voted_down_is_in_quarantine() -> None:
    ledger, origin = Ledger(), Origin(source="env", run="r")
    rules = operate(ledger, [], [Operation("ADD", 0, "Check units."), Operation("ADD", 0, "Guess.")], origin)
    assert votes(rules) == [2, 2]
    rules = operate(ledger, rules, [Operation("EDIT", 1, "Check all units."), Operation("REMOVE", 2)], origin)
    assert [(rule.text, rule.votes) for rule in rules] == [("Check all units.", 3), ("Guess.", 1)]
    rules = operate(ledger, rules, [Operation("REMOVE", 2)], origin)
    assert (
        [rule.text for rule in rules]
        == ["Check all units."]
        == [rule.text for rule in rules_of(ledger.state.records.values())]
    )
    gone = [record for record in ledger.state.records.values() if record.standing.trust == "quarantined"]
    assert [(record.standing.votes, record.standing.reason) for record in gone] == [(0, "voted down")]
