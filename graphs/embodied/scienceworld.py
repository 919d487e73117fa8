"""`scienceworld/boil/0`: the simulated school laboratory of ScienceWorld, by task and variation. It needs Java.

The simulator cannot keep states: a run goes back by replaying commands after a reset. That is deterministic but for
what the simulator itself draws without a seed: thermometers read a few degrees apart, things are listed in another
order, and bees fly as they like. `same` says that such a replay is as good. Each environment holds a Java process of
its own until it is closed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from itertools import chain, zip_longest
from typing import Any

from reflectree.graphs.embodied.episodes import Episode, number
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.task import Task

PURPOSE = "an environment scienceworld/..."
JAVA = "java"
JAVA_OPTIONS = (
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=3",  # hashes count up: else the order of sets, and so of what is seen, differs by process
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts sooner, and one processor is enough for it
)
NEEDS = "ScienceWorld needs a Java runtime of version 17 or so on the path"
MOST_ACTIONS = 60
"""Commands listed of the hundreds or thousands that are possible: of every kind some, in a fixed order."""
PATIENCE = 5.0
"""Seconds that Java may take to end before it is killed."""
HINTS = (
    "Commands: look around, look at OBJ, look in OBJ, inventory, go to ROOM, open OBJ, close OBJ, pick up OBJ, "
    "put down OBJ, move OBJ to OBJ, pour OBJ in OBJ, dunk OBJ in OBJ, mix OBJ, use OBJ on OBJ, activate OBJ, "
    "deactivate OBJ, connect OBJ to OBJ, disconnect OBJ, read OBJ, eat OBJ, flush OBJ, focus on OBJ, wait, wait1. "
    "More may be possible than what is listed."
)
_NOT_UNDERSTOOD = ("No known action matches", "Unknown action")
_AMBIGUOUS = "Ambiguous request"
_DEGREES = re.compile(r"-?\d+(?:\.\d+)?(?= degrees)")
_PARTS = re.compile(r"[,\n\t():.]|\bcontaining\b")
_FLYING = re.compile(r"(?:an? )?(?:\w+ )?bee")
_OPTION = re.compile(r"^(\d+):\s*(.*\S)", re.MULTILINE)


class ScienceWorld(Episode):
    """One task and variation. A command that could mean several things is answered by the number of what was meant."""

    def __init__(self, task: str, variation: int) -> None:
        self._wanted = (task, variation)
        self._java = _Simulator.started()
        self._meant: dict[str, str] = {}
        name = f"scienceworld/{task}/{variation}"
        try:
            self._require_variation()
            self._load(gold=False)
            words = " ".join(str(self._java.server.getTaskDescription()).split())
            super().__init__(name, Task(words, context=HINTS, id=name))
        except BaseException:
            self._java.end()
            raise

    def expert(self) -> tuple[str, ...]:
        """The simulator's own gold path; making it takes seconds, and the episode under way begins anew."""
        self._require_open()
        self._load(gold=True)
        way = tuple(map(str, self._java.server.getGoldActionSequence()))
        self._load(gold=False)
        self.reset()
        return way

    def same(self, recorded: str, seen: str) -> bool:
        """Whether they differ in nothing but degrees, the order of what is listed, and where the bees are."""
        return parts(recorded) == parts(seen)

    def _load(self, gold: bool) -> None:
        task, variation = self._wanted
        self._java.server.load(task, variation, "", gold)

    def _require_variation(self) -> None:
        task, variation = self._wanted
        most = int(self._java.server.getTaskMaxVariations(task))
        if variation >= most:
            raise BadInput(f"no environment scienceworld/{task}/{variation}: {task} has variations 0 to {most - 1}")

    def _begin(self) -> Observation:
        self._java.server.reset()
        self._meant = {}
        return self._observed(str(self._java.server.step("look around")))

    def _carry_out(self, command: str) -> Observation:
        if self._meant and command not in self._meant:  # the simulator would take a turn for anything else
            return self._not_understood(f"Give the number of what you meant: {', '.join(self._meant)}.")
        text = str(self._java.server.step(self._meant.get(command, command)))
        if text.startswith(_NOT_UNDERSTOOD):
            return self._not_understood(text)
        self._meant = {}
        return self._asked(text) if text.startswith(_AMBIGUOUS) else self._observed(text)

    def _asked(self, text: str) -> Observation:
        """What a command may have meant, in an order of our own: the simulator's differs from run to run."""
        options = sorted((words, theirs) for theirs, words in _OPTION.findall(text))
        self._meant = {str(ours): theirs for ours, (_, theirs) in enumerate(options)}
        listed = "\n".join(f"{ours}: {words}" for ours, (words, _) in enumerate(options))
        return Observation(
            f"Ambiguous: give the number of what you meant.\n{listed}", actions=tuple(self._meant), score=self._points()
        )

    def _observed(self, text: str) -> Observation:
        # the simulator's score is below 0 where the task has failed for good
        done = bool(self._java.server.getCompleted()) or float(self._java.server.getScore()) < 0
        return Observation(text.strip(), done, () if done else self._actions(), self._points())

    def _points(self) -> float:
        return max(0.0, min(1.0, float(self._java.server.getScore())))

    def _actions(self) -> tuple[str, ...]:
        """Some of the possible commands: in turn one of each kind, the shortest first."""
        kinds: dict[int, set[str]] = {}
        for action in json.loads(self._java.server.getValidActionObjectCombinationsJSON())["validActions"]:
            kinds.setdefault(int(action["template_id"]), set()).add(str(action["action"]))
        sorts = [sorted(kinds[kind], key=lambda action: (len(action), action)) for kind in sorted(kinds)]
        in_turn = chain.from_iterable(zip_longest(*sorts))
        return tuple(action for action in in_turn if action is not None and action != "reset task")[:MOST_ACTIONS]

    def _give_up(self) -> None:
        self._java.end()


