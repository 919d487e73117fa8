"""Hugging Face folders: where they are, what they hold, and their models: safetensors only, no code of theirs is run.

It knows no scorer.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from reflectree.rlm_ops.errors import BadInput

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
INDEX = "model.safetensors.index.json"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
WANTED = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")


def folder_of(path_or_name: str | Path, local_files_only: bool = True) -> Path:
    """The folder of a model: one on disk, or one in the Hugging Face cache by its name.

    Raises:
        BadInput: There is none; the message names those that are spelled alike.
    """
    path = Path(path_or_name).expanduser()
    if path.is_dir():
        return path
    name = str(path_or_name)
    if path.exists():
        raise BadInput(f"{name} is a file: name the folder that holds config.json and model.safetensors")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise BadInput(f"there is no model folder {name}{_near(path)}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=local_files_only, allow_patterns=list(WANTED)))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        raise BadInput(
            f"there is no model folder {name}, and none of that name in the Hugging Face cache{_near(path)}: "
            f"download it with hf download {name}"
        ) from error


def _near(path: Path) -> str:
    """What is beside where the folder would be, spelled alike."""
    parent = path.parent
    there = [entry.name for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, there, n=3)
    return f"; did you mean {' or '.join(str(parent / name) for name in close)}?" if close else ""


def configuration(folder: Path) -> Any:
    """The model's configuration.

    Raises:
        BadInput: There is none, or it is of an architecture that transformers lacks.
    """
    if not (folder / "config.json").is_file():
        hint = ": merge the adapter into its base first" if (folder / "adapter_config.json").is_file() else ""
        raise BadInput(f"{folder} has no config.json, so it is no model{hint or ': name the folder that holds it'}")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"{folder} has an unknown architecture, and code of models is never run: {first}") from error


def load_tokenizer(folder: str | Path) -> Any:
    """The fast tokenizer of a folder, as its `tokenizer.json` has it, whatever class its configuration names.

    Raises:
        BadInput: There is none.
    """
    kind = PreTrainedTokenizerFast if (Path(folder) / "tokenizer.json").is_file() else AutoTokenizer
    try:
        with quiet():
            tokenizer = kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain exceptions
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadInput(f"{folder} has no tokenizer that can be loaded ({first}): save it beside the weights") from error
    if not tokenizer.is_fast:
        raise BadInput(f"{folder} has no fast tokenizer: save tokenizer.json beside the weights")
    # What is too long is refused by what reads the tokens; the library's word on it would be said as well, once.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def tensor_names(folder: Path) -> frozenset[str]:
    """The names of all weights in a folder.

    Raises:
        BadInput: There are no safetensors, or they are damaged.
    """
    return frozenset(_files(folder))


def tensors(folder: Path, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Some of the weights in a folder."""
    files = _files(folder)
    found: dict[str, torch.Tensor] = {}
    for name in names:
        with safe_open(folder / files[name], framework="pt") as file:
            found[name] = file.get_tensor(name)
    return found


def _files(folder: Path) -> dict[str, str]:
    """The weights' names with the files that hold them."""
    try:
        if (folder / INDEX).is_file():
            return dict(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"])
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            return dict.fromkeys(file.keys(), "model.safetensors")
    except FileNotFoundError as error:
        if any(found for pattern in PICKLED for found in folder.glob(pattern)):
            raise BadInput(
                f"{folder} holds pickled weights, which can run code when they are loaded: convert them once, where "
                "you trust them, with transformers' model.save_pretrained(folder), which writes model.safetensors"
            ) from error
        raise BadInput(f"{folder} has no model.safetensors: name a folder that holds a whole model") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInput(f"the weights in {folder} are damaged ({error}): fetch them again") from error


def load_model(kind: Any, folder: Path, dtype: torch.dtype, device: torch.device, extra: tuple[str, ...] = ()) -> Any:
    """A model of an automatic class, ready to score.

    Args:
        kind: `AutoModel`, `AutoModelForCausalLM`, ...
        folder: Where it is.
        dtype: Of its weights.
        device: Where to.
        extra: Beginnings of the names of weights that are not this model's: heads.

    Raises:
        BadInput: The weights are not those of the architecture: scores would be noise.
    """
    tensor_names(folder)
    try:
        with quiet():
            model, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInput(f"the model in {folder} cannot be loaded: {first}") from error
    missing = sorted(str(name) for name in report["missing_keys"])
    if missing:
        raise BadInput(
            f"the weights in {folder} are not those of {type(model).__name__}: {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} missing; give the folder of the whole model, or another kind"
        )
    return model.eval().requires_grad_(False).to(device)


@contextmanager
def quiet() -> Iterator[None]:
    """Load without a progress bar, and without a report of weights that are a head's: what matters is checked."""
    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()
