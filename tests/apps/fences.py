"""What the endpoint says about fences, in a process of its own: right once the lesson is in view."""

from __future__ import annotations

import json
from typing import Any

LESSON = "Count the posts, and not the gaps between them."


def answer(body: dict[str, Any], index: int) -> str:
    """A lesson where one is asked for, else an attempt."""
    user = str(body["messages"][-1]["content"])
    if "lessons" in json.dumps(body.get("response_format", {})):
        lesson = {"title": "Posts", "lesson": LESSON, "applies": "posts of fences", "excludes": ""}
        return json.dumps({"cause": "Gaps were counted.", "lessons": [lesson]})
    return "I draw it.\nAnswer: 14" if LESSON in user else "I guess.\nAnswer: 13"
