"""The replay buffer: round trips, duplicates, refusals, damage, many writers, and a kill at any instant."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.training import shards
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.filters import read
from reflectree.training.samples import (
    KINDS,
    Labelled,
    Operated,
    Origin,
    Preferred,
    Sample,
    Solution,
    Valued,
    digest,
    located,
)  # fmt: skip
from reflectree.training.shards import DamagedShard
from reflectree.training.splits import Splits, TestTaskRefused

UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(UNICODE, max_size=3).map(tuple)
SHARES = st.floats(0, 1)
ORIGINS = st.builds(
    Origin,
    task=UNICODE,
    trace=UNICODE,
    node=st.integers(-1, 99),
    policy=UNICODE,
    seed=st.integers(-(2**63), 2**63 - 1),
    split=st.sampled_from(["train", "valid"]),
    label=UNICODE,
    round=st.integers(0, 5),
)
COMMON: dict[str, Any] = {
    "question": UNICODE.map(lambda text: f"q{text}"), "weight": st.floats(0, 1e9), "origin": ORIGINS,
}  # fmt: skip
LABELLED = TEXTS.flatmap(
    lambda steps: st.builds(
        Labelled,
        steps=st.just(steps),
        labels=st.lists(SHARES | st.just(math.nan), min_size=len(steps), max_size=len(steps)).map(tuple),
        **COMMON,
    )
)
SAMPLES: st.SearchStrategy[Sample] = st.one_of(
    st.builds(Solution, steps=TEXTS, answer=UNICODE, reward=SHARES, given=st.integers(0, 9), **COMMON),
    st.builds(Valued, steps=TEXTS, value=SHARES, **COMMON),
    LABELLED,
    st.builds(
        Preferred,
        steps=TEXTS,
        chosen=TEXTS.map(lambda steps: ("a", *steps)),
        rejected=TEXTS.map(lambda steps: ("b", *steps)),
        values=st.none() | st.tuples(SHARES, SHARES),
        **COMMON,
    ),
    st.builds(
        Operated,
        messages=st.lists(st.tuples(st.sampled_from(["user", "assistant"]), UNICODE), max_size=3).map(tuple),
        operators=TEXTS,
        reward=SHARES,
        **COMMON,
    ),
)


def valued(number: int, **origin: Any) -> Valued:
    return Valued(question=f"Question {number % 7}?", steps=(f"step {number}",), value=0.5, origin=Origin(**origin))


def steps_of(samples: Iterable[Sample]) -> list[tuple[str, ...]]:
    return [sample.steps for sample in samples if isinstance(sample, Valued)]


def same(one: Sample, other: Sample) -> bool:
    """Equal, nan being nan."""
    if isinstance(one, Labelled) and isinstance(other, Labelled):
        pairs = zip(one.labels, other.labels, strict=True)
        alike = all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
        return alike and replace(one, labels=other.labels) == other
    return one == other


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(SAMPLES)
def test_a_row_of_a_shard_is_its_sample(sample: Sample) -> None:
    table = shards.arrow().Table.from_pylist([shards.record(sample)], schema=shards.schema(sample.kind))
    assert same(shards.sample_of(sample.kind, table.to_pylist()[0]), sample)


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SAMPLES, max_size=12, unique_by=digest))
def test_what_goes_in_comes_out(samples: list[Sample]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        added = ReplayBuffer(folder).add(samples)
        assert added.stored.total() == len(samples)
        again = ReplayBuffer(folder)
        for kind in KINDS:
            wanted = [sample for sample in samples if sample.kind == kind]
            found = again.read(kind)
            assert len(found) == len(wanted)
            assert all(map(same, found, wanted))
        assert again.add(samples).duplicates == len(samples)
        assert len(again) == len(samples)


def test_duplicates_share_what_is_learnt_not_where_it_comes_from(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    first = buffer.add([valued(1, trace="a"), valued(2, trace="a"), valued(1, trace="b")])
    assert (first.stored, first.duplicates) == ({"valued": 2}, 1)
    second = ReplayBuffer(tmp_path).add([replace(valued(2, trace="c"), weight=9.0), valued(3)])
    assert (second.stored, second.duplicates) == ({"valued": 1}, 1)
    assert [sample.origin.trace for sample in buffer.read("valued")] == ["a", "a", ""]
    assert buffer.stats()["duplicates"] == 2


def test_test_tasks_are_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    with pytest.raises(TestTaskRefused, match=r"task t9 belongs to the test split.*trace r1"):
        buffer.add([valued(1), valued(2, split="test", task="t9", trace="r1")])
    assert len(buffer) == 0


def test_a_buffer_remembers_its_splits_and_trusts_no_origin(tmp_path: Path) -> None:
    splits = Splits(valid=0.2, test=0.3, key="numbers")
    asked = [f"Use {n}, 3 and 5 to make {n + 8}." for n in range(60)]
    parts = {part: [text for text in asked if splits.of(text) == part] for part in ("train", "valid", "test")}
    buffer = ReplayBuffer(tmp_path, splits=splits)
    buffer.add([Valued(question=text, steps=(), value=0.5) for text in (*parts["train"], *parts["valid"])])
    assert {sample.question for sample in buffer.read("valued", split="valid")} == set(parts["valid"])
    later = ReplayBuffer(tmp_path)
    assert later.splits == splits
    numbers = parts["test"][0].removeprefix("Use ").partition(",")[0]
    with pytest.raises(TestTaskRefused):
        later.add([Valued(question=f"5, {numbers}, 3: make {int(numbers) + 8}", steps=(), value=0.5)])
    with pytest.raises(BadInput, match=r"begun with splits by numbers .* not splits by text"):
        ReplayBuffer(tmp_path, splits=Splits())


def test_filters_at_the_edge_are_counted_for_good(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path, filters=[read("informative"), read("per-question=2")])
    samples = [valued(number) for number in range(21)]
    added = buffer.add([*samples, replace(valued(99), value=1.0)])
    assert added.stored == {"valued": 14}
    assert added.filtered == {"per-question=2": 7, "informative": 1}
    assert ReplayBuffer(tmp_path, filters=buffer.filters).add([valued(50)]).filtered == {"per-question=2": 1}
    assert ReplayBuffer(tmp_path).stats()["filtered"] == {"informative": 1, "per-question=2": 8}


def test_half_a_character_is_filtered_and_not_fatal(tmp_path: Path) -> None:
    added = ReplayBuffer(tmp_path).add([replace(valued(1), steps=("\ud83d",)), valued(2)])
    assert (added.stored, added.filtered) == ({"valued": 1}, {"text": 1})


def test_a_sample_that_teaches_nothing_is_refused_whole(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    with pytest.raises(BadInput, match="outside"):
        buffer.add([valued(1), replace(valued(2), value=1.5)])
    assert not list(tmp_path.glob("*/*.parquet"))


def test_rounds_splits_and_labels(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    buffer.add([valued(1, label="a"), valued(2, label="b", split="valid")], round=1)
    buffer.add([valued(3, label="a"), Solution(question="q", steps=("s",))], round=2)
    assert buffer.rounds == [1, 2]
    assert steps_of(buffer.read("valued", rounds=[2])) == [("step 3",)]
    assert steps_of(buffer.read("valued", label="a", split="train")) == [("step 1",), ("step 3",)]
    stats = buffer.stats()
    assert stats["kinds"] == {"solution": 1, "valued": 3}
    assert stats["labels"] == {"(none)": 1, "a": 2, "b": 1}
    assert (stats["rounds"], stats["splits"], stats["samples"]) == ({"1": 2, "2": 2}, {"train": 3, "valid": 1}, 4)
    with pytest.raises(BadInput, match="a sample is one of"):
        buffer.read("value")


def test_as_a_data_set(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    told = Operated(question="q", messages=(("user", "hi"), ("assistant", "ho")), operators=("generate",))
    buffer.add([told, replace(told, question="r")])
    buffer.add([replace(told, question="s")])
    data = buffer.dataset("operated")
    assert data["question"][:] == ["q", "r", "s"]
    assert data[0]["messages"] == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    assert data[0]["origin"]["split"] == "train"
    assert len(buffer.dataset("valued")) == 0


def test_draws_by_priority(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    buffer.add([valued(number) for number in range(6)] + [valued(9, split="valid")])
    replay = buffer.priorities("valued", alpha=1.0, seed=2)
    assert len(replay) == 6
    replay.update(range(6), [1, 1, 1, 1, 1, 15])
    batch = replay.batch(40, beta=1.0)
    assert steps_of(batch.samples).count(("step 5",)) == 30
    assert min(batch.weights) == pytest.approx(1 / 15, rel=1e-4)


@pytest.mark.parametrize("harm", ["cut", "garbage", "other", "empty"])
def test_a_damaged_shard_is_named(tmp_path: Path, harm: str) -> None:
    buffer = ReplayBuffer(tmp_path)
    buffer.add([valued(1), Solution(question="q", steps=("s",))])
    (shard,) = shards.files(tmp_path / "valued")
    content = shard.read_bytes()
    if harm == "other":
        shard.write_bytes((tmp_path / "solution" / shard.name).read_bytes())
    else:
        shard.write_bytes({"cut": content[:-9], "garbage": b"x" * 400, "empty": b""}[harm])
    for act in (lambda: buffer.read("valued"), lambda: buffer.stats(), lambda: ReplayBuffer(tmp_path).add([valued(2)])):
        with pytest.raises(DamagedShard, match=f"{shard.name} is damaged .*move it away"):
            act()
    assert len(buffer.read("solution")) == 1


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="holds no replay buffer"):
        ReplayBuffer(tmp_path)
    (tmp_path / "buffer.json").write_text('{"format": "reflectree-buffer", "version": 9}')
    with pytest.raises(TraceError, match="version 9"):
        ReplayBuffer(tmp_path)
    (tmp_path / "buffer.json").write_text("[]")
    with pytest.raises(BadInput, match="holds no replay buffer"):
        ReplayBuffer(tmp_path)
    locked = tmp_path / "thesis.txt" / "buffer"
    with pytest.raises(BadInput, match="choose another folder"):
        ReplayBuffer(locked).add([valued(1)])


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    buffer = ReplayBuffer(tmp_path)
    buffer.add([valued(1)])
    (tmp_path / "valued" / ".writing-x").write_bytes(b"half")
    with (tmp_path / "counts.jsonl").open("a") as file:
        file.write('\n{"duplicates": 4, "fil')
    buffer.add([valued(1), valued(2)])
    assert not list((tmp_path / "valued").glob(".writing-*"))
    assert buffer.stats()["duplicates"] == 1


def test_many_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    def write(first: int) -> None:
        mine = ReplayBuffer(tmp_path)
        for number in range(first, first + 6):
            mine.add([valued(number), valued(1000 + number % 3)])

    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ReplayBuffer(tmp_path).read("valued")
    assert len(found) == len({digest(sample) for sample in found}) == 4 * 6 + 3


WRITER = """
import sys
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.samples import Preferred, Valued
buffer = ReplayBuffer(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[2]), 10_000):
    batch = [Valued(question=f"q{number}", steps=(str(k),), value=0.5) for k in range(3)]
    batch.append(Preferred(question=f"q{number}", chosen=("a",), rejected=("b",)))
    buffer.add(batch)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_instant_it_leaves_whole_shards_only(tmp_path: Path) -> None:
    known = -1
    buffer = ReplayBuffer(tmp_path)
    found: list[Sample] = []
    for turn in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(known + 1)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(1 + turn % 3):
            known = int(process.stdout.readline())
        time.sleep(0.011 + 0.037 * turn)
        os.kill(process.pid, signal.SIGKILL)
        said = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        known = max([known, *map(int, said)])
        buffer = ReplayBuffer(tmp_path)
        found = buffer.read("valued")
        assert len(found) == len({digest(sample) for sample in found})
        questions = {sample.question for sample in found}
        assert {f"q{number}" for number in range(known + 1)} <= questions
        assert len(found) == 3 * len(questions)  # a shard is there whole or not there
        assert len(buffer.read("preferred")) >= known + 1
    assert known > 6
    assert buffer.add([located(found[0], trace="again"), valued(1)]).duplicates == 1
