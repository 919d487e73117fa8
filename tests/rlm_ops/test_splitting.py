from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.splitting import (
    parse_numbered,
    parse_proposals,
    parse_reasoning,
    split_steps,
    split_thought,
    turn_of,
)

THOUGHT = """Okay, so we need x.
It is an integer.

Let me compute 3 + 4 = 7.
Wait, that's wrong.
Let me check 3 + 5 = 8.

```python
x = 1

But = 2
```
Alternatively, use 9.
So the answer is 8."""


def test_visible_steps_stand_between_delimiters() -> None:
    assert split_steps("a\n\n b \nc", "\n") == ["a", "b", "c"]
    assert split_steps("a\nb\n\nc", "\n\n") == ["a\nb", "c"]
    assert split_steps(" \n ", "\n") == []
    with pytest.raises(BadInput, match="delimiter"):
        split_steps("a", "")


def test_a_thought_is_split_at_blank_lines_and_turning_words() -> None:
    steps = split_thought(THOUGHT)
    assert [step.split("\n")[0] for step in steps] == [
        "Okay, so we need x.",
        "Let me compute 3 + 4 = 7.",
        "Wait, that's wrong.",
        "Let me check 3 + 5 = 8.",
        "```python",
        "Alternatively, use 9.",
        "So the answer is 8.",
    ]
    turns = [turn_of(step) for step in steps]
    assert turns == ["forward", "forward", "backtrack", "check", "forward", "alternative", "conclude"]


def test_an_open_fence_does_not_swallow_the_thought() -> None:
    assert len(split_thought("```\na\n\nb\n\nc")) == 3
    assert split_thought("Something\nSomehow\nButter") == ["Something\nSomehow\nButter"]


@given(st.text() | st.lists(st.sampled_from(["Wait", "\n", " ", "So", "```", "x", "\r", "\u2028"])).map("".join))
def test_a_thought_loses_nothing(text: str) -> None:
    steps = split_thought(text)
    assert "".join(steps) == (text if text.strip() else "")
    assert all(step.strip() for step in steps)


@pytest.mark.parametrize(
    ("step", "turn"),
    [
        ("First, add 3 and 4.", "forward"),
        ("So x is 4.", "forward"),
        ("Hmm, so we have 5 apples.", "forward"),
        ("Now the number of checks is 3.", "forward"),
        ("No integer satisfies this.", "forward"),
        ("", "forward"),
        ("Wait, the problem says positive.", "check"),
        ("Hold on. x is 3?", "check"),
        ("But wait, is that so?", "check"),
        ("Let me double-check the sum.", "check"),
        ("**Let's verify** the result.", "check"),
        ("To confirm, insert x.", "check"),
        ("等等,x 是 3。", "check"),
        ("Wait, no, that's 5.", "backtrack"),
        ("Hmm, that doesn't work.", "backtrack"),
        ("But this can't be right.", "backtrack"),
        ("Oops, I forgot one.", "backtrack"),
        ("Actually, I made a mistake.", "backtrack"),
        ("不对,应该是 4。", "backtrack"),
        ("Alternatively, factor it.", "alternative"),
        ("Maybe we can use symmetry.", "alternative"),
        ("Wait, what if x is negative?", "alternative"),
        ("Let's try another approach.", "alternative"),
        ("Therefore, the final answer is 5.", "conclude"),
        ("**Final Answer**", "conclude"),
        ("\\boxed{5}", "conclude"),
        ("In summary, it is 5.", "conclude"),
        ("所以答案是 5。", "conclude"),
    ],
)
def test_a_turn_is_told_by_the_opening_words(step: str, turn: str) -> None:
    assert turn_of(step) == turn


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("<think>a</think>b", "a", "b"),
        ("<think>\na\n</think>\n\nb", "a", "b"),
        ("a\n</think>\nb", "a", "b"),
        ("<think>a and", "a and", ""),
        ("<think>\n<think>\na</think>b", "a", "b"),
        ("Sure. <think>a</think>b", "a", "Sure.\n\nb"),
        ("<THINK>a</THINK>b<thinking>c</thinking>d", "a\n\nc", "b\n\nd"),
        ("<think></think>b", "", "b"),
        ("<think>a</think>b</think>c", "a", "b\n\nc"),
        ("no tags", "", "no tags"),
        ("", "", ""),
    ],
)
def test_reasoning_is_parted_from_the_rest(text: str, thought: str, rest: str) -> None:
    assert parse_reasoning(text) == (thought, rest)


