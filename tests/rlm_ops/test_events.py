from __future__ import annotations

from typing import Any

import pytest

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import Answered, Began, Evaluated, Failed, Grown, from_row, to_row
from reflectree.rlm_ops.task import Example
from reflectree.rlm_ops.usage import Usage


def test_defaults_are_left_out_of_a_row() -> None:
    assert to_row(Grown(nodes=(0,), text="a")) == {"op": "generate", "nodes": [0], "text": "a"}
    assert to_row(Evaluated(node=1, value=0.0, seq=4)) == {"seq": 4, "op": "evaluate", "node": 1, "value": 0.0}


def test_a_row_is_plain_json() -> None:
    row = to_row(
        Began(question="q", examples=(Example("a", ("b", "c"), "d"),), tools=("t",), blueprint={"name": "x"}, seq=0)
    )
    assert row["examples"] == [["a", ["b", "c"], "d"]]
    assert row["tools"] == ["t"]
    row = to_row(Failed(of="generate", nodes=(0,), reason="empty", usage=Usage(2, 2, 10, 0, None)))
    assert row["usage"] == [2, 2, 10, 0, None]


@pytest.mark.parametrize("field", ["text", "answer"])
def test_half_a_surrogate_pair_is_replaced(field: str) -> None:
    texts: dict[str, Any] = {"text": "whole", "answer": "whole", field: "half \ud83d here, \U0001f600 whole"}
    row = to_row(Grown(nodes=(0,), status="terminal", **texts))
    assert row[field] == "half ? here, \U0001f600 whole"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"seq": 0}, "unknown event None"),
        ({"op": "sing", "seq": 0}, "unknown event 'sing'"),
        ({"op": ["evaluate"]}, "unknown event"),
        ({"op": "evaluate", "seq": 1, "node": 1}, "damaged 'evaluate'"),
        ({"op": "evaluate", "seq": 1, "node": 1, "value": 1, "colour": "red"}, "damaged 'evaluate'"),
        ({"op": "generate", "nodes": 5, "text": "a"}, "damaged 'generate'"),
        ({"op": "generate", "nodes": [0], "text": "a", "usage": 5}, "damaged 'generate'"),
        ({"op": "task", "question": "q", "examples": [["a"]]}, "damaged 'task'"),
    ],
)
def test_a_row_that_is_no_event(row: dict[str, Any], said: str) -> None:
    with pytest.raises(TraceError, match=said):
        from_row(row)


def test_no_event_carries_a_time() -> None:
    for cls in (Began, Grown, Evaluated, Failed, Answered):
        assert not {"time", "timestamp", "at", "date", "wall_s"} & set(cls.__dataclass_fields__)
