"""What is written and what is trusted: outcomes decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.records.making import lesson, store

from reflectree.memory.learning import Learning, Proposal, Trial, judged, reviewer, standing_of, take
from reflectree.memory.ledger import Ledger
from reflectree.memory.ledger.state import State, Tally
from reflectree.memory.records import Concept, Experience, Origin, Standing, TestRecordRefused

REPAIRED = Trial("t1", after=True, before=False)
LESSON = lesson("Check the units first.")


@pytest.mark.parametrize(
    ("trials", "keep"),
    [
        ([], False),
        ([REPAIRED], True),
        ([Trial("t1", after=True)], False),  # one task that passes, and might have anyway
        ([Trial("t1", after=True), Trial("t2", after=True)], True),
        ([Trial("t1", after=True), Trial("t1", after=True)], False),  # not independent
        ([Trial("t1", after=True, before=True), Trial("t2", after=True, before=True)], False),  # it changes nothing
        ([replace(REPAIRED, source="self")], False),
        ([replace(REPAIRED, source="judge")], False),
        ([REPAIRED, Trial("t2", after=False, before=True)], False),
        ([REPAIRED, Trial("t2", after=True, before=False), Trial("t3", after=False)], True),
        ([REPAIRED, Trial("t1", after=False)], False),
        ([REPAIRED, Trial("t2", after=False, before=False)], True),
    ],
)
def test_a_lesson_is_kept_only_by_its_outcomes(trials: list[Trial], keep: bool) -> None:
    assert judged(LESSON, trials, Learning()).keep is keep


def test_on_probation_only_what_was_not_tried_passes_without_a_trial() -> None:
    settings = Learning(gate="candidate")
    assert judged(LESSON, [], settings).keep
    assert not judged(LESSON, [Trial("t1", after=False)], settings).keep


@pytest.mark.parametrize(("source", "keep"), [("env", True), ("tests", True), ("judge", False), ("self", False)])
def test_an_experience_is_kept_where_its_source_is_an_outcome(source: Any, keep: bool) -> None:
    seen = Experience(task="x", succeeded=False, origin=Origin(source=source))
    assert judged(seen, [], Learning()).keep is keep


def test_trust_after_two_independent_tasks_and_not_before() -> None:
    ledger = Ledger(review=reviewer())
    (name,) = ledger.write(LESSON)
    trusts = []
    for number, task in enumerate(("a", "a", "b")):
        ledger.use(f"run-{number}", [name], task=task)
        ledger.settle(f"run-{number}", won=True)
        trusts.append(ledger.get(name).standing.trust)
    assert trusts == ["candidate", "candidate", "trusted"]


def test_opinions_earn_nothing_unless_asked_for() -> None:
    for opinions, trust in ((False, "candidate"), (True, "trusted")):
        ledger = Ledger(review=reviewer())
        (name,) = ledger.write(LESSON)
        for task in ("a", "b"):
            ledger.use(task, [name], task=task)
            ledger.settle(task, won=True, source="judge", opinions=opinions)
        assert ledger.get(name).standing.trust == trust


def test_a_concept_is_supported_by_records_of_distinct_tasks_that_were_checked() -> None:
    for source, trust in (("verifier", "trusted"), ("self", "candidate")):
        ledger = Ledger(review=reviewer())
        seen = ledger.write(
            *(Experience(task=task, succeeded=True, origin=Origin(source="env", task=task)) for task in ("a", "b"))
        )
        origin: Any = {"source": source, "parents": seen}
        (name,) = ledger.write(
            Concept(left="x", relation="necessary", right="y", support=seen, origin=Origin(**origin))
        )
        ledger.vote(seen[0], votes=1)  # any review
        assert ledger.get(name).standing.trust == trust


def test_counter_evidence_demotes_and_then_quarantines() -> None:
    ledger = Ledger(review=reviewer())
    (name,) = ledger.write(LESSON)
    for task in ("a", "b"):
        ledger.vote(name, task=task, supports=True)
    assert ledger.get(name).standing.trust == "trusted"
    seen = []
    for task in ("c", "d", "e"):
        ledger.vote(name, task=task, supports=False)
        seen.append(ledger.get(name).standing.trust)
    assert seen == ["trusted", "trusted", "quarantined"]


def test_the_counters_act() -> None:
    ledger = Ledger(review=reviewer())
    (name,) = ledger.write(LESSON)
    ledger.vote(name, harmful=1)
    assert ledger.get(name).standing.trust == "candidate"
    ledger.vote(name, harmful=1)
    assert ledger.get(name).standing.trust == "quarantined"
    assert ledger.get(name).standing.reason == "2 marks as harmful against 0 as helpful"


def test_a_record_that_harms_goes_to_quarantine_by_its_counts_and_stays() -> None:
    ledger = Ledger(review=reviewer())
    harmful, other = ledger.write(LESSON, lesson("Another lesson."))
    for number in range(8):
        ledger.use(f"control-{number}", [other], task=f"c{number}", control=True)
        ledger.settle(f"control-{number}", won=number % 4 != 0)
    for number in range(4):
        ledger.use(f"run-{number}", [harmful], task=f"t{number}")
        ledger.settle(f"run-{number}", won=False)
    assert ledger.get(harmful).standing.trust == "quarantined"
    assert ledger.get(harmful).standing.reason.startswith("0 of 3 runs with it succeeded")
    for task in "abcdef":
        ledger.vote(harmful, task=task, supports=True)
    assert ledger.get(harmful).standing.trust == "quarantined"


counts = st.integers(0, 12)


def test_trials_earn_trust_and_a_good_control_arm_costs_none() -> None:
    ledger = Ledger(review=reviewer())
    proven, other = ledger.write(LESSON, lesson("Another lesson."))
    for number in range(12):
        ledger.use(f"control-{number}", [other], task=f"c{number}", control=True)
        ledger.settle(f"control-{number}", won=True)
    for task in ("a", "b"):
        ledger.vote(proven, task=task, supports=True, by="trial")
    assert ledger.get(proven).standing.trust == "trusted"
    ledger.trust(other)
    ledger.vote(other, votes=1)
    assert ledger.get(other).standing.trust == "trusted"


@given(counts, counts, counts, counts, counts)
def test_more_wins_never_cost_trust(wins: int, losses: int, held_wins: int, held: int, support: int) -> None:
    order = ("quarantined", "candidate", "trusted")
    state = State(tallies={"all": Tally(held=held_wins + held, held_wins=held_wins)})
    tasks = tuple(f"t{number}" for number in range(support))

    def trust(won: int) -> int:
        standing = Standing(uses=won + losses, wins=won, support=tasks)
        return order.index(standing_of(state, replace(LESSON, standing=standing), Learning())[0])

    assert trust(wins) <= trust(wins + 1)


def test_a_proposal_is_tried_compared_and_taken_in() -> None:
    ledger = Ledger(store=store(), review=reviewer())
    [first] = take(ledger, [Proposal(LESSON, (REPAIRED,))])
    assert (first.became, ledger.get(first.id).standing.support) == ("written", ("t1",))
    again = Proposal(lesson("Check the units first!", run="later"), (Trial("t2", after=True, before=False),))
    [second] = take(ledger, [again])
    assert (second.became, second.id) == ("merged", first.id)
    assert ledger.get(first.id).standing.trust == "trusted"
    [turned] = take(ledger, [Proposal(lesson("Never check the units first."), (REPAIRED,))])
    assert turned.became == "written"
    [untried] = take(ledger, [Proposal(lesson("Guess what comes next."))])
    assert (untried.became, untried.reason) == ("refused", "no trial shows that it helps")
    ledger.quarantine(first.id)
    [poison] = take(ledger, [Proposal(lesson("Check the units, first.", run="x"), (REPAIRED,))])
    assert poison.became == "refused"
    assert "quarantine" in poison.reason
    assert len(ledger.state.records) == 2


def test_an_echo_is_refused_and_a_test_task_raises() -> None:
    ledger = Ledger(store=store())
    whole = lesson("Check the units of all quantities first, then add them in the order in which they are given.")
    take(ledger, [Proposal(whole, (REPAIRED,))])
    ledger.use("run", [whole.id])
    for said in ("Check the units of all quantities first, then add them.", whole.lesson):
        [echo] = take(ledger, [Proposal(lesson(said, run="run"), (Trial("t2", after=True, before=False),))])
        assert echo.became == "refused"
        assert whole.id in echo.reason
    assert ledger.get(whole.id).standing.support == ("t1",)
    assert ledger.get(whole.id).standing.votes == 0
    forged = lesson("Forged lesson here.")
    object.__setattr__(forged.origin, "split", "test")
    with pytest.raises(TestRecordRefused):
        take(ledger, [Proposal(forged, (REPAIRED,))])


def planted(ledger: Ledger, many: int = 10) -> tuple[str, ...]:
    return ledger.write(*(lesson(f"Habit number {number} of the attack.", run="attack") for number in range(many)))


def lose(ledger: Ledger, names: Sequence[str], won: bool = False) -> None:
    for number, name in enumerate(names):
        run = f"{name}-{number}-{won}"
        ledger.use(run, [name], task=run)
        ledger.settle(run, won=won)


def test_records_of_one_run_that_do_harm_together_fall_together() -> None:
    ledger = Ledger(review=reviewer())
    names = planted(ledger, 12)
    (other,) = ledger.write(lesson("Something else altogether.", run="honest"))
    lose(ledger, names[:5])
    assert {ledger.get(name).standing.trust for name in names} == {"candidate"}, "five uses are too few"
    ledger.trust(names[10])
    lose(ledger, names[5:10])
    trusts = [ledger.get(name).standing.trust for name in names]
    assert trusts == ["quarantined"] * 10 + ["trusted", "quarantined"], "the one that was never tried as well"
    assert "records of its run" in ledger.get(names[11]).standing.reason
    assert ledger.get(other).standing.trust == "candidate"


def test_one_bad_lesson_of_a_run_says_nothing_of_the_others() -> None:
    ledger = Ledger(review=reviewer())
    names = planted(ledger, 3)
    lose(ledger, [names[0]] * 12)
    assert [ledger.get(name).standing.trust for name in names] == ["quarantined", "candidate", "candidate"]


def test_one_that_helped_does_not_fall_with_the_others() -> None:
    ledger = Ledger(review=reviewer())
    names = planted(ledger)
    lose(ledger, [names[0]], won=True)
    lose(ledger, [name for name in names[1:] for _ in range(4)])
    assert ledger.get(names[0]).standing.trust != "quarantined"
    assert {ledger.get(name).standing.trust for name in names[1:]} == {"quarantined"}
