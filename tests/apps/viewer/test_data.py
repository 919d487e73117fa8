"""Traces in columns: nothing is lost on the way, what is left out is said, additions join."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from tests.apps.viewer.conftest import GOLDEN, SPITE, golden, grown, numbered, spiteful, unpacked

from reflectree.apps.viewer import data
from reflectree.apps.viewer.columns import DEFAULTS, OPS
from reflectree.apps.viewer.data import Encoder, encode
from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Failed, Grown, to_row
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.trace import Trace


@pytest.mark.parametrize("name", sorted(file.stem for file in GOLDEN.glob("*.jsonl")))
def test_every_system_is_sent_whole(name: str) -> None:
    trace = golden(name)
    chunk = encode(trace)
    structure = fold(trace)
    columns = {column: unpacked(chunk, column, default) for column, default in DEFAULTS.items()}
    texts = ["", *chunk["texts"]]
    assert chunk["run"]["problems"] == []
    assert chunk["count"] == len(trace) == len(chunk["op"])
    assert sum(map(len, columns.values())) == len(trace) * len(columns)
    for seq, event in enumerate(trace):
        assert chunk["op"][seq] == OPS[event.op]
        if isinstance(event, Grown):
            assert columns["node"][seq] == event.node
            assert chunk["rare"].get(seq, {}).get("nodes", [columns["up"][seq]]) == list(event.nodes)
            assert texts[columns["text"][seq]] == event.text
        if isinstance(event, Evaluated):
            assert columns["value"][seq] == pytest.approx(event.value, abs=1e-6)
        if isinstance(event, Failed):
            assert (texts[columns["text"][seq]], texts[columns["note"][seq]]) == (event.of, event.reason)
        row = to_row(event)
        assert columns["usage"][seq] == row.get("usage")
    assert chunk["run"]["usage"] == trace.usage.to_row()
    way = chunk["run"]["answered"]["way"]
    assert way == (structure.path_ids(trace.answered.node) if trace.answered and trace.answered.node > 0 else [])
    json.dumps(chunk, allow_nan=False)


def test_values_under_another_rule_are_sent_along_the_way_up() -> None:
    trace = golden("mctsr")
    chunk, structure, q = encode(trace), fold(trace), {}
    place = 0
    for event in trace:
        if isinstance(event, BackedUp):
            for node in structure.ancestors(event.node):
                q[node] = chunk["q"][place]
                place += 1
    assert place == len(chunk["q"])
    for node in range(len(structure)):
        assert q.get(node) == pytest.approx(structure.backed[node], abs=1e-5)
    assert encode(golden("mcts"))["q"] == []


def test_runs_inside_are_sent_with_their_steps() -> None:
    chunk = encode(golden("forest"))
    assert chunk["nested"]
    for seq, inner in chunk["nested"].items():
        assert chunk["op"][seq] == OPS["generate"]
        assert inner["count"] > 1
        assert inner["run"]["answered"] is not None


@pytest.mark.parametrize("cuts", [(1,), (0, 1, 2, 50, 51, 140), tuple(range(146))])
def test_additions_join_to_the_same_whole(cuts: tuple[int, ...]) -> None:
    trace, encoder = golden("mcts"), Encoder("mcts")
    bounds = [0, *cuts, len(trace)]
    chunks = [encoder.add(trace.events[low:high]) for low, high in itertools.pairwise(bounds)]
    whole = encode(trace)
    assert [text for chunk in chunks for text in chunk["texts"]] == whole["texts"]
    for name, default in DEFAULTS.items():
        assert [cell for one in chunks for cell in unpacked(one, name, default)] == unpacked(whole, name, default)
    assert chunks[-1]["run"] | {"id": ""} == whole["run"] | {"id": ""}


def test_texts_are_sent_once() -> None:
    chunk = encode(grown(400))
    assert len(set(chunk["texts"])) == len(chunk["texts"])
    assert len(json.dumps(chunk)) < 400 * 260


def test_spite_is_data_and_visible() -> None:
    text = json.dumps(encode(spiteful()), ensure_ascii=False)
    for hidden in ("\u202e", "\u2066", "\\u001b", "\\u0000", "\u2028", "\ud800"):
        assert hidden not in text
    assert "</script>" in text  # markup is left for the page to set as text


def test_what_is_unsound_is_left_out_and_said() -> None:
    trace = golden("mcts")
    rows = [*trace.rows[:20], {**trace.rows[20], "seq": 99}, *trace.rows[21:]]
    chunk = encode(Trace.from_rows(rows))
    assert chunk["count"] == 20
    assert "what follows is left out" in chunk["run"]["problems"][0]


def test_a_damaged_file_is_shown_as_far_as_it_is_sound(tmp_path: Path) -> None:
    file = golden("mcts").save(tmp_path / "run.jsonl")
    file.write_text(file.read_text()[:4000])
    trace = Trace.load(file)
    chunk = encode(trace)
    assert chunk["count"] == len(trace) > 0
    assert chunk["run"]["problems"][0].startswith("damaged: line ")
    assert "answered" not in chunk["run"]


def test_a_damaged_run_inside_is_said_and_hurts_nothing() -> None:
    bad = ({"op": "task", "seq": 0, "nonsense": SPITE},)
    chunk = encode(numbered([Began(question="q"), Grown(nodes=(0,), text="x", run="r", trace=bad), Answered()]))
    assert chunk["count"] == 3
    assert "is damaged" in chunk["nested"][1]["left_out"]


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_EVENTS", 10)
    chunk = encode(golden("mcts"))
    assert chunk["count"] == 10
    assert chunk["run"]["problems"] == ["too large to be shown whole: the first 10 events are here"]
    monkeypatch.setattr(data, "MOST_EVENTS", 10_000)
    monkeypatch.setattr(data, "MOST_BACKED", 5)
    assert "too large to be shown whole" in encode(golden("mctsr"))["run"]["problems"][0]
    monkeypatch.undo()
    long = encode(numbered([Began(question="x" * 30_000), Grown(nodes=(0,), text="y" * 25_000)]))
    assert sorted(length for _, length in long["cut"]) == [25_000, 30_000]
    assert max(map(len, long["texts"])) == 20_000


def test_runs_nested_without_end_are_cut() -> None:
    trace = numbered([Began(question="q"), Answered()])
    for _ in range(12):
        trace = numbered([Began(question="q"), Grown(nodes=(0,), text="t", run="r", trace=trace.rows), Answered()])
    chunk, levels = encode(trace), 0
    while "nested" in chunk and "left_out" not in chunk:
        chunk, levels = chunk["nested"][1], levels + 1
    assert levels == data.DEEPEST
    assert "are not shown" in chunk["left_out"]
