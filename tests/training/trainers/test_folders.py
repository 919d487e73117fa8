from pathlib import Path

import pytest
from filelock import FileLock

from reflectree.models.scoring.card import Card
from reflectree.rlm_ops.errors import BadInput, RunLocked
from reflectree.training.trainers import folders


def test_keys() -> None:
    assert folders.key_of(a=1, b={"x": 2}) == folders.key_of(b={"x": 2}, a=1)
    assert folders.key_of(a=1) != folders.key_of(a=2)


def test_a_finished_model_is_known_by_its_key(tmp_path: Path) -> None:
    out = tmp_path / "m"
    assert not folders.finished(out, "k")
    out.mkdir()
    assert not folders.finished(out, "k")
    Card(kind="policy", training={"key": "k"}).save(out)
    assert folders.finished(out, "k")
    with pytest.raises(BadInput, match="exists and is no model of this training"):
        folders.finished(out, "other")


def test_something_else_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for name in ("file", "full"):
        with pytest.raises(BadInput, match="choose another folder"):
            folders.finished(tmp_path / name, "k")


def test_half_done_work_is_resumed_by_its_own_training_only(tmp_path: Path) -> None:
    out = tmp_path / "m"
    with folders.workplace(out, "k", {}, True) as work:
        (work / "x").write_text("1")
    with folders.workplace(out, "k", {}, True) as work:
        assert (work / "x").exists()
    with pytest.raises(BadInput, match="half-done training of other data"), folders.workplace(out, "z", {}, True):
        pass
    with folders.workplace(out, "z", {}, False) as work:
        assert not (work / "x").exists()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "m"
    with folders.workplace(out, "k", {}, True) as work:
        other = FileLock(work / ".lock", timeout=0, is_singleton=False)
        with pytest.raises(RunLocked, match="is in use"), folders.workplace(out, "k", {}, True):
            pass
        assert not other.is_locked


def test_the_latest_whole_checkpoint(tmp_path: Path) -> None:
    assert folders.checkpoint(tmp_path) is None
    for step, state in ((5, "{}"), (10, "{}"), (15, '{"broken')):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-20").mkdir()
    assert folders.checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_publishing_is_one_rename(tmp_path: Path) -> None:
    out = tmp_path / "m"
    with folders.workplace(out, "k", {}, True) as work:
        (work / "ready").mkdir()
        (work / "ready" / "x").write_text("1")
        folders.publish(work / "ready", out)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (out / "x").read_text() == "1"
