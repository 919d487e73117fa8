"""The replay buffer: samples on disk, append-only, without duplicates, and never of a test task.

    buffer/
      buffer.json                    format, version, splits
      counts.jsonl                   what was refused: one line an `add`
      valued/000001.parquet          a shard: the samples of one kind of one `add`, whole or not there
      preferred/000001.parquet

The shards are all there is to it: which digests are known and how many samples a question has is read off them, so a
writer killed at any instant leaves whole shards and nothing to repair. Writers of any number of processes take turns.
It knows nothing of traces, models or trainers.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training import filters as rules
from reflectree.training import shards
from reflectree.training.buffer_folder import BufferFolder
from reflectree.training.priorities import ALPHA, BETA, Priorities
from reflectree.training.samples import KINDS, Sample, Split, check, digest, located
from reflectree.training.splits import Splits, TestTaskRefused


@dataclass(frozen=True, slots=True)
class Added:
    """What became of some samples.

    Attributes:
        stored: How many were new, by kind.
        duplicates: How many the buffer had already.
        filtered: How many each filter dropped; `text` are those whose text is no Unicode.
    """

    stored: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    filtered: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Added) -> Added:
        return Added(self.stored + other.stored, self.duplicates + other.duplicates, self.filtered + other.filtered)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"stored": dict(self.stored), "duplicates": self.duplicates, "filtered": dict(self.filtered)}


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples drawn by priority.

    Attributes:
        samples: The samples.
        weights: The importance weight of each, in (0, 1]; a sample's own weight is not part of it.
        places: Where they stand in the priorities, for `Priorities.update`.
    """

    samples: tuple[Sample, ...]
    weights: tuple[float, ...]
    places: tuple[int, ...]


