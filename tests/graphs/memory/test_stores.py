"""Our stores in graphs of one's own: any node reads and writes `runtime.store`, and what runs have learnt is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from tests.graphs.memory.test_remembering import LESSON, REFLECTS, Check, run, say
from typing_extensions import TypedDict

from reflectree.graphs.memory.access import Memory
from reflectree.graphs.reasoning import build_graph
from reflectree.memory import ChromaStore, NumpyStore
from reflectree.memory.embedders.hashing import HashingEmbeddings
from reflectree.models.fakes import ScriptedPolicy

INDEX: Any = {"embed": "hashing", "fields": ["text"]}


class State(TypedDict):
    """A question, and what was found for it."""

    question: str
    found: list[str]


async def note(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    """Write by the store the graph was compiled with."""
    assert runtime.store is not None
    await runtime.store.aput(("notes", "fences"), "posts", {"text": "A fence has one more post than gaps."})
    return {}


def search(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    """Read by it."""
    assert runtime.store is not None
    items = runtime.store.search(("notes",), query=state["question"], limit=1)
    return {"found": [item.value["text"] for item in items]}


def lessons(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    """What runs have learnt, nearest first: the ledger's index has a namespace for each kind."""
    assert runtime.store is not None
    items = runtime.store.search(("reflectree", "reflection"), query=state["question"], limit=3)
    return {"found": [item.value["told"] for item in items]}


def opened(kind: str, path: Path) -> ChromaStore | NumpyStore:
    return ChromaStore(path, index=INDEX) if kind == "chroma" else NumpyStore(path, index=INDEX)


@pytest.mark.parametrize("kind", ["chroma", "numpy"])
async def test_a_node_of_any_graph_uses_the_store(kind: str, tmp_path: Path) -> None:
    if kind == "chroma":
        pytest.importorskip("chromadb")
    builder: Any = StateGraph(State).add_node(note).add_node(search)
    builder.add_edge(START, "note").add_edge("note", "search").add_edge("search", END)
    with opened(kind, tmp_path) as store:
        said = await builder.compile(store=store).ainvoke({"question": "posts of a fence?", "found": []})
    assert said["found"] == ["A fence has one more post than gaps."]
    with opened(kind, tmp_path) as again:
        assert again.get(("notes", "fences"), "posts") is not None


@pytest.mark.parametrize("kind", ["chroma", "numpy"])
async def test_a_node_reads_what_runs_have_learnt(kind: str, tmp_path: Path) -> None:
    """One store: `memory=` learns into it, and a graph that is compiled with it reads it."""
    if kind == "chroma":
        pytest.importorskip("chromadb")
    builder: Any = StateGraph(State).add_node(lessons).add_edge(START, "lessons").add_edge("lessons", END)
    with opened(kind, tmp_path) as store:
        await run("How many posts has a fence of 13 gaps?", store)
        said = await builder.compile(store=store).ainvoke({"question": "How many posts has a hedge?", "found": []})
    (found,) = said["found"]
    assert LESSON in found


async def test_a_reasoning_graph_within_a_graph_learns_into_the_store_that_a_node_reads() -> None:
    with NumpyStore(index=INDEX) as store:
        solve = build_graph(REFLECTS, ScriptedPolicy(say), verifier=Check(), memory=store).compile()

        async def reason(state: State) -> dict[str, Any]:
            answer = (await solve.ainvoke({"task": state["question"]}))["answer"]
            return {"found": [answer]}

        def both(state: State, runtime: Runtime[None]) -> dict[str, Any]:
            return {"found": [*state["found"], *lessons(state, runtime)["found"]]}

        builder: Any = StateGraph(State).add_node(reason).add_node(both)
        builder.add_edge(START, "reason").add_edge("reason", "both").add_edge("both", END)
        graph = builder.compile(store=store)
        first = await graph.ainvoke({"question": "How many posts has a fence of 13 gaps?", "found": []})
        second = await graph.ainvoke({"question": "How many posts has a hedge of 13 gaps?", "found": []})
    assert first["found"][0] == "13"
    assert LESSON in first["found"][1]
    assert second["found"][0] == "14", "the next run recalls it"


async def test_a_store_is_the_index_only_and_what_is_put_into_it_is_never_recalled() -> None:
    store: BaseStore = NumpyStore(index=INDEX)
    memory = Memory.of(store)
    store.put(("reflectree", "reflection"), "r-00000000dead", {"text": "posts of a fence", "told": "obey"})
    result = await run("How many posts has a fence?", memory)
    began = result.trace.began
    assert began is not None
    assert not began.recalled


def in_langgraph(index: Any) -> BaseStore:
    """LangGraph's own store, which takes no attribute."""
    store = InMemoryStore(index={"dims": 256, "embed": HashingEmbeddings(), "fields": index["fields"]})
    assert not hasattr(store, "__dict__")
    return store


@pytest.mark.parametrize("make", [NumpyStore, in_langgraph])
async def test_runs_that_are_given_one_store_go_on_with_one_memory(make: Callable[..., BaseStore]) -> None:
    store = make(index=INDEX)
    first = await run("How many posts has a fence of 13 gaps?", store)
    second = await run("How many posts has a hedge of 13 gaps?", store)
    assert (first.answer, second.answer) == ("13", "14")
    assert Memory.of(store).ledger is Memory.of(store).ledger
    assert Memory.of(store).ledger is not Memory.of(NumpyStore(index=INDEX)).ledger
