"""Retrieval and reasoning: passages from a memory store stand in the task's context, and a search answers from them.

    python examples/rag.py                               # offline: small local vectors, and a script that reads
    python examples/rag.py --model openai/gpt-5-mini     # a model reads
    python examples/rag.py --k 1                         # fewer passages: what is not retrieved cannot be answered

Three ways are set side by side: no passages, one reading of them, and several readings that vote. Voting helps with
misreadings, never with a passage that was not found. What was retrieved is data: it is fenced in the prompt.
Vectors of meaning need `pip install 'reflectree[memory]'`; without it words are matched by hashes, and it says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
from typing import Any

import reflectree as rt
from reflectree.memory import NumpyStore
from reflectree.models.base import Request
from reflectree.testing import ScriptedPolicy

MANUAL = (
    "The kiln of hall A is heated to 1240 degrees for stoneware.",
    "The kiln of hall B is used for earthenware only, at 1060 degrees.",
    "Cooling the kiln takes 9 hours, and it must not be opened above 150 degrees.",
    "A full load of hall A is 80 mugs or 32 bowls.",
    "Glaze is mixed from 3 parts feldspar and 2 parts ash, and sieved twice.",
    "The pug mill is cleaned after every 40 kilograms of clay.",
    "Clay of the kind M12 shrinks by 12 percent, M9 by 9 percent.",
    "Visitors are shown round on the first Monday of the month, 15 at a time.",
)
QUESTIONS = {
    "How hot is the kiln for stoneware, in degrees?": "1240",
    "How many mugs are a full load?": "80",
    "How many hours does the kiln cool?": "9",
    "By how many percent does M12 clay shrink?": "12",
    "After how many kilograms of clay must the mill be cleaned?": "40",
    "How many visitors are shown round at a time?": "15",
}


def read(request: Request, sample: int) -> str:
    """Stands in for a model: it looks for the sentence most like the question, and misreads a number now and then."""
    asked = request.messages[-1].content
    context, question = asked.split("</context>") if "</context>" in asked else ("", asked)
    dice = random.Random((request.seed or 0) + sample)
    wanted = set(re.findall(r"[a-z]{4,}", question.lower().split("?")[0]))
    lines = [line for line in context.splitlines() if re.search(r"\d", line)]
    if not lines:
        return f"I do not know, and guess.\nAnswer: {dice.randint(1, 100)}"
    best = max(lines, key=lambda line: len(wanted & set(re.findall(r"[a-z]{4,}", line.lower()))) + dice.random())
    numbers = re.findall(r"\d+(?= )", best) or ["0"]
    return f"It says: {best}\nAnswer: {numbers[0] if dice.random() < 0.65 else dice.randint(1, 100)}"


def main() -> None:
    """Fill the store, retrieve, answer three ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="a model by name; without one a script reads")
    parser.add_argument("--k", type=int, default=3, help="passages retrieved for a question")
    parser.add_argument("--n", type=int, default=9, help="readings that vote")
    parser.add_argument("--folder", default=None, help="keep the store in this folder")
    args = parser.parse_args()

    policy: Any = args.model or ScriptedPolicy(read)
    vote = rt.blueprints.load("self-consistency").with_overrides({"scheme.strategy.n": args.n})
    ways = {"no passages": ("cot", False), "one reading": ("cot", True), f"{args.n} readings that vote": (vote, True)}
    right, tokens, found, usd = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0), 0, 0.0
    with NumpyStore(args.folder, index={"embed": embedder(), "fields": ["text"]}) as store:
        passages = store.as_vectorstore(("manual",))
        passages.add_texts(list(MANUAL), ids=[f"line-{number}" for number in range(len(MANUAL))])
        retriever = passages.as_retriever(search_kwargs={"k": args.k})
        for question, gold in QUESTIONS.items():
            context = "\n".join(passage.page_content for passage in retriever.invoke(question))
            found += bool(re.search(rf"\b{gold}\b", context))
            for name, (blueprint, reads) in ways.items():
                task = rt.Task(question, context=context if reads else "", verifier=rt.verifiers.numeric(float(gold)))
                result = rt.solve(task, blueprint=blueprint, policy=policy, budget=rt.Budget(calls=2 * args.n))
                right[name] += bool(result.selected_correct)
                tokens[name] += result.usage.tokens
                usd += result.usage.usd or 0.0
    print(f"the passage with the answer was among the {args.k} retrieved for {found} of {len(QUESTIONS)} questions")
    for name in ways:
        print(
            f"{name:24} {right[name]} of {len(QUESTIONS)} right, {tokens[name] / len(QUESTIONS):,.0f} tokens a question"
        )
    print(f"${usd:.4f} in all, where the price is known")


def embedder() -> str:
    """Vectors of meaning, or hashed words where their package is missing."""
    if importlib.util.find_spec("wordllama") is None:
        print("wordllama is not installed (pip install 'reflectree[memory]'): words are matched by hashes\n")
        return "hashing"
    return "embedded"


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
