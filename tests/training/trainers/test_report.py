from pathlib import Path

import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.trainers.report import Report, ends_of, read_report


def test_ends_are_tenths() -> None:
    assert ends_of([3.0, 2.0]) == (3.0, 2.0)
    assert ends_of([float(n) for n in range(20)]) == (0.5, 18.5)


def test_a_report_is_read_back(tmp_path: Path) -> None:
    report = Report(1.0, 0.5, 3, 1.5, 100, tmp_path, 2.0, 1.0, 8, 2, (("overlong", 1),))
    report.save(tmp_path)
    assert read_report(tmp_path) == report


@pytest.mark.parametrize("text", ["", "[]", '{"loss_first": 1}'])
def test_a_damaged_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(BadInput, match="is no training's report"):
        read_report(tmp_path)
