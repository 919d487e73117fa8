"""A person who is asked in the middle of a run, from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import pytest
import typer
from tests.apps.conftest import Cli

from reflectree.models.loopback_process import Remote
from reflectree.testing import LoopbackServer

ACTS = ("-b", "react-env", "-E", "toy/kitchen-2", "-s", "operators.enrich.approve=true")


@pytest.fixture(scope="module")
def server() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply="Thought: look for it.\nAction: go to kitchen") as remote:
        yield remote


def test_a_run_waits_for_a_person_and_goes_on_with_each_reply(cli: Cli, server: Remote) -> None:
    model = ("-m", f"{server.base_url}#loopback")
    asked = cli("solve", *ACTS, *model, "-s", "scheme.strategy.steps=2", "--run-id", "errand")
    assert (asked.code, asked.out) == (5, "")
    assert "May this command be carried out?" in asked.err
    assert "reflectree resume errand --reply TEXT" in asked.err

    refused = cli("resume", "errand", "--reply", "no, it is hot", "--json")
    assert refused.code == 5
    question = json.loads(refused.out)["question"]
    assert "a person did not allow it (no, it is hot)" in question["before"]

    done = cli("resume", "errand", "--reply", "yes", "--json")
    assert (done.code, done.data["answer"]) == (0, "go to kitchen")
    assert done.data["usage"]["calls"] == 2, "no reply of a person has a call paid again"


def test_a_reply_nobody_waits_for_is_refused(cli: Cli, server: Remote) -> None:
    asked = cli("solve", *ACTS, "-m", f"{server.base_url}#loopback", "--run-id", "other")
    assert asked.code == 5
    assert cli("resume", "nobody", "--reply", "yes").code == 2


def test_a_person_at_the_terminal_is_asked_there(cli: Cli, server: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    replies = iter(["yes", "not now"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(replies))
    done = cli("solve", *ACTS, "-m", f"{server.base_url}#loopback", "-s", "scheme.strategy.steps=2", "-q")
    assert (done.code, done.out) == (0, "go to kitchen\n")


def at_the_terminal(monkeypatch: pytest.MonkeyPatch, types: Callable[[str], str]) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.modules[typer.prompt.__module__], "visible_prompt_func", types)


def test_enter_alone_is_a_reply_that_says_nothing(cli: Cli, server: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    at_the_terminal(monkeypatch, lambda prompt: "")
    done = cli("solve", *ACTS, "-m", f"{server.base_url}#loopback", "-s", "scheme.strategy.steps=1", "-q")
    assert done.code == 3, "it is no leave, and there was one step"
    assert done.err.count("May this command be carried out?") == 1


@pytest.mark.parametrize("leaves", [KeyboardInterrupt, EOFError])
def test_whoever_leaves_the_question_is_told_how_to_go_on(
    cli: Cli, server: Remote, monkeypatch: pytest.MonkeyPatch, leaves: type[BaseException]
) -> None:
    def leave(prompt: str) -> str:
        raise leaves

    at_the_terminal(monkeypatch, leave)
    left = cli("solve", *ACTS, "-m", f"{server.base_url}#loopback", "-s", "scheme.strategy.steps=1", "--run-id", "gone")
    assert (left.code, left.out) == (5, "")
    assert "reflectree resume gone --reply TEXT" in left.err
    assert cli("resume", "gone", "--reply", "yes").code == 0
