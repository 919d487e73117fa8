"""A policy that reads what our conversations ask of it and does it: calls tools, fills schemas, replies in words.

It stands for a model that follows instructions. It knows only what the prompt says, as a model would.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy

_TOOLS = re.compile(r"<tools>\n(.*?)\n</tools>", re.DOTALL)
_SCHEMA = re.compile(r"<schema>\n(.*?)\n</schema>", re.DOTALL)
_RESULT = re.compile(r"<result>\n(.*?)\n</result>", re.DOTALL)
_CONTEXT = re.compile(r"<context>\n.*?\n</context>\n+", re.DOTALL)
_TOOLS_BEGIN = "\n\nTools can be called."
_FORM_BEGINS = re.compile(r"\n\n(?:The answer|Think briefly) ")


def competent(**options: Any) -> ScriptedPolicy:
    """The policy; `options` are those of `ScriptedPolicy`."""
    return ScriptedPolicy(_reply, **options)


def _reply(request: Request, sample: int) -> str:
    if request.json_schema is not None:
        return json.dumps({"reason": "it does what was asked", "score": 9})
    prompt = request.messages[-1].content
    written = f"I look at what is asked.\nAnswer: {_answer(prompt)}"
    return written.removeprefix(request.prefill) if written.startswith(request.prefill) else ""


def _answer(prompt: str) -> str:
    """What the prompt asks for."""
    since = prompt.rpartition("Since the question below was asked:")[2] if "Since the question" in prompt else ""
    results = _RESULT.findall(since)
    asked = _FORM_BEGINS.split(_CONTEXT.sub("", prompt).partition(_TOOLS_BEGIN)[0])[0]
    tools = _TOOLS.search(prompt)
    if tools and ("The answer is one" in prompt.partition("</tools>")[2] or (_acts(asked) and not results)):
        tool = json.loads(tools[1].splitlines()[0])
        named = re.search(r"calls? of ([\w-]+) and nothing else", prompt)
        for line in tools[1].splitlines():
            if named and json.loads(line)["tool"] == named[1]:
                tool = json.loads(line)
        return json.dumps({"tool": tool["tool"], "arguments": _filled(tool["arguments"], asked)}, ensure_ascii=False)
    schema = _SCHEMA.search(prompt)
    if schema:
        return "```json\n" + json.dumps(_filled(json.loads(schema[1]), asked)) + "\n```"
    if "is one JSON object and nothing else" in prompt:
        return json.dumps(dict.fromkeys(re.findall(r"'(\w+)'", asked), "as asked"))
    return f"The tool says {results[-1]}." if results else f"You said: {' '.join(asked.split())}"


def _acts(asked: str) -> bool:
    """Whether a question is one for tools."""
    return bool(re.search(r"weather|the tool|magic_function|what is \d", asked, re.IGNORECASE))


def _filled(schema: Any, asked: str) -> Any:
    """A value under a schema, made of what was asked."""
    root = schema

    def fill(part: Any) -> Any:
        if "$ref" in part:
            return fill(root["$defs"][part["$ref"].rpartition("/")[2]])
        if "enum" in part:
            return part["enum"][0]
        if "anyOf" in part:
            return fill(part["anyOf"][0])
        match part.get("type"):
            case "object":
                return {name: fill(inner) for name, inner in part.get("properties", {}).items()}
            case "array":
                return [fill(part.get("items", {}))]
            case "integer" | "number":
                found = re.search(r"\d+", asked)
                return int(found[0]) if found else 0
            case "boolean":
                return True
            case "null":
                return None
        return " ".join(asked.split())

    return fill(schema)
