"""A memory on the disk: opened again, by others, by another embedder, damaged, and on a full disk."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.store.base import IndexConfig, PutOp

from reflectree.memory import ChromaStore, MemoryStore, NumpyStore, VectorStoreMemory, reembed
from reflectree.memory.backends.chroma import ChromaIndex
from reflectree.memory.backends.exact import ExactIndex
from reflectree.memory.backends.index import Row, VectorIndex
from reflectree.memory.embedders.hashing import HashingEmbeddings
from reflectree.memory.folder import TABLE
from reflectree.rlm_ops.errors import BadInput

HASHING = IndexConfig(embed="hashing", fields=["text"])
SHORTER = HashingEmbeddings(32)
OTHER = IndexConfig(embed=SHORTER, fields=["text"])


@pytest.fixture(autouse=True)
def _index_from_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.memory.ranking.SMALL", 2)


def words(n: int) -> str:
    """Three words, for single ones meet in a hash of 256 places."""
    return f"item{n} also{n} and{n}"


def fill(store: MemoryStore, first: int, last: int) -> None:
    store.batch([PutOp(("m", str(n % 3)), str(n), {"text": words(n)}) for n in range(first, last)])


def top(store: MemoryStore, query: str, namespace: tuple[str, ...] = ("m",)) -> list[str]:
    return [item.key for item in store.search(namespace, query=query, limit=1)]


def index_of(store: MemoryStore) -> VectorIndex:
    assert store._follower is not None
    return store._follower.index


def test_what_was_written_is_there_again_and_the_index_is_not_rebuilt(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 50)
    with ChromaStore(tmp_path, index=HASHING) as store:
        assert index_of(store).count() == 50
        assert top(store, "item7") == ["7"]
        store.delete(("m", "1"), "7")
        assert top(store, "item7") != ["7"]
        assert index_of(store).count() == 49
    with NumpyStore(tmp_path, index=HASHING) as store:
        assert top(store, "item8") == ["8"]
        assert len(store.search((), limit=100)) == 49


def test_a_second_store_reads_and_writes_the_same_records(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as first, ChromaStore(tmp_path, index=HASHING) as second:
        assert isinstance(index_of(first), ChromaIndex)
        assert isinstance(index_of(second), ExactIndex)
        fill(first, 0, 30)
        fill(second, 30, 60)
        for store in (first, second):
            assert [top(store, f"item{n}") for n in (3, 33, 59)] == [["3"], ["33"], ["59"]]
        second.delete(("m", "0"), "3")
        assert top(first, "item3") != ["3"]


@pytest.mark.parametrize("damage", ["missing", "garbage", "emptied"])
def test_a_lost_or_damaged_index_is_built_again_from_the_records(tmp_path: Path, damage: str) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 40)
        if damage == "emptied":
            index_of(store).drop([1, 2, 3])
    if damage == "missing":
        shutil.rmtree(tmp_path / "chroma")
    elif damage == "garbage":
        (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"not a database" * 100)
    with ChromaStore(tmp_path, index=HASHING) as store:
        assert [top(store, f"item{n}") for n in (0, 1, 39)] == [["0"], ["1"], ["39"]]
        assert index_of(store).count() == 40
    with ChromaStore(tmp_path, index=HASHING) as store:
        assert index_of(store).count() == 40


def test_an_index_that_fails_is_answered_for_exactly_and_then_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 30)
        index = index_of(store)
        index.close()  # as if its files had gone
        assert top(store, "item5") == ["5"]
        assert "searches are exact until then" in caplog.text
        monkeypatch.setattr(store._follower, "index", ExactIndex())
        assert top(store, "item6") == ["6"]
        assert index_of(store).count() == 30


def test_an_index_that_fails_again_is_not_rebuilt_at_every_search(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(ExactIndex):
        attempts = 0

        def add(self, rows: Sequence[Row]) -> None:
            if rows:
                self.attempts += 1
                raise OSError("no space left on device")

    with NumpyStore(index=HASHING) as store:
        full = Full()
        monkeypatch.setattr(store._follower, "index", full)
        fill(store, 0, 30)
        assert [top(store, f"item{n}") for n in range(5)] == [[str(n)] for n in range(5)]
        assert full.attempts == 2
        monkeypatch.setattr("reflectree.memory.following.time.monotonic", lambda: time.time() * 2)
        assert top(store, "item6") == ["6"]
        assert full.attempts == 3


def test_another_embedder_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 20)
    for store_class in (ChromaStore, NumpyStore):
        with pytest.raises(BadInput, match=f"run `reflectree memory re-embed {tmp_path}`"):
            store_class(tmp_path, index=OTHER)
    assert reembed(tmp_path, SHORTER) == 20
    with ChromaStore(tmp_path, index=OTHER) as store:
        assert top(store, "item7") == ["7"]
        assert index_of(store).count() == 20
    with pytest.raises(BadInput, match="hashing 1"):
        ChromaStore(tmp_path, index=HASHING)


def test_one_that_gives_the_same_vectors_under_another_name_is_accepted(tmp_path: Path) -> None:
    class Renamed(HashingEmbeddings):
        version = "2"

        def embed_query(self, text: str) -> list[float]:
            return [part + 1e-4 for part in super().embed_query(text)]

    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 5)
    with ChromaStore(tmp_path, index=IndexConfig(embed=Renamed(), fields=["text"])) as store:
        assert top(store, "item3") == ["3"]


def test_embedding_anew_keeps_what_was_indexed_and_needs_the_memory_closed(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        store.put(("m",), "default", {"text": "apple", "title": "pear"})
        store.put(("m",), "title", {"text": "apple", "title": "pear"}, index=["title"])
        store.put(("m",), "none", {"text": "apple"}, index=False)
        with pytest.raises(BadInput, match="is open in another process"):
            reembed(tmp_path, SHORTER)
    with NumpyStore(tmp_path, index=HASHING) as still_open:
        assert reembed(tmp_path, SHORTER) == 2
        with pytest.raises(BadInput, match="open it again"):
            still_open.search(("m",), query="apple")
        with pytest.raises(BadInput, match="open it again"):
            still_open.put(("m",), "late", {"text": "x"})
    with ChromaStore(tmp_path, index=OTHER) as store:
        found = {item.key: item.score for item in store.search(("m",), query="pear")}
    assert found["title"] == pytest.approx(1)
    assert found["none"] is None
    with pytest.raises(BadInput, match="is no memory"):
        reembed(tmp_path / "nowhere", "hashing")


def test_a_memory_written_without_an_embedder_can_be_given_one(tmp_path: Path) -> None:
    with ChromaStore(tmp_path) as store:
        fill(store, 0, 10)
    assert reembed(tmp_path, "hashing", fields=["text"]) == 10
    with ChromaStore(tmp_path, index=HASHING) as store:
        assert top(store, "item4") == ["4"]


def test_without_the_embedder_one_may_read_and_delete_but_not_write(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 3)
    with ChromaStore(tmp_path) as store:
        assert len(store.search(("m",))) == 3
        store.delete(("m", "0"), "0")
        with pytest.raises(BadInput, match="needs its embedder"):
            store.put(("m",), "x", {"text": "x"})


def test_a_vector_store_that_lost_its_documents_is_filled_again(tmp_path: Path) -> None:
    lasting = InMemoryVectorStore(HashingEmbeddings())
    for vectorstore in (lasting, lasting, InMemoryVectorStore(HashingEmbeddings())):
        with VectorStoreMemory(vectorstore, tmp_path) as store:
            store.put(("m",), "k", {"text": "apple pie"})
            store.put(("m",), "l", {"text": "quick brown fox"})
            store.put(("m",), "m", {"text": "lorem ipsum"})
            assert top(store, "fox") == ["l"]


def test_a_full_disk_is_one_line_and_nothing_is_half_written(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING) as store:
        fill(store, 0, 10)
        pages = store._table.number("PRAGMA page_count")
        store._table.run(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(BadInput, match="full: nothing was written; free some space"):
            fill(store, 10, 500)
        assert len(store.search((), limit=1000)) == 10
        store._table.run("PRAGMA max_page_count = 1000000")
        fill(store, 10, 20)
        assert top(store, "item15") == ["15"]


@pytest.mark.parametrize("content", [b"not a database at all" * 400, None])
def test_a_foreign_or_newer_file_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / TABLE).write_bytes(content)
    else:
        with sqlite3.connect(tmp_path / TABLE) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    with pytest.raises(BadInput, match=r"is not a database|is of version 99"):
        ChromaStore(tmp_path, index=HASHING)
    if content:
        assert (tmp_path / TABLE).read_bytes() == content


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path, index=HASHING)
    store.close()
    store.close()
    with pytest.raises(BadInput, match="closed"):
        store.get(("m",), "k")


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    begin = "import sys\nfrom langgraph.store.base import IndexConfig, PutOp\nfrom reflectree.memory import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", begin + code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


WRITER = """
with ChromaStore(sys.argv[1], index=IndexConfig(embed="hashing", fields=["text"])) as store:
    for n in range(int(sys.argv[2]), int(sys.argv[3])):
        store.put(("m",), str(n), {"text": f"item{n} also{n} and{n}", "n": n})
        if n % 7 == 0:
            store.search(("m",), query=f"item{n}")
        print(n, flush=True)
