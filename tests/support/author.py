"""A policy that answers every kind of prompt the agents have, from the request alone: what golden traces run on."""

from __future__ import annotations

from typing import Any

from tests.support.engine import Oracle, digest

from reflectree.agents.prompts import COMPARE
from reflectree.agents.prompts.merging import MERGE
from reflectree.agents.prompts.refining import CRITIQUE, REFINE
from reflectree.agents.prompts.reflecting import REFLECT
from reflectree.agents.prompts.solving import ASKS
from reflectree.models.base import Choice, Request


def author() -> Oracle:
    """The policy."""
    return Oracle(lambda request, number: _choice(request))


def _choice(request: Request) -> Choice:
    text = _text(request)
    words = text.split()
    doubt = digest(request.seed, text) % 10 / 10
    logprobs = tuple(-0.1 - doubt for _ in words)
    others = tuple((-0.1 - doubt, -2.0, -3.0) for _ in words)
    return Choice(text, "stop", logprobs, alternatives=others, reasoning="First 6 * 7.\n\nWait, that is 42.")


def _text(request: Request) -> str:
    number = digest(request.seed, request.prefill, request.messages[-1].content)
    if request.json_schema:
        return _json(request.json_schema, number)
    system, asked = request.messages[0].content, request.messages[-1].content
    if system == COMPARE:
        return "AB"[number % 2]
    if system == CRITIQUE:
        return "Verdict: correct" if number % 4 == 0 else "Verdict: wrong\nThe product is off."
    if system == REFLECT:
        return f"Multiply with care ({number % 10})."
    if system in (REFINE, MERGE):
        return f"6 * 7 is {40 + number % 4}.\nAnswer: {40 + number % 4}"
    for name, ask in ASKS.items():
        if ask and ask.partition("{count}")[0] in asked:
            return _asked(name, request, number)
    return _solved(request, number)


def _asked(name: str, request: Request, number: int) -> str:
    begun = request.prefill
    if name == "act":
        if "Observation" in begun:
            return "Thought: that is it.\nAction: finish[42]"
        return "Thought: multiply.\nAction: calculator[6 * 7]"
    if name == "code":
        return "Answer: 42" if "output" in begun else "Multiply.\n```python\nprint(6 * 7)\n```"
    if name == "subquestion":
        return f"Reply: it is {number % 50}."
    return {
        "answer": "Answer: 42",
        "plan": "1. Multiply.\n2. Answer.",
        "decompose": "1. What is 6 times 6?\n2. What is 6 times 7?",
        "experiment": "Answer: 42" if "Observation" in begun else "Thought: look it up.\nSEARCH: designs",
        "command": f"Thought: look around ({number % 7}).\nAction: {'go north' if number % 3 else 'jump'}",
        "rephrase": "There are six sevens. How many is that?",
        "propose": f"1. Add six sevens ({number % 9}).\n2. Answer: {40 + number % 4}",
    }[name]


def _solved(request: Request, number: int) -> str:
    step = f"step {number % 97}"
    if "\n" not in request.stop and number % 3:  # a whole solution; now and then one without an answer
        return f"{step}\nAnswer: {40 + number % 4}"
    return f"Answer: {40 + number % 4}" if number % 5 == 0 else step


def _json(schema: dict[str, Any], number: int) -> str:
    import json

    def value(part: dict[str, Any], name: str) -> Any:
        if "enum" in part:
            return part["enum"][number % len(part["enum"])]
        kind = part.get("type")
        if kind == "object":
            return {key: value(inner, key) for key, inner in part.get("properties", {}).items()}
        if kind == "integer":
            low = part.get("minimum", 0)
            return low + number % (part.get("maximum", low + 9) - low + 1)
        if kind == "number":
            return number % 100 / 100
        if kind == "boolean":
            return bool(number % 2)
        if kind == "array":
            return [value(part.get("items", {"type": "string"}), name)]
        return f"{name} {number % 10}"

    return json.dumps(value(schema, ""))