class ReplayBuffer:
    """Samples in a folder.

    Attributes:
        path: The folder.
        splits: The division into train, valid and test that every sample must agree with; `None` where samples are
            taken at their word (`Origin.split`).
        filters: What every sample must pass.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        splits: Splits | None = None,
        filters: Sequence[rules.Filter] = (),
    ) -> None:
        """Open a buffer, or make a new one on the first `add`.

        Args:
            path: Its folder.
            splits: The division; a buffer remembers that it was begun with.
            filters: What every sample must pass from now on.

        Raises:
            BadInput: The folder holds something else, or was begun with other splits.
        """
        self._folder = BufferFolder(Path(path))
        self.path = self._folder.path
        self.splits = self._folder.agree(splits)
        self.filters = tuple(filters)
        self._read: set[Path] = set()
        self._digests: set[str] = set()
        self._seen: rules.Seen = Counter()

    def __len__(self) -> int:
        return sum(self._rows(path) for kind in KINDS for path in shards.files(self.path / kind))

    def add(self, samples: Iterable[Sample], *, round: int | None = None) -> Added:
        """Store what is new and passes the filters: all of it is on the disk when this returns.

        Args:
            samples: The samples.
            round: Written into their origins, where given.

        Raises:
            TestTaskRefused: One is of a test task. Nothing was stored.
            BadInput: One cannot be learnt from, or the folder cannot be written. Nothing was stored.
            RunLocked: Another writer holds the buffer for too long.
        """
        given = [self._checked(sample if round is None else located(sample, round=round)) for sample in samples]
        with self._folder.writing(self.splits):
            self._refresh()
            added, fresh = self._sift(given)
            for kind, kept in fresh.items():
                folder = self.path / kind
                shards.sweep(folder)
                numbers = [int(path.stem) for path in shards.files(folder) if path.stem.isdecimal()]
                shards.write(folder, f"{max(numbers, default=0) + 1:06d}", kind, kept)
            self._refresh()
            if added.duplicates or added.filtered:
                self._folder.count(added.duplicates, added.filtered)
        return added

    def read(
        self,
        kind: str,
        *,
        split: Split | None = None,
        rounds: Iterable[int] | None = None,
        label: str | None = None,
    ) -> list[Sample]:
        """The samples of a kind in the order they came, all of them or those of a split, of rounds, of a label.

        Raises:
            BadInput: There is no such kind.
            DamagedShard: A file cannot be read; the message names it.
        """
        shards.schema(kind)
        wanted = None if rounds is None else set(rounds)
        return [
            sample
            for path in shards.files(self.path / kind)
            for sample in shards.samples(path, kind)
            if (split is None or sample.origin.split == split)
            and (wanted is None or sample.origin.round in wanted)
            and (label is None or sample.origin.label == label)
        ]

    def dataset(self, kind: str) -> Any:
        """The samples of a kind as a `datasets.Dataset`: one column a field, `origin` a struct.

        Raises:
            MissingExtra: datasets is not installed.
            DamagedShard: A file cannot be read.
        """
        datasets = require("datasets", "datasets", "a data set of samples")
        tables = [shards.table(path, kind) for path in shards.files(self.path / kind)]
        whole = shards.arrow().concat_tables(tables) if tables else shards.schema(kind).empty_table()
        return datasets.Dataset(whole.replace_schema_metadata(None))

    def priorities(self, kind: str, *, alpha: float = ALPHA, seed: int = 0, split: Split = "train") -> Replay:
        """Prioritised sampling over the samples of a kind that are there now."""
        return Replay(self.read(kind, split=split), alpha=alpha, seed=seed)

    def seen(self) -> rules.Seen:
        """How many samples of a kind each question has."""
        self._refresh()
        return Counter(self._seen)

    @property
    def rounds(self) -> list[int]:
        """The rounds there are samples of."""
        return sorted({origin["round"] for _, origin in self._origins()})

    def stats(self) -> dict[str, Any]:
        """How many samples there are, by kind, label, round and split, and how many were refused.

        Raises:
            DamagedShard: A file cannot be read.
        """
        found: dict[str, Counter[str]] = {name: Counter() for name in ("kinds", "labels", "rounds", "splits")}
        tasks, traces = set[str](), set[str]()
        for kind, origin in self._origins():
            found["kinds"][kind] += 1
            found["labels"][origin["label"] or "(none)"] += 1
            found["rounds"][str(origin["round"])] += 1
            found["splits"][origin["split"]] += 1
            tasks.add(origin["task"])
            traces.add(origin["trace"])
        duplicates, filtered = self._folder.refused()
        return {
            "samples": found["kinds"].total(),
            **{name: dict(sorted(counts.items())) for name, counts in found.items()},
            "tasks": len(tasks - {""}),
            "traces": len(traces - {""}),
            "duplicates": duplicates,
            "filtered": dict(sorted(filtered.items())),
            "splits_by": None if self.splits is None else self.splits.to_json(),
        }

    def _checked(self, sample: Sample) -> Sample:
        check(sample)
        origin = sample.origin
        split = origin.split if self.splits is None else self.splits.of(sample.question)
        if "test" in (origin.split, split):
            name = f"task {origin.task}" if origin.task else f"the task {sample.question[:60]!r}"
            raise TestTaskRefused(
                f"{name} belongs to the test split, so nothing may be learnt from it"
                + (f" (trace {origin.trace})" if origin.trace else "")
                + ": leave it out, nothing was stored"
            )
        if origin.split not in ("train", "valid"):
            raise BadInput(f"a sample's split is train, valid or test, not {origin.split!r}")
        return sample if split == origin.split else located(sample, split=split)

    def _sift(self, samples: Sequence[Sample]) -> tuple[Added, dict[str, list[Sample]]]:
        """What to store of some samples, by kind; the index is up to date."""
        new: dict[str, Sample] = {}
        added = Added()
        duplicates = 0
        for sample in samples:
            if not shards.is_writable(sample):
                added.filtered["text"] += 1
            elif (name := digest(sample)) in self._digests or name in new:
                duplicates += 1
            else:
                new[name] = sample
        passed = rules.apply(list(new.values()), self.filters, self._seen)
        added.filtered.update(passed.dropped)
        fresh: dict[str, list[Sample]] = {}
        for sample in passed.kept:
            fresh.setdefault(sample.kind, []).append(sample)
            added.stored[sample.kind] += 1
        return replace(added, duplicates=duplicates), fresh

    def _refresh(self) -> None:
        """Learn the digests and questions of the shards that are new since the last look."""
        for kind in KINDS:
            for path in shards.files(self.path / kind):
                if path not in self._read:
                    columns = shards.table(path, kind, ("digest", "question")).to_pydict()
                    self._digests.update(columns["digest"])
                    self._seen.update((kind, rules.question_key(question)) for question in columns["question"])
                    self._read.add(path)

    def _origins(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for kind in KINDS:
            for path in shards.files(self.path / kind):
                for origin in shards.table(path, kind, ("origin",)).column("origin").to_pylist():
                    yield kind, origin

    def _rows(self, path: Path) -> int:
        return int(shards.table(path, path.parent.name, ("digest",)).num_rows)


class Replay(Priorities):
    """Samples with priorities: `draw` them, train, `update` with what they taught."""

    def __init__(self, samples: Sequence[Sample], *, alpha: float = ALPHA, seed: int = 0) -> None:
        super().__init__(map(digest, samples), alpha=alpha, seed=seed)
        self.samples = tuple(samples)

    def batch(self, count: int, *, beta: float = BETA) -> Batch:
        """Draw so many samples, with replacement.

        Raises:
            BadInput: There are none.
        """
        drawn = self.draw(count, beta=beta)
        places = tuple(drawn.places.tolist())
        return Batch(tuple(self.samples[place] for place in places), tuple(drawn.weights.tolist()), places)
