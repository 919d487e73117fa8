from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.apps.store import check_trace_path, default_path, existing_path, open_place, unfinished
from reflectree.rlm_ops.errors import BadInput, RunLocked


def test_a_run_is_kept_in_the_state_folder_until_it_is_dropped(state: Path) -> None:
    with open_place("r1", None) as place:
        place.remember({"question": "What?"})
        assert (place.named, place.fresh, place.elapsed) == (False, True, None)
        assert place.resume_command == "reflectree resume r1"
    assert unfinished() == ["r1"]
    with open_place("r1", None) as place:
        assert place.recollect() == {"question": "What?"}
        assert not place.fresh
        place.drop()
    assert list((state / "runs").iterdir()) == []


def test_a_named_file_stays_unless_it_was_made_in_vain(tmp_path: Path) -> None:
    file = str(tmp_path / "my runs.sqlite")
    with open_place("r1", file) as place:
        assert place.resume_command == f"reflectree resume r1 --checkpoint '{file}'"
        place.drop()
    assert not Path(file).exists()
    with open_place("r1", file):
        pass
    with open_place("r2", file) as place:
        place.drop()
    assert Path(file).exists()


def test_a_file_another_run_is_about_to_use_stays(tmp_path: Path) -> None:
    file = str(tmp_path / "runs.sqlite")
    with open_place("r1", file) as first, open_place("r2", file):
        first.drop()
    assert Path(file).exists()


def test_one_run_one_process() -> None:
    with open_place("r1", None), pytest.raises(RunLocked, match="r1"), open_place("r1", None):
        pass


@pytest.mark.parametrize("run_id", ["../up", "a/b", "", ".hidden", "a\nb"])
def test_an_id_that_is_no_file_name_is_refused(run_id: str) -> None:
    with pytest.raises(BadInput, match="run id"):
        default_path(run_id)


def test_a_run_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(BadInput, match="none is kept"):
        existing_path("abc", None)
    with open_place("abcd", None):
        pass
    with pytest.raises(BadInput, match="did you mean 'abcd'"):
        existing_path("abce", None)
    with pytest.raises(BadInput, match="no checkpoint at"):
        existing_path("abc", "/no/such.sqlite")


def test_the_trace_path_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    check_trace_path(None)
    check_trace_path(str(tmp_path / "run.jsonl"))
    assert list(tmp_path.iterdir()) == []
    for wrong in (tmp_path, tmp_path / "no" / "run.jsonl"):
        with pytest.raises(BadInput, match="cannot write the trace"):
            check_trace_path(str(wrong))