def parts(text: str) -> list[str]:
    """What is told, without what the simulator draws anew each time: degrees, orders and bees."""
    told = (part.strip() for part in _PARTS.split(_DEGREES.sub("some", text)))
    return sorted(part for part in told if part and not _FLYING.fullmatch(part))


def environment(rest: str) -> MakeEnvironment:
    """What makes `scienceworld/REST`: a task, and perhaps a slash and a variation.

    Raises:
        BadInput: There is no such task, or no Java.
        MissingExtra: The package is not installed.
    """
    task, _, variation = rest.partition("/")
    tasks = names()
    if task not in tasks:
        raise BadInput(f"no environment scienceworld/{rest}: there are {', '.join(tasks)}, each with /VARIATION")
    at = number(variation or "0", "the variation", f"scienceworld/{rest}")
    if why := missing():
        raise BadInput(f"scienceworld/{rest}: {why}")
    return partial(ScienceWorld, task, at)


def missing() -> str | None:
    """What a machine lacks to run ScienceWorld, with its fix; `None` where it lacks nothing."""
    return None if shutil.which(JAVA) else f"no `{JAVA}` was found: {NEEDS}"


@cache
def names() -> tuple[str, ...]:
    """The tasks there are, from the package's own list; Java is not needed for it."""
    require("scienceworld", "embodied", PURPOSE)
    listed = json.loads(resources.files("scienceworld").joinpath("tasks.json").read_text(encoding="utf-8"))
    return tuple(sorted(entry["task_name"] for entry in listed))


@dataclass(frozen=True, slots=True)
class _Simulator:
    """A Java process that runs the package's simulator, the connection to it, and the folder that it writes into."""

    gateway: Any
    process: subprocess.Popen[bytes]
    server: Any
    folder: str

    @classmethod
    def started(cls) -> _Simulator:
        """Start one.

        Raises:
            BadInput: Java does not run it.
        """
        jar = require("scienceworld.constants", "embodied", PURPOSE).JAR_PATH
        java = require("py4j.java_gateway", "embodied", PURPOSE)
        failures = require("py4j.protocol", "embodied", PURPOSE)
        folder = tempfile.mkdtemp(prefix="reflectree-scienceworld-")  # it leaves a file where it is started
        try:
            port, process = java.launch_gateway(
                classpath=jar, javaopts=list(JAVA_OPTIONS), die_on_exit=True, return_proc=True, cwd=folder
            )
            parameters = java.GatewayParameters(port=port, auto_field=True)
            gateway = java.JavaGateway(gateway_parameters=parameters, java_process=process)
            return cls(gateway, process, gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface(), folder)
        except (OSError, ValueError, failures.Py4JError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise BadInput(f"ScienceWorld does not start ({error}): {NEEDS}") from error

    def end(self) -> None:
        """Close the connection and see that the Java process ends, which it does when its input is closed."""
        self.gateway.shutdown()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
