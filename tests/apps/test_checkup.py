from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.apps.conftest import Cli, Done

from reflectree.models.loopback_process import Remote


@pytest.fixture(autouse=True)
def servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not look for real servers on this machine's usual ports."""
    for name in ("VLLM", "SGLANG", "OLLAMA", "LLAMACPP"):
        monkeypatch.setenv(f"{name}_BASE_URL", "http://127.0.0.1:9/v1")


def finding(done: Done, what: str) -> dict[str, Any]:
    (found,) = [finding for finding in done.data["findings"] if finding["what"].startswith(what)]
    return dict(found)


def test_a_model_that_answers_is_ready(cli: Cli, model: str) -> None:
    done = cli("doctor", "-m", model, "--json")
    assert (done.code, done.data["ok"]) == (0, True)
    assert "answers; models: loopback" in finding(done, "model")["words"]
    assert "langgraph " in finding(done, "packages")["words"]
    assert "no interrupted run" in finding(done, "state folder")["words"]
    assert "Ready: reflectree solve" in cli("doctor", "-m", model).out


def test_a_model_that_is_not_there_is_4(cli: Cli, server: Remote) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert cli("doctor", "-m", f"http://127.0.0.1:{taken.getsockname()[1]}/v1#m", "--json").code == 4
    other = f"{server.base_url}#other"
    assert "it has: loopback" in finding(cli("doctor", "-m", other, "--json"), "model")["words"]
    done = cli("doctor", "-m", other)
    assert done.code == 4
    assert "Not ready: model." in done.out


def test_a_key_that_is_missing_is_2(cli: Cli) -> None:
    done = cli("doctor", "-m", "openai/gpt-5-mini", "--json")
    assert done.code == 2
    assert "OPENAI_API_KEY" in finding(done, "model")["words"]


def test_keys_are_named_and_never_shown(cli: Cli, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    done = cli("doctor", "-m", model, "--json")
    assert finding(done, "keys")["words"] == "OPENAI_API_KEY"
    assert "sk-very-secret" not in done.out


def test_a_state_folder_that_cannot_be_written_is_2(
    cli: Cli, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = cli("doctor", "-m", model, "--json")
    assert done.code == 2
    assert "set XDG_STATE_HOME" in finding(done, "state folder")["words"]


def test_a_missing_extra_names_its_command(cli: Cli, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from reflectree.apps import checkup

    monkeypatch.setitem(checkup._EXTRAS, "tasks", ("no_such_module",))
    words = finding(cli("doctor", "-m", model, "--json"), "extra tasks")["words"]
    assert words == "not installed (no_such_module): pip install 'reflectree[tasks]'"


def test_every_extra_of_the_distribution_is_looked_at(cli: Cli, model: str) -> None:
    extras = set(importlib.metadata.metadata("reflectree").get_all("Provides-Extra") or ()) - {"all", "dev", "docs"}
    found = {finding["what"] for finding in cli("doctor", "-m", model, "--json").data["findings"]}
    assert {f"extra {extra}" for extra in extras} == {what for what in found if what.startswith("extra ")}


def test_a_module_below_a_package_that_is_not_there_is_missing(
    cli: Cli, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reflectree.apps import checkup

    monkeypatch.setitem(checkup._EXTRAS, "otel", ("no_such_package.sdk",))
    words = finding(cli("doctor", "-m", model, "--json"), "extra otel")["words"]
    assert words == "not installed (no_such_package.sdk): pip install 'reflectree[otel]'"


@pytest.mark.slow
def test_the_embedded_model_is_tried(cli: Cli) -> None:
    done = cli("doctor", "--json")
    if finding(done, "extra embedded")["verdict"] != "ok" or finding(done, "embedded weights")["verdict"] != "ok":
        pytest.skip("the embedded extra is not installed")
    assert done.code == 0
    assert "tokens/s" in finding(done, "model")["words"]
