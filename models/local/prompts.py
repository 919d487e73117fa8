"""From a request to token ids: as a conversation through the model's chat template, or as steps for one we trained.

Text of a request is plain text to both: the name of a special token in it is characters. It runs no model.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from reflectree.models.base import Message, Request
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.template import STEP_END, StepTemplate, plain_ids, special_id
from reflectree.rlm_ops.errors import ModelRejected
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.step import Path

PURPOSE = "a local model"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as its model reads it.

    Attributes:
        ids: Token ids.
        ends: Tokens that end a sample.
        breaks: The token that is a line break in the text.
        stop: Strings that end a sample.
        lead: The last tokens, where the text runs on from them.
    """

    ids: tuple[int, ...]
    ends: frozenset[int]
    breaks: int | None = None
    stop: tuple[str, ...] = ()
    lead: tuple[int, ...] = ()


class Reader:
    """Reads requests for one model.

    Args:
        folder: Where its tokenizer is.
        card: The card beside it, if we trained it.

    Raises:
        MissingExtra: transformers is not installed.
        BadInput: There is no tokenizer that can be used.
    """

    def __init__(self, folder: FilePath, card: Card | None) -> None:
        weights = require("reflectree.models.neural.weights", "serving", PURPOSE)
        # one that encodes, one that decodes on another thread: they do not share well
        self._tokenizer, self._decoder = weights.load_tokenizer(folder), weights.load_tokenizer(folder)
        self._lock = threading.Lock()
        self._ends = frozenset(_ends(folder, self._tokenizer))
        self._template = StepTemplate(card.step_tag or STEP_END) if card and card.format != "chat" else None
        self._step = special_id(self._tokenizer, self._template.step_end) if self._template else None
        self.system = self._template is not None or self._takes_system()
        """Whether the chat template has a system role."""

    def read(self, request: Request) -> Prompt:
        """The request as token ids.

        Raises:
            ModelRejected: The chat template refuses the conversation.
        """
        with self._lock:
            return self._as_chat(request) if self._template is None else self._as_steps(request, self._template)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens; for one thread only."""
        text: str = self._decoder.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _as_chat(self, request: Request) -> Prompt:
        begun = plain_ids(self._tokenizer, request.prefill) if request.prefill else []
        ids = (*self._conversation(request.messages), *begun)
        return Prompt(ids, self._ends, stop=request.stop, lead=ids)

    def _conversation(self, messages: Sequence[Message]) -> list[int]:
        """The ids of a conversation, up to where the assistant begins."""
        if not self._tokenizer.chat_template:  # a base model: it goes on from the text
            begin = self._tokenizer.bos_token_id
            text = "".join(f"{message.content}\n\n" for message in messages)
            return [*([] if begin is None else [begin]), *plain_ids(self._tokenizer, text)]
        turns = [{"role": message.role, "content": message.content} for message in messages]
        jinja2 = require("jinja2", "serving", PURPOSE)
        try:
            found = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_dict=False, sanitize_control_tokens=True
            )
        except (jinja2.TemplateError, ValueError) as error:
            first = next(iter(str(error).splitlines()), type(error).__name__)
            raise ModelRejected(f"the model's chat template refuses the conversation: {first}", status=400) from error
        return list(found)

    def _takes_system(self) -> bool:
        try:
            self._conversation((Message("system", "Be brief."), Message("user", "Hello")))
        except ModelRejected:
            return False
        return True

    def _as_steps(self, request: Request, template: StepTemplate) -> Prompt:
        """Question and steps. White space that ends a step is what the step token stands for.

        Where nothing ends a step, the whole solution is wanted: the step token is then a line break.
        """
        question, steps, tail = _spelled(request)
        lead = plain_ids(self._tokenizer, tail) if tail else []
        ids = (*template.prompt(self._tokenizer, question, steps), *lead)
        assert self._step is not None  # read with the template
        if not request.stop:
            return Prompt(ids, self._ends, breaks=self._step, lead=tuple(lead))
        stop = tuple(word for word in request.stop if word.strip())
        return Prompt(ids, self._ends | {self._step}, stop=stop, lead=tuple(lead))


def _ends(folder: FilePath, tokenizer: Any) -> set[int]:
    """The tokens at which the model ends: the tokenizer's, and those of the generation settings."""
    ends = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    try:
        named = json.loads((folder / "generation_config.json").read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        return ends
    return ends | {int(token) for token in (named if isinstance(named, list) else [named]) if token is not None}


def _spelled(request: Request) -> tuple[str, list[str], str]:
    """Question, whole steps, and the beginning of the next step."""
    path = request.path
    if path is None:
        users = [message.content for message in request.messages if message.role == "user"]
        return (users or [""])[-1], [], request.prefill
    steps: list[str] = []
    tail = ""
    for step in path.steps:
        if step.granularity == "token":  # pieces, cut anywhere: a line of them is a step
            *lines, tail = (tail + step.text).split("\n")
            steps += lines
        else:
            steps += [tail + step.text]
            tail = ""
    return path.task.prose, [step for step in steps if step.strip()], tail + _begun(path, request.prefill)


def _begun(path: Path, prefill: str) -> str:
    """What is begun for the model beyond the steps of the path, whatever stands between steps."""
    at = 0
    for step in path.steps:
        found = prefill.find(step.text, at)
        if found < 0 or prefill[at:found].strip():
            return ""
        at = found + len(step.text)
    rest = prefill[at:]
    return rest.lstrip() if rest.strip() else ""
