"""ACE's playbook (arXiv 2510.04618): bullets with counters of help and harm, which act here.

In the release the counters are kept and never used, and the token budget is only told to the model. Here they order
the bullets, prune them and decide which fit. Pure: records in, records out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from reflectree.memory.ledger.ledger import Ledger
from reflectree.memory.recall.rendering import OVERHEAD, cost
from reflectree.memory.records.kinds import Record

Tag = Literal["helpful", "harmful", "neutral"]


def balance(record: Record) -> int:
    """Marks as helpful less marks as harmful."""
    return record.standing.helpful - record.standing.harmful


def playbook(records: Iterable[Record], tokens: int = 80_000) -> list[Record]:
    """The bullets that fit, the most helpful first; none that did more harm than good, and none in quarantine."""
    left = tokens - OVERHEAD
    taken: list[Record] = []
    for record in sorted(records, key=lambda one: (-balance(one), -one.standing.helpful, one.id)):
        price = cost(record)
        if record.standing.trust != "quarantined" and balance(record) >= 0 and price <= left:
            taken.append(record)
            left -= price
    return taken


def tag(ledger: Ledger, tags: Mapping[str, Tag], shown: Sequence[str], *, task: str = "", split: str = "train") -> int:
    """Count a reflector's tags; a tag of what was not shown is made up and left out. How many counted."""
    counted = 0
    for name, said in tags.items():
        if name in shown and said != "neutral":
            helped = said == "helpful"
            ledger.vote(
                name,
                helpful=int(helped),
                harmful=int(not helped),
                task=task,
                supports=helped,
                by="reflector",
                split=split,
            )
            counted += 1
    return counted
