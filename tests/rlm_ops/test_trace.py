from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.event_strategies import History, histories, texts

from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Answered, Began, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.trace import Trace, append, next_node_id, number
from reflectree.rlm_ops.usage import Usage


def small(text: str = "a step") -> Trace:
    events: list[Event] = [
        Began(question="What?", width=2, root_width=2, depth=3, policy="p", seq=0),
        Grown(nodes=(0,), text=text, node=1, usage=Usage(1, 0, 10, 5, 0.5), seq=1),
        Evaluated(node=1, value=0.5, seq=2),
        Failed(of="generate", nodes=(0,), index=1, reason="empty", usage=Usage(2, 2, 0, 0, 0.25), seq=3),
        Grown(nodes=(1,), text="Answer: 42", status="terminal", answer="42", node=2, seq=4),
        Answered(node=2, answer="42", stop_reason="complete", seq=5),
    ]
    return Trace(events, run_id="r1")


def test_it_is_a_sequence_with_a_beginning_an_end_and_a_bill() -> None:
    trace = small()
    assert (len(trace), trace.nodes, trace.usage) == (6, 2, Usage(3, 2, 10, 5, 0.75))
    assert isinstance(trace.began, Began)
    assert isinstance(trace.answered, Answered)
    assert trace[1:3][0] == trace[1]
    assert trace[-1] == trace.answered
    assert list(trace) == [trace[i] for i in range(6)]
    assert Trace.from_rows(trace.rows, run_id="r1") == trace
    assert Trace() != trace
    assert Trace().began is None
    assert Trace().answered is None
    assert Trace().verify() != []


def test_numbering_gives_dense_node_ids() -> None:
    rows = number([{"op": "evaluate"}, {"op": "generate"}, {"op": "refine"}], 7, 3)
    assert [(row["seq"], row.get("node")) for row in rows] == [(7, None), (8, 3), (9, 4)]
    assert next_node_id(rows) == 5
    assert next_node_id([{"op": "task"}]) == 1
    assert append(None, [[{"op": "task"}], []]) == [{"seq": 0, "op": "task"}]


@given(histories(), texts)
def test_a_file_round_trips(history: History, run_id: str) -> None:
    trace = Trace(history.events, run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        loaded = Trace.load(trace.save(Path(folder) / "trace.jsonl"))
        assert sorted(os.listdir(folder)) == ["trace.jsonl"]
    assert loaded == trace
    assert list(loaded) == history.events
    assert (loaded.run_id, loaded.damage) == (run_id, "")


@given(texts | st.sampled_from(["a\u2028b", "a\x85b", "a\x0bb\x0cc\x1cd", "a\r\nb", "\ufeff", '"}\n{"seq": 9}']))
def test_line_separators_in_a_step_do_not_break_its_line(text: str) -> None:
    trace = small(text)
    lines = trace.dumps().split("\n")
    assert len(lines) == 8
    assert json.loads(lines[2])["text"] == text


def test_half_a_surrogate_pair_can_be_saved(tmp_path: Path) -> None:
    loaded = Trace.load(small("half \ud83d").save(tmp_path / "t.jsonl"))
    assert loaded.verify() == []
    assert loaded.rows[1]["text"] == "half ?"


@given(st.integers(0, 2000))
def test_a_file_cut_anywhere_loads_up_to_its_last_whole_event(cut: int) -> None:
    whole = small("a step \u00e9\u4e2d").dumps().encode()
    header = whole.index(b"\n")
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole[:cut])
        file.flush()
        if cut < header:
            with pytest.raises(TraceError, match="is not a reflectree trace"):
                Trace.load(file.name)
            return
        loaded = Trace.load(file.name)
    assert loaded.rows == small("a step \u00e9\u4e2d").rows[: len(loaded)]
    assert len(loaded) in (whole[:cut].count(b"\n") - 1, whole[:cut].count(b"\n"))
    if cut < len(whole) - 1:
        assert loaded.verify() != []
    if loaded.damage:
        assert "loaded the" in loaded.damage
        assert loaded.damage in loaded.verify()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"seq": 3, "op": "evaluate", "node": 1, "value"', "not whole"),
        (b"[1, 2]", "not an event"),
        (b'{"seq": 9, "op": "evaluate", "node": 1, "value": 1}', "event 9 where event 2 belongs"),
        (b'{"seq": 2, "op": "evaluate", "node": "x", "value": 1}', "node is 'x'"),
        (b'{"seq": 2, "op": "dance"}', "unknown event 'dance'"),
        (b"\xff\xfe\x00", "not whole"),
        (b"", "not whole"),
        (b"1e999", "not an event"),
    ],
)
def test_a_damaged_line_ends_the_trace_and_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    lines = small().dumps().encode().split(b"\n")
    lines[3] = line
    file = tmp_path / "t.jsonl"
    file.write_bytes(b"\n".join(lines))
    loaded = Trace.load(file)
    assert len(loaded) == 2
    assert loaded.damage.startswith("line 4: ")
    assert said in loaded.damage
    assert loaded.verify()[0] == loaded.damage


def test_a_broken_reference_is_found_by_verify(tmp_path: Path) -> None:
    text = small().dumps().replace('"nodes":[1]', '"nodes":[7]')
    (tmp_path / "t.jsonl").write_text(text)
    assert "refers to a node that is not there" in Trace.load(tmp_path / "t.jsonl").verify()[0]


@pytest.mark.parametrize("content", ["", "\n", "hello\n", "{}\n", '{"format": "other"}\n', "null\n", "\x00\x01"])
def test_a_file_that_is_no_trace(tmp_path: Path, content: str) -> None:
    (tmp_path / "t").write_text(content)
    with pytest.raises(TraceError, match="is not a reflectree trace"):
        Trace.load(tmp_path / "t")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version(tmp_path: Path, version: Any) -> None:
    (tmp_path / "t").write_text(json.dumps({"format": "reflectree-trace", "version": version}) + "\n")
    with pytest.raises(TraceError, match="use the reflectree release that wrote it"):
        Trace.load(tmp_path / "t")


def test_paths_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the trace"):
        Trace.load(tmp_path / "absent")
    with pytest.raises(BadInput, match="cannot read the trace"):
        Trace.load(tmp_path)
    with pytest.raises(BadInput, match="cannot write the trace"):
        small().save(tmp_path / "absent" / "t.jsonl")
    with pytest.raises(BadInput, match="cannot write the trace"):
        small().save(tmp_path)
    assert os.listdir(tmp_path) == []
    assert [name for name in os.listdir(tmp_path.parent) if name.startswith(f".{tmp_path.name}.")] == []


def test_saving_replaces_the_file_whole(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text("old " * 10_000)
    small().save(file)
    assert Trace.load(file) == small()
