"""The seven root folders import as `reflectree.*`, never as top-level modules, and ship whole in the wheel."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("rlm_ops", "models", "memory", "agents", "graphs", "training", "apps")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_each_link_is_its_room(room: str) -> None:
    link = ROOT / "src" / "reflectree" / room
    assert link.is_symlink()
    assert os.readlink(link) == f"../../{room}"
    assert link.resolve() == ROOT / room
    assert (link / "__init__.py").is_file()


def test_every_tool_is_told_of_every_room() -> None:
    tool = PYPROJECT["tool"]
    links = {f"src/reflectree/{room}" for room in ROOMS}
    assert tool["hatch"]["build"]["targets"]["wheel"]["force-include"] == {room: f"reflectree/{room}" for room in ROOMS}
    assert links <= set(tool["pyright"]["include"])
    assert links == set(tool["ruff"]["extend-exclude"])
    layers = tool["importlinter"]["contracts"][0]["layers"]
    assert [layer for layer in reversed(layers) if layer in ROOMS] == list(ROOMS)


def test_rooms_are_not_top_level_modules(tmp_path: Path) -> None:
    code = f"import importlib.util as u; print([u.find_spec(n) and u.find_spec(n).origin for n in {ROOMS!r}])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(ROOT) not in done.stdout


def test_the_floor_imports_the_standard_library_pydantic_and_numpy_only() -> None:
    allowed = sys.stdlib_module_names | {"pydantic", "numpy", "typing_extensions"}
    strangers = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / "rlm_ops").rglob("*.py")
        for name in _imported(path)
        if name.partition(".")[0] not in allowed and not name.startswith("reflectree.rlm_ops")
    }
    assert strangers == set()


def test_every_extra_an_error_names_exists() -> None:
    extras = set(PYPROJECT["project"]["optional-dependencies"])
    named = {
        (str(path.relative_to(ROOT)), extra)
        for path in SOURCES
        for group in re.findall(r"reflectree\[([a-z,]+)\]", path.read_text())
        for extra in group.split(",")
    }
    assert {(path, extra) for path, extra in named if extra not in extras} == set()


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    version = wheel.name.split("-")[1]
    assert {name.partition("/")[0] for name in names} == {"reflectree", f"reflectree-{version}.dist-info"}
    top = {f"reflectree/{path.name}" for path in (ROOT / "src" / "reflectree").iterdir() if path.is_file()}
    rooms = {f"reflectree/{path.relative_to(ROOT)}" for path in SOURCES}
    shipped = {name for name in names if name.startswith("reflectree/")}
    assert {name for name in shipped if name.endswith((".py", ".typed"))} == top | rooms
    data = {".yaml", ".json", ".jsonl", ".md", ".html", ".css", ".js", ".safetensors"}
    assert {Path(name).suffix for name in shipped} <= {".py", ".typed"} | data
    blueprints = {f"reflectree/{path.relative_to(ROOT)}" for path in (ROOT / "graphs" / "blueprints").glob("*.yaml")}
    assert blueprints <= shipped
    assert f"reflectree-{version}.dist-info/licenses/LICENSE" in names


@pytest.mark.slow
def test_wheel_works_from_another_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import reflectree as rt; print(rt.solve, rt.Budget.__module__, rt.__file__)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "reflectree.rlm_ops.budget" in done.stdout
    assert str(tmp_path / "site") in done.stdout


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import absolutely"
            names.add(node.module or "")
    return names
