"""`reflectree view`: pages in files, what is refused and how, and a server that shows a run."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import typer
from tests.apps.viewer.conftest import data_of, golden
from tests.support.engine import Oracle, search, value_of
from typer.testing import CliRunner

from reflectree.apps import view_command
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ReflectreeError

app = typer.Typer()
app.command()(view_command.view)


def run(*arguments: object) -> str:
    """What the command says on stderr; its errors are raised."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stderr


def test_one_page_holds_everything(tmp_path: Path) -> None:
    file, out = golden("mcts").save(tmp_path / "run.jsonl"), tmp_path / "run.html"
    assert f"wrote {out} (0." in run(file, "--html", out)
    page = out.read_text(encoding="utf-8")
    assert "<title>What is 6 times 7?</title>" in page
    (chunk,) = data_of(page)["traces"]
    assert chunk["count"] == 146
    assert chunk["prompts"]["note"].startswith("Not in the trace")


def test_two_traces_or_a_folder_become_one_page(tmp_path: Path) -> None:
    first, second = (golden(name).save(tmp_path / f"{name}.jsonl") for name in ("mcts", "got"))
    run(first, second, "--html", tmp_path / "both.html")
    assert len(data_of((tmp_path / "both.html").read_text())["traces"]) == 2
    (tmp_path / "bad.jsonl").write_text('{"format":"reflectree-trace","version":9}\n')
    run(tmp_path, "--html", tmp_path / "all.html")
    data = data_of((tmp_path / "all.html").read_text())
    assert [chunk and chunk["run"]["id"] for chunk in data["traces"]] == [None, "got", "mcts"]
    assert "version 9" in data["rows"][0]["problem"]


async def test_a_saved_run_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    result = await search(
        Oracle(), blueprint="mcts", evaluator=value_of, budget=Budget(calls=8), checkpoint=path, run_id="one"
    )
    trace = view_command.load(path, "one")
    assert trace == result.trace
    other = golden("got").save(tmp_path / "got.jsonl")
    view_command.view(str(other), str(path), html=tmp_path / "both.html", run="one")  # whichever is the checkpoint
    assert data_of((tmp_path / "both.html").read_text())["traces"][1]["run"]["id"] == "one"
    what = view_command.shown(str(path), None, "one", live=True)
    assert what.feed is not None
    await what.feed.look()
    assert len(what.feed.events) == len(trace)
    assert what.feed.ended


def test_what_cannot_be_shown_is_refused_in_a_line(tmp_path: Path) -> None:
    good, text = golden("got").save(tmp_path / "got.jsonl"), tmp_path / "notes.txt"
    text.write_text("not a trace\n")
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"format":"reflectree-trace","version":1,"run_id":"x"}\n')
    (tmp_path / "bare").mkdir()
    copy = golden("got").save(tmp_path / "copy.jsonl")
    for arguments, why in (
        ([text, "--html", tmp_path / "x.html"], "is not a reflectree trace"),
        ([text, "--no-browser"], "is not a reflectree trace"),
        ([tmp_path / "none.jsonl", "--no-browser"], "cannot read the trace"),
        ([empty, "--html", tmp_path / "x.html"], "holds no event"),
        ([good, "--html", tmp_path / "no" / "x.html"], "choose another path"),
        ([tmp_path / "bare", "--no-browser"], "holds no trace"),
        ([tmp_path, good, "--no-browser"], "choose two of its traces"),
        ([tmp_path, good, "--html", tmp_path / "x.html"], "choose two of its traces"),
        ([good, "--html", good], "is the trace itself"),
        ([good, copy, "--html", tmp_path / "bare" / ".." / "copy.jsonl"], "is the trace itself"),
        ([good, "--live", "--html", tmp_path / "x.html"], "--live follows one run"),
        ([tmp_path, "--live"], "is a folder"),
        ([good, "--run", "x", "--no-browser"], "--run names a run of a checkpoint"),
    ):
        with pytest.raises(BadInput) as refused:
            run(*arguments)
        assert why in str(refused.value)
        assert "\n" not in str(refused.value)
        assert isinstance(refused.value, ReflectreeError)
        assert refused.value.exit_code == 2
    assert not (tmp_path / "x.html").exists()
    assert good.read_bytes() == copy.read_bytes() == golden("got").dumps().encode()


def test_a_page_too_large_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_command, "MOST_BYTES", 1000)
    with pytest.raises(BadInput, match="leave out --html"):
        run(golden("got").save(tmp_path / "got.jsonl"), "--html", tmp_path / "x.html")


@pytest.mark.slow
def test_who_has_no_server_is_told_what_to_install(tmp_path: Path) -> None:
    file = golden("got").save(tmp_path / "got.jsonl")
    code = (
        "import sys, typer; sys.modules['starlette'] = None\n"
        "from reflectree.rlm_ops.errors import MissingExtra\n"
        "from reflectree.apps.view_command import view\n"
        "try:\n    view(sys.argv[1], browser=False)\nexcept MissingExtra as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert "reflectree[serve]" in done.stdout


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    file = golden("got").save(tmp_path / "got.jsonl")
    code = "import typer; from reflectree.apps.view_command import view; typer.run(view)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file), "--no-browser"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            with urllib.request.urlopen(address, timeout=20) as reply:
                assert data_of(reply.read().decode())["names"] == ["got.jsonl"]
        finally:
            process.send_signal(2)
        assert process.wait(20) in (0, 130)