"""
READER = """
import time
with ChromaStore(sys.argv[1], index=IndexConfig(embed="hashing", fields=["text"])) as store:
    seen, reads = 0, 0
    while seen < int(sys.argv[2]):
        found = store.search(("m",), limit=10_000)
        assert len(found) >= seen, (len(found), seen)
        assert [item.value["n"] for item in found] == list(range(len(found)))
        seen = len(found)
        if found:
            newest = store.search(("m",), query=found[-1].value["text"], limit=1)
            assert newest[0].key == found[-1].key, (newest, found[-1])
        reads += 1
        time.sleep(0.05)
print(reads)
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_eight_processes_read_while_one_writes(tmp_path: Path) -> None:
    with ChromaStore(tmp_path, index=HASHING):
        pass
    readers = [child(READER, tmp_path, 100) for _ in range(8)]
    writer = child(WRITER, tmp_path, 0, 100)
    assert len(writer.communicate(timeout=300)[0].split()) == 100
    for reader in readers:
        reads, _ = reader.communicate(timeout=300)
        assert reader.returncode == 0
        assert int(reads) > 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    writers = [child(WRITER, tmp_path, 1000 * number, 1000 * number + 150) for number in range(2)]
    for writer in writers:
        assert len(writer.communicate(timeout=300)[0].split()) == 150
    with ChromaStore(tmp_path, index=HASHING) as store:
        assert len(store.search((), limit=1000)) == 300
        assert [top(store, words(n)) for n in (0, 149, 1000, 1149)] == [["0"], ["149"], ["1000"], ["1149"]]
        assert index_of(store).count() == 300


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_while_writing_no_acknowledged_record_is_lost(tmp_path: Path) -> None:
    acknowledged = 0
    for turn in range(4):
        writer = child(WRITER, tmp_path, acknowledged, 100_000)
        assert writer.stdout is not None
        for _ in range(40 + 13 * turn):
            acknowledged = int(writer.stdout.readline()) + 1
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.communicate()
        acknowledged = max([acknowledged, *(int(number) + 1 for number in rest)])
    with ChromaStore(tmp_path, index=HASHING) as store:
        kept = [item.value["n"] for item in store.search(("m",), limit=100_000)]
        assert kept[:acknowledged] == list(range(acknowledged))
        assert len(kept) <= acknowledged + 1
        assert index_of(store).count() == len(kept)
        assert all(top(store, words(n)) == [str(n)] for n in range(0, acknowledged, 10))


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = ChromaStore(sys.argv[1], index=IndexConfig(embed="hashing", fields=["text"]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    for n in range(10_000):
        store.put(("m",), str(n), {"text": f"item{n}", "n": n, "much": "x" * 2000})
        print(n, flush=True)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_disk_that_takes_no_more_ends_in_one_line_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    lines = child(LIMITED, tmp_path).communicate(timeout=300)[0].splitlines()
    assert lines[-1].startswith("BadInput the memory")
    assert "free some space" in lines[-1]
    with ChromaStore(tmp_path, index=HASHING) as store:
        kept = [item.value["n"] for item in store.search(("m",), limit=100_000)]
        assert kept == list(range(len(lines) - 1))
        assert top(store, "item3") == ["3"]
