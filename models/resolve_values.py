"""From the name of a value model to its client: the one place where such names are read.

Everything that can be wrong with a name, an address or a key is said here, before any call. It knows the forms of names
and nothing of what the models do.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

from reflectree.models.base import PreferenceModel, RewardModel, ValueModel
from reflectree.models.calling import Retries
from reflectree.models.scoring.card import read_card
from reflectree.models.transport import without_login
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.extras import require

FORMS = ("http://HOST:PORT", "http://HOST:PORT#MODEL", "vllm-pooling/MODEL", "vllm-classify/MODEL", "tei",
         "decisions/MODEL", "countdown-value", "FOLDER")  # fmt: skip
"""The forms a value model's string can take."""

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

KINDS = ("vllm-pooling", "vllm-classify", "tei", "decisions")
COUNTDOWN = "countdown-value"
_WEIGHTS = ("config.json", "reflectree.json", "adapter_config.json")
"""One of these stands in a folder that holds a model."""


@dataclass(frozen=True, slots=True)
class _Options:
    base_url: str | None = None
    api_key: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    retries: Retries | None = None
    step_tag: str | None = None
    device: str = "auto"
    dtype: Dtype = "auto"

    def refuse(self, what: str, *names: str) -> None:
        """Refuse options that mean nothing for this kind of model."""
        given = [name for name in names if getattr(self, name) != getattr(_Options(), name)]
        if given:
            raise BadInput(f"{what} takes no {given[0]}: leave it out")

    def client(self, address: str, key_env: str, name: str) -> dict[str, Any]:
        """Arguments of a client."""
        given = {"timeout": self.timeout, "retries": self.retries}
        return {
            "base_url": re.sub(r"/v1$", "", address.rstrip("/")),
            "api_key": self.api_key or os.environ.get(key_env) or None,
            "key_env": key_env,
            "headers": self.headers,
            "name": without_login(name),
            **{key: value for key, value in given.items() if value is not None},
        }


def value_model(
    model: str | os.PathLike[str] | ValueModel | RewardModel | PreferenceModel,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    retries: Retries | None = None,
    step_tag: str | None = None,
    device: str = "auto",
    dtype: Dtype = "auto",
) -> Any:
    """Build the value model that `model` names; no connection is made, and no weights are loaded.

    Args:
        model: A string: `http://HOST:PORT` or `http://HOST:PORT#MODEL` (`reflectree value-server`),
            `vllm-pooling/MODEL` (a process reward model), `vllm-classify/MODEL` (an outcome reward model), `tei` or
            `tei/LABEL` (a classifier, and its class that means good), `decisions/MODEL`, a folder with weights,
            `countdown-value` (weights that are shipped); or a value or reward model, which is returned as it is.
        base_url: Root of the endpoint; where absent, the kind's environment variable or its usual port.
        api_key: Its key; where absent, the kind's environment variable is read: `REFLECTREE_VALUE_API_KEY`,
            `VLLM_API_KEY`, `TEI_API_KEY`, `OPENAI_API_KEY`.
        headers: Extra HTTP headers.
        timeout: Seconds a request may take.
        retries: How transient faults are tried again.
        step_tag: What ends a step (`vllm-pooling`), where it is not `<extra_0>`.
        device: Where weights are loaded to: `auto`, `cpu`, `cuda`.
        dtype: Their type: `auto`, `float32`, `bfloat16`.

    Returns:
        A `ValueModel`; where it scores steps a `RewardModel`, too, and where it compares a `PreferenceModel`.

    Raises:
        BadInput: The name, the address or an option cannot work, or a key is missing.
    """
    options = _Options(base_url, api_key, dict(headers or {}), timeout, retries, step_tag, device, dtype)
    if isinstance(model, str | os.PathLike):
        return _named(os.fspath(model).strip(), options)
    if is_scorer(model):
        options.refuse("an object that is a value model already", *_Options.__slots__)
        return model
    raise BadInput(f"{type(model).__name__} is no value model: give a string ({', '.join(FORMS)}) or a ValueModel")


def located(name: str, directory: str) -> str:
    """The name, a folder's completed with the directory it is relative to: it then means the same anywhere."""
    other = re.match(r"https?://", name) or name == COUNTDOWN or name.partition("/")[0] in KINDS
    folder = FilePath(directory, FilePath(name).expanduser())
    return str(folder) if name and not other and folder.is_dir() else name


def is_scorer(given: object) -> bool:
    """Whether it scores or compares paths, or scores steps; a verifier or an evaluator is another thing."""
    if isinstance(given, type) or hasattr(given, "gold") or hasattr(given, "score_now"):
        return False
    return any(callable(getattr(given, method, None)) for method in ("score", "score_steps", "prefer"))


async def check_values(model: Any) -> str:
    """One line that says whether the value model can be reached; weights in this process are loaded for it."""
    try:
        return await reach_values(model)
    except ModelError as error:
        return f"{model.name}: {error}"


async def reach_values(model: Any) -> str:
    """As `check_values`, for those who cannot go on without it.

    Raises:
        ModelError: It cannot be reached, or has no such model.
    """
    ask: Any = getattr(model, "check", None)
    return f"{model.name}: ready (it cannot be asked without a call)" if ask is None else str(await ask())


