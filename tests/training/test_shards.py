"""Files of samples: what goes in comes out, what is damaged names its file, what was half written is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.training_jobs import samples_of

from reflectree.rlm_ops.errors import BadInput
from reflectree.training import shards
from reflectree.training.samples import KINDS, Solution, digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_holds_the_samples_of_a_kind(kind: str, tmp_path: Path) -> None:
    given = samples_of(kind, 3)
    path = shards.write(tmp_path / "new", "000", kind, given)
    assert shards.samples(path, kind) == given
    assert shards.table(path, kind, ["digest"]).to_pylist() == [{"digest": digest(sample)} for sample in given]
    assert shards.schema(kind).names == shards.table(path, kind).schema.names


def test_files_are_the_whole_ones_in_order(tmp_path: Path) -> None:
    assert shards.files(tmp_path / "nowhere") == []
    for name in ("002", "001"):
        shards.write(tmp_path, name, "solution", samples_of("solution", 1))
    (tmp_path / ".writing-x").write_bytes(b"half")
    (tmp_path / ".003.parquet").write_bytes(b"half")
    assert [path.stem for path in shards.files(tmp_path)] == ["001", "002"]
    shards.sweep(tmp_path)
    assert not (tmp_path / ".writing-x").exists()
    shards.sweep(tmp_path / "nowhere")


def test_another_kind_or_a_cut_file_is_damage_with_its_name(tmp_path: Path) -> None:
    path = shards.write(tmp_path, "001", "solution", samples_of("solution", 1))
    with pytest.raises(shards.DamagedShard, match=r"001\.parquet is damaged \(it holds solution:1, not valued:1\)"):
        shards.table(path, "valued")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(shards.DamagedShard, match=r"001\.parquet is damaged"):
        shards.samples(path, "solution")
    with pytest.raises(BadInput, match="a sample is one of"):
        shards.schema("magic")


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="choose another folder"):
        shards.write(tmp_path / "file", "001", "solution", samples_of("solution", 1))


def test_half_a_character_cannot_be_written() -> None:
    assert shards.is_writable(Solution(question="q", steps=("a \u00e9",)))
    assert not shards.is_writable(Solution(question="q", steps=("a \ud800",)))
