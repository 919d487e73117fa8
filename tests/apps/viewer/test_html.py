"""The page: one document, a strict policy, and data that cannot become markup."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from tests.apps.viewer.conftest import SPITE, data_of, golden, spiteful

from reflectree.apps.viewer.data import encode
from reflectree.apps.viewer.html import SCRIPTS, as_json, document, policy


def page(live: bool = False) -> str:
    return document({"mode": "view", "live": live, "traces": [encode(golden("mcts"))]})


def test_the_policy_names_what_is_in_the_page() -> None:
    text = page()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    for part, name in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy()
    assert policy() in text
    assert policy().startswith("default-src 'none'; ")
    assert "connect-src" not in policy()
    assert "connect-src 'self'" in policy(live=True)
    assert "unsafe" not in policy(live=True)


def test_nothing_is_asked_of_a_network() -> None:
    text = re.sub(r'<script type="application/json".*?</script>', "", page(), flags=re.S)
    assert re.findall(r"https?://[^'\" ]+", text) == ["http://www.w3.org/2000/svg"]  # a name in the icon, no address
    assert not re.search(r"@import|@font-face|url\(|src=|import\(|fetch\(|XMLHttpRequest|sendBeacon|WebSocket", text)


def test_no_text_is_ever_markup() -> None:
    text = page()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(", "new Function"):
        assert way not in text


def test_spite_stays_inside_its_element() -> None:
    chunk = encode(spiteful())
    text = document({"mode": "view", "traces": [chunk], "names": [SPITE]}, title=SPITE)
    assert text.lower().count("<script") == 2
    assert text.lower().count("</script") == 2
    assert "<img" not in text
    assert "onerror='" not in text.split("</title>")[0]
    assert data_of(text)["traces"][0]["texts"] == chunk["texts"]
    text.encode()


@pytest.mark.parametrize("value", ["</script>", "<!--", "&lt;", "\u2028\u2029", "%%DATA%%"])
def test_json_in_a_page_holds_no_sign_of_markup(value: str) -> None:
    text = as_json([value])
    assert not set(text) & set("<>&\u2028\u2029")


def test_every_script_is_in_the_page() -> None:
    assert len(SCRIPTS) == len(set(SCRIPTS))
    assert all(name in page() for name in ("class Run", "class Stage", "class Outline", "class App", "function listed"))
