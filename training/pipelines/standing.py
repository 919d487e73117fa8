"""How a loop stands: the models it keeps, what each round came to, what a cap leaves, all written down in its folder.

It knows what was asked for only as values, which a later session must ask for again.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.training.files import replace_json


@dataclass(slots=True)
class LoopReport:
    """How the loop stands.

    Attributes:
        folder: Its folder.
        policy: The policy that is kept; `value` the value model.
        rounds: What each round came to.
        paused: The cap that paused it; `None` where it is through.
    """

    folder: str
    policy: str
    value: str | None
    rounds: list[dict[str, Any]] = field(default_factory=list)
    paused: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


class Standing:
    """One session's account of a loop.

    Args:
        folder: The loop's folder.
        asked: What was asked for, as JSON values.
        cap: The caps on all sessions together.
        report: How a loop stands that has not begun.
    """

    def __init__(self, folder: Path, asked: dict[str, Any], cap: Budget, report: LoopReport) -> None:
        self.report = report
        self._folder, self._asked, self._cap = folder, asked, cap
        self._begun = time.monotonic()
        self._before = 0.0

    def begin(self) -> int:
        """Recollect what earlier sessions did; the round to go on with."""
        path = self._folder / "loop.json"
        if path.exists():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
                then = known["asked"]
            except (ValueError, KeyError) as error:
                raise BadInput(f"{path} is damaged: move it away, or choose another folder") from error
            asked, folder = self._asked, self._folder
            if then != asked and (folder / "round-0").exists():
                differing = next(name for name in asked if then.get(name) != asked[name])
                raise TraceError(f"{folder} holds a loop of another {differing}: ask for the same, or use another")
            self.report = LoopReport(**{**known["report"], "folder": str(self._folder), "paused": None})
            self._before = float(known["seconds"])
        self.save()
        return sum(row.get("kept") is not None for row in self.report.rounds)

    def save(self) -> None:
        """Write down how it stands."""
        replace_json(
            self._folder / "loop.json",
            {"asked": self._asked, "report": self.report.to_json(), "seconds": round(self.seconds, 3)},
        )

    @property
    def seconds(self) -> float:
        """Seconds spent, those of earlier sessions among them."""
        return self._before + time.monotonic() - self._begun

    @property
    def late(self) -> bool:
        """Whether the cap on seconds is reached."""
        return self._cap.seconds is not None and self.seconds >= self._cap.seconds

    def left(self, number: int) -> Budget:
        """What earlier rounds have left of the cap."""
        spent = [row["data"]["usage"] for row in self.report.rounds[:number] if "data" in row]
        cap = self._cap
        calls = None if cap.calls is None else max(0, cap.calls - sum(int(u["calls"]) for u in spent))
        tokens = None
        if cap.tokens is not None:
            used = sum(int(u["prompt_tokens"]) + int(u["completion_tokens"]) for u in spent)
            tokens = max(0, cap.tokens - used)
        usd = None if cap.usd is None else max(0.0, cap.usd - sum(float(u["usd"] or 0.0) for u in spent))
        seconds = None if cap.seconds is None else max(0.0, cap.seconds - self.seconds)
        return Budget(calls=calls, tokens=tokens, usd=usd, seconds=seconds)
