"""A sequence classifier on Text Embeddings Inference, `POST /predict`: pairs of question and solution, in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.models.scoring.items import Item
from reflectree.models.values import reading
from reflectree.models.values.reading import NoScore, Result

BASE_URL = "http://localhost:8080"
KEY_ENV, URL_ENV = "TEI_API_KEY", "TEI_BASE_URL"

_GOOD = re.compile(r"(?i)^(?:label_1|1|good|correct|positive|true|yes|right|\+)$")


@dataclass(frozen=True, slots=True)
class PredictDialect:
    """Classes of a pair.

    The server sends the classes sorted by score, so which one means good is told by its name.

    Attributes:
        label: The class that means good; without one, the only one, or the one called `LABEL_1`, `good`, `correct`, ...
    """

    label: str = ""
    most: int = 32  # the server's own default for the largest batch of a client
    path: str = "/predict"
    listing: str = "/info"
    at_once: int = 8

    def check(self, item: Item) -> None:
        """One solution is read, not two."""
        reading.refuse_pair(item)

    def body(self, model: str, items: Sequence[Item]) -> dict[str, Any]:
        """Pairs, in the form of a batch even where there is one. Nothing may be cut."""
        pairs = [[item.question, "\n".join(item.steps)] if item.steps else [item.question] for item in items]
        return {"inputs": pairs, "raw_scores": False, "truncate": False}

    def read(self, data: Any, items: Sequence[Item], where: str) -> list[Result]:
        """The score of the class that means good."""
        return [self._result(item, row) for item, row in zip(items, reading.rows(data, items, where), strict=True)]

    def models(self, data: Any) -> list[str]:
        """The model that the server tells of."""
        name = data.get("model_id") if isinstance(data, dict) else None
        return [str(name)] if name else []

    def _result(self, item: Item, row: Any) -> Result:
        classes = {
            str(found.get("label")): found.get("score")
            for found in (row if isinstance(row, list) else [])
            if isinstance(found, dict)
        }
        wanted = [name for name in classes if name == self.label or (not self.label and _GOOD.match(name))]
        if not wanted and not self.label:
            wanted = list(classes)
        if len(wanted) != 1:
            names = ", ".join(classes) or "none"
            return NoScore(f"which class means a good solution? The server has: {names}; name it, as in tei/LABEL")
        return reading.result(item, [classes[wanted[0]]], per_step=False)
