"""A `PolicyModel` over weights in a folder: ours that read steps, or any causal language model with a chat template.

One attempt a call; retries and time-outs are one layer above (cancel the call, and its rows are free before the next
token). It knows neither tensors nor threads, and imports torch only when the model is used.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from reflectree.models import fallback
from reflectree.models.base import FREE, Capabilities, Choice, Price, Reply, Request
from reflectree.models.local.jobs import SEEDS, Job, Written
from reflectree.models.local.prompts import PURPOSE, Prompt, Reader
from reflectree.models.local.worker import Worker
from reflectree.models.scoring.card import Card, read_card
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.usage import Usage

if TYPE_CHECKING:
    from reflectree.models.neural.decoding import Decoder

DEFAULT_TEMPERATURE = 1.0
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


class TransformersPolicy:
    """A causal language model of transformers, run in this process; loaded at the first call.

    A model with our card (kind `policy`) reads `Request.path`: the question and the steps, each ended by the token that
    ends a step, which also ends what it writes where a stop string asks for one step. All others read
    `Request.messages`. The same request with the same seed gives the same text, whatever else is in the batch; sample i
    of n is what seed + i alone gives. `diverse` samples are drawn without replacement. The prompt of all samples is
    billed once; log-probabilities are the model's own at temperature 1, one a billed token.

    Args:
        path: A folder with `config.json`, safetensors and a tokenizer.
        device: `cpu`, `cuda`, `cuda:1`; `auto` takes a GPU where there is one.
        dtype: `float32`, `bfloat16`, `float16`; `auto` is float32 on a CPU, and what the weights are on a GPU.
        rows: Most samples written at the same time.
        context: Most tokens of prompt and reply together, where it should be less than the model's.
        name: What it is called; `local/PATH` where absent.

    Raises:
        BadInput: There is no model in the folder, or not one that writes.
    """

    def __init__(
        self,
        path: str | FilePath,
        *,
        device: str = "auto",
        dtype: str = "auto",
        rows: int = 32,
        context: int | None = None,
        name: str | None = None,
    ) -> None:
        self.folder = FilePath(path).expanduser()
        self.name = name or f"local/{path}"
        self.price: Price | None = FREE
        if rows < 1:
            raise BadInput(f"rows is {rows}: a local model writes at least one sample at a time")
        self._config = _config(self.folder)
        self._card = _policy_card(self.folder)
        known = next((int(value) for key in _CONTEXT_KEYS if (value := self._config.get(key))), None)
        self.capabilities = Capabilities(
            max_n=rows,
            logprobs=True,
            prefill=True,
            diverse_beams=True,
            converses=self._card is None or self._card.format == "chat",
            max_concurrency=rows,
            context_tokens=min(filter(None, (context, known)), default=None),
        )
        self._device, self._dtype = device, dtype
        self._reader: Reader | None = None
        self._worker = Worker(self._load, rows)

    def prompt_bound(self, request: Request) -> int:
        """The exact number of prompt tokens.

        Raises:
            MissingExtra: transformers is not installed.
            ModelRejected: The chat template refuses the conversation.
        """
        return len(self._read(request)[0].ids)

    async def complete(self, request: Request) -> Reply:
        """Write `request.n` samples; see `PolicyModel.complete`. Diverse ones may be fewer, where there are no more.

        Raises:
            MissingExtra: A package is missing.
            BadInput: The weights cannot be used.
            ModelRejected: The prompt leaves no room in the context, or a parameter is out of range.
            TransientModelError: The device is out of memory.
        """
        if request.n < 1 or request.max_tokens < 1:
            raise ModelRejected("a request needs n >= 1 and max_tokens >= 1", status=400)
        self._ready()
        return await fallback.complete(self._send, request, self.capabilities)

    async def aclose(self) -> None:
        """End the thread and let go of the weights. Twice is the same as once."""
        await asyncio.shield(asyncio.to_thread(self._worker.close))

    def described(self) -> str:
        """One line on what is in the folder, without loading it."""
        kind = (self._config.get("architectures") or ["a causal language model"])[0]
        reads = "reads steps" if self._card and self._card.format != "chat" else "reads conversations"
        size = sum(file.stat().st_size for file in self.folder.glob("*.safetensors"))
        context = self.capabilities.context_tokens
        limit = f", {context} tokens of context" if context else ""
        return f"{self.name}: {kind}, {size / 1e6:.1f} MB of weights, {reads}{limit}; loaded at the first call"

    async def _send(self, request: Request) -> Reply:
        prompt, request = self._read(request)
        limit = self.capabilities.context_tokens
        room = request.max_tokens if limit is None else limit - len(prompt.ids)
        if room < 1:
            raise ModelRejected(
                f"the prompt has {len(prompt.ids)} tokens and the context of {self.name} holds {limit}: shorten it",
                status=400,
            )
        written = await asyncio.wrap_future(self._submit(self._job(request, prompt, room)))
        usage = Usage(1, 0, len(prompt.ids), sum(len(sample.tokens) for sample in written), 0.0)
        return Reply(tuple(_choice(sample, request.top_logprobs) for sample in written), usage)

    def _submit(self, job: Job) -> Future[list[Written]]:
        return self._worker.submit(job)

    def _job(self, request: Request, prompt: Prompt, room: int) -> Job:
        return Job(
            prompt.ids,
            self._ready().decode,
            n=request.n,
            max_tokens=min(request.max_tokens, room),
            temperature=DEFAULT_TEMPERATURE if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            seed=secrets.randbits(31) if request.seed is None else request.seed & SEEDS,
            alternatives=request.top_logprobs if request.top_logprobs > 1 else 0,
            ends=prompt.ends,
            breaks=prompt.breaks,
            stop=tuple(filter(None, prompt.stop)),
            distinct=request.diverse,
            lead=prompt.lead,
        )

    def _read(self, request: Request) -> tuple[Prompt, Request]:
        reader = self._ready()
        request = fallback.adapt(request, self.capabilities)
        prompt = reader.read(request)
        if not prompt.ids:
            raise ModelRejected("the prompt is empty", status=400)
        return prompt, request

    def _ready(self) -> Reader:
        """The tokenizer; with it comes to be known whether there is a system role."""
        if self._reader is None:
            reader = Reader(self.folder, self._card)
            self.capabilities = replace(self.capabilities, system=reader.system)
            self._reader = reader
        return self._reader

    def _load(self) -> Decoder:
        """The weights on their device; called on the worker's thread."""
        torch = require("torch", "serving", PURPOSE)
        transformers = require("transformers", "serving", PURPOSE)
        from reflectree.models.neural.decoding import Decoder

        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = self._dtype
        if kind == "auto":
            kind = "float32" if device == "cpu" else "auto"
        try:
            with _no_progress_bar():
                model, told = transformers.AutoModelForCausalLM.from_pretrained(
                    str(self.folder),
                    dtype=kind,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
            model = model.to(device).eval()
        except Exception as error:  # the boundary to libraries and files: whatever is wrong with them is told in a line
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise BadInput(f"{self.folder} cannot be loaded as a causal language model on {device}: {first}") from error
        if missing := sorted(told["missing_keys"]):
            raise BadInput(
                f"{self.folder} is no whole causal language model: it lacks {len(missing)} weights, {missing[0]} first"
            )
        return Decoder(model)


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Loading small local weights is no news for a terminal; whoever switched the bar on finds it on again."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _choice(sample: Written, top_logprobs: int) -> Choice:
    return Choice(
        sample.text,
        sample.finish,
        sample.logprobs if top_logprobs else None,
        alternatives=sample.alternatives if top_logprobs > 1 else None,
    )


def _config(folder: FilePath) -> dict[str, Any]:
    """The model's configuration.

    Raises:
        BadInput: The folder holds no model, or one whose weights are no safetensors.
    """
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{folder} holds no model (no readable config.json): give the folder that save_pretrained wrote"
        ) from error
    if not isinstance(found, dict):
        raise BadInput(f"{folder}/config.json is no model's configuration: save the model again")
    if not any(folder.glob("*.safetensors")):
        raise BadInput(f"{folder} has no *.safetensors: save the weights in that form (pickled ones are not loaded)")
    text = found.get("text_config")
    return {**text, **found} if isinstance(text, dict) else found


def _policy_card(folder: FilePath) -> Card | None:
    card = read_card(folder)
    if card is not None and card.kind != "policy":
        raise BadInput(f"{folder} is a value model ({card.kind}), which writes nothing: name it with --value-model")
    return card
