"""Random programs over a store, and LangGraph's in-memory store without its faults: what both must answer alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from langgraph.store.base import GetOp, IndexConfig, ListNamespacesOp, MatchCondition, Op, PutOp, Result, SearchOp
from langgraph.store.memory import InMemoryStore

from reflectree.memory.embedders.hashing import HashingEmbeddings

SPACES = [("a",), ("a", "b"), ("a", "b", "c"), ("a", "bc"), ("ab",), ("user", "1"), ("user", "2"), ("user", "2", "x")]
WORDS = "tree search depth budget prune score branch answer verify merge loop cycle even odd prime sum".split()
KEYS = [f"k{number}" for number in range(8)]


def index() -> IndexConfig:
    return IndexConfig(dims=64, embed=HashingEmbeddings(64), fields=["text", "notes[*].body"])


class Reference:
    """LangGraph's store, one operation at a time and with what is wrong in it put right.

    Put right: a put leaves the vectors of fields that are no longer indexed; one text twice in a batch is a
    `ValueError`; `get` and `delete` leave empty namespaces; `created_at` is reset by an update; pages beyond the
    scored items start again at the first item without a score.
    """

    def __init__(self) -> None:
        self.store = InMemoryStore(index=index())

    def batch(self, ops: Sequence[Op]) -> list[Result]:
        results = [None if isinstance(op, PutOp) else self._read(op) for op in ops]
        for op in {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}.values():
            self.store._vectors[op.namespace].pop(op.key, None)
            self.store.batch([op])
            self._tidy()
        return results

    def _read(self, op: Op) -> Result:
        if isinstance(op, SearchOp) and op.query:
            everything = op._replace(limit=1000, offset=0)
            found = self.store.batch([everything])[0]
            assert isinstance(found, list)
            return found[op.offset : op.offset + op.limit]
        result = self.store.batch([op])[0]
        self._tidy()
        return result

    def _tidy(self) -> None:
        for space in [space for space, items in self.store._data.items() if not items]:
            del self.store._data[space]


def value(rng: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "text": " ".join(rng.choices(WORDS, k=rng.randint(1, 5))),
        "n": rng.randint(0, 5),
        "tag": rng.choice(["x", "y", None, ["x"], {"deep": 1, "empty": []}]),
    }
    if rng.random() < 0.3:
        made["notes"] = [{"body": f"{rng.choice(WORDS)} {number}"} for number in range(rng.randint(0, 3))]
    return made


def operation(rng: random.Random) -> Op:
    space, key = rng.choice(SPACES), rng.choice(KEYS)
    match rng.random():
        case x if x < 0.45:
            return PutOp(space, key, value(rng), rng.choice([None, None, None, False, ["text"], ["tag"], ["missing"]]))
        case x if x < 0.52:
            return PutOp(space, key, None)
        case x if x < 0.6:
            return GetOp(space, key)
        case x if x < 0.68:
            return namespaces(rng)
    prefix = space[: rng.randint(0, len(space))]
    query = rng.choice([None, " ".join(rng.choices(WORDS, k=2))])
    return SearchOp(prefix, condition(rng), rng.choice([0, 1, 3, 10, 100]), rng.choice([0, 0, 1, 5]), query)


def condition(rng: random.Random) -> dict[str, Any] | None:
    return rng.choice(
        [
            None,
            None,
            {"n": rng.randint(0, 5)},
            {"n": {rng.choice(["$gt", "$gte", "$lt", "$lte", "$ne", "$eq"]): rng.randint(0, 5)}},
            {"n": {"$gte": 1, "$lt": 4}, "tag": "x"},
            {"tag": {"deep": 1}},
            {"tag": ["x"]},
            {"tag": None},
            {"absent": None},
            {"tag": {"$ne": "y"}},
        ]
    )


def namespaces(rng: random.Random) -> Op:
    space = rng.choice(SPACES)
    wild = tuple(rng.choice([label, "*"]) for label in space)
    conditions = rng.choice([(), (MatchCondition("prefix", wild[:1]),), (MatchCondition("suffix", wild[-1:]),)])
    return ListNamespacesOp(conditions, rng.choice([None, 1, 2]), rng.choice([2, 100]), rng.choice([0, 1]))
