from pathlib import Path

import pytest

from reflectree.models.scoring.card import Card
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.countdown.__main__ import main
from reflectree.training.countdown.recipe import FULL, QUICK
from reflectree.training.countdown.stages import Training

QUICK_TRAIN = ("train", "--recipe", "quick", "--out")


def begun(folder: Path, *, stages: tuple[str, ...]) -> None:
    """A folder in which a quick training of seed 1 has finished these stages."""
    card = {"stage": "sft", "seed": 1, "recipe": QUICK.to_row()}
    (folder / "sft").mkdir(parents=True)
    Card(kind="policy", format="countdown", training=card).save(folder / "sft")
    for stage in stages:
        (folder / f"{stage}.done").touch()


def test_the_same_training_goes_on(tmp_path: Path) -> None:
    begun(tmp_path, stages=("sft", "labels", "value", "policy-1"))
    lines: list[str] = []
    Training(tmp_path, QUICK, 1, lines.append).run()
    assert lines[0] == "sft: done before"


@pytest.mark.parametrize(("recipe", "seed"), [(FULL, 1), (QUICK, 2)], ids=["recipe", "seed"])
def test_another_training_is_refused(tmp_path: Path, recipe: object, seed: int) -> None:
    begun(tmp_path, stages=("sft",))
    with pytest.raises(BadInput, match="by another recipe or seed: choose another --out"):
        Training(tmp_path, recipe, seed, lambda line: None).run()  # type: ignore[arg-type]


def test_errors_are_one_line_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path / "made", stages=("sft",))
    (tmp_path / "file").write_text("")
    for arguments, said in (
        ((*QUICK_TRAIN, str(tmp_path / "made"), "--seed", "2"), "another recipe or seed"),
        ((*QUICK_TRAIN, str(tmp_path / "file")), "cannot write to"),
        (("measure", str(tmp_path / "none")), "holds no finished training"),
        (("measure", str(tmp_path / "made")), "holds no finished training"),
        (("measure", str(tmp_path / "made"), "--json", str(tmp_path / "no" / "figures.json")), "cannot write"),
        (("measure", str(tmp_path / "made"), "--json", str(tmp_path)), "cannot write"),
    ):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), said in err) == ("", 1, True), err


@pytest.mark.parametrize("count", ["0", "-3", "many"])
def test_no_puzzles_are_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["measure", "folder", "--puzzles", count])
    assert ended.value.code == 2
    assert "is no number of puzzles" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(training: Training) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "run", interrupted)
    assert main([*QUICK_TRAIN, str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted; stages that are done are kept: the same command goes on\n"
