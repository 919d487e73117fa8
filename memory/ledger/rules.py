"""What a ledger lets in, and whom a wish to forget concerns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reflectree.memory.ledger.state import State
from reflectree.memory.records.echo import check_echo
from reflectree.memory.records.kinds import Record, Skill
from reflectree.memory.records.origin import Origin, refuse_test
from reflectree.rlm_ops.errors import BadInput


def admit(state: State, record: Record, *, oracle: bool) -> None:
    """Refuse a record that no memory may hold.

    Raises:
        TestRecordRefused: It is of a test task.
        BadInput: It rests on a gold answer and there is no oracle, or repeats what its run was shown.
    """
    refuse_test(record.origin.split)
    refuse_gold(record.origin.source, f"the {record.kind} {record.id}", oracle=oracle)
    shown = state.shown_to(record.origin.run)
    check_echo(record, [state.records[name] for name in shown if name in state.records])


def refuse_gold(source: str, what: str, *, oracle: bool) -> None:
    """Refuse what rests on a gold answer, with `BadInput`, unless there is an oracle."""
    if source == "gold" and not oracle:
        raise BadInput(f"{what} rests on a gold answer: open the memory with oracle=True to learn from those")


def same_skill(one: Record, other: Record) -> bool:
    """Whether two records are versions of one skill."""
    return isinstance(one, Skill) and isinstance(other, Skill) and one.name == other.name and one.id != other.id


def concerned(state: State, elsewhere: Sequence[Record], ids: Sequence[str], wanted: Mapping[str, str]) -> list[str]:
    """The ids that a wish to forget concerns, with all that was derived from them.

    Args:
        state: The memory.
        elsewhere: Records that are kept beside it, in snapshots.
        ids: Records by id.
        wanted: Fields of the origin and their values; a record of any of them is meant.

    Raises:
        BadInput: An id is of no record here.
    """

    def meant(origin: Origin) -> bool:
        return any(getattr(origin, key) == value for key, value in wanted.items())

    known = dict(state.origins()) | {record.id: record.origin for record in elsewhere}
    if unknown := [name for name in ids if name not in known]:
        raise BadInput(
            f"there is no record {unknown[0][:40]!r} to forget; `reflectree memory list` names those there are"
        )
    found = {name for name, origin in known.items() if meant(origin)} | set(ids)
    return list(dict.fromkeys([*state.derived(found), *sorted(found)]))
