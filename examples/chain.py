"""A LangChain chain whose chat model reasons: prompt | ReasoningChatModel | parser, streamed and with its bill.

    python examples/chain.py                                                  # offline: a script answers
    python examples/chain.py --model openai/gpt-5-mini --blueprint best-of-n  # or ollama/qwen3:8b, embedded, ...
    python examples/chain.py "Your question?" --model ...

`ReasoningChatModel` takes the place of any chat model. One call is one search; its message carries the whole bill.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

import reflectree as rt
from reflectree.graphs.adapters.chat_model import ReasoningChatModel
from reflectree.models.base import Request
from reflectree.testing import ScriptedPolicy

QUESTION = "A train leaves at 9:40 and arrives at 12:25. How long does it take?"
SAID = (
    "From 9:40 to 12:40 are three hours, less 15 minutes.\nAnswer: 2 hours 45 minutes",
    "12 less 9 is 3, 25 less 40 is 15 more.\nAnswer: 3 hours 15 minutes",
)


def say(request: Request, sample: int) -> str:
    """Stands in for a model: right two times in three."""
    return SAID[random.Random((request.seed or 0) + sample).random() > 0.67]


def main() -> None:
    """Build the chain, call it once, and stream it once: two searches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--model", default=None, help="a model by name; without one a script answers")
    parser.add_argument("--blueprint", default="self-consistency", help="how to reason: cot, best-of-n, mcts, ...")
    parser.add_argument("--max-calls", type=int, default=24, help="cap on model calls of one reply")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    policy: Any = args.model or ScriptedPolicy(say)
    model = ReasoningChatModel(blueprint=args.blueprint, policy=policy, max_calls=args.max_calls, seed=args.seed)
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer in {language}, as briefly as you can."), ("user", "{question}")]
    )
    asked = {"language": "English", "question": args.question}

    message: AIMessage = (prompt | model).invoke(asked)
    usage = message.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
    print(f"answer: {message.text}")
    print(
        f"bill: {usage['input_tokens']:,} prompt and {usage['output_tokens']:,} written tokens, in the message itself"
    )
    for key, value in message.response_metadata.items():
        print(f"  {key}: {value}")

    print("\nthe same as a stream, with what the search is doing:")
    for chunk in (prompt | model).stream(asked):
        thought = chunk.additional_kwargs.get("reasoning_content")
        if thought:
            print(f"  {thought.strip()}")
        if chunk.text:
            print(f"answer: {chunk.text}")

    print(f"\nprompt | model | StrOutputParser() gives {StrOutputParser().invoke(message)!r}")


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
