"""Text of models made visible."""

from __future__ import annotations

import unicodedata

from reflectree.apps.viewer.text import MOST_TEXT, deep, shown, visible


def test_what_cannot_be_seen_becomes_a_sign() -> None:
    assert visible("a\x1b[31m\x00b\x7f") == "a␛[31m␀b␡"
    assert visible("\u202eabc\u2066") == "⟨U+202E⟩abc⟨U+2066⟩"
    assert visible("x\u2028y\ud800\u200b") == "x⟨U+2028⟩y⟨U+D800⟩⟨U+200B⟩"
    assert visible("one\r\ntwo\rthree\tfour\n") == "one\ntwo\nthree\tfour\n"
    assert visible("Grüße, 你好, <b> & 'x'") == "Grüße, 你好, <b> & 'x'"


def test_no_control_or_format_character_is_left() -> None:
    every = "".join(map(chr, range(0x11000)))
    left = {sign for sign in visible(every) if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t"}
    assert left == set()
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not [sign for sign in visible(every) if unicodedata.bidirectional(sign) in turning]


def test_long_text_is_cut_and_its_length_told() -> None:
    assert shown("short") == ("short", 0)
    text, length = shown("x" * (MOST_TEXT + 5))
    assert (len(text), length) == (MOST_TEXT, MOST_TEXT + 5)


def test_json_is_made_visible_to_its_depth() -> None:
    assert deep({"a\x00": ["b\x00", 1, None, ("c",)]}) == {"a␀": ["b␀", 1, None, ["c"]]}
    assert deep(["x" * 30], 10) == ["xxxxxxxxxx… (30 characters)"]
    nested: object = "end"
    for _ in range(50):
        nested = [nested]
    assert "nested too deep" in str(deep(nested))
