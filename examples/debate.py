"""Three agents debate a question, and one of them alone votes with itself at as many tokens.

    python examples/debate.py                                  # offline: a script plays the agents
    python examples/debate.py --model openai/gpt-5-mini        # or ollama/qwen3:8b, embedded, any other model
    python examples/debate.py "Your question?" --answer 42 --model ...

A debate costs several times one answer. Whether it beats sampling at the same tokens is what is printed at the end.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import reflectree as rt
from reflectree.graphs.teams import convene
from reflectree.models.base import Request
from reflectree.testing import ScriptedPolicy

QUESTION = "A bat and a ball cost 1.10 together. The bat costs 1.00 more than the ball. How many cents is the ball?"
FIRST = ("1.10 less 1.00 leaves 10 cents.\nAnswer: 10", "Twice the ball is 10 cents.\nAnswer: 5")
SECOND = "Checked: 5 cents and 105 cents are 110, and differ by 100.\nAnswer: 5"


def say(request: Request, sample: int) -> str:
    """Stands in for a model: it falls into the trap three times in five, and is mostly convinced by a good reason."""
    dice = random.Random(request.seed + sample if request.seed is not None else sample)
    asked = request.messages[-1].content
    convinced = "Twice the ball" in asked or "Checked" in asked
    return SECOND if convinced and dice.random() < 0.9 else FIRST[dice.random() < 0.4]


def main() -> None:
    """Debate, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--answer", default=None, help="the right answer, if known: it is only compared at the end")
    parser.add_argument("--model", default=None, help="a model by name; without one a script answers")
    parser.add_argument("--rounds", type=int, default=2, help="messages of each agent")
    parser.add_argument("--max-calls", type=int, default=60, help="cap on the calls of debate and comparison each")
    parser.add_argument("--seed", type=int, default=2)
    args = parser.parse_args()

    policy: Any = args.model or ScriptedPolicy(say)
    gold = args.answer or ("5" if args.question == QUESTION else None)
    report = convene(
        args.question,
        rt.blueprints.load("debate").with_overrides({"scheme.strategy.rounds": args.rounds}),
        policy=policy,
        verifier=rt.verifiers.exact(gold) if gold else None,
        budget=rt.Budget(calls=args.max_calls),
        seed=args.seed,
    )
    for said in report.messages:
        words = said.problem or " ".join(said.text.split())
        print(f"{said.member}: {words[:110]}")
    print()
    tell("the debate", report.result)
    if report.alone is None:
        print(f"nothing to compare with: {report.problem}")
    else:
        tell("one agent, voting", report.alone)


def tell(who: str, result: rt.Result) -> None:
    """One line: answer, verdict, bill."""
    verdict = {True: "right", False: "wrong", None: "not judged"}[result.selected_correct]
    usage = result.usage
    cost = "unknown" if usage.usd is None else f"${usage.usd:.4f}"
    print(f"{who}: {result.answer} ({verdict}) · {usage.calls} calls · {usage.tokens:,} tokens · {cost}")


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
