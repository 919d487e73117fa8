"""What a reasoning chat model is: its settings, its name, and the run that it makes of a conversation.

How LangChain calls it, and what becomes of the run's reply there, is in `chat_model`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Self

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import BaseMessage
from pydantic import ConfigDict, Field, SecretStr, model_validator

from reflectree.graphs import blueprints
from reflectree.graphs.adapters.names import full_name
from reflectree.graphs.adapters.openai_form import wants_of
from reflectree.graphs.adapters.replying import Replied, areply
from reflectree.graphs.live import OnEvent
from reflectree.graphs.run import asolve
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput

SETTINGS = frozenset({
    "tools", "tool_choice", "parallel_tool_calls", "response_format", "model", "temperature", "max_tokens", "timeout",
    "seed", "stop",
})  # fmt: skip
"""What a call may set."""
OPTIONS = frozenset(inspect.signature(asolve).parameters) - {
    "task", "blueprint", "policy", "evaluator", "verifier", "memory", "wanted", "budget", "seed", "checkpoint",
    "run_id", "on_event",
}  # fmt: skip
"""What `options` may hold: what `asolve` takes and no field says."""
IDLE = frozenset({"stream", "strict", "ls_structured_output_format", "run_manager"})
"""What LangChain adds to calls, and what changes nothing here."""


class ReasoningSettings(BaseChatModel):
    """What a `ReasoningChatModel` is made with.

    Attributes:
        model: The name, `BLUEPRINT/POLICY`; given, it stands for both (`mcts/openai/gpt-5-mini`).
        blueprint: The reasoning system, as `solve` takes it.
        policy: The model that writes: a string, a LangChain chat model or a `PolicyModel`.
        api_key: The key of a policy given as a string, in place of its environment variable.
        base_url: The address of a policy given as a string.
        max_calls: Most model calls of one reply.
        max_total_tokens: Most tokens of all calls of one reply.
        max_usd: Most dollars of one reply.
        max_seconds: Most seconds one reply may take.
        temperature: Sampling temperature, in place of the blueprint's.
        max_tokens: Most tokens one sample may write, in place of the blueprint's; a budget caps the whole.
        timeout: Seconds after which one request to the policy is cut, in place of the blueprint's.
        stop: Strings that end a reply's words.
        max_retries: How often a request that failed for a moment is tried again.
        seed: Seed of all sampling: the same conversation is sampled alike again where the policy honours seeds.
        evaluator: What scores steps, as `solve` takes it.
        verifier: What says whether a reply is right, as `solve` takes it.
        memory: What replies recall from and learn into.
        checkpoint: Where runs are saved; each has the id of its LangChain run.
        options: Anything else that `solve` takes: `judge`, `models`, `concurrency`, ...
        progress: Whether streams tell how the search goes on, as `reasoning_content`.
        streaming: Whether calls that could stream do.
    """

    model: str | None = None
    blueprint: Any = "best-of-n"
    policy: Any = "embedded"
    api_key: SecretStr | None = None
    base_url: str | None = None
    max_calls: int | None = None
    max_total_tokens: int | None = None
    max_usd: float | None = None
    max_seconds: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float | None = Field(default=None, alias="request_timeout")
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    max_retries: int | None = None
    seed: int = 0
    evaluator: Any = None
    verifier: Any = None
    memory: Any = None
    checkpoint: Any = None
    options: dict[str, Any] = Field(default_factory=dict)
    progress: bool = True
    streaming: bool = False

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True, extra="forbid")

    @model_validator(mode="after")
    def _checked(self) -> Self:
        """Refuse a blueprint that there is not, and caps that cannot be."""
        defaults = {name: type(self).model_fields[name].default for name in ("blueprint", "policy")}
        if self.model and any(getattr(self, name) is not default for name, default in defaults.items()):
            raise BadInput(f"model={self.model!r} stands for blueprint and policy: give it alone, or those two")
        unknown = sorted(self.options.keys() - OPTIONS)
        if unknown:
            own = " (it is a field of the model)" if unknown[0] in type(self).model_fields else ""
            raise BadInput(f"options: {unknown[0]!r} is none{own}: use {', '.join(sorted(OPTIONS))}")
        blueprints.load(self._meant()[0])
        self._budget()
        return self

    # How it is known

    @property
    def model_name(self) -> str:
        """`BLUEPRINT/POLICY`."""
        blueprint, policy = self._meant()
        name = policy if isinstance(policy, str) else resolve_policy(policy).name
        return full_name(blueprints.load(blueprint).name, name)

    @property
    def _llm_type(self) -> str:
        return "reflectree"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        """What replies depend on: LangChain's caches and tracers tell models apart by it."""
        plain = ("base_url", "temperature", "max_tokens", "timeout", "stop", "max_retries", "seed", "max_calls")
        known = {name: getattr(self, name) for name in (*plain, "max_total_tokens", "max_usd", "max_seconds")}
        others = {name: repr(given) for name in ("evaluator", "verifier", "memory") if (given := getattr(self, name))}
        options = {name: repr(given) for name, given in sorted(self.options.items())}
        digest = blueprints.load(self._meant()[0]).digest
        return {"model_name": self.model_name, **known, "blueprint": digest, **others, **options}

    def _resolve_model_profile(self) -> ModelProfile | None:
        return ModelProfile(
            text_inputs=True,
            image_inputs=False,
            audio_inputs=False,
            video_inputs=False,
            pdf_inputs=False,
            text_outputs=True,
            reasoning_output=True,
            tool_calling=True,
            structured_output=True,
        )

    def _meant(self) -> tuple[Any, Any]:
        """The blueprint and the policy."""
        if not self.model:
            return self.blueprint, self.policy
        blueprint, _, policy = self.model.partition("/")
        return blueprint, policy or self.policy

    # How it runs

    def _with(self, kwargs: Mapping[str, Any]) -> Self:
        """The model with what one call sets otherwise.

        Raises:
            BadInput: The call sets what there is not.
        """
        unknown = sorted(kwargs.keys() - SETTINGS - IDLE)
        if unknown:
            raise BadInput(f"{unknown[0]!r} is nothing a call can set here: use {', '.join(sorted(SETTINGS))}")
        named = ("temperature", "max_tokens", "timeout", "seed")
        changed = {name: kwargs[name] for name in named if kwargs.get(name) is not None}
        if kwargs.get("model"):
            blueprint, _, policy = str(kwargs["model"]).partition("/")
            changed |= {"model": None, "blueprint": blueprint, "policy": policy or self._meant()[1]}
        return self.model_copy(update=changed)

    async def _run(
        self,
        messages: Sequence[BaseMessage],
        stop: Sequence[str] | None,
        run_id: str,
        kwargs: Mapping[str, Any],
        on_event: OnEvent | None,
    ) -> Replied:
        """One run."""
        form = (kwargs.get(name) for name in ("tools", "tool_choice", "parallel_tool_calls", "response_format"))
        wants = wants_of(*form)
        options = dict(self.options)
        if self.max_retries is not None:
            options.setdefault("retries", Retries(attempts=self.max_retries + 1))
        blueprint, policy = self._meant()
        key = None if self.api_key is None else self.api_key.get_secret_value()
        ours = None
        if isinstance(policy, str) and (key or self.base_url):
            policy = ours = resolve_policy(policy, api_key=key, base_url=self.base_url)
        try:
            return await areply(
                messages,
                wants=wants,
                blueprint=blueprint,
                policy=policy,
                budget=self._budget(),
                seed=self.seed,
                checkpoint=self.checkpoint,
                run_id=run_id,
                on_event=on_event,
                memory=self.memory,
                stop=stop or self.stop or (),
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                timeout=self.timeout,
                evaluator=self.evaluator,
                verifier=self.verifier,
                **options,
            )
        finally:
            if ours is not None:
                await ours.aclose()

    def _budget(self) -> Budget:
        return Budget(calls=self.max_calls, tokens=self.max_total_tokens, usd=self.max_usd, seconds=self.max_seconds)
