"""Importing costs no optional package: neither the table of contents nor any module behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

OPTIONAL = {
    "accelerate", "chromadb", "datasets", "gguf", "jsonschema", "langchain_openai", "litellm", "math_verify",
    "langchain", "matplotlib", "mcp", "openai", "peft", "plotly", "prometheus_client", "psycopg", "pyarrow",
    "ray", "reasoning_gym", "starlette", "sympy", "torch", "transformers", "trl", "uvicorn", "xllamacpp",
}  # fmt: skip
HEAVY = OPTIONAL | {"aiohttp", "langchain_core", "langgraph", "numpy", "pydantic", "rich", "typer", "yaml"}

EVERY_MODULE = """
import importlib, pkgutil, reflectree
# what is loaded only once a model is, a server begins, or an agent of LangChain's is made
ROOMS = ("models.http", "models.neural", "models.serving", "training.trainers", "training.countdown",
         "apps.endpoint", "apps.mcp_server", "graphs.adapters.agent_turns", "graphs.adapters.middleware")
LATER = tuple(f"reflectree.{room}" for room in ROOMS)
for module in pkgutil.walk_packages(reflectree.__path__, "reflectree."):
    if not module.name.endswith("__main__") and not module.name.startswith(LATER):
        importlib.import_module(module.name)
"""


def loaded_by(code: str, cwd: Path) -> set[str]:
    """The top-level modules in `sys.modules` after running `code` in a fresh interpreter."""
    code = f"{code}\nimport json, sys; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_table_of_contents_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("import reflectree; dir(reflectree)", tmp_path) & HEAVY == set()


def test_the_words_load_no_graph_and_no_client(tmp_path: Path) -> None:
    loaded = loaded_by("import reflectree as rt; rt.Budget, rt.Task, rt.Trace, rt.Blueprint, rt.errors", tmp_path)
    assert loaded & (OPTIONAL | {"aiohttp", "langchain_core", "langgraph"}) == set()
    assert "pydantic" in loaded  # the check can see what a name loads


@pytest.mark.slow
def test_no_module_loads_an_optional_package(tmp_path: Path) -> None:
    loaded = loaded_by(EVERY_MODULE, tmp_path)
    assert loaded & OPTIONAL == set()
    assert {"langgraph", "numpy"} <= loaded
