"""Text of models made fit to be shown: nothing invisible is left in it, and nothing that changes what stands beside it.

A control character or a mark that turns the direction of writing is replaced by a sign one can see. What markup there
is stays as it is: the page sets text as text.
"""

from __future__ import annotations

import re

MOST_TEXT = 20_000
"""Characters of one text that are shown; the page says how many more there are."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` with signs in place of characters that would not be seen: a picture of a control, else its number."""
    return _HIDDEN.sub(_sign, text.replace("\r\n", "\n").replace("\r", "\n"))


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\u27e8U+{code:04X}\u27e9"


def shown(text: str, most: int = MOST_TEXT) -> tuple[str, int]:
    """`text` as it is shown, and how long it is where it had to be cut; 0 where it is whole."""
    return visible(text[:most]), len(text) if len(text) > most else 0


def deep(value: object, most: int = MOST_TEXT, depth: int = 12) -> object:
    """A JSON value with every text in it made visible and cut; what is nested too deep is left out and said."""
    if isinstance(value, str):
        text, length = shown(value, most)
        return f"{text}… ({length:,} characters)" if length else text
    if depth == 0:
        return "… (nested too deep to be shown)" if isinstance(value, dict | list | tuple) else value
    if isinstance(value, dict):
        return {visible(str(key))[:200]: deep(entry, most, depth - 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [deep(entry, most, depth - 1) for entry in value]
    return value
