"""Records and stores for the tests of memory."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from langgraph.store.memory import InMemoryStore
from tests.memory.learning.poisoning import DIMENSIONS, embed

from reflectree.memory.records import Concept, Experience, Origin, Record, Reflection, Skill, task_key
from reflectree.memory.records.kept import check_id


def store() -> InMemoryStore:
    return InMemoryStore(index={"dims": DIMENSIONS, "embed": embed, "fields": ["text"]})


def lesson(text: str, task: str = "", **origin: Any) -> Reflection:
    origin = {"source": "verifier", "task": task_key(task) if task else "", **origin}
    return Reflection(lesson=text, origin=Origin(**origin))


def made_id(number: int, kind: str = "r") -> str:
    name = f"{kind}-{number:012x}"
    check_id(name)
    return name


_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30)
_wanted = _texts.filter(lambda text: bool(text.strip()))
_origins = st.builds(
    Origin,
    source=st.sampled_from(["env", "verifier", "tests", "self", "judge", "user", "tool"]),
    split=st.sampled_from(["train", "valid"]),
    task=_texts,
    subject=st.sampled_from(["", "ann", "bob"]),
    run=st.sampled_from(["", "run-1", "run-2"]),
    seed=st.integers(0, 9),
    reward=st.none() | st.floats(0, 1),
    parents=st.lists(st.integers(0, 9).map(made_id), max_size=2).map(tuple),
)
any_record: st.SearchStrategy[Record] = st.one_of(
    st.builds(Experience, task=_wanted, solution=_texts, succeeded=st.booleans(), origin=_origins),
    st.builds(Reflection, lesson=_wanted, title=_texts, cause=_texts, applies=_texts, excludes=_texts, origin=_origins),
    st.builds(
        Concept,
        left=_wanted,
        relation=st.sampled_from(["necessary", "contributes", "causes", "prevents"]),
        right=_wanted,
        polarity=st.booleans(),
        certainty=st.sampled_from(["may", "should"]),
        support=st.lists(st.integers(0, 9).map(made_id), max_size=3).map(tuple),
        origin=_origins,
    ),
    st.builds(Skill, name=_wanted, description=_wanted, body=_wanted, origin=_origins),
)
