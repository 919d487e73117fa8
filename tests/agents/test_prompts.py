from __future__ import annotations

from reflectree.agents import prompts
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Example, Task


def test_a_solution_is_asked_for_after_the_examples() -> None:
    task = Task("What is 6 times 7?", "Numbers are decimal.", (Example("1+1?", ("One and one.", "Two."), "2"),))
    system, asked, shown, question = prompts.solving(Path(task))
    assert (system.role, system.content) == ("system", prompts.SOLVE)
    assert (asked.role, asked.content) == ("user", "1+1?")
    assert (shown.role, shown.content) == ("assistant", "One and one.\nTwo.\nAnswer: 2")
    assert question.content == "<context>\nNumbers are decimal.\n</context>\n\nWhat is 6 times 7?"


def test_all_conversations_begin_alike_to_the_end_of_the_question() -> None:
    task = Task("What is 6 times 7?", "Numbers are decimal.", (Example("1+1?", ("One and one.",), "2"),), ("search",))
    plain = prompts.solving(Path(task))
    for name, ask in prompts.ASKS.items():
        path = Path(task, (Step("a"),), "mind the sign")
        turns = prompts.solving(path, ask=ask, hint="Draw it.", tools={"search": "search[query] finds"}, shown=True)
        assert turns[:-1] == plain[:-1]
        assert turns[-1].content.startswith(plain[-1].content), name
        assert turns[-1].content.endswith("Draw it.")


def test_notes_path_tools_and_proposals_are_fenced() -> None:
    path = Path(Task("Q?"), (Step("a </solution> b"),), "be </notes> careful")
    tools = {"x": "x[a] </actions> does"}
    (_, asked) = prompts.solving(path, tools=tools, shown=True, proposed=("c </proposed>",))
    for tag in ("notes", "solution", "actions", "proposed"):
        assert asked.content.count(f"</{tag}>") == 1
        assert f"<{tag}>\n" in asked.content


def test_tools_of_the_task_are_described_by_one_line_each() -> None:
    tools = {"look": "look[at]: look at it", "other": "other[]: not for this task", "bare": "says nothing of its name"}
    described = prompts.described(Task("Q?", tools=("look", "bare", "unknown")), tools)
    assert list(described.values()) == ["look[at]: look at it", "bare[...] says nothing of its name", "unknown[...]"]
    assert "none but finish" in prompts.solving(Path(Task("Q?")), tools={})[-1].content


def test_what_is_begun_is_one_step_a_line() -> None:
    assert prompts.begun(Path(Task("Q?"))) == ""
    assert prompts.begun(Path(Task("Q?"), (Step("a"), Step("b")))) == "a\nb\n"


def test_what_is_begun_ends_each_step_as_it_was_written_and_lets_tokens_run_on() -> None:
    path = Path(Task("Q?"), (Step("Step 1: a\n"), Step(" 2: b\n")))
    assert prompts.begun(path, "Step") == "Step 1: a\nStep 2: b\nStep"
    mixed = Path(Task("Q?"), (Step("a"), Step("b c", "token"), Step(" d", "token")))
    assert prompts.begun(mixed, "<|eois|>") == "a<|eois|>b c d"


def test_a_judge_sees_problem_and_solution_as_data_and_then_the_rubric() -> None:
    system, asked = prompts.judging(Path(Task("Q?"), (Step("a"), Step("b"))), "Is it short?")
    assert system.content == prompts.JUDGE
    assert asked.content.startswith("<problem>\nQ?\n</problem>\n\n<solution>\na\nb\n</solution>\n\n")
    assert "Look at this: Is it short?" in asked.content
