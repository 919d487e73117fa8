"""The client of a value model behind HTTP: batches of items out, scores back, whatever the server's dialect.

Concurrent calls become one request (`coalescing`). A request that is refused for one of its items is sent again without
it, so that an item that cannot be scored fails alone. Knows nothing of trees: paths come in, numbers go out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from reflectree.models.batching import Closed
from reflectree.models.calling import HOPELESS, Retries
from reflectree.models.scoring.items import Item, Scored, item_of
from reflectree.models.values.coalescing import WINDOW_S, Coalescer
from reflectree.models.values.dialect import Dialect, ItemsRefused, Tally
from reflectree.models.values.exchange import Exchange
from reflectree.models.values.reading import NoScore, Result
from reflectree.rlm_ops.errors import ModelError, ModelRejected
from reflectree.rlm_ops.step import Path

TIMEOUT_S = 60.0
"""Seconds a request may take."""


class HttpValues:
    """A value model behind an endpoint: `score(paths)`, one value a path.

    Attributes:
        name: The model's string, as `reflectree.value_model` takes it.
        model: Its name at the endpoint; empty for the only one there is.
        tally: What was asked for so far.
    """

    def __init__(
        self,
        model: str,
        dialect: Dialect,
        *,
        base_url: str,
        name: str = "",
        api_key: str | None = None,
        key_env: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
        retries: Retries | None = None,
        window: float = WINDOW_S,
    ) -> None:
        """Describe the endpoint; no connection is made.

        Args:
            model: The model's name at the endpoint.
            dialect: How it is asked.
            base_url: Root of the endpoint.
            name: What the model is called; made from address and model where absent.
            api_key: Bearer key.
            key_env: The environment variable that holds the key, for the error that asks for one.
            headers: Extra HTTP headers.
            timeout: Seconds a request may take.
            retries: How transient faults are tried again.
            window: Seconds an item waits for others, at most.

        Raises:
            BadInput: `base_url` is no http(s) address.
        """
        self.tally = Tally()
        self._exchange = Exchange(
            base_url,
            api_key=api_key,
            key_env=key_env,
            headers=dict(headers or {}),
            timeout=timeout,
            retries=retries or Retries(),
            tally=self.tally,
        )
        self.model, self.dialect = model, dialect
        self.name = name or f"{self._exchange.where}{'#' + model if model else ''}"
        self._window: Coalescer[Item, Result] = Coalescer(
            self._send, most=dialect.most, window=window if dialect.most > 1 else 0.0, at_once=dialect.at_once
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def scored(self, items: Sequence[Item]) -> list[Result]:
        """What the model says of each item, or why it says nothing."""
        try:
            return await self._window.submit(items)
        except Closed as error:
            return [ModelError(f"{self.name}: {error}")] * len(items)

    async def score_each(self, paths: Sequence[Path]) -> list[Result]:
        """As `scored`, of paths."""
        return await self.scored([item_of(path) for path in paths])

    async def score(self, paths: Sequence[Path]) -> list[float]:
        """One value a path.

        Raises:
            ModelError: One of them has none.
        """
        return [known(result).value for result in await self.score_each(paths)]

    async def names(self) -> list[str]:
        """The names of the models at the endpoint; asking costs nothing.

        Raises:
            ModelError: It does not answer, or refuses.
        """
        return self.dialect.models(await self._exchange.get(self.dialect.listing))

    async def check(self) -> str:
        """One line on what the endpoint has; costs nothing.

        Raises:
            ModelError: It does not answer, refuses, or has no such model.
        """
        names = await self.names()
        if self.model and names and self.model not in names:
            raise ModelRejected(f"{self._exchange.where} has no model {self.model!r}; it has: {', '.join(names[:5])}")
        return f"{self.name}: answers; models: {', '.join(names[:5]) or 'not told'}"

    async def aclose(self) -> None:
        """Cut what is in flight on this event loop, and close its connections."""
        await self._window.aclose()
        await self._exchange.aclose()

    async def _send(self, items: Sequence[Item]) -> list[Result]:
        """Score a batch. What cannot be asked for is never sent."""
        results: list[Result | None] = [self._refused(item) for item in items]
        askable = [place for place, result in enumerate(results) if result is None]
        for place, result in zip(askable, await self._batch([items[place] for place in askable]), strict=True):
            results[place] = result
        return [result for result in results if result is not None]

    def _refused(self, item: Item) -> ModelError | None:
        try:
            self.dialect.check(item)
        except ModelError as error:
            return error
        return None

    async def _batch(self, items: Sequence[Item]) -> list[Result]:
        """Score a batch; where it is refused, without the items it is refused for."""
        if not items:
            return []
        try:
            return await self._asked(items)
        except ModelRejected as error:
            if len(items) == 1 or error.status in HOPELESS or error.status is None:
                return [error] * len(items)
            if isinstance(error, ItemsRefused):
                named = error.items
                kept = iter(await self._batch([item for place, item in enumerate(items) if place not in named]))
                return [error if place in named else next(kept) for place in range(len(items))]
            return await self._halves(items, error.status)
        except ModelError as error:
            return [error] * len(items)

    async def _halves(self, items: Sequence[Item], status: int) -> list[Result]:
        """Score a batch in two parts, since the server does not say what is wrong with it."""
        middle = (len(items) + 1) // 2
        first, second = await asyncio.gather(self._batch(items[:middle]), self._batch(items[middle:]))
        results = [*first, *second]
        if status == 413 and not any(isinstance(result, ModelError) for result in results):
            self._window.most = min(self._window.most, middle)  # it was the batch that was too large
        return results

    async def _asked(self, items: Sequence[Item]) -> list[Result]:
        """One request, with retries."""
        dialect, where = self.dialect, self._exchange.where
        results = await self._exchange.post(
            dialect.path, dialect.body(self.model, items), lambda data: dialect.read(data, items, where), len(items)
        )
        self.tally.count(results)
        return results


class HttpStepValues(HttpValues):
    """A value model that also scores each step: `score_steps(paths)`."""

    async def score_steps(self, paths: Sequence[Path]) -> list[list[float]]:
        """For each path one score a step.

        Raises:
            ModelError: One of them has none.
        """
        results = [known(result) for result in await self.score_each(paths)]
        for path, result in zip(paths, results, strict=True):
            if len(result.steps) != len(path.steps):
                raise NoScore(f"{self.name} gave {len(result.steps)} scores for {len(path.steps)} steps")
        return [list(result.steps) for result in results]


async def preferred(
    pairs: Sequence[tuple[Path, Path]], ask: Callable[[Sequence[Item]], Awaitable[list[Result]]], *, compares: bool
) -> list[float]:
    """For each pair the chance that the first is the better one.

    Args:
        pairs: The pairs.
        ask: Scores items.
        compares: Whether the model compares two solutions. One that scores them one by one gives
            (1 + difference of values) / 2.

    Raises:
        ModelError: One of them has none.
    """
    if compares:
        items = [replace(item_of(one), against=item_of(other).steps) for one, other in pairs]
        return [known(result).value for result in await ask(items)]
    values = [known(result).value for result in await ask([item_of(path) for pair in pairs for path in pair])]
    return [(1.0 + one - other) / 2 for one, other in zip(values[::2], values[1::2], strict=True)]


def known(result: Result) -> Scored:
    """A result that is one.

    Raises:
        ModelError: It is none.
    """
    if isinstance(result, ModelError):
        raise result
    return result