def _named(name: str, options: _Options) -> Any:
    kind, slash, rest = name.partition("/")
    if re.match(r"https?://", name):
        address, _, model = name.partition("#")
        if options.base_url:
            raise BadInput(f"two addresses, {address} and {options.base_url}: give one of them, and a model's name")
        return _server(model, address, options, name)
    if name == COUNTDOWN:
        return _countdown(options)
    if kind in KINDS and (slash or kind == "tei"):
        return _foreign(kind, rest, name, options)
    if options.base_url:
        return _server(name, options.base_url, options, "")
    if _is_folder(name):
        return _in_process(name, options)
    raise BadInput(f"unknown value model {name!r}: {_suggestion(name)}")


def _server(model: str, address: str, options: _Options, name: str) -> Any:
    from reflectree.models.values.server import KEY_ENV, ServerDialect, ServerValues

    options.refuse("a value server", "step_tag", "device", "dtype")
    return ServerValues(model, ServerDialect(), **options.client(address, KEY_ENV, name))


def _foreign(kind: str, model: str, name: str, options: _Options) -> Any:
    """A client of somebody else's server."""
    from reflectree.models.values import decisions, tei, vllm
    from reflectree.models.values.client import HttpStepValues, HttpValues

    options.refuse(kind, "device", "dtype", *(() if kind == "vllm-pooling" else ("step_tag",)))
    if kind != "tei" and not model.strip("/"):
        raise BadInput(f"{name!r} names no model: write {kind}/MODEL")
    home = {"tei": tei, "decisions": decisions}.get(kind, vllm)
    address = options.base_url or os.environ.get(home.URL_ENV) or home.BASE_URL
    given = options.client(address, home.KEY_ENV, name)
    match kind:
        case "vllm-pooling":
            return HttpStepValues(model, vllm.PoolingDialect(options.step_tag or vllm.STEP_TAG), **given)
        case "vllm-classify":
            return HttpValues(model, vllm.ClassifyDialect(), **given)
        case "tei":
            return HttpValues("", tei.PredictDialect(model), **given)
        case _:
            if given["base_url"] == decisions.BASE_URL and not given["api_key"]:
                raise BadInput(f"{name} needs a key: set {decisions.KEY_ENV}, or pass api_key= (or base_url=)")
            return HttpValues(model, decisions.DecisionDialect(), **given)


def _in_process(name: str, options: _Options) -> Any:
    from reflectree.models.values.in_process import InProcessValues

    options.refuse("a model in this process", "base_url", "api_key", "headers", "timeout", "retries", "step_tag")
    folder = FilePath(name).expanduser()
    if not folder.is_dir():
        raise BadInput(f"no folder {name}: give the folder with the value model's weights")
    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise BadInput(f"{name} holds no model: a folder with config.json, weights and a tokenizer is wanted")
    card = read_card(folder)
    if card is not None and card.kind == "policy":
        raise BadInput(f"{name} holds a policy, which scores nothing: give the folder of a value model")
    _need_torch(name)
    if card is None and _writes(folder):  # its weights or its name say how it is read, or nothing does
        from reflectree.models.neural.recognise import card_of
        from reflectree.models.neural.weights import configuration

        card_of(folder, configuration(folder), None, None, None, name)

    def load() -> Any:
        if card is not None and card.format == "countdown":
            from reflectree.models.neural.countdown.load import load_scorer as load_countdown

            return load_countdown(folder)
        from reflectree.models.neural.load import load_scorer

        return load_scorer(str(folder), device=options.device, dtype=options.dtype)

    return InProcessValues(load, name)


def _writes(folder: FilePath) -> bool:
    """Whether a folder's configuration is that of a language model, which scores nothing unless something says how."""
    try:
        (architecture,) = json.loads((folder / "config.json").read_bytes())["architectures"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return str(architecture).endswith("ForCausalLM")


def _countdown(options: _Options) -> Any:
    options.refuse(COUNTDOWN, *_Options.__slots__)
    _need_torch(COUNTDOWN)
    from reflectree.models.neural.countdown.load import load_value

    return load_value()


def _need_torch(name: str) -> None:
    """Raises MissingExtra where torch is not installed; where it is, it is not imported yet, for that takes seconds."""
    if importlib.util.find_spec("torch") is None:
        require("torch", "serving", f"the value model {name}")


def _is_folder(name: str) -> bool:
    """Whether a name is meant as a folder's."""
    return name.startswith((".", "/", "~")) or (bool(name) and FilePath(name).is_dir())


def _suggestion(name: str) -> str:
    """The nearest form that would do."""
    kind, slash, rest = name.partition("/")
    if kind in KINDS:
        return f"write '{kind}/MODEL'"
    near = difflib.get_close_matches(kind.lower(), [COUNTDOWN, *KINDS], n=1, cutoff=0.7)
    if near and (slash or near[0] in (COUNTDOWN, "tei")):
        return f"did you mean {near[0] + slash + rest!r}?"
    if re.match(r"[\w.-]+:\d+", name):
        return f"write 'http://{name}'"
    if kind == "vllm" and slash:
        return f"write 'vllm-pooling/{rest}' (scores of steps) or 'vllm-classify/{rest}' (one of the whole)"
    return f"there is no folder of this name, and the other forms are {', '.join(FORMS[:-1])}"
