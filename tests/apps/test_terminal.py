from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.apps.terminal import clean, clock, dollars, duration, many, one_line, short


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never closed", "0;never closed"),
        ("\x9b2Jgone", "gone"),
        ("\x1bPq#0\x1b\\kept", "kept"),
        ("a\rb\x08\x7f", "ab"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("\u202eright to left\u2066", "right to left"),
        ("half \ud800 a pair", "half  a pair"),
        ("[bold]markup[/bold] stays", "[bold]markup[/bold] stays"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ],
)
def test_clean_leaves_words_only(text: str, left: str) -> None:
    assert clean(text) == left


@given(st.text(alphabet=st.characters(), max_size=60))
def test_nothing_clean_can_steer_a_terminal(text: str) -> None:
    assert not [c for c in clean(text) if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) <= 0x9F]
    assert clean(clean(text)) == clean(text)


def test_one_line_is_one_line_of_the_width() -> None:
    assert one_line("a\n\n  b\tc") == "a b c"
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"


def test_figures_are_short_and_an_unknown_price_is_not_free() -> None:
    assert [short(n) for n in (0, 9_999, 12_345, 4_560_000, 7e9)] == ["0", "9,999", "12.3k", "4.6M", "7.0G"]
    assert [dollars(usd) for usd in (None, 0.0, 0.00213, 1.5)] == ["cost unknown", "free", "$0.0021", "$1.50"]
    assert [clock(s) for s in (7, 252, 3723)] == ["0:07", "4:12", "1:02:03"]
    assert [duration(s) for s in (0.42, 12.3, 252)] == ["0.4 s", "12 s", "4 min 12 s"]
    assert [many(n, "call") for n in (1, 2, 1234)] == ["1 call", "2 calls", "1,234 calls"]
