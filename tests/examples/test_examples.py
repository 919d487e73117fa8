"""Every example runs as a reader would run it, offline, and says what it did and what it cost."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reflectree.models.loopback import LoopbackServer

FOLDER = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(path.name for path in FOLDER.glob("*.py"))
MOST_LINES = 150


def begun(name: str, *options: str, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """How an example ends."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    env = {key: value for key, value in env.items() if not key.endswith("_API_KEY")}
    command = [sys.executable, str(FOLDER / name), *options]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout)


def run(name: str, *options: str, cwd: Path, timeout: float = 300) -> str:
    """What an example prints."""
    done = begun(name, *options, cwd=cwd, timeout=timeout)
    assert done.returncode == 0, f"{name} {' '.join(options)}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_it_can_be_read_and_is_listed(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert len(text.splitlines()) <= MOST_LINES
    said = ast.get_docstring(ast.parse(text))
    assert said is not None
    assert f"python examples/{name}" in said, "its docstring says how it is run"
    assert "--" in said, "and how with something else than the script"
    assert f"`{name}`" in (FOLDER / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_help_says_what_there_is(name: str, tmp_path: Path) -> None:
    shown = run(name, "--help", cwd=tmp_path)
    assert f"python examples/{name}" in shown
    assert "--model" in shown or "--name" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_model_that_cannot_be_used_is_one_line(name: str, tmp_path: Path) -> None:
    tasks = [f'{{"id": "{number}", "question": "6 times {number}?", "answer": "42"}}' for number in range(9)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(tasks))
    options = ["--model", "openai/gpt-5-mini"]
    if name == "endpoint_client.py":
        options = ["--url", "http://127.0.0.1:9/v1"]
    if name == "design_search.py":
        options += ["--taskset", "tasks.jsonl"]
    if name == "lats_scienceworld.py":
        options += ["--world", "toy/kitchen-2"]
    done = begun(name, *options, cwd=tmp_path)
    wanted = "Connection error" if name == "endpoint_client.py" else "openai/gpt-5-mini needs a key: set OPENAI_API_KEY"
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["agent_with_tools.py", "chain.py"])
def test_a_server_of_ones_own_is_a_model(name: str, tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai")
    with LoopbackServer.in_process(reply="Thinking.\nAnswer: 42") as server:
        shown = run(name, "--model", f"{server.base_url}#loopback", cwd=tmp_path)
    assert "Answer: 42" in shown or "answer: 42" in shown


@pytest.mark.slow
def test_an_agent_says_which_models_it_can_have(tmp_path: Path) -> None:
    done = begun("agent_with_tools.py", "--model", "embedded", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("an agent's model is one of LangChain's, PROVIDER/NAME or http://")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_chain(tmp_path: Path) -> None:
    shown = run("chain.py", cwd=tmp_path)
    assert "answer: 2 hours 45 minutes" in shown
    assert re.search(r"bill: [1-9]\d* prompt and [1-9]\d* written tokens", shown)
    assert "tried 1 (an answer)" in shown
    assert "gives '2 hours 45 minutes'" in shown


@pytest.mark.slow
def test_agent_with_tools(tmp_path: Path) -> None:
    pytest.importorskip("langchain")
    shown = run("agent_with_tools.py", cwd=tmp_path)
    assert "stock({'item': 'pen'})" in shown
    assert "reason({" in shown
    assert "share of votes" in shown
    assert re.search(r"\n\d+ messages searched over: [1-9]\d* calls", shown)


@pytest.mark.slow
def test_endpoint_client(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    shown = run("endpoint_client.py", cwd=tmp_path)
    assert "models: cot/scripted, self-consistency/scripted, best-of-n/scripted" in shown
    assert shown.count("answer: 32") == 2
    assert re.search(r"bill: [1-9]\d* prompt and [1-9]\d* written tokens", shown)
    assert "tried 16 (an answer)" in shown


@pytest.mark.slow
def test_rag(tmp_path: Path) -> None:
    shown = run("rag.py", cwd=tmp_path)
    right = {
        name: int(count) for name, count in re.findall(r"^(\S.*?) +(\d) of 6 right, \d+ tokens", shown, re.MULTILINE)
    }
    assert right["no passages"] < right["one reading"] < right["9 readings that vote"]


@pytest.mark.slow
def test_debate(tmp_path: Path) -> None:
    shown = run("debate.py", cwd=tmp_path)
    assert len(re.findall(r"^agent-\d: ", shown, re.MULTILINE)) == 6
    assert re.search(r"^the debate: .* · 6 calls · \d+ tokens", shown, re.MULTILINE)
    assert re.search(r"^one agent, voting: .* tokens", shown, re.MULTILINE)


@pytest.mark.slow
def test_lats_in_the_toy_household(tmp_path: Path) -> None:
    options = ("--world", "toy/kitchen-2", "--max-calls", "150", "--seed", "2")
    shown = run("lats_scienceworld.py", *options, cwd=tmp_path)
    assert "Put a hot egg on the table." in shown
    assert "the goal is reached" in shown
    assert "5. put egg on table" in shown


@pytest.mark.slow
def test_lats_says_what_takes_the_place_of_a_world_that_cannot_be_made(tmp_path: Path) -> None:
    shown = run("lats_scienceworld.py", "--world", "scienceworld/no-such-task/0", "--max-calls", "5", cwd=tmp_path)
    assert "so toy/kitchen-2 takes its place" in shown


@pytest.mark.slow
def test_design_search(tmp_path: Path) -> None:
    shown = run("design_search.py", cwd=tmp_path)
    assert "gepa at the level of prompts: gain" in shown
    assert "seed at equal cost" in shown
    assert "designs; search and test cost" in shown


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_train_a_value_model(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    shown = run("train_a_value_model.py", "--runs", "3", "--epochs", "4", cwd=tmp_path, timeout=600)
    first, last = map(float, re.findall(r"loss on held-out numbers (\S+) -> (\S+)", shown)[0])
    assert last < first
    assert (
        len(re.findall(r"^(?:beam|best-of-n|self-consistency).* \d\.\d\d +\d\.\d\d +[\d,]+$", shown, re.MULTILINE)) == 4
    )
