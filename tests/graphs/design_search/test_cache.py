"""Outcomes of designs are kept once, by design, example, what it ran with, and seed."""

from pathlib import Path

import pytest

from reflectree.graphs.design_search.cache import FINAL, Cache, Key, Made
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.usage import Usage

KEY = Key("d1", "e1", "m", 3)
MADE = Made(0.5, "42", "complete", Usage(2, 1, 30, 4, None), "evaluate-1-0", 1.5)


def test_an_outcome_outlives_the_process(tmp_path: Path) -> None:
    first = Cache(tmp_path / "examples.sqlite")
    first.put(KEY, MADE)
    first.close()
    again = Cache(tmp_path / "examples.sqlite")
    assert again.get(KEY) == MADE
    assert len(again) == 1
    for other in (KEY._replace(design="d2"), KEY._replace(example="e2"), KEY._replace(bench="n"), KEY._replace(seed=4)):
        assert again.get(other) is None
    again.close()


def test_what_was_kept_first_stays() -> None:
    cache = Cache()
    cache.put(KEY, MADE)
    cache.put(KEY, Made(1.0, "43", "complete"))
    assert cache.get(KEY) == MADE
    assert cache.cost("d1", "m") == (1, MADE.usage)


def test_what_the_test_part_cost_changes_no_choice() -> None:
    cache = Cache()
    cache.put(KEY, MADE)
    cache.put(KEY._replace(example="t1"), Made(1.0, "7", "complete", Usage(9, 0, 900, 90, None), FINAL))
    assert cache.cost("d1", "m") == (1, MADE.usage)


def test_a_file_of_another_search_is_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "examples.sqlite")
    cache.check("search", {"seed": 1, "level": "prompt"})
    cache.check("search", {"seed": 1, "level": "prompt"})
    with pytest.raises(TraceError, match=r"another search \(level 'prompt', not 'module'\)"):
        cache.check("search", {"seed": 1, "level": "module"})
    cache.close()


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one" * 40)
    with pytest.raises(BadInput, match="choose another folder"):
        Cache(tmp_path / "text")
    with pytest.raises(BadInput, match="choose another folder"):
        Cache(tmp_path / "none" / "examples.sqlite")


def test_what_was_paid_to_no_end_is_kept_by_who_paid_it(tmp_path: Path) -> None:
    first = Cache(tmp_path / "examples.sqlite")
    first.spill(KEY, "a", Usage(1, 0, 10, 0, None))
    first.spill(KEY, "a", Usage(2, 0, 20, 0, 0.0), lost=True)
    first.spill(KEY, "b", Usage(4), lost=True)
    first.close()
    again = Cache(tmp_path / "examples.sqlite")
    assert again.spilt(KEY, "a") == Usage(3, 0, 30, 0, None)
    assert again.spilt(KEY, "b") == Usage(4)
    assert again.spilt(KEY._replace(seed=4), "a") == Usage()
    assert again.lost() == (2, Usage(6, 0, 20, 0, 0.0))
    again.close()
