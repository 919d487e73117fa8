"""What designs made of examples, kept: no settled example is ever paid twice, by whichever node or process asks.

One SQLite file, written at once and whole after each example. A row is keyed by the design's digest, the example, what
it was run with (models, caps) and the seed. Nothing here runs anything.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.usage import NO_USAGE, Usage

VERSION = 1
FINAL = "final"
"""Who pays for the test part, which is run after the search."""


class Key(NamedTuple):
    """What an outcome is of.

    Attributes:
        design: The design's digest.
        example: The example's name (`splits.example_id`).
        bench: What it is run with: models by role, caps.
        seed: The seed of its sampling.
    """

    design: str
    example: str
    bench: str
    seed: int


@dataclass(frozen=True, slots=True)
class Made:
    """What a design made of an example.

    Attributes:
        score: What the verifier says, in [0, 1].
        answer: The answer it gave; `None` where it gave none.
        stop: Why its run ended.
        usage: What it cost.
        owner: The evaluation that paid for it.
        seconds: How long it took.
        spilt: What its owner paid for it besides, to no end: runs that were lost or cut short.
    """

    score: float
    answer: str | None
    stop: str
    usage: Usage = NO_USAGE
    owner: str = ""
    seconds: float = 0.0
    spilt: Usage = NO_USAGE


class Cache:
    """The outcomes of a search, in a file, or in memory where no path is given.

    Raises:
        BadInput: The file cannot be written, or is no such file.
        TraceError: It is of another version.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path if path is not None else ":memory:", isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(
                "CREATE TABLE IF NOT EXISTS made (design TEXT, example TEXT, bench TEXT, seed INTEGER, score REAL, "
                "answer TEXT, stop TEXT, usage TEXT, owner TEXT, seconds REAL, "
                "PRIMARY KEY (design, example, bench, seed));"
                "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, content TEXT);"
                "CREATE TABLE IF NOT EXISTS spilt (design TEXT, example TEXT, bench TEXT, seed INTEGER, owner TEXT, "
                "usage TEXT, lost INTEGER);"
            )
            self._spilt = self._read_spilt()
        except sqlite3.Error as error:
            raise BadInput(f"cannot use {path} for the outcomes of designs ({error}): choose another folder") from error
        version = self.note("version", VERSION)
        if version != VERSION:
            raise TraceError(f"{path} has version {version} and this reads {VERSION}: use another folder")

    def get(self, key: Key) -> Made | None:
        """What is known of a key."""
        row = self._db.execute(
            "SELECT score, answer, stop, usage, owner, seconds FROM made "
            "WHERE design = ? AND example = ? AND bench = ? AND seed = ?",
            key,
        ).fetchone()
        return None if row is None else Made(row[0], row[1], row[2], Usage(*json.loads(row[3])), row[4], row[5])

    def put(self, key: Key, made: Made) -> None:
        """Keep an outcome; what is kept already stays."""
        usage = json.dumps(made.usage.to_row())
        row = (*key, made.score, made.answer, made.stop, usage, made.owner, made.seconds)
        self._db.execute("INSERT OR IGNORE INTO made VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def spill(self, key: Key, owner: str, usage: Usage, *, lost: bool = False) -> None:
        """Keep what was paid for a run that came to no outcome.

        Args:
            key: What was run.
            owner: The evaluation that paid.
            usage: What it paid, or the most that it can have paid.
            lost: Whether the run was lost with its worker.
        """
        row = (*key, owner, json.dumps(usage.to_row()), int(lost))
        self._db.execute("INSERT INTO spilt VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._spilt[key, owner] = self.spilt(key, owner) + usage

    def spilt(self, key: Key, owner: str) -> Usage:
        """What an evaluation has paid for a key to no end."""
        return self._spilt.get((key, owner), NO_USAGE)

    def lost(self) -> tuple[int, Usage]:
        """How many runs were lost with their workers, and the most that they can have cost."""
        rows = self._db.execute("SELECT usage FROM spilt WHERE lost").fetchall()
        return len(rows), sum((Usage(*json.loads(row[0])) for row in rows), NO_USAGE)

    def _read_spilt(self) -> dict[tuple[Key, str], Usage]:
        found: dict[tuple[Key, str], Usage] = {}
        for row in self._db.execute("SELECT design, example, bench, seed, owner, usage FROM spilt"):
            place = Key(*row[:4]), row[4]
            found[place] = found.get(place, NO_USAGE) + Usage(*json.loads(row[5]))
        return found

    def __len__(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM made").fetchone()[0])

    def cost(self, design: str, bench: str) -> tuple[int, Usage]:
        """How many examples a design was run on in the search, and what they cost together.

        Those of the test part are left out: choices that were made before it was opened must come out the same again.
        """
        rows = self._db.execute(
            "SELECT usage FROM made WHERE design = ? AND bench = ? AND owner != ?", (design, bench, FINAL)
        ).fetchall()
        return len(rows), sum((Usage(*json.loads(row[0])) for row in rows), NO_USAGE)

    def note(self, name: str, content: Any) -> Any:
        """A word that is kept once: what was kept first under this name, else what is given."""
        self._db.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (name, json.dumps(content, sort_keys=True)))
        return json.loads(self._db.execute("SELECT content FROM notes WHERE name = ?", (name,)).fetchone()[0])

    def check(self, name: str, content: Mapping[str, Any]) -> None:
        """Refuse a file that was begun with other settings.

        Raises:
            TraceError: It was; the message names what differs.
        """
        kept = self.note(name, dict(content))
        now = json.loads(json.dumps(dict(content)))
        differing = [
            f"{key} {kept.get(key)!r}, not {now.get(key)!r}"
            for key in sorted(kept.keys() | now.keys())
            if kept.get(key) != now.get(key)
        ]
        if differing:
            raise TraceError(f"{self.path} belongs to another search ({'; '.join(differing)}): use another folder")

    def close(self) -> None:
        """Close the file."""
        self._db.close()
