"""A LangChain agent that searches over its next message, and has a tool with which it hands hard questions to a search.

    python examples/agent_with_tools.py                               # offline: a script is the agent's model
    python examples/agent_with_tools.py --model openai/gpt-5-mini     # needs langchain-openai and OPENAI_API_KEY
    python examples/agent_with_tools.py --model http://localhost:8000/v1#qwen3    # or a server of yours
    python examples/agent_with_tools.py --n 1                         # the same agent without the search

`SearchMiddleware` draws several candidates of each message from the agent's own model and lets them vote: tool calls by
name and arguments. `reason_tool` is a tool like any other, whose answer comes from a search.
It needs `pip install 'reflectree[langchain]'`.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

import reflectree as rt
from reflectree.graphs.adapters.middleware import SearchMiddleware
from reflectree.graphs.adapters.tool import reason_tool
from reflectree.testing import ScriptedPolicy

QUESTION = "Customer 4711 wants four boxes of pens. Have we enough pens in stock, and how many are left over?"
THOUGHTS = (
    "12 a box times 4 is 48, 50 less 48 is 2.\nAnswer: Yes, 2 pens are left.",
    "50 / 4 is 12.\nAnswer: Yes, none.",
)


def stock(item: str) -> str:
    """How many of an item are in stock, and how many are in a box."""
    return {"pen": "50 in stock, 12 in a box", "ruler": "3 in stock, 1 in a box"}.get(item, f"no item {item!r}")


class ScriptedAgent(BaseChatModel):
    """Stands in for the agent's model: it looks things up, asks `reason`, answers, and errs three times in ten."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """The agent tells it what tools there are."""
        return self.bind(tools=[tool.name for tool in tools], **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        seen = [message for message in messages if isinstance(message, ToolMessage)]
        errs = DICE.random() < 0.3
        if not seen:
            message = call("stock", item="crayon" if errs else "pen")
        elif seen[-1].name == "stock" and (not errs or DICE.random() < 0.5):
            question = "Are the pens enough for four boxes, and how many are left?"
            message = call("reason", question=question, context=str(seen[0].text))
        else:
            wrong = DICE.choice(["No, there are too few.", "Yes, and 12 are left over.", "Yes, with none left over."])
            message = AIMessage(wrong if errs else str(seen[-1].text))
        message.usage_metadata = {"input_tokens": 60, "output_tokens": 15, "total_tokens": 75}
        return ChatResult(generations=[ChatGeneration(message=message)])


def call(name: str, **arguments: str) -> AIMessage:
    """A message that calls a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"{name}-{DICE.randrange(10**6)}"}])


DICE = random.Random(0)


def chat_model(name: str) -> BaseChatModel:
    """The agent's own model, which is one of LangChain's."""
    address, _, served = name.partition("#")
    try:
        if served:
            return init_chat_model(served, model_provider="openai", base_url=address, api_key="none")
        return init_chat_model(name.replace("/", ":", 1))
    except (ImportError, ValueError) as error:
        wanted = "an agent's model is one of LangChain's, PROVIDER/NAME or http://HOST:PORT/v1#NAME"
        raise SystemExit(f"{wanted}: {str(error).splitlines()[0]}") from None


def main() -> None:
    """Make the agent, ask it, and show what it did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument(
        "--model", default=None, help="PROVIDER/NAME or URL#NAME; without one a script is the agent's model"
    )
    parser.add_argument("--n", type=int, default=7, help="candidates of each message; 1 is no search")
    parser.add_argument("--max-calls", type=int, default=20, help="cap on the calls of one search")
    args = parser.parse_args()

    searches: list[rt.Result] = []
    budget = rt.Budget(calls=args.max_calls)
    policy: Any = rt.policy(args.model) if args.model else ScriptedPolicy(lambda _, sample: THOUGHTS[sample % 3 == 2])
    model = chat_model(args.model) if args.model else ScriptedAgent()
    agent = create_agent(
        model,
        tools=[stock, reason_tool("self-consistency", policy, budget=budget)],
        system_prompt="Look up what you need. Leave calculations to the tool `reason`. Answer in one sentence.",
        middleware=[SearchMiddleware("self-consistency", n=args.n, budget=budget, on_result=searches.append)],
    )
    asked: Any = {"messages": [("user", args.question)]}
    for message in agent.invoke(asked)["messages"]:
        calls = [f"{said['name']}({said['args']})" for said in getattr(message, "tool_calls", [])]
        print(f"{message.type}: {' '.join([str(message.text), *calls]).strip()}")
        about = message.response_metadata.get("reflectree")
        if about:
            print(f"    chosen of {about['candidates']} candidates, share of votes {about['score'] or 0:.2f}")
        if isinstance(message, ToolMessage) and message.artifact:
            print(f"    {message.artifact['nodes']} solutions, {message.artifact['usage']['calls']} calls of its own")
    calls_made = sum(search.usage.calls for search in searches)
    tokens = sum(search.usage.tokens for search in searches)
    print(f"\n{len(searches)} messages searched over: {calls_made} calls, {tokens:,} tokens (the tool's own are above)")


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
