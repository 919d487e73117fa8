"""The ledger: the one way to change a memory, and the current records.

Every change is an event in an append-only file, the current records are the fold of the events, and a store is kept in
step as their index. It enforces what no record may be (of a test task, gold without an oracle, what memory itself said,
what was forgotten); which records *should* be written and trusted is `reflectree.memory.learning`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from langgraph.store.base import BaseStore

from reflectree.memory.ledger import events as happened
from reflectree.memory.ledger import rules, snapshotting
from reflectree.memory.ledger.book import Book, Review
from reflectree.memory.ledger.events import Event
from reflectree.memory.ledger.state import State, state_from_row, state_to_row
from reflectree.memory.records.echo import check_echo
from reflectree.memory.records.kinds import Record, Skill
from reflectree.memory.records.origin import OUTCOMES, Source, refuse_test
from reflectree.memory.records.rows import to_row
from reflectree.memory.records.standing import Standing
from reflectree.rlm_ops.errors import BadInput


class Ledger(Book):
    """A memory's records.

    Args:
        path: A folder; `None` keeps everything in this process.
        store: The index, for recall by meaning.
        namespace: Where the index lies in the store.
        oracle: Gold answers may be learnt from; without it records and outcomes that rest on them are refused.
        review: Called after votes and outcomes; the moves of trust it returns are made.
        sync: Wait until the disk has each event (a power cut loses none); a kill loses none either way.

    Example:
        >>> from reflectree.memory.records import Origin, Reflection
        >>> ledger = Ledger()
        >>> lesson = Reflection(lesson="Check units.", origin=Origin(source="tests"))
        >>> ledger.write(lesson), ledger.write(lesson)
        (('r-13ec73b13d80',), ())
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        store: BaseStore | None = None,
        namespace: tuple[str, ...] = ("reflectree",),
        oracle: bool = False,
        review: Review | None = None,
        sync: bool = True,
    ) -> None:
        self.oracle = oracle
        super().__init__(path, store=store, namespace=namespace, review=review, sync=sync)

    def get(self, name: str) -> Record:
        """A record, following merges.

        Raises:
            BadInput: There is none of this id.
        """
        state = self.state
        while name in state.merged:
            name = state.merged[name].into
        if name not in state.records:
            gone = "was forgotten" if name in state.forgotten else "is not in this memory"
            raise BadInput(f"the record {name[:40]} {gone}; `reflectree memory list` names those that are")
        return state.records[name]

    def write(self, *records: Record) -> tuple[str, ...]:
        """Keep new records, as candidates; those known already, merged or forgotten are left out.

        A skill of a name that is known becomes its next version, and the old one is merged into it.

        Returns:
            The ids that were written.

        Raises:
            TestRecordRefused: One is of a test task.
            BadInput: One rests on a gold answer and there is no oracle, or repeats what memory itself has said.
        """
        written: list[str] = []

        def make(state: State) -> list[Event]:
            made: list[Event] = []
            for record in records:
                rules.admit(state, record, oracle=self.oracle)
                known = (record.id in state.records, record.id in state.merged, record.id in state.forgotten)
                if any(known) or record.id in written or not state.forgotten.isdisjoint(record.origin.parents):
                    continue
                fresh = replace(record, standing=Standing())
                older = [one for one in state.records.values() if rules.same_skill(one, record)]
                if isinstance(fresh, Skill) and older:
                    fresh = replace(fresh, version=1 + max(one.version for one in older if isinstance(one, Skill)))
                made.append(happened.Written(record=to_row(fresh)))
                if older:
                    ids = tuple(one.id for one in older)
                    made.append(happened.Merged(ids=ids, into=fresh.id, counters=False))
                written.append(record.id)
            return made

        self._commit(make)
        return tuple(written)

    def edit(self, name: str, **content: Any) -> None:
        """Replace fields of a record's content; a trusted one is a candidate again.

        Raises:
            BadInput: No such record, no such field, or text that no record may have.
        """
        record = self.get(name)
        if unknown := set(content) - set(record.content):
            raise BadInput(f"a {record.kind} has no {min(unknown)!r} to edit: it has {', '.join(record.content)}")

        def make(state: State) -> list[Event]:
            current = state.records.get(record.id)
            if current is None:
                return []
            edited = replace(current, **content)
            check_echo(edited, ())
            row = to_row(edited)
            return [happened.Edited(id=record.id, content={key: row.get(key, content[key]) for key in content})]

        self._commit(make)

    def vote(
        self,
        name: str,
        *,
        votes: int = 0,
        helpful: int = 0,
        harmful: int = 0,
        task: str = "",
        supports: bool | None = None,
        by: str = "",
        split: str = "train",
    ) -> None:
        """Say something of a record: ExpeL's votes, ACE's counters, a task as evidence for or against it.

        Raises:
            TestRecordRefused: The word comes from a test task.
        """
        refuse_test(split)
        event = happened.Voted(
            id=name, votes=votes, helpful=helpful, harmful=harmful, task=task, supports=supports, by=by
        )
        self._commit(lambda state: [event], review=True)

    def use(self, run: str, ids: Iterable[str], *, task: str = "", control: bool = False, split: str = "train") -> None:
        """Note what a run was shown or, in the control arm, would have been.

        Raises:
            TestRecordRefused: The run is on a test task, whose outcome must not change what is remembered.
        """
        refuse_test(split)
        event = happened.Used(run=run, task=task, ids=tuple(ids), control=control)
        self._commit(lambda state: [] if run in state.closed else [event])

    def settle(
        self,
        run: str,
        *,
        won: bool,
        reward: float | None = None,
        source: Source = "verifier",
        opinions: bool = False,
        split: str = "train",
    ) -> None:
        """Credit a run's outcome to what it was shown; a run is settled once.

        Args:
            run: Its id.
            won: Whether it succeeded.
            reward: What the source gave, in [0, 1]; 1 or 0 where it is left out.
            source: Who says so.
            opinions: Credit what is no outcome too: a judge's word or the model's own.
            split: The part its task belongs to.

        Raises:
            TestRecordRefused: The run is on a test task.
            BadInput: The outcome rests on a gold answer and there is no oracle.
        """
        refuse_test(split)
        rules.refuse_gold(source, "this outcome", oracle=self.oracle)
        if reward is not None and not 0.0 <= reward <= 1.0:
            raise BadInput(f"a reward lies between 0 and 1, got {reward}")
        event = happened.Settled(
            run=run,
            won=won,
            reward=float(won) if reward is None else reward,
            source=source,
            counts=opinions or source in OUTCOMES,
        )
        self._commit(lambda state: [event] if run in state.open else [], review=True)

    def trust(self, *ids: str, reason: str = "by hand") -> None:
        """Trust records."""
        self._commit(lambda state: [happened.Trusted(ids=ids, reason=reason)])

    def demote(self, *ids: str, reason: str = "by hand") -> None:
        """Make records candidates again, out of quarantine too."""
        self._commit(lambda state: [happened.Demoted(ids=ids, reason=reason)])

    def quarantine(self, *ids: str, reason: str = "by hand") -> None:
        """Never recall records again."""
        self._commit(lambda state: [happened.Quarantined(ids=ids, reason=reason)])

    def merge(self, ids: Iterable[str], into: str, *, counters: bool = True) -> None:
        """Let records go into another one, which keeps its text and gets their counts."""
        target = self.get(into).id
        event = happened.Merged(ids=tuple(name for name in ids if name != target), into=target, counters=counters)
        self._commit(lambda state: [event])

    def forget(
        self, *ids: str, subject: str | None = None, run: str | None = None, task: str | None = None, reason: str = ""
    ) -> tuple[str, ...]:
        """Erase records, and everything derived from them, from the ledger, the index and all snapshots, for good.

        Args:
            ids: Records by id.
            subject: All records about it.
            run: All records of a run.
            task: All records of a task, by its key.
            reason: Why; it stays in the ledger, so name nobody in it.

        Returns:
            The ids that are gone.

        Raises:
            BadInput: An id is of no record here.
        """
        wanted = {
            key: value for key, value in (("subject", subject), ("run", run), ("task", task)) if value is not None
        }
        gone: list[str] = []

        def make(state: State) -> list[Event]:
            shots = [] if self.log is None else list(snapshotting.records(self.log.folder))
            gone.extend(rules.concerned(state, shots, ids, wanted))
            return [happened.Forgotten(ids=tuple(gone), reason=reason)] if gone else []

        with self._busy:
            self._commit(make)
            if gone:
                self.compact()
        return tuple(gone)

    def restore(self, state: Mapping[str, Any], reason: str) -> None:
        """Make an earlier state (`state_to_row`) the current one, but for what was forgotten since.

        Raises:
            BadInput: It is damaged, or holds a record that no memory may hold.
        """

        def make(current: State) -> list[Event]:
            new = state_from_row(state, current.seq)
            new.forgotten |= current.forgotten
            new.records = {name: one for name, one in new.records.items() if name not in new.forgotten}
            for record in new.records.values():
                rules.admit(current, record, oracle=self.oracle)
            return [happened.Based(state=state_to_row(new), reason=reason)]

        self._commit(make)

    def add(self, records: Iterable[Record], *, standing: bool = False) -> tuple[str, ...]:
        """Keep records of a file; with `standing` their trust and counts are believed, which only one's own may be."""
        if not standing:
            return self.write(*records)
        written: list[str] = []

        def make(state: State) -> list[Event]:
            made: list[Event] = []
            for record in records:
                rules.admit(state, record, oracle=self.oracle)
                if record.id not in state.records and record.id not in state.forgotten:
                    made.append(happened.Written(record=to_row(record)))
                    written.append(record.id)
            return made

        self._commit(make)
        return tuple(written)
