"""The process behind `Isolated`: makes an environment, and does what it is asked in JSON lines until nobody asks.

Its channel is a copy of the standard pipes; what an environment prints or reads goes nowhere. It ends with its parent.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import queue
import threading
from dataclasses import asdict
from typing import IO, Any

from reflectree.agents.instances import sensible
from reflectree.rlm_ops.environment import Environment, agree


def main() -> None:
    """Serve one environment."""
    asked, answer = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(asked, requests), daemon=True).start()
    server = _Server(_made)
    while True:
        request = requests.get()
        try:
            reply = {"ok": server.do(request)}
        except Exception as error:  # the boundary to a user's environment
            reply = {"error": f"{type(error).__name__}: {error}"[:2000]}
        answer.write(json.dumps(reply) + "\n")
        answer.flush()


def _read(asked: IO[str], requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Read requests in a thread of its own, so that a hanging environment too ends with its parent."""
    for line in asked:
        requests.put(json.loads(line))
    os._exit(0)


class _Server:
    """Carries requests out."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self._environment: Environment | None = None
        self._snapshots: dict[int, object] = {}
        self._numbers = itertools.count()

    def do(self, request: dict[str, Any]) -> Any:
        """What a request comes to, as plain values."""
        if "spec" in request:
            self._environment = environment = self._made(request["spec"], request["with"])
            task = environment.task
            return {
                "name": environment.name,
                "task": {"question": task.question, "context": task.context, "id": task.id, "form": task.form},
            }
        for number in request["free"]:
            self._snapshots.pop(number, None)
        return getattr(self, request["do"])(*request["with"])

    @property
    def _own(self) -> Environment:
        assert self._environment is not None
        return self._environment

    def reset(self) -> dict[str, Any]:
        return asdict(sensible(self._own.reset()))

    def step(self, command: str) -> dict[str, Any]:
        return asdict(sensible(self._own.step(command)))

    def refuses(self, command: str) -> str | None:
        return self._own.refuses(command)

    def same(self, recorded: str, seen: str) -> bool:
        return agree(self._own, recorded, seen)

    def snapshot(self) -> int | None:
        snapshot = self._own.snapshot()
        if snapshot is None:
            return None
        number = next(self._numbers)
        self._snapshots[number] = snapshot
        return number

    def restore(self, number: int) -> None:
        self._own.restore(self._snapshots[number])


def _made(spec: str, arguments: list[Any]) -> Environment:
    """The environment of a name, or the one that `module:function` makes."""
    module, colon, function = spec.partition(":")
    if colon and "/" not in module:
        made: Environment = getattr(importlib.import_module(module), function)(*arguments)
        return made
    from reflectree.graphs.embodied.resolve import make  # it takes a while to import, and a function needs none of it

    return make(spec)()


if __name__ == "__main__":
    main()
