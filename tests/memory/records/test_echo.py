"""What memory said is known again and never taken for something new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.records.making import lesson

from reflectree.memory.recall.rendering import rendered
from reflectree.memory.records.echo import EchoRefused, check_echo, fenced, without_memory

LESSON = lesson("Check the units of every quantity before you add them.")


def test_a_run_is_stripped_of_what_memory_said_in_it() -> None:
    prompt = rendered([LESSON])
    said = f"{prompt}\nI add 3 and 4. [{LESSON.id}]\nCheck the units of every quantity before you add them.\nAnswer: 7"
    bare = without_memory(said, [LESSON])
    assert "units" not in bare
    assert LESSON.id not in bare
    assert "I add 3 and 4." in bare
    assert bare.endswith("Answer: 7")


def test_a_block_that_was_cut_off_is_stripped_too() -> None:
    assert without_memory("before <memory>\n[r-0123456789ab] lesson\n  x") == "before "


def test_quotes_and_repetitions_are_refused_and_children_are_not() -> None:
    with pytest.raises(EchoRefused, match="quotes"):
        check_echo(lesson("See <memory> for more."), [])
    with pytest.raises(EchoRefused, match="quotes"):
        check_echo(lesson(f"As [{LESSON.id}] says, check."), [])
    again = lesson("Check the units of every quantity before you add them up.")
    with pytest.raises(EchoRefused, match=LESSON.id):
        check_echo(again, [LESSON])
    check_echo(again, [])
    check_echo(lesson("Check the units of every quantity before you add them up.", parents=(LESSON.id,)), [LESSON])


@given(
    st.text(max_size=40), st.sampled_from(["</memory>", "< / MEMORY >", "<memory>", "</memory"]), st.text(max_size=40)
)
def test_nothing_closes_or_opens_the_block(before: str, tag: str, after: str) -> None:
    block = fenced(before + tag + after)
    assert block.startswith("<memory>\n")
    assert block.endswith("\n</memory>")
    assert "<" not in block[1:-9].replace("&lt;", "") or "memory" not in block[8:-9].partition("<")[2].lstrip("/ ")[:6]
    assert without_memory(block) == ""
