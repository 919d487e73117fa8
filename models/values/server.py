"""Our own value server, `POST /v1/value`: many items a request, steps as lists, and comparisons where it can make them.

What the server's model is, it tells in its list of models; until then one score for several steps is taken to be that
of a model which reads the whole only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from reflectree.models.scoring.items import Item
from reflectree.models.values import reading
from reflectree.models.values.client import HttpStepValues, preferred
from reflectree.models.values.reading import NoScore, Result
from reflectree.rlm_ops.errors import ModelError
from reflectree.rlm_ops.step import Path

KEY_ENV = "REFLECTREE_VALUE_API_KEY"
"""The environment variable that holds a value server's key."""


@dataclass(frozen=True, slots=True)
class ServerDialect:
    """The native protocol.

    Attributes:
        per_step: Whether the model gives one score a step; `None` where that is not known.
        kind: How its scores are read; empty where that is not known.
        most: The most items a request may hold.
    """

    per_step: bool | None = None
    kind: str = ""
    most: int = 256
    path: str = "/v1/value"
    listing: str = "/v1/models"
    at_once: int = 8

    def check(self, item: Item) -> None:
        """Nothing is refused here: the server says what it cannot score."""

    def body(self, model: str, items: Sequence[Item]) -> dict[str, Any]:
        """Items with their steps as lists; the model's card says how steps' scores become the value."""
        asked = [
            {
                "question": item.question,
                "steps": list(item.steps),
                **({} if item.against is None else {"against": list(item.against)}),
            }
            for item in items
        ]
        return {**({"model": model} if model else {}), "items": asked, "reduce": "model"}

    def read(self, data: Any, items: Sequence[Item], where: str) -> list[Result]:
        """One entry an item."""
        name = "items" if isinstance(data, dict) and "items" in data else "data"
        found = reading.rows(reading.field(data, name, where), items, where)
        return [self._result(item, row, where) for item, row in zip(items, found, strict=True)]

    def models(self, data: Any) -> list[str]:
        """The names of the models served."""
        return [str(row["id"]) for row in reading.listed(data)]

    def told(self, data: Any, model: str) -> ServerDialect:
        """What a list of models tells of the one that is asked."""
        rows = [row for row in reading.listed(data) if not model or row["id"] == model]
        if len(rows) != 1:
            return self
        per_step, kind = rows[0].get("per_step"), rows[0].get("kind")
        return replace(
            self,
            per_step=per_step if isinstance(per_step, bool) else self.per_step,
            kind=kind if isinstance(kind, str) else self.kind,
        )

    def _result(self, item: Item, row: Any, where: str) -> Result:
        value = reading.field(row, "value", where)
        steps = row.get("steps")
        given = steps if isinstance(steps, list) else []
        whole = self.per_step is False or item.against is not None or (self.per_step is None and len(given) <= 1)
        try:
            return reading.scored(
                item,
                given,
                value=value,
                per_step=not whole,
                tokens=reading.count(row.get("n_tokens")),
                cached=reading.count(row.get("cached_tokens")),
            )
        except NoScore as error:
            return error


class ServerValues(HttpStepValues):
    """The client of our value server; it can also compare paths (`PreferenceModel`), as far as its model can."""

    dialect: ServerDialect

    async def prefer(self, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
        """For each pair the chance that the first is the better one.

        Raises:
            ModelError: One of them has none.
        """
        if not self.dialect.kind:
            with contextlib.suppress(ModelError):  # where it does not tell, it is asked to compare
                await self.names()
        return await preferred(pairs, self.scored, compares=self.dialect.kind in ("", "preference"))

    async def names(self) -> list[str]:
        """As of any endpoint; what the server tells of its model is remembered."""
        data = await self._exchange.get(self.dialect.listing)
        self.dialect = self.dialect.told(data, self.model)
        return self.dialect.models(data)
