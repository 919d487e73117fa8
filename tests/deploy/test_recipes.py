"""The recipes of deploy/: files of the right form, without secrets, whose commands our own command line understands."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from reflectree.apps.cli import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("*/compose.yaml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
SAMPLES = {
    "REFLECTREE_MODEL": "openai/gpt-5-mini",
    "REFLECTREE_API_KEY": "k" * 40,
    "REFLECTREE_VALUE_API_KEY": "v" * 40,
    "POSTGRES_PASSWORD": "secret",
    "POLICY_MODEL": "Qwen/Qwen3-8B",
    "VALUE_WEIGHTS": "/srv/models/value",
}
_TYPED = re.compile(r"(?:(?<=driver )|(?<='reflectree )|(?<=\$ reflectree ))(?:bench|data|serve|value-server)\b[^'\n]*")
"""Commands in comments and pages: after a prompt, after the container that drives, or in quotes."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def filled(text: str) -> str:
    """A compose file as it is once its variables are filled in."""

    def fill(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if kind == "-":
            return str(rest)
        assert kind == "?", f"{name} has neither a default nor says what is wrong where it is missing"
        return SAMPLES[name]

    return _VARIABLE.sub(fill, text).replace("$$", "$")


def recipe(path: Path) -> dict[str, Any]:
    """A compose file, variables filled in."""
    data: dict[str, Any] = yaml.safe_load(filled(path.read_text()))
    return data


def parse(arguments: list[str]) -> dict[str, Any]:
    """What the real command line makes of some arguments, without carrying them out."""
    found: Any = typer.main.get_command(app)  # typer brings its own click
    context = found.make_context("reflectree", list(arguments))
    while hasattr(found, "resolve_command"):
        name, found, rest = found.resolve_command(context, [*context._protected_args, *context.args])
        context = found.make_context(name, rest, parent=context)
    params: dict[str, Any] = context.params
    return params


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of ours in the recipes: what containers run, and what comments tell a reader to type."""
    found: list[tuple[str, list[str]]] = []
    for path in COMPOSE:
        for name, service in recipe(path)["services"].items():
            ours = str(service["image"]).startswith("reflectree") and "entrypoint" not in service
            if ours:
                found.append((f"{path.parent.name}: {name}", [str(word) for word in service["command"]]))
    for path in (*COMPOSE, DEPLOY / "ray" / "cluster.yaml", DEPLOY / "README.md"):
        text = re.sub(r"\\\n[# ]*", " ", path.read_text())
        for line in re.findall(
            r"(?:(?<=driver )|(?<='reflectree )|(?<=\$ reflectree ))(?:bench|data|serve|value-server)\b[^'\n]*", text
        ):
            found.append((f"{path.parent.name}/{path.name}: {line[:30]}", shlex.split(line)))
    return found


@pytest.mark.parametrize(("where", "arguments"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_is_one_of_ours(where: str, arguments: list[str]) -> None:
    params = parse(arguments)
    assert params
    for name, value in params.items():
        if name.endswith("key_env"):  # names of variables, never keys
            assert value is None or re.fullmatch(r"[A-Z][A-Z_]+", value)


def test_there_is_something_to_check() -> None:
    names = [where for where, _ in commands()]
    assert len(COMPOSE) == 3
    assert {"endpoint: endpoint", "gpu: values", "gpu: endpoint"} <= set(names)
    assert sum("bench" in name for name in names) >= 2


def test_a_command_that_drifted_is_noticed() -> None:
    for wrong in (["bench", "tasks.jsonl", "--modle=x"], ["bench"], ["bnech"], ["data", "generate", "t", "--nope"]):
        with pytest.raises(Exception, match=r"No such|Missing"):
            parse(wrong)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.parent.name)
def test_compose_files_hold_to_the_compose_specification(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    checker = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in checker.iter_errors(yaml.safe_load(path.read_text()))] == []
    assert list(checker.iter_errors({"services": {"a": {"prots": []}}}))  # it does refuse


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.parent.name)
def test_no_secret_and_no_open_door(path: Path) -> None:
    for name, service in recipe(path)["services"].items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), f"{name} is published to everybody"
        for variable, value in service.get("environment", {}).items():
            if re.search("KEY|PASSWORD|TOKEN", variable) and value:
                assert value in SAMPLES.values(), f"{variable} of {name} stands in the file"
    example = (path.parent / "example.env").read_text()
    for line in example.splitlines():
        name, _, value = line.partition("=")
        if re.search("KEY|PASSWORD|TOKEN", name) and not line.startswith("#"):
            assert not value, f"{name} has a value in an example"
    wanted = set(_VARIABLE.findall(path.read_text()))
    given = {line.partition("=")[0] for line in example.splitlines() if "=" in line and not line.startswith("#")}
    assert {name for name, kind, _ in wanted if kind == "?"} <= given


def test_a_network_address_has_a_key() -> None:
    for _, arguments in commands():
        if arguments[0] in ("serve", "value-server") and "--host=0.0.0.0" in arguments:
            assert any(word.startswith("--api-key-env=") for word in arguments)


def test_prometheus_asks_the_endpoint_where_it_listens_with_the_key_it_wants() -> None:
    services = recipe(DEPLOY / "endpoint" / "compose.yaml")
    scraped = yaml.safe_load((DEPLOY / "endpoint" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == ["endpoint:8000"]
    assert "--port=8000" in services["services"]["endpoint"]["command"]
    secret = Path(scraped["authorization"]["credentials_file"])
    assert str(secret.parent) == "/run/secrets"
    assert secret.name in services["services"]["prometheus"]["secrets"]
    assert secret.name in services["secrets"]


def test_the_image_is_built_from_what_the_wheel_is_made_of_and_runs_as_nobody_special() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = set(re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE))
    sources = {name for line in copied for name in line.split()}
    assert sources >= {*project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"], "src", "pyproject.toml"}
    assert all((ROOT / name).exists() for name in sources)
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in sources} <= set(allowed)
    assert allowed[1] == "*"
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\w+)$", last, re.MULTILINE) == ["reflectree"]
    assert "HEALTHCHECK" in last
    check = re.search(r'CMD \["python", "-c", "(.*)"\]\n', last)
    assert check is not None
    compile(check[1].replace('\\"', '"'), "HEALTHCHECK", "exec")
    asked = {extra for extras in re.findall(r"EXTRAS[=:] ?([\w,]+)", DOCKERFILE) for extra in extras.split(",")}
    for path in COMPOSE:
        for service in recipe(path)["services"].values():
            asked |= set(service.get("build", {}).get("args", {}).get("EXTRAS", "").split(",")) - {""}
    assert asked <= set(project["project"]["optional-dependencies"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_ray_understands_what_its_containers_and_machines_run() -> None:
    pytest.importorskip("ray")
    from ray.autoscaler._private.util import prepare_config, validate_config
    from ray.scripts.scripts import cli

    def understood(words: list[str]) -> None:
        found = cli.get_command(click.Context(cli), words[0])
        assert found is not None, words
        found.make_context(words[0], words[1:])

    for service in recipe(DEPLOY / "ray" / "compose.yaml")["services"].values():
        if service["entrypoint"] == ["ray"]:
            understood([str(word) for word in service["command"]])
        understood([str(word) for word in service["healthcheck"]["test"][2:]])
    cluster = yaml.safe_load((DEPLOY / "ray" / "cluster.yaml").read_text())
    validate_config(prepare_config(cluster))
    for line in (*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]):
        understood(shlex.split(line.rpartition("ray ")[2]))
