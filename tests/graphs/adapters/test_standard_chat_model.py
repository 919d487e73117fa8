"""`ReasoningChatModel` under LangChain's own suites, with a policy that follows instructions.

What is skipped, and why:

- `test_init_from_env`: no field is read from the environment; keys belong to the policy.
- `test_serdes`: a chat model is no serializable object, since its policy, evaluator and memory may be live objects.
- `test_stream_time`: a benchmark of cassettes; it measures the suite's own network recordings.
- images, PDFs and audio, in turns and tool messages: policies get words alone, and such a turn is refused (tested).
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from tests.support.competent import competent

from reflectree.graphs.adapters.chat_model import ReasoningChatModel


class TestUnit(ChatModelUnitTests):
    """Without a call."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ReasoningChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"blueprint": "cot", "policy": competent()}

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True


class Conforming(ChatModelIntegrationTests):
    """With calls."""

    blueprint: Any = "cot"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ReasoningChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"blueprint": self.blueprint, "policy": competent()}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str | None:
        return "self-consistency"


class TestChainOfThought(Conforming):
    """One solution."""


class TestFunctionCalling(Conforming):
    """Structured output by tools."""

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": "function_calling"}


BEST_OF_3 = {
    "name": "best-of-3",
    "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "best-of-n", "n": 3}},
    "selection": "value",
}


class TestBestOfN(Conforming):
    """Several solutions and a judge."""

    blueprint = BEST_OF_3


STEPS = {
    "name": "steps",
    "scheme": {
        "structure": "tree",
        "granularity": "step",
        "strategy": {"name": "mcts", "width": 2, "root_width": 2, "depth": 3},
    },
    "budget": {"calls": 30},
}


class TestTreeSearch(Conforming):
    """Steps, so that answers are begun by one request and completed by another."""

    blueprint = STEPS
