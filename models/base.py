"""What a model is to the rest of the framework: three small protocols and the words they exchange.

A `PolicyModel` makes *one* attempt a call and raises a typed error when it fails; retrying, budgets and time-outs
are one layer above (`reflectree.models.calling`), the same for every client. Nothing here imports a client library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "filter", "tool", "unknown"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """Everything one model call asks for, independent of the provider.

    Attributes:
        messages: The conversation, oldest first.
        max_tokens: Most tokens a sample may write, hidden reasoning included.
        temperature: Sampling temperature; `None` leaves it to the provider.
        top_p: Nucleus mass; `None` leaves it to the provider.
        stop: Strings that end a sample; they are not part of the text.
        seed: Sampling seed; providers without one ignore it.
        n: Samples wanted of the same prompt.
        top_logprobs: Alternatives a token whose log-probabilities are wanted; 0 wants none, 1 the chosen token's.
        prefill: Text the assistant's turn already begins with; the reply continues it and does not repeat it.
        json_schema: A JSON schema the reply must follow, where the provider can enforce one.
        diverse: Draw samples that differ: by the server's diverse beam search, or without replacement.
        timeout: Seconds after which the attempt is cut.
        path: The path that is continued, for a policy that reads steps and not conversations (one that we trained).
        known: With `diverse`, steps that there are already: a policy that can (`Capabilities.distinct`) draws others.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float | None = 0.8
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    top_logprobs: int = 0
    prefill: str = ""
    json_schema: dict[str, Any] | None = None
    diverse: bool = False
    timeout: float = 60.0
    path: Path | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One sample of a reply.

    Attributes:
        text: What was written, without prefill, stop string or hidden reasoning.
        finish: Why it ended.
        token_logprobs: Log-probability of each written token, where the provider gives them.
        alternatives: For each written token the log-probabilities of the best ones at its place, where asked for.
        reasoning: Hidden or separate thought, where the provider shows it.
    """

    text: str
    finish: Finish = "stop"
    token_logprobs: tuple[float, ...] | None = None
    reasoning: str = ""
    alternatives: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one attempt. `usage.calls` counts the requests it took (a client without `n` sends several)."""

    choices: tuple[Choice, ...]
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do. What it cannot, `reflectree.models.fallback` does without.

    Attributes:
        max_n: Most samples one request may ask for; 1 means that `n` is not supported.
        logprobs: Log-probabilities of written tokens can be had.
        prefill: A begun assistant turn can be continued.
        system: There is a system role.
        stop: Stop strings are honoured by the provider.
        seed: Seeds are honoured.
        json_schema: A JSON schema can be enforced.
        temperature: Sampling parameters are accepted.
        diverse_beams: The server can search `n` samples by diverse beams.
        distinct: It draws `diverse` samples without replacement, and leaves out those of `Request.known`.
        hidden_reasoning: The model may spend `max_tokens` on thought that is not in the text.
        converses: It can be asked anything, and so can judge; a policy that only writes steps cannot.
        max_concurrency: Most requests worth sending at once; `None` means no limit is known.
        context_tokens: Most tokens of prompt and reply together; `None` means unknown.
    """

    max_n: int = 1
    logprobs: bool = False
    prefill: bool = False
    system: bool = True
    stop: bool = True
    seed: bool = True
    json_schema: bool = False
    temperature: bool = True
    diverse_beams: bool = False
    distinct: bool = False
    hidden_reasoning: bool = False
    converses: bool = True
    max_concurrency: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars for so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


FREE = Price(0.0, 0.0)


@runtime_checkable
class PolicyModel(Protocol):
    """A language model that writes steps.

    Attributes:
        name: The model's string, as `reflectree.policy` takes it.
        capabilities: What it can do, as known so far.
        price: Its price; `None` where it is unknown.
    """

    name: str
    capabilities: Capabilities
    price: Price | None

    async def complete(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            TransientModelError: Another attempt may succeed (`ModelTimeout`, `ModelUnreachable`, 429, 5xx, bad body).
            ModelRejected: It will not (wrong key, unknown model, 4xx).
        """
        ...

    def prompt_bound(self, request: Request) -> int:
        """The most tokens the prompt of `request` can count: what a budget reserves before the call."""
        ...

    async def aclose(self) -> None:
        """Release connections and threads; further calls are an error."""
        ...


@runtime_checkable
class ValueModel(Protocol):
    """Scores paths: the chance, in [0, 1], that a path leads to a right answer."""

    name: str

    async def score(self, paths: Sequence[Path]) -> list[float]:
        """One value a path, in order."""
        ...

    async def aclose(self) -> None:
        """Release what the model holds."""
        ...


@runtime_checkable
class RewardModel(Protocol):
    """Scores each step of a path (a process reward model)."""

    name: str

    async def score_steps(self, paths: Sequence[Path]) -> list[list[float]]:
        """For each path one score a step, each in [0, 1]."""
        ...

    async def aclose(self) -> None:
        """Release what the model holds."""
        ...


@runtime_checkable
class PreferenceModel(Protocol):
    """Compares paths (a pairwise preference model)."""

    name: str

    async def prefer(self, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
        """For each pair the chance, in [0, 1], that its first path is the better one."""
        ...

    async def aclose(self) -> None:
        """Release what the model holds."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """Options of a policy that are not part of its name.

    Attributes:
        base_url: Root of an OpenAI-compatible endpoint, `/v1` included.
        api_key: Bearer key; where absent, the provider's environment variable is read.
        headers: Extra HTTP headers.
        price: Overrides the known price.
        capabilities: Overrides the assumed capabilities.
        extra: Provider-specific fields added to each request body.
    """

    base_url: str | None = None
    api_key: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    price: Price | None = None
    capabilities: Capabilities | None = None
    extra: dict[str, Any] = field(default_factory=dict)
