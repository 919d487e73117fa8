"""The ledger: writing, credit, forgetting, and what no path lets in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.memory.records.making import any_record, lesson, store

from reflectree.memory.ledger import Ledger, export, load, rollback, snapshot, snapshots
from reflectree.memory.ledger.events import from_row, to_row
from reflectree.memory.ledger.folding import fold
from reflectree.memory.ledger.state import State, state_from_row, state_to_row
from reflectree.memory.records import Concept, Experience, Origin, Record, Skill, Standing, TestRecordRefused
from reflectree.memory.records.echo import EchoRefused
from reflectree.rlm_ops.errors import BadInput, TraceError


def opened(path: Path | None = None, **more: Any) -> Ledger:
    return Ledger(path, sync=False, **more)


def test_writing_the_same_again_changes_nothing_and_trust_never_comes_with_it() -> None:
    ledger = opened()
    claims = replace(lesson("Check."), standing=Standing(trust="trusted", uses=9, wins=9))
    (name,) = ledger.write(claims)
    assert ledger.write(claims) == ()
    assert ledger.get(name).standing == Standing()


def test_an_outcome_is_credited_once_and_not_before_it_is_known() -> None:
    ledger = opened()
    one, other = ledger.write(lesson("Check."), lesson("Add."))
    ledger.use("run-1", [one], task="t1")
    assert ledger.get(one).standing.uses == 0
    for _ in range(2):
        ledger.settle("run-1", won=True)
        ledger.use("run-1", [one], task="t1")  # a resumed run
    ledger.use("run-2", [one, other], task="t2", control=True)
    ledger.settle("run-2", won=False)
    ledger.use("run-3", [one], task="t3")
    ledger.settle("run-3", won=True, source="judge")
    own = ledger.get(one).standing
    assert (own.uses, own.wins, own.held, own.held_wins, own.support) == (1, 1, 1, 0, ("t1",))
    tally = ledger.state.tallies["reflection"]
    assert (tally.shown, tally.shown_wins, tally.held, tally.held_wins) == (1, 1, 1, 0)
    assert ledger.state.clock == 2
    assert ledger.state.open == {}


def test_where_candidates_are_shown_the_outcome_is_theirs_alone() -> None:
    ledger = opened()
    proven, fresh = ledger.write(lesson("Check."), lesson("Add."))
    ledger.trust(proven)
    ledger.use("run-1", [proven, fresh], task="t")
    ledger.settle("run-1", won=False)
    assert (ledger.get(proven).standing.uses, ledger.get(fresh).standing.uses) == (0, 1)


def test_a_merge_sums_counts_and_is_followed() -> None:
    ledger = opened()
    one, other = ledger.write(lesson("Check."), lesson("Check it.", subject="bob"))
    ledger.vote(one, votes=2, task="t1", supports=True)
    ledger.vote(other, votes=3, helpful=1, task="t2", supports=True)
    ledger.merge([other], one)
    kept = ledger.get(other)
    assert kept.id == one
    assert (kept.standing.votes, kept.standing.helpful, kept.standing.support) == (5, 1, ("t1", "t2"))
    assert ledger.write(lesson("Check it.", subject="bob")) == ()


def test_a_skill_of_the_same_name_is_its_next_version_and_must_prove_itself() -> None:
    ledger = opened()
    origin = Origin(source="tests")
    (old,) = ledger.write(Skill(name="double", description="doubles", body="x + x", origin=origin))
    ledger.trust(old)
    (new,) = ledger.write(Skill(name="double", description="doubles", body="2 * x", origin=origin))
    skill = ledger.get(old)
    assert isinstance(skill, Skill)
    assert (skill.id, skill.version, skill.standing.trust) == (new, 2, "candidate")


def test_an_edit_changes_what_is_said_and_costs_trust() -> None:
    ledger = opened()
    (name,) = ledger.write(lesson("Check."))
    ledger.trust(name)
    ledger.edit(name, lesson="Check units.")
    assert ledger.get(name).told == "Check units."
    assert ledger.get(name).standing.trust == "candidate"
    for wrong in ({"origin": None}, {"standing": None}, {"lesson": ""}, {"nothing": "x"}, {"lesson": "x\x00"}):
        with pytest.raises(BadInput):
            ledger.edit(name, **wrong)
    with pytest.raises(BadInput, match="not in this memory"):
        ledger.edit("r-000000000000", lesson="x")


def test_gold_needs_an_oracle() -> None:
    with pytest.raises(BadInput, match="oracle=True"):
        opened().write(lesson("Check.", source="gold"))
    ledger = opened(oracle=True)
    (name,) = ledger.write(lesson("Check.", source="gold"))
    plain = opened()
    (other,) = plain.write(lesson("Add."))
    plain.use("run", [other])
    with pytest.raises(BadInput, match="oracle=True"):
        plain.settle("run", won=True, source="gold")
    assert name


def test_what_a_run_was_shown_is_not_mined_from_it() -> None:
    ledger = opened()
    (name,) = ledger.write(lesson("Check the units of every quantity first."))
    ledger.use("run-1", [name])
    again = lesson("Check the units of every quantity first!", run="run-1")
    with pytest.raises(EchoRefused):
        ledger.write(again)
    ledger.settle("run-1", won=True)
    with pytest.raises(EchoRefused):
        ledger.write(again)
    assert ledger.write(lesson("Check the units of every quantity first!", run="run-2"))


def poisoned_file(folder: Path) -> None:
    """A ledger whose file somebody changed: its record is of a test task now."""
    file = folder / "ledger.jsonl"
    file.write_text(file.read_text().replace('"source": "verifier"', '"source": "verifier", "split": "test"'))


def test_no_path_lets_a_test_record_in(tmp_path: Path) -> None:
    """The law: writing, importing, restoring, crediting, voting, a doctored file, a doctored snapshot."""
    row = {"kind": "reflection", "lesson": "x", "origin": {"source": "env", "split": "test"}}
    ledger = opened(tmp_path / "memory", store=store())
    (name,) = ledger.write(lesson("Check."))
    forged = lesson("Forged.")
    object.__setattr__(forged.origin, "split", "test")  # past the class
    for way in (
        lambda: ledger.write(forged),
        lambda: ledger.add([forged]),
        lambda: ledger.add([forged], standing=True),
        lambda: ledger.use("run", [name], split="test"),
        lambda: ledger.settle("run", won=True, split="test"),
        lambda: ledger.vote(name, votes=1, split="test"),
    ):
        with pytest.raises(TestRecordRefused):
            way()
    file = tmp_path / "export.jsonl"
    file.write_text(json.dumps(row))
    for standing in (False, True):
        with pytest.raises(TestRecordRefused, match="line 1"):
            load(ledger, file, standing=standing)
    state = state_to_row(ledger.state)
    with pytest.raises(TestRecordRefused):
        ledger.restore({**state, "records": [row]}, "doctored")
    snapshot(ledger, "one").write_text(json.dumps({**state, "records": [row]}))
    with pytest.raises(TestRecordRefused):
        rollback(ledger, "one")
    with pytest.raises(TestRecordRefused):
        fold(State(), [from_row({"seq": 0, "op": "written", "record": row})])
    assert list(ledger.state.records) == [name]
    assert "test" not in {one.origin.split for one in ledger.state.records.values()}
    poisoned_file(tmp_path / "memory")
    with pytest.raises(TestRecordRefused):
        opened(tmp_path / "memory")


def test_forgetting_takes_everything_derived_and_every_trace_of_its_text(tmp_path: Path) -> None:
    shelf = store()
    ledger = opened(tmp_path, store=shelf)
    origin = Origin(source="env", subject="bob", run="r1")
    (seen,) = ledger.write(Experience(task="Bob's secret task", succeeded=True, origin=origin))
    (learnt,) = ledger.write(lesson("Derived from the secret.", parents=(seen,)))
    (far,) = ledger.write(lesson("Derived from what was derived, secret.", parents=(learnt,)))
    (twin,) = ledger.write(lesson("A secret twin.", subject="bob"))
    (other,) = ledger.write(lesson("Check."))
    ledger.merge([twin], other)
    (concept,) = ledger.write(
        Concept(left="a", relation="causes", right="b", support=(seen,), origin=Origin(source="env"))
    )
    snapshot(ledger, "before")
    assert set(ledger.forget(subject="bob", reason="asked to")) == {seen, learnt, far, twin}
    assert set(ledger.state.records) == {other, concept}
    kept = ledger.get(concept)
    assert isinstance(kept, Concept)
    assert kept.support == ()
    assert not [path for path in tmp_path.rglob("*.json*") if "secret" in path.read_text()]
    assert "secret" not in str(shelf.search(("reflectree",), limit=100))
    rollback(ledger, "before")
    assert set(ledger.state.records) == {other, concept}
    assert ledger.write(Experience(task="Bob's secret task", succeeded=True, origin=origin)) == ()
    assert ledger.write(lesson("From the dead.", parents=(seen,))) == ()
    assert opened(tmp_path).state.records == ledger.state.records


def test_forgetting_what_is_not_there() -> None:
    ledger = opened()
    assert ledger.forget(subject="nobody") == ()
    with pytest.raises(BadInput, match="no record"):
        ledger.forget("r-000000000000")


def test_a_forget_that_was_killed_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    (name,) = ledger.write(lesson("A secret."))
    assert ledger.log is not None
    row = {"seq": ledger.state.seq + 1, "op": "forgotten", "ids": [name]}
    with ledger.log.file.open("a") as file:
        file.write(f"{json.dumps(row)}\n")
    assert opened(tmp_path).state.records == {}
    assert "secret" not in ledger.log.file.read_text()


def test_rolling_back_and_the_names_of_snapshots(tmp_path: Path) -> None:
    ledger = opened(tmp_path, store=store())
    (one,) = ledger.write(lesson("Check."))
    snapshot(ledger, "one")
    ledger.write(lesson("Wrong."))
    ledger.quarantine(one)
    rollback(ledger, "one")
    assert {name: record.standing.trust for name, record in ledger.state.records.items()} == {one: "candidate"}
    assert snapshots(ledger) == ["one"]
    assert [item.key for item in ledger.index.store.search(("reflectree", "reflection"))] == [one]  # type: ignore[union-attr]
    for wrong in ("one", "../x", ""):
        with pytest.raises(BadInput):
            snapshot(ledger, wrong)
    with pytest.raises(BadInput, match="no snapshot 'two': there are one"):
        rollback(ledger, "two")
    with pytest.raises(BadInput, match="no folder"):
        snapshot(opened(), "one")


def test_an_export_is_taken_in_whole_and_trusted_only_when_said_so(tmp_path: Path) -> None:
    ledger = opened()
    names = ledger.write(lesson("Check."), lesson("Add."))
    ledger.trust(names[0])
    file = tmp_path / "export.jsonl"
    assert export(ledger, file) == 2
    stranger, own = opened(), opened()
    assert load(stranger, file) == names == load(own, file, standing=True)
    assert {record.standing.trust for record in stranger.state.records.values()} == {"candidate"}
    assert own.state.records == ledger.state.records
    assert load(stranger, file) == ()
    file.write_text(f"{file.read_text()}nonsense")
    empty = opened()
    with pytest.raises(BadInput, match="line 3"):
        load(empty, file)
    assert empty.state.records == {}


names = st.integers(0, 5)
runs = st.sampled_from(["a", "b", "c"])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), any_record),
        st.tuples(st.just("use"), runs, st.lists(names, max_size=3), st.booleans()),
        st.tuples(st.just("settle"), runs, st.booleans()),
        st.tuples(st.just("vote"), names, st.integers(-2, 2), st.booleans()),
        st.tuples(st.just("trust"), names),
        st.tuples(st.just("quarantine"), names),
        st.tuples(st.just("merge"), names, names),
        st.tuples(st.just("forget"), names),
        st.tuples(st.just("compact")),
    ),
    max_size=14,
)


def act(ledger: Ledger, action: tuple[Any, ...]) -> None:
    known = list(ledger.state.records)

    def pick(number: int) -> str:
        return known[number % len(known)] if known else "r-000000000000"

    match action:
        case ("write", record):
            assert isinstance(record, Record)
            ledger.write(record)
        case ("use", run, ids, control):
            ledger.use(run, map(pick, ids), task=run, control=control)
        case ("settle", run, won):
            ledger.settle(run, won=won)
        case ("vote", number, votes, supports):
            ledger.vote(pick(number), votes=votes, task=f"t{votes}", supports=supports)
        case ("trust", number):
            ledger.trust(pick(number))
        case ("quarantine", number):
            ledger.quarantine(pick(number))
        case ("merge", one, other) if known:
            ledger.merge([pick(one)], pick(other))
        case ("forget", number) if known:
            ledger.forget(pick(number))
        case ("compact",):
            ledger.compact()


@settings(max_examples=40)
@given(actions, st.integers(0, 14))
def test_the_file_the_state_and_the_index_agree(tmp_path_factory: Any, actions: list[Any], half: int) -> None:
    """Reading is folding: a second reader, one that opens in between, and the state's own row come to the same."""
    folder = tmp_path_factory.mktemp("memory")
    shelf = store()
    ledger, other = opened(folder, store=shelf), opened(folder)
    for number, action in enumerate(actions):
        act(other if number % 2 and number > half else ledger, action)
    state = ledger.state
    assert state == other.state == opened(folder).state
    assert state_from_row(json.loads(json.dumps(state_to_row(state))), state.seq) == state
    recallable = {name for name, record in state.records.items() if record.standing.trust != "quarantined"}
    opened(folder, store=shelf)
    held = {item.key for item in shelf.search(("reflectree",), limit=1000)} - {"mark"}
    assert held == recallable
    ledger.compact()
    assert opened(folder).state == state


def test_an_event_is_its_row_and_a_damaged_one_is_refused() -> None:
    row = {"seq": 3, "op": "voted", "id": "r-000000000000", "votes": 2}
    assert to_row(from_row(row)) == row
    for wrong in ({"op": "voted"}, {"op": "sung"}, {**row, "votes": "2"}, {**row, "more": 1}):
        with pytest.raises(TraceError, match="damaged event"):
            from_row(wrong)
