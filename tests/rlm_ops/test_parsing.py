from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.parsing import (
    Action,
    json_objects,
    parse_action,
    parse_choice,
    parse_grades,
    parse_preference,
    parse_subquestions,
)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Thought: look\nAction: search[red fox]", Action("search", "red fox")),
        ("Action 3: Finish[x]", Action("Finish", "x")),
        ("**Action:** calculator(2+(3*4)) now", Action("calculator", "2+(3*4)")),
        ("Action: search[a[0]]\nObservation: made up\nAction: Finish[b]", Action("search", "a[0]")),
        ("Action: search[first]\nAction: lookup[second]", Action("search", "first")),
        ("Action: python[\nx = [1]\nprint(x)\n]", Action("python", "x = [1]\nprint(x)")),
        ("Action: search[cut off", Action("search", "cut off")),
        ("Action: search\nAction Input: red fox", Action("search", "red fox")),
        ("Action: stop", Action("stop", "")),
        ('Action: {"tool": "search", "args": {"q": "fox"}}', Action("search", '{"q": "fox"}')),
        ('Action:\n```json\n{"action": "search", "action_input": "fox"}\n```', Action("search", "fox")),
        ('<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>', Action("add", '{"a": 1}')),
        ('{"function": {"name": "add", "arguments": "{}"}}', Action("add", "{}")),
        ('{"tool": "stop"}', Action("stop", "")),
        ("Action: I will look at the map", None),
        ("Observation: x\nAction: search[y]", None),
        ('{"name": "Anna", "age": 3}', None),
        ("I think that search[x] is good", None),
        ("Action:", None),
        ("", None),
    ],
)
def test_an_action_is_read(text: str, action: Action | None) -> None:
    assert parse_action(text) == action


@given(st.from_regex(r"[a-z_]{1,10}", fullmatch=True), st.text(alphabet="abc 0+*()[]\n").map(str.strip))
def test_balanced_arguments_come_back(name: str, arguments: str) -> None:
    depth, balanced = 0, True
    for character in arguments:
        depth += {"[": 1, "]": -1}.get(character, 0)
        balanced = balanced and depth >= 0
    if balanced and depth == 0:
        assert parse_action(f"Action: {name}[{arguments}]") == Action(name, arguments)
    assert parse_action(json.dumps({"tool": name, "args": arguments})) == Action(name, arguments)


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("1. How old is A?\n2. How old is B?", ["How old is A?", "How old is B?"]),
        ('To solve "Age of C?", we need to first solve: "Age of A?", "Age of B?".', ["Age of A?", "Age of B?"]),
        ("we need to know: \u201cHow old is A?\u201d", ["How old is A?"]),
        ('["How old is A?", "How old is A?", "Age of B"]', ["How old is A?"]),
        ('["age of A", "age of B"]', ["age of A", "age of B"]),
        ("Let me see.\nHow old is A?\nHow old is B?", ["How old is A?", "How old is B?"]),
        ("- find the age of A\n- find the age of B", ["find the age of A", "find the age of B"]),
        ("There is nothing to ask.", []),
        ("", []),
    ],
)  # fmt: skip
def test_subquestions_are_read(text: str, questions: list[str]) -> None:
    assert parse_subquestions(text) == questions


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("The best choice is 3", 3),
        ("Choice 1 is fine. So the best choice is **2**.", 2),
        ("The best choice is s2.", 2),
        ("The best option: option 4", 4),
        ("I choose #2", 2),
        ("The best choice is 1. No: the best choice is 2.", 2),
        ("Candidate 2 is the best of all", 2),
        ("Vote: (3)", 3),
        ('{"reason": "1 is bad", "choice": 4}', 4),
        ('{"choice": "2"}', 2),
        ("**3**", 3),
        ("Choice 2.", 2),
        ("The best choice is 9", None),
        ("The best choice is 0", None),
        ("The best choice is -1", None),
        ("The best choice is 2.5", None),
        ("The best choice is 1 or 2", None),
        ("There are 3 choices and 2 are good", None),
        ('{"choice": true}', None),
        ("", None),
    ],
)
def test_a_vote_is_read(text: str, choice: int | None) -> None:
    assert parse_choice(text, 5) == choice


