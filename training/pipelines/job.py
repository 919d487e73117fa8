"""A data generation job on disk: what is asked, what is done, and what it has cost; it outlives a kill at any instant.

    out/
      job.json               what is asked: a job of other settings is not mixed in
      traces/NAME.jsonl      one finished run each, whole or not there
      unfinished.sqlite      checkpoints of runs that are not finished
      rollouts/NAME.json     completions made for labels
      bill.jsonl             one line a finished run, what labels cost, and the seconds spent so far; where runs are
                             made elsewhere under a cap, also one a run that begins, with the most it can cost
      stored.jsonl           one line a batch of traces that was labelled and stored
      report.json            how it stands

A run's name follows from what its task asks and its seed, so that a job can be asked for more tasks later. Nothing here
runs anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total
from reflectree.training.buffer import Added
from reflectree.training.files import append_line, replace_json, whole_lines
from reflectree.training.pipelines.runs import Entry, Settings

FORMAT = "reflectree-generation"
VERSION = 1


class JobFolder:
    """A job's folder, held by one process; made by `JobFolder.open`.

    Attributes:
        path: The folder.
        bill: What each finished run came to, by name.
        stored: The runs that were labelled and stored.
        added: What was stored of them.
        elapsed: Seconds of all earlier sessions.
        labelling: What completions for labels have cost.
        lost: The most that runs can have cost which were begun elsewhere and never came back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bill: dict[str, Entry] = {}
        self.stored: set[str] = set()
        self.added = Added()
        self.elapsed = 0.0
        self.labelling = NO_USAGE
        self.lost = NO_USAGE
        self._session = uuid.uuid4().hex[:8]
        self._fresh = False

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str | os.PathLike[str], settings: Settings) -> Iterator[JobFolder]:
        """Hold a job's folder, made where it is new.

        Raises:
            BadInput: The folder holds something else, or cannot be written.
            TraceError: It holds a job of other settings; the message names them.
            RunLocked: Another process works on it.
        """
        folder = Path(path)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise RunLocked(f"another process works on {folder}: wait for it, or use another folder") from error
        except OSError as error:
            raise BadInput(f"cannot write {folder}: {error.strerror}; choose another folder") from error
        try:
            fresh = _begin(folder, settings)
            job = cls(folder)
            job._fresh = fresh
            job._recollect()
            yield job
        finally:
            lock.release()

    @property
    def usage(self) -> Usage:
        """What all finished runs and their labels have cost, and at most those that never came back."""
        return total([self.labelling, self.lost, *(entry.usage for entry in self.bill.values())])

    def trace_path(self, name: str) -> Path:
        """Where a finished run's trace is."""
        return self.path / "traces" / f"{name}.jsonl"

    @property
    def checkpoint(self) -> Path:
        """Where runs that are not finished are checkpointed."""
        return self.path / "unfinished.sqlite"

    def finish(self, trace: Trace, elapsed: float) -> Entry:
        """Keep a finished run: from here on it is never paid again."""
        entry = Entry.of(trace)
        trace.save(self.trace_path(trace.run_id))
        self._bill(entry)
        self.spend(elapsed)
        return entry

    def spend(self, elapsed: float) -> None:
        """Write down the seconds of this session so far."""
        append_line(self.path / "bill.jsonl", {"session": self._session, "elapsed": round(elapsed, 3)})

    def spend_on_labels(self, usage: Usage) -> None:
        """Write down what completions have cost."""
        append_line(self.path / "bill.jsonl", {"labels": usage.to_row()})
        self.labelling = self.labelling + usage

    def begin(self, run: str, most: Usage) -> None:
        """Write down, before it begins elsewhere, the most that a run can cost: it may never be heard of again."""
        append_line(self.path / "bill.jsonl", {"begun": run, "most": most.to_row()})

    def lose(self, most: Usage) -> None:
        """Count a run of this session that never came back; its beginning is written down."""
        self.lost = self.lost + most

    def store(self, runs: Sequence[str], added: Added) -> None:
        """Write down that these runs were labelled and what was stored of them."""
        append_line(self.path / "stored.jsonl", {"runs": list(runs), **added.to_json()})
        self.stored.update(runs)
        self.added = self.added + added

    def report(self, data: Mapping[str, Any]) -> None:
        """Write the report, whole."""
        replace_json(self.path / "report.json", data)

    def forget(self) -> None:
        """Hold nobody to settings under which nothing was made: those of a model that refuses every request, say.

        A job that an earlier session began, or in which anything is finished, stays as it is.
        """
        if self._fresh and not self.bill and self.labelling == NO_USAGE:
            named = (self.path / name for name in ("job.json", "report.json"))
            for path in (*named, *self.path.glob(f"{self.checkpoint.name}*")):
                path.unlink(missing_ok=True)

    def _bill(self, entry: Entry) -> None:
        append_line(self.path / "bill.jsonl", entry.to_row())
        self.bill[entry.run] = entry

    def _recollect(self) -> None:
        """What earlier sessions did; a trace that the bill does not know was saved just before a kill."""
        sessions: dict[str, float] = {}
        found: dict[str, Entry] = {}
        begun: dict[str, list[Usage]] = {}
        for row in whole_lines(self.path / "bill.jsonl"):
            with contextlib.suppress(KeyError, TypeError):
                if "session" in row:
                    sessions[row["session"]] = max(sessions.get(row["session"], 0.0), float(row["elapsed"]))
                elif "begun" in row:
                    begun.setdefault(row["begun"], []).append(Usage(*row["most"]))
                elif "labels" in row:
                    self.labelling = self.labelling + Usage(*row["labels"])
                else:
                    entry = Entry.from_row(row)
                    found[entry.run] = entry
        self.elapsed = sum(sessions.values())
        for path in sorted((self.path / "traces").glob("*.jsonl")):
            if path.stem in found:
                self.bill[path.stem] = found[path.stem]
                continue
            trace = Trace.load(path)
            if trace.answered is not None and not trace.damage and trace.run_id == path.stem:
                self._bill(Entry.of(trace))
        for run, most in begun.items():
            self.lost = total([self.lost, *(most[1:] if run in self.bill else most)])
        for row in whole_lines(self.path / "stored.jsonl"):
            with contextlib.suppress(KeyError, TypeError):
                self.stored.update(row["runs"])
                self.added = self.added + Added(
                    Counter(row["stored"]), int(row["duplicates"]), Counter(row["filtered"])
                )


