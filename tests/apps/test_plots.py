"""Pictures of benchmarks: honest titles, intervals and baselines, no text that becomes markup, no requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from tests.apps.conftest import Cli

from reflectree.apps import plots
from reflectree.graphs.benching import BenchFile, Outcome, Report, Settings, report
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.errors import BadInput, ReflectreeError

NAMES = ("cot", "mcts", "self-consistency", "best-of-n")


def settings(tokens: int = 8000, names: Sequence[str] = NAMES, tasks: int = 40) -> Settings:
    return Settings(
        taskset="sums.jsonl", digest="d", tasks=tasks, model="openai/gpt-5-mini", tokens=tokens, seed=7, concurrency=8,
        blueprints={name: name for name in names}, reflectree="0",
    )  # fmt: skip


def outcomes(wanted: Settings, done: int | None = None) -> list[Outcome]:
    dice = Random(wanted.tokens)
    found = []
    for task in range(wanted.tasks if done is None else done):
        for name in wanted.blueprints:
            right = dice.random() < 0.5
            found.append(
                Outcome(
                    blueprint=name, task=f"t{task}", correct=right, in_structure=right or dice.random() < 0.3,
                    answer="1", stop_reason="complete", calls=2, failed_calls=0,
                    prompt_tokens=200 if name == "cot" else wanted.tokens // 2, completion_tokens=100, usd=None,
                    nodes=3, wall_s=1.0,
                )
            )  # fmt: skip
    return found


def made(tokens: int = 8000, **options: object) -> Report:
    wanted = replace(settings(tokens), **options)  # type: ignore[arg-type]
    return report(wanted, outcomes(wanted))


def texts(path: Path) -> str:
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(path).getroot().iter() if node.text)


def test_marks_are_the_figures_of_the_table() -> None:
    found = made()
    lines = {line.name: line for line in plots.arranged([found])}
    assert list(lines) == list(NAMES)
    for row in found.rows:
        (mark,) = lines[row.blueprint].marks
        assert (mark.selected, mark.low, mark.high) == (row.accuracy.estimate, row.accuracy.low, row.accuracy.high)
        assert (mark.tokens, mark.found) == (row.tokens, row.in_structure)
    assert [line.name for line in lines.values() if line.baseline] == ["self-consistency", "best-of-n"]
    assert lines["best-of-n"].label == "best-of-n (baseline)"
    assert len({line.colour for line in lines.values() if not line.baseline}) == 2


def test_the_title_says_how_many_tasks_and_which_seed() -> None:
    first, second = plots.title([made()])
    assert first == "sums.jsonl · openai/gpt-5-mini"
    assert second == "n = 40 tasks, seed 7, at most 8,000 tokens a task; bars are 95 % intervals"
    part = report(settings(), outcomes(settings(), 12))
    assert plots.title([part])[1].startswith("n = 12 of 40 tasks")
    assert plots.title([part])[1].endswith("too few tasks for small differences")


def test_several_reports_are_lines_and_others_are_refused() -> None:
    lines = plots.arranged([made(8000), made(2000)])
    assert [mark.tokens for mark in lines[1].marks] == [1100.0, 4100.0]
    for other in ({"seed": 8}, {"model": "x"}, {"digest": "e"}):
        with pytest.raises(BadInput, match=f"another {next(iter(other))} cannot stand in one picture"):
            plots.arranged([made(), made(2000, **other)])
    with pytest.raises(BadInput, match="nothing to draw"):
        plots.arranged([report(settings(), [])])


def test_marks_that_would_cover_each_other_stand_apart() -> None:
    xs = [mark.tokens for _, marks in plots._apart(plots.arranged([made()])) for mark in marks]
    assert len({round(x) for x in xs}) == 4
    assert max(abs(x - 4100) for x in xs[1:]) < 4100 * 0.05


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_pictures_are_drawn(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip(plots.SUFFIXES[suffix])
    path = tmp_path / f"plot{suffix}"
    plots.draw(made(), path)
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
    elif suffix == ".svg":
        shown = texts(path)
        for words in ("n = 40 tasks, seed 7", "self-consistency (baseline)", "mean tokens a task", "hollow"):
            assert words in shown
        plots.draw(made(), tmp_path / "again.svg")
        assert (tmp_path / "again.svg").read_bytes() == content
    else:
        page = content.decode()
        assert "n = 40 tasks" in page
        assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)


@pytest.mark.parametrize("name", ["$x_$ \\frac", "_hidden", "<script>alert(1)</script>", "日本語", "a" * 300])
def test_names_are_only_text(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    wanted = replace(settings(names=(name, *NAMES)), taskset=name, model=name)
    found = report(wanted, outcomes(wanted))
    plots.draw(found, tmp_path / "a.svg")
    assert name[:30] in texts(tmp_path / "a.svg")
    plots.draw(found, tmp_path / "a.html")
    assert "<script>alert(1)" not in (tmp_path / "a.html").read_text()


def test_what_cannot_be_drawn_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a plot is a .svg, .png or .html file"):
        plots.check(tmp_path / "plot.pdf")
    with pytest.raises(BadInput, match="there is no folder"):
        plots.check(tmp_path / "none" / "plot.svg")


def test_from_the_file_that_a_benchmark_keeps(tmp_path: Path) -> None:
    wanted = settings()
    with BenchFile.open(tmp_path / "out.jsonl", wanted) as file:
        for outcome in outcomes(wanted):
            file.add(outcome)
    assert asdict(plots.read(tmp_path / "out.jsonl").rows[0]) == asdict(made().rows[0])
    (tmp_path / "other.jsonl").write_text('{"format": "reflectree-trace"}\n')
    with pytest.raises(BadInput, match="holds no benchmark"):
        plots.read(tmp_path / "other.jsonl")
    with pytest.raises(BadInput, match="cannot read"):
        plots.read(tmp_path / "none.jsonl")
    whole = (tmp_path / "out.jsonl").read_text()
    for old, new, why in (
        ('"tokens": ', '"tokens": "x", "was": ', "holds no benchmark: its first line has no tokens"),
        ('"blueprints": {', '"blueprints": ["a"], "was": {', "holds no benchmark: its first line has no blueprints"),
        ("\n", '\n{"begun": ["cot", "a"]}\n', "line 2 is damaged"),
    ):
        assert old in whole
        (tmp_path / "odd.jsonl").write_text(whole.replace(old, new, 1))
        with pytest.raises(ReflectreeError, match=why):
            plots.read(tmp_path / "odd.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(BadInput, match="holds no benchmark"):
        plots.read(tmp_path / "empty.jsonl")


def test_the_option_draws_what_was_measured(cli: Cli, server: Remote, scorer: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"id": "a", "question": "Make 23.", "answer": "23"}')
    model, plot = f"{server.base_url}#loopback", tmp_path / "plot.svg"
    common = (
        "bench",
        tasks,
        "-b",
        "cot",
        "-t",
        1000,
        "-m",
        model,
        "-e",
        scorer,
        "-s",
        "operators.generate.max_tokens=16",
    )
    refused = cli(*common, "--plot", tmp_path / "plot.doc")
    assert refused.code == 2
    done = cli(*common, "--plot", plot, "-q")
    assert done.code == 0
    assert "n = 1 tasks, seed 0" in texts(plot)
