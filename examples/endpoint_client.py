"""Any OpenAI client against `reflectree serve`: the model's name says how to reason and with which model.

    python examples/endpoint_client.py                       # offline: starts a server whose model is a script
    reflectree serve --model openai/gpt-5-mini &             # or yours, and then
    python examples/endpoint_client.py --url http://127.0.0.1:8000/v1 --name best-of-n

It needs `pip install 'reflectree[serve]' openai`. The same in JavaScript is endpoint_client.mjs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Any

from openai import OpenAI, OpenAIError

from reflectree.apps.endpoint.offering import offer
from reflectree.apps.endpoint.run import serving
from reflectree.apps.endpoint.service import Service
from reflectree.testing import ScriptedPolicy

QUESTION = "Three boxes hold 12 eggs each. Four eggs are broken. How many are whole?"
SAID = ("12 * 3 = 36, less 4 is 32.\nAnswer: 32", "12 + 3 = 15.\nAnswer: 15", "36 and 4 broken ones.\nAnswer: 32")


def main() -> None:
    """List the models, ask one, and stream another reply with what the search is doing: two searches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--url", default=None, help="of a server that runs; without one a scripted one is started")
    parser.add_argument("--name", default="self-consistency", help="a model's name: BLUEPRINT or BLUEPRINT/POLICY")
    parser.add_argument("--max-calls", type=int, default=20, help="cap on the model calls of one reply")
    args = parser.parse_args()

    with contextlib.ExitStack() as stack:
        url = args.url
        if url is None:
            model = ScriptedPolicy(lambda request, sample: SAID[sample % 3])
            service = Service(offer([model], ["cot", "self-consistency", "best-of-n"]))
            url = f"{stack.enter_context(serving(service))}/v1"
        client = stack.enter_context(OpenAI(base_url=url, api_key=os.environ.get("REFLECTREE_KEY", "none")))
        print("models:", ", ".join(model.id for model in client.models.list()))
        asked: Any = [{"role": "user", "content": args.question}]
        headers = {"X-Reflectree-Max-Calls": str(args.max_calls)}

        reply = client.chat.completions.create(model=args.name, messages=asked, extra_headers=headers)
        usage = reply.usage
        print(f"answer: {reply.choices[0].message.content}")
        if usage is not None:
            print(f"bill: {usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} written tokens")

        print("\nas a stream, with what the search is doing:")
        stream: Any = client.chat.completions.create(
            model=args.name, messages=asked, stream=True, extra_headers=headers
        )
        answer = ""
        for chunk in stream:
            for choice in chunk.choices:
                thought = getattr(choice.delta, "reasoning_content", None)
                if thought:
                    print("  " + thought.strip().replace("\n", "\n  "))
                answer += choice.delta.content or ""
        print(f"answer: {answer}")


if __name__ == "__main__":
    try:
        main()
    except (OpenAIError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
