"""A value model in this process: weights on this machine, driven by the engine that the value server has.

The weights are loaded by the first score, in a thread, so that building the model costs nothing; whether they are there
is looked at when it is built. Nothing here imports torch before that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from reflectree.models.batching import Closed, Overloaded
from reflectree.models.scoring.items import Item, ItemRefused, Scored, Scorer, item_of
from reflectree.models.values import reading
from reflectree.models.values.client import known, preferred
from reflectree.models.values.dialect import Tally
from reflectree.models.values.reading import NoScore, Result
from reflectree.rlm_ops.errors import BadInput, ModelError, ModelRejected, ReflectreeError, TransientModelError
from reflectree.rlm_ops.step import Path

if TYPE_CHECKING:
    from reflectree.models.serving.engine import ScoringEngine


class InProcessValues:
    """A scorer as a value and reward model; it compares paths where its kind does.

    Args:
        load: Loads the scorer; called once, in a thread.
        name: What the model is called.

    Attributes:
        tally: What was scored so far.
    """

    def __init__(self, load: Callable[[], Scorer], name: str) -> None:
        self.name, self.tally = name, Tally()
        self._load = load
        self._engine: Future[ScoringEngine] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def scored(self, items: Sequence[Item]) -> list[Result]:
        """What the model says of each item, or why it says nothing."""
        engine = await self.engine()
        self.tally.requests += 1
        try:
            return self._counted(items, await engine.score(items), engine)
        except ItemRefused as error:
            if len(items) == 1:
                return [ModelRejected(str(error), 422)]
            # One at a time, that the others are scored all the same; the engine gathers them again.
            return [one for (one,) in await asyncio.gather(*(self.scored([item]) for item in items))]
        except Overloaded as error:
            return [TransientModelError(str(error))] * len(items)
        except (Closed, ReflectreeError) as error:
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

    async def score_steps(self, paths: Sequence[Path]) -> list[list[float]]:
        """For each path one score a step.

        Raises:
            ModelError: One of them has none, or the model scores the whole only.
        """
        results = [known(result) for result in await self.score_each(paths)]
        for path, result in zip(paths, results, strict=True):
            if len(result.steps) != len(path.steps):
                raise NoScore(f"{self.name} gave {len(result.steps)} scores for {len(path.steps)} steps")
        return [list(result.steps) for result in results]

    async def prefer(self, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
        """For each pair the chance that the first is the better one.

        Raises:
            ModelError: One of them has none.
        """
        compares = (await self.engine()).info.kind == "preference"
        return await preferred(pairs, self.scored, compares=compares)

    async def check(self) -> str:
        """One line on the model, which is loaded for it.

        Raises:
            ModelError: It cannot be loaded.
        """
        info = (await self.engine()).info
        size = f"{info.parameters:,} parameters, " if info.parameters else ""
        return f"{self.name}: ready; {info.kind}, {size}{info.dtype} on {info.device}"

    async def engine(self) -> ScoringEngine:
        """The engine; the first caller loads it.

        Raises:
            ModelError: It cannot be loaded, or was closed.
        """
        with self._lock:
            if self._closed:
                raise ModelError(f"the value model {self.name} was closed: build a new one")
            first = self._engine is None
            found = self._engine = self._engine or Future()
        if first:
            found.set_running_or_notify_cancel()  # a caller who hangs up does not cancel it for the others
            threading.Thread(target=self._begin, args=(found,), name="load value model", daemon=True).start()
        return await asyncio.wrap_future(found)

    async def aclose(self) -> None:
        """Release the model."""
        with self._lock:
            self._closed, found = True, self._engine
        if found is None:
            return
        try:
            engine = await asyncio.shield(asyncio.wrap_future(found))
        except ModelError:
            return
        await asyncio.to_thread(engine.close, drain=False)

    def _begin(self, found: Future[ScoringEngine]) -> None:
        from reflectree.models.serving.engine import ScoringEngine

        try:
            engine = ScoringEngine(self._load())
        except BadInput as error:
            found.set_exception(ModelRejected(str(error)))
        except Exception as error:  # the boundary to torch: whoever asked is told
            found.set_exception(ModelError(f"{self.name} cannot be loaded ({type(error).__name__}): {error}"))
        else:
            found.set_result(engine)

    def _counted(self, items: Sequence[Item], results: Sequence[Scored], engine: ScoringEngine) -> list[Result]:
        checked: list[Result] = []
        for item, result in zip(items, results, strict=True):
            whole = not engine.info.per_step or item.against is not None
            try:
                reading.scored(item, result.steps, value=result.value, per_step=not whole)
            except NoScore as error:
                checked.append(error)
                continue
            checked.append(result)
            self.tally.items += 1
            self.tally.tokens += result.tokens
            self.tally.cached += result.cached
        return checked
