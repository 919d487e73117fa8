"""The conversations in which the policy writes: the next step, a whole solution, a plan, an action, the answer now.

All of them begin alike, to the end of the question, so that a prompt that a server has read for one need not be read
again for another. What differs stands at the end of the user turn, and in how the assistant's turn is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reflectree.agents.prompts.common import fence, lessons, question
from reflectree.models.base import Message
from reflectree.rlm_ops.settings import Demo
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Example, Task

SOLVE = (
    "Solve the problem step by step, each step on a line of its own and each a small, checkable advance. "
    "When the result is reached, write one line of the form 'Answer: ...' that holds the final answer and nothing else."
)
"""The same for whole solutions and for steps: a comparison then differs in nothing else."""

ACT = (
    "You act in an environment to reach a goal. Each turn is one line 'Thought: ...' and then one line 'Action: ...' "
    "that holds one command alone."
)
"""The system turn where commands are written: there is no answer to give."""

SUBQUESTION, REPLY = "Sub-question", "Reply:"
"""How a sub-question and its answer begin their lines."""

ASKS: Mapping[str, str] = {
    "solve": "",
    "propose": (
        "Propose {count} different next steps, numbered, each complete on one line. "
        "Write nothing else. A step that reaches the result is written as 'Answer: ...'."
    ),
    "plan": "First write only a plan: the steps that will lead to the result, numbered, without carrying them out.",
    "decompose": (
        "Do not solve the problem yet. Break it into sub-questions in the order in which they should be answered, "
        "numbered, one a line. The last one is the problem itself."
    ),
    "subquestion": (
        f"Work through sub-questions, each on a line '{SUBQUESTION} N: ...' with its answer on the next line as "
        f"'{REPLY} ...'. Where a reply settles the problem, add the line 'Answer: ...'."
    ),
    "answer": "Give the final answer now, as the one line 'Answer: ...' and nothing else.",
    "rephrase": (
        "Do not solve the problem yet. Put it in other words: list the known conditions, one a line, and then say what "
        "is asked."
    ),
    "act": (
        "Take turns of 'Thought: ...' and 'Action: name[input]'; each action is followed by its 'Observation: ...', "
        "which you never write yourself. Use only the actions listed, and 'Action: finish[answer]' at the end."
    ),
    "command": (
        "You act in an environment. Take turns of 'Thought: ...' and 'Action: ...' with one command alone; each action "
        "is followed by its 'Observation: ...', which you never write yourself. There is no answer to write: go on "
        "until the goal is reached."
    ),
    "experiment": (
        "You plan and run experiments. Each turn is a line 'Thought: ...' and then exactly one command, which begins a "
        "line of its own: 'SEARCH: words to look up', 'PYTHON: a program' (it may go on below), 'DOCUMENTATION: what "
        "to look up in the manual of the instrument' or 'EXPERIMENT: conditions'. A turn with no command or with "
        "several is not carried out. What a command gives follows as 'Observation: ...', which you never write "
        "yourself. When you are done, write the line 'Answer: ...' in place of a command."
    ),
    "code": (
        "Each step is a sentence of words and one ```python block that computes or checks it and prints the result; "
        "what it prints is shown as output. Go on from what was printed. "
        "The last step has no code: it is the line 'Answer: ...'."
    ),
}
"""What is asked at the end of the user turn, by the prompt's name in `Generate.prompt`."""

PROGRAM = "The answer is a program: write it whole, in one ```python code block."
"""What is asked besides where the answer is a program."""

SOLVE_TEXT = (
    "Think step by step, each step on a line of its own and each a small, checkable advance. When you know what to "
    "reply, write the word 'Answer:' at the beginning of a line and the whole reply after it."
)
"""The system turn where the answer is free text."""

TEXT = "Think briefly first. Then write 'Answer:' and after it the whole reply, as its reader is to see it."
"""What is asked besides where the answer is free text."""

ANSWER_TEXT = "Give the reply now: begin with 'Answer:' and write the whole reply after it, and nothing else."
"""What is asked in place of `ASKS["answer"]` where the answer is free text."""


def solving(
    path: Path,
    *,
    ask: str = "",
    hint: str = "",
    tools: Mapping[str, str] | None = None,
    shown: bool = False,
    proposed: Sequence[str] = (),
    demos: Sequence[Demo] = (),
    system: str = SOLVE,
) -> tuple[Message, ...]:
    """A conversation in which the policy writes.

    Args:
        path: The path it goes on from.
        ask: What is asked beyond solving the problem.
        hint: A way to approach the task.
        tools: The actions there are, each with a line of description.
        shown: Whether the path is shown in the user turn, where the reply is no continuation of it.
        proposed: Next steps there are already.
        demos: Worked examples of the blueprint's own, before those of the task.
        system: The system turn.
    """
    free = path.task.form == "text"
    turns = [Message("system", SOLVE_TEXT if free and system == SOLVE else system)]
    shown_before: tuple[Demo | Example, ...] = (*demos, *path.task.examples)
    for example in shown_before:
        turns.append(Message("user", example.question))
        turns.append(Message("assistant", "\n".join((*example.steps, f"Answer: {example.answer}"))))
    parts = [question(path.task)]
    if path.notes:
        parts.append(lessons(path.notes))
    if shown and path.steps:
        parts.append(f"The solution so far:\n{fence('solution', path.text)}")
    if proposed:
        parts.append("Steps that are there already:\n" + fence("proposed", "\n".join(proposed)))
    if tools is not None:
        parts.append("Actions:\n" + fence("actions", "\n".join(tools.values()) or "none but finish"))
    if path.task.form == "code":
        parts.append(PROGRAM)
    if free:
        parts.append(TEXT)
        ask = ask.replace(ASKS["answer"], ANSWER_TEXT)
    parts += filter(None, (ask, hint))
    turns.append(Message("user", "\n\n".join(parts)))
    return tuple(turns)


def described(task: Task, tools: Mapping[str, str]) -> dict[str, str]:
    """One line a tool of the task: its description, which begins with its name."""
    lines = {name: tools.get(name, "") for name in task.tools}
    return {name: line if line.startswith(name) else f"{name}[...] {line}".rstrip() for name, line in lines.items()}


def begun(path: Path, delimiter: str = "\n") -> str:
    """The assistant's turn as far as it is written: the steps of the path, each ended by the delimiter."""
    return path.joined(delimiter)
