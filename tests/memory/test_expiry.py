"""Time to live: expiry at once, refreshed by reading, swept from the disk."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from langgraph.store.base import IndexConfig, TTLConfig

from reflectree.memory import ChromaStore, MemoryStore, NumpyStore

HASHING = IndexConfig(embed="hashing")


class Clock:
    """Minutes that pass when told to."""

    def __init__(self) -> None:
        self.minutes = 0.0

    def __call__(self) -> float:
        return 60 * self.minutes


def opened(kind: Callable[..., MemoryStore], clock: Clock, **ttl: object) -> MemoryStore:
    return kind(index=HASHING, ttl=TTLConfig(**ttl), clock=clock)  # type: ignore[typeddict-item]


def keys(store: MemoryStore, **options: object) -> list[str]:
    return [item.key for item in store.search(("v",), **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ChromaStore, NumpyStore])
def test_an_expired_item_is_gone_from_every_read(kind: type[MemoryStore]) -> None:
    clock = Clock()
    with opened(kind, clock) as store:
        store.put(("v", "short"), "short", {"text": "apple"}, ttl=2)
        store.put(("v",), "lasting", {"text": "apple"})
        assert keys(store, query="apple", refresh_ttl=False) == ["short", "lasting"]
        clock.minutes = 2
        assert keys(store, query="apple") == ["lasting"]
        assert keys(store) == ["lasting"]
        assert store.get(("v", "short"), "short") is None
        assert store.list_namespaces() == [("v",)]
        assert store.sweep_ttl() == 1
        assert store.sweep_ttl() == 0


def test_reading_refreshes_unless_told_otherwise() -> None:
    clock = Clock()
    with opened(NumpyStore, clock, default_ttl=10) as store:
        for key in ("read", "searched", "listed", "untouched"):
            store.put(("v",), key, {"text": key})
        clock.minutes = 9
        store.get(("v",), "read")
        store.search(("v",), query="searched", limit=1)
        store.search(("v",), filter={"text": "listed"})
        store.get(("v",), "untouched", refresh_ttl=False)
        clock.minutes = 12
        assert keys(store, refresh_ttl=False) == ["read", "searched", "listed"]
        clock.minutes = 19
        assert keys(store) == []


def test_the_configuration_can_turn_refreshing_and_omission_off() -> None:
    clock = Clock()
    with opened(NumpyStore, clock, default_ttl=10, refresh_on_read=False, omit_expired=False) as store:
        store.put(("v",), "k", {"text": "x"})
        store.put(("v",), "for ever", {"text": "x"}, ttl=None)
        clock.minutes = 9
        store.get(("v",), "k")
        clock.minutes = 11
        assert keys(store) == ["k", "for ever"]
        assert store.sweep_ttl() == 1
        assert keys(store) == ["for ever"]


def test_writing_again_starts_the_time_anew() -> None:
    clock = Clock()
    with opened(NumpyStore, clock, default_ttl=10) as store:
        store.put(("v",), "k", {"text": "x"})
        clock.minutes = 8
        store.put(("v",), "k", {"text": "y"})
        clock.minutes = 15
        assert store.get(("v",), "k") is not None


def test_the_sweeper_deletes_by_itself_and_lets_the_store_go(tmp_path: Path) -> None:
    clock = Clock()
    store = ChromaStore(tmp_path, ttl=TTLConfig(sweep_interval_minutes=0.0002), clock=clock)  # type: ignore[typeddict-item]
    store.put(("v",), "k", {"text": "x"}, ttl=1)
    clock.minutes = 2
    deadline = time.monotonic() + 5
    while store._table.number("SELECT count(*) FROM items") and time.monotonic() < deadline:
        time.sleep(0.005)
    assert store._table.number("SELECT count(*) FROM items") == 0
    assert store.stop_ttl_sweeper(1)
    future = store.start_ttl_sweeper(0.0002)
    assert store._sweeper is not None
    assert store._sweeper.alive
    future.cancel()
    sweeper, seen = store._sweeper, weakref.ref(store)
    store.close()
    assert not sweeper.alive
    del store
    gc.collect()
    assert seen() is None
