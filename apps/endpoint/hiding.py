"""What clients are not told of an error: where the models are, which is said to whoever runs the server."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\bhttps?://[^\s'\"<>]+", re.IGNORECASE)
_WHY = re.compile(r"(?<=cannot be reached)\b.*", re.DOTALL)
"""Why a server cannot be reached is told with its host and port."""


def hidden(said: str) -> str:
    """An error's text, or the line of progress that tells of it, without addresses."""
    return _ADDRESS.sub("the model's server", _WHY.sub("", said))
