"""One document of a page and its data: no outside part, and nothing in the data that could be markup.

The scripts and styles are named by their hashes in the page's content security policy, so nothing else runs and nothing
is asked of any network; only a page that follows a run may listen to the server it came from.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

SCRIPTS = ("run.js", "layout.js", "stage.js", "words.js", "outline.js", "details.js", "app.js", "list.js")
"""The page's scripts, in the order in which they build upon each other."""

_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@functools.cache
def _parts() -> tuple[str, str, str]:
    """The document, the style and the script."""
    folder = files("reflectree.apps.viewer").joinpath("page")
    read = [folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(read) + "\n})();\n"
    page, style = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    return page, style, script


def as_json(value: Any) -> str:
    """JSON that can stand in a script element: no sign in it can end the element or a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)


def policy(*, live: bool = False) -> str:
    """The content security policy of the page."""
    _, style, script = _parts()
    allowed = [
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "img-src data:",
        *(["connect-src 'self'"] if live else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(allowed)


def document(data: Mapping[str, Any], title: str = "reflectree") -> str:
    """The whole page as one HTML document.

    Args:
        data: What the page shows: its mode, traces, rows of a list.
        title: The document's title, as text.
    """
    page, style, script = _parts()
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(live=bool(data.get("live")))}">'
    parts = {
        "POLICY": meta,
        "TITLE": html.escape(title[:200]),
        "STYLE": style,
        "DATA": as_json(data),
        "SCRIPT": script,
    }
    made = []
    for number, piece in enumerate(page.split("%%")):  # once, so that no part is looked for in another
        made.append(parts[piece] if number % 2 else piece)
    return "".join(made).encode(errors="replace").decode()  # the name of a file may hold half a character


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
