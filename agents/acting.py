"""Acting in an environment: the command of a step is carried out in the state after those before it.

What a step's command brought about becomes an event: the step with its observation, over where the environment says so.
The commands before it are read off the path, so the trace is all that is needed to come back to a state; a replay that
shows something else than the trace has recorded fails the call. What environments say is data, marked line by line; the
score they give is gold and goes nowhere. Pools, threads and snapshots are the business of `reflectree.agents.worlds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reflectree.agents.instances import Agree
from reflectree.agents.instances import Counts as Counts
from reflectree.agents.instances import WorldError as WorldError
from reflectree.agents.worlds import Refusal
from reflectree.agents.worlds import Worlds as Worlds
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.commands import read_command
from reflectree.rlm_ops.environment import Observation
from reflectree.rlm_ops.events import Enriched, Event, Failed
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.strategies.episodes import CARRIED, END, REFUSED
from reflectree.rlm_ops.strategies.react import BAD_CALL
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task

MOST_COMMANDS = 1000
"""Characters of the list of commands that an environment would take; the others are only counted."""
MOST_NOTE = 200
"""Characters of an observation that stand in the event's note."""
OVER = "(The episode is over.)"
UNFINISHED = "(The attempt was ended here; the environment had not ended the episode.)"


async def act(worlds: Worlds, call: Call, structure: ReasoningStructure, settings: Enrich) -> Event:
    """Carry the command of a step out, or end its episode where the call's variant is `END`."""
    node = call.nodes[0]
    step = structure.steps[node]
    before = carried_out(structure, structure.after[node])
    if call.how == END:
        own = carried_out(structure, node)
        return _added(
            call, step, observed(UNFINISHED), "environment", UNFINISHED, [command for _, command in own], True
        )
    command = read_command(step.text)
    if command is None:
        return _failed(call, "the step holds no command that can be read")

    def agrees(index: int, observation: Observation, agree: Agree) -> bool:
        step, told = structure.steps[before[index][0]], _told(observation, settings.observation)
        return f"\n{observed(told)}" in step.text or agree(_recorded(step, observation), told)

    commands = [earlier for _, earlier in before]
    try:
        observation = await worlds.step(commands, command, settings.timeout, agrees)
    except WorldError as error:
        return _failed(call, str(error))
    if isinstance(observation, Refusal):
        why = f"{REFUSED} {_short(observation.reason, settings.observation)}"
        return _added(call, step, observed(why), "safety", why)
    said = seen(observation, settings.observation)
    if not observation.valid:
        note = f"{BAD_CALL} {_short(observation.text, MOST_NOTE)}"
        return _added(call, step, said, "bad-call", note, commands, observation.done)
    note = f"{CARRIED} {_short(observation.text, MOST_NOTE)}"
    return _added(call, step, said, "environment", note, [*commands, command], observation.done)


def carried_out(structure: ReasoningStructure, node: int) -> list[tuple[int, str]]:
    """The commands on the way to a node that were carried out and understood, each with the node that gave it."""
    found = []
    for step in structure.read_ids(node):
        if structure.notes.get(step, "").startswith(CARRIED):
            command = read_command(structure.steps[step].text)
            if command is not None:
                found.append((step, command))
    return found


def seen(observation: Observation, most: int) -> str:
    """An observation as it stands in a step."""
    lines = [_told(observation, most)]
    if observation.done:
        lines.append(OVER)
    elif observation.actions:
        lines.append(f"Commands: {_listed(observation.actions)}")
    return observed("\n".join(lines))


def observed(text: str) -> str:
    """An observation as it stands in a step: no line of it can pass for one of the step's own."""
    return "Observation: " + "\n| ".join(text.splitlines() or ["(nothing)"])


def task_with(task: Task, observation: Observation, most: int = 4000) -> Task:
    """An environment's task with what is seen at the beginning of the episode, as context."""
    first = seen(observation, most)
    return replace(task, context=f"{task.context}\n\n{first}" if task.context else first)


def _recorded(step: Step, like: Observation) -> str:
    """The text of the observation that stands in a step, `like` which it is made up."""
    lines = step.text.rpartition("\nObservation: ")[2].split("\n| ")
    return "\n".join(lines[:-1] if len(lines) > 1 and (like.done or like.actions) else lines)


def _told(observation: Observation, most: int) -> str:
    return _short(observation.text.strip() or "(nothing)", most)


def _listed(actions: Sequence[str]) -> str:
    """The commands there are, as many as have room."""
    kept: list[str] = []
    room = MOST_COMMANDS
    for action in actions:
        said = " ".join(action.split())
        room -= len(said) + 2
        if room < 0:
            break
        kept.append(said)
    more = len(actions) - len(kept)
    return "; ".join(kept) + (f"; and {more} more" if more else "")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ... ({len(text) - most} characters more)"


def _added(
    call: Call,
    step: Step,
    addition: str,
    source: str,
    note: str,
    commands: Sequence[str] = (),
    over: bool = False,
) -> Enriched:
    """The step with what was observed; where the episode is over, the commands so far are its answer."""
    return Enriched(
        node=call.nodes[0],
        index=call.index,
        how=call.how,
        text=f"{step.text}\n{addition}",
        status="terminal" if over else "",
        answer="\n".join(commands) or None if over else step.answer,
        source=source,
        note=note,
    )


def _failed(call: Call, reason: str) -> Failed:
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason)