def _begin(folder: Path, settings: Settings) -> bool:
    """Begin a job, or see that the one that is there is the same; whether it is new."""
    file, wanted = folder / "job.json", {"format": FORMAT, "version": VERSION, **asdict(settings)}
    (folder / "traces").mkdir(exist_ok=True)
    try:
        then = json.loads(file.read_bytes())
    except FileNotFoundError:
        if any((folder / "traces").iterdir()):
            raise BadInput(f"{folder} holds traces of something else: choose another folder") from None
        replace_json(file, wanted)
        return True
    except ValueError as error:
        raise BadInput(f"{file} is damaged: move it away, or choose another folder") from error
    if not isinstance(then, dict) or then.get("format") != FORMAT:
        raise BadInput(f"{folder} holds no generated data: choose another folder")
    if then.get("version") != VERSION:
        raise TraceError(f"{file} has version {then.get('version')} and this reads {VERSION}: use another folder")
    now = json.loads(json.dumps(wanted))
    differing = [spec.name for spec in fields(Settings) if then.get(spec.name) != now[spec.name]]
    if differing:
        said = "; ".join(f"{name} {_brief(then.get(name))}, not {_brief(now[name])}" for name in differing)
        raise TraceError(f"{folder} holds data of other settings ({said}): ask for the same, or use another folder")
    return False


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:8]}"