@given(st.integers(1, 50), st.integers(-5, 100))
def test_votes_lie_in_the_range(n: int, said: int) -> None:
    expected = said if 1 <= said <= n else None
    assert parse_choice(f"The best choice is {said}", n) == expected
    assert parse_choice(json.dumps({"choice": said}), n) == expected


def test_a_vote_needs_choices() -> None:
    with pytest.raises(BadInput, match="at least one"):
        parse_choice("1", 0)


@pytest.mark.parametrize(
    ("text", "preference"),
    [
        ("[[A]]", "first"),
        ("My final verdict is [[B]].", "second"),
        ("[[C]]", "tie"),
        ("A", "first"),
        ("**Solution B**", "second"),
        ("tie", "tie"),
        ("The first solution is better.", "first"),
        ("The second is clearly better than the first.", "second"),
        ("Solution 1 is worse.", "second"),
        ("B is better, for it checks.", "second"),
        ("I prefer the second answer.", "second"),
        ("The better solution is A", "first"),
        ("Winner: 2", "second"),
        ("Both are equally good.", "tie"),
        ("Neither is better.", "tie"),
        ('{"reason": "A is better", "winner": "B"}', "second"),
        ('{"better": 1}', "first"),
        ("At first the first is better. But no: the second is better.", "second"),
        ("The first is not better.", None),
        ("a is better known", None),
        ("Both have merit and a flaw.", None),
        ("", None),
    ],
)
def test_a_preference_is_read(text: str, preference: str | None) -> None:
    assert parse_preference(text) == preference


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        ('{"clarity": 3, "Logic Flow": 4.5}', {"clarity": 3.0, "logic_flow": 4.5}),
        ('It: ```\n{"scores": {"clarity": "3", "logic-flow": {"score": 2}}}\n```', {"clarity": 3.0, "logic_flow": 2.0}),
        ('{"clarity": 1, "logic_flow": 1} no: {"clarity": 2, "logic_flow": 2}', {"clarity": 2.0, "logic_flow": 2.0}),
        ('$\\frac{1}{2}$ {"clarity": 1, "logic_flow": 0}', {"clarity": 1.0, "logic_flow": 0.0}),
        ('{"clarity": 3}', None),
        ('{"clarity": 3, "logic_flow": NaN}', None),
        ('{"clarity": 3, "logic_flow": true}', None),
        ('{"clarity": 3, "logic_flow": "8/10"}', None),
        ('{"clarity": 3, "logic_flow": 1' + "0" * 400 + "}", None),
        ('{"clarity": 3, "logic_flow": ', None),
        ("clarity is 3", None),
    ],
)  # fmt: skip
def test_grades_are_read_whole_or_not_at_all(text: str, grades: dict[str, float] | None) -> None:
    assert parse_grades(text, ["clarity", "logic_flow"]) == grades


@pytest.mark.parametrize("names", [[], ["a b", "A_B"]])
def test_a_rubric_needs_different_names(names: list[str]) -> None:
    with pytest.raises(BadInput, match="rubric"):
        parse_grades("{}", names)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text()), max_size=6))
def test_objects_are_found_in_prose(objects: list[dict[str, int | str]]) -> None:
    assert list(json_objects("; then ".join(map(json.dumps, objects)))) == objects


PIECES = ["Action: ", "a", "[", "(", "{", '{"a":', '"', "\u201c", "\n", " ", "1", "best choice is ", "A is "]
PIECES += ["need to solve ", "1. ", "- "]
ALL: list[Callable[[str], object]] = [
    parse_action,
    parse_subquestions,
    parse_preference,
    lambda text: parse_choice(text, 5),
    lambda text: parse_grades(text, ["a", "b"]),
]


@settings(max_examples=6)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.process_time()
    for function in ALL:
        function(text)
        function("Action: x[" + text)
    assert time.process_time() - start < 2.0


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_parsed(text: str) -> None:
    for function in ALL:
        function(text)
