"""The ledger: an append-only log of events as the truth, folded into the current records, with a store as index."""

from reflectree.memory.ledger.book import Review
from reflectree.memory.ledger.files import export, load, read_export, rollback, snapshot, snapshots
from reflectree.memory.ledger.index import Index
from reflectree.memory.ledger.ledger import Ledger
from reflectree.memory.ledger.state import State, Tally

__all__ = [
    "Index",
    "Ledger",
    "Review",
    "State",
    "Tally",
    "export",
    "load",
    "read_export",
    "rollback",
    "snapshot",
    "snapshots",
]
