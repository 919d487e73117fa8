from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.graph import StateGraph
from tests.support.event_strategies import texts

from reflectree.graphs.state import ReasoningState, task_from, task_input
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example, Task

tasks = st.builds(
    Task,
    texts.filter(str.strip),
    texts,
    st.lists(st.builds(Example, texts, st.lists(texts, max_size=2).map(tuple), texts), max_size=2).map(tuple),
    st.lists(texts, max_size=2).map(tuple),
    id=texts,
)


@given(tasks)
def test_a_task_in_words_is_the_task(task: Task) -> None:
    assert task_from(task_input(task)) == task
    assert task_from(task.question) == Task(task.question)


class Secret:
    name = "secret"
    gold = True

    def score(self, answer: str) -> float:
        raise AssertionError


def test_the_verifier_is_not_among_the_words() -> None:
    assert task_input(Task("Q?", verifier=Secret())) == {"question": "Q?"}


@pytest.mark.parametrize("value", ["", " \n", {"question": ""}])
def test_an_empty_task_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="the task is empty"):
        task_from(value)


async def test_only_the_trace_grows_and_the_task_is_gone_after_the_first_superstep() -> None:
    async def first(state: ReasoningState) -> dict[str, Any]:
        return {"trace": [{"op": "task", "question": str(state.get("task"))}]}

    async def second(state: ReasoningState) -> dict[str, Any]:
        assert "task" not in state
        return {"trace": [{"op": "generate", "nodes": [0], "text": "a"}]}

    graph = StateGraph(ReasoningState).add_node("first", first).add_node("second", second)
    graph.add_edge("__start__", "first").add_edge("first", "second")
    task: Any = {"task": "Q?"}
    state = await graph.compile().ainvoke(task)
    assert [(row["seq"], row.get("node")) for row in state["trace"]] == [(0, None), (1, 1)]