@given(st.text(alphabet="ab \n<>/"), st.text(alphabet="cd \n<>/"))
def test_reasoning_in_tags_is_found_whole(thought: str, rest: str) -> None:
    assert parse_reasoning(f"<think>{thought}</think>{rest}") == (thought.strip(), rest.strip())
    assert parse_reasoning(f"{thought}</think>{rest}") == (thought.strip(), rest.strip())


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("1. add\n2. multiply", ["add", "multiply"]),
        ("Here are two ideas:\n\n1) add\n   the rest\n2) multiply\n\nI hope this helps!", ["add the rest", "multiply"]),
        ("1. **Sum**\n\nAdd all.\n\n2. **Product**\n   - of a\n   - b", ["**Sum** Add all.", "**Product** - of a - b"]),
        ("**1.** add\n**Step 2:** multiply", ["add", "multiply"]),
        ("Step 1: add\nStep 2: multiply", ["add", "multiply"]),
        ("- add\nboth\n- multiply\n* divide", ["add both", "multiply", "divide"]),
        ("(1) add\n(2) multiply", ["add", "multiply"]),
        ("(a) add\n(b) multiply", ["add", "multiply"]),
        ("2 + 8 = 10 (left: 8 10)\n8 / 2 = 4 (left: 4 8)", ["2 + 8 = 10 (left: 8 10)", "8 / 2 = 4 (left: 4 8)"]),
        ("Possible next steps:\n2 + 8 = 10\n8 / 2 = 4", ["2 + 8 = 10", "8 / 2 = 4"]),
        ("1.5 apples\n2.5 pears", ["1.5 apples", "2.5 pears"]),
        ('["add", " multiply ", "", 3]', ["add", "multiply", "3"]),
        ('```json\n[{"step": "add"}, {"step": "multiply"}]\n```', ["add", "multiply"]),
        ('{"steps": ["add", "multiply"]}', ["add", "multiply"]),
        ("```\n1. add\n2. multiply\n```", ["add", "multiply"]),
        ("[not json", ["[not json"]),
        ("1.", []),
        ("only one", ["only one"]),
        ("", []),
        ("1. **Bold start** then\n2. x", ["**Bold start** then", "x"]),
    ],
)  # fmt: skip
def test_the_items_of_a_list_are_found(text: str, items: list[str]) -> None:
    assert parse_numbered(text) == items


@given(st.lists(st.text(alphabet="abc xyz", min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_every_dress_of_a_list_gives_its_items(items: list[str]) -> None:
    bare = [item.strip() for item in items]
    assert parse_numbered("\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))) == bare
    assert parse_numbered("\n\n".join(f"- {item}" for item in items)) == bare
    assert parse_numbered(json.dumps(items)) == bare
    assert parse_numbered("\n".join(items)) == bare


@given(st.text(alphabet="ab1. -*)\n:") | st.lists(st.sampled_from(["1. ", "- ", "\n", "a ", "b ", "  "])).map("".join))
def test_nothing_is_invented(text: str) -> None:
    said = Counter("".join(parse_numbered(text)).replace(" ", ""))
    assert said <= Counter(text)


def test_proposals_are_different_and_at_most_k() -> None:
    reply = "<think>1. hidden</think>1. Add\n2. add \n3. multiply\n4. divide"
    assert parse_proposals(reply, 2) == ["Add", "multiply"]
    assert parse_proposals(reply, 9) == ["Add", "multiply", "divide"]
    with pytest.raises(BadInput, match="k is 0"):
        parse_proposals(reply, 0)


PIECES = [
    "Wait ",
    "\n",
    " ",
    "```",
    "<think>",
    "</think>",
    "1. ",
    "- ",
    "[",
    "{",
    '"',
    "**",
    "_",
    "So ",
    "no ",
    "(a) ",
    "x",
]
ALL: list[Callable[[str], object]] = [
    split_thought,
    turn_of,
    parse_reasoning,
    parse_numbered,
    lambda text: parse_proposals(text, 5),
    lambda text: split_steps(text, "\n"),
]


@settings(max_examples=15)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    for function in ALL:
        function(text)
    assert time.process_time() - start < 2.0


@given(st.text())
def test_any_text_is_split(text: str) -> None:
    for function in ALL:
        function(text)
