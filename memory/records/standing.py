"""What has become of a record since it was written: its trust and the counts that earn or cost it.

A standing is never written by hand: it is the fold of the ledger's events. Counts of runs are of settled runs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

Trust = Literal["candidate", "trusted", "quarantined"]
EVIDENCE_LIMIT = 64
"""So many distinct tasks are remembered as evidence on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Trust and counts.

    Attributes:
        trust: `candidate` (new), `trusted` (earned) or `quarantined` (never recalled).
        reason: Why the trust is what it is.
        votes: ExpeL's votes.
        helpful: ACE's counter of uses that a reflector called helpful.
        harmful: ACE's counter of uses called harmful.
        uses: Settled runs it was shown in.
        wins: Those that succeeded.
        held: Settled runs of the control arm it would have been shown in.
        held_wins: Those that succeeded without it.
        support: Keys of the distinct tasks that speak for it.
        counter: Keys of the distinct tasks that speak against it.
        written: The ledger's clock (settled runs) when it was written.
        won: The clock when it last was shown in a run that succeeded; `written` before that.
        quarantined: How often it was quarantined.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    trust: Trust = "candidate"
    reason: str = ""
    votes: int = 0
    helpful: int = 0
    harmful: int = 0
    uses: int = 0
    wins: int = 0
    held: int = 0
    held_wins: int = 0
    support: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()
    written: int = 0
    won: int = 0
    quarantined: int = 0
