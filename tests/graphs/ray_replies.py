"""A reply that follows from the request alone, for a server in a process of its own."""

from __future__ import annotations

import json
import zlib
from typing import Any


def reply(body: dict[str, Any], index: int) -> str:
    """A score where one is asked for; else a thought or an answer."""
    words = json.dumps([body.get("messages"), body.get("seed")], sort_keys=True)
    drawn = zlib.crc32(words.encode())
    if "score" in words.lower():
        return json.dumps({"reason": "it may be", "score": drawn % 10})
    return f"Answer: {drawn % 5}" if drawn % 3 else f"Thought {drawn % 1000}: go on."
