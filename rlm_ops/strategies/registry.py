"""The table of strategies by name, and how one from outside the package gets into it.

A blueprint, a checkpoint and a trace name a strategy; this is where the name becomes a class. The built-in ones are
entered by `reflectree.rlm_ops.strategies`. It imports nothing by itself: code from elsewhere runs only where the
program registered it, or where an installed distribution declares it and its name is asked for.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from typing_extensions import override

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.base import Strategy

GROUP = "reflectree.strategies"
"""The group of entry points in which a distribution declares its strategies."""

Kind = TypeVar("Kind", bound=type[Strategy])


class StrategyTable(dict[str, type[Strategy]]):
    """Strategies by name.

    A name that is missed is looked for among the entry points of the installed distributions, each loaded once and
    only when it is named: a list of the table shows what is registered, not what could be.
    """

    @override
    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self._find(name))

    def __missing__(self, name: str) -> type[Strategy]:
        if not self._find(name):
            raise KeyError(name)
        return self[name]

    def _find(self, name: str) -> bool:
        """Register the strategy of this name that an installed distribution declares; whether there is one.

        Raises:
            ValueError: It is declared and cannot be used; a blueprint says so with the field's path.
        """
        for point in entry_points(group=GROUP, name=name):
            register(_loaded(point))
            return True
        return False


STRATEGIES = StrategyTable()


def register(strategy: Kind) -> Kind:
    """Let blueprints, checkpoints and traces name a strategy of yours; use it as a decorator of the class.

    Registering the same class again (a cell run twice, a module loaded anew) replaces it.

    Raises:
        BadInput: It is no strategy, has no name, or another strategy has its name.
    """
    name = getattr(strategy, "name", None)
    if not (isinstance(strategy, type) and issubclass(strategy, Strategy)):
        raise BadInput(f"register({strategy!r}): give a subclass of reflectree.rlm_ops.strategies.Strategy")
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f'register({strategy.__name__}): give it a name: `name: ClassVar[str] = "..."`')
    taken = STRATEGIES.get(name)
    if taken is not None and _origin(taken) != _origin(strategy):
        raise BadInput(
            f"register({strategy.__name__}): the name {name!r} is that of {'.'.join(_origin(taken))}: choose another"
        )
    STRATEGIES[name] = strategy
    return strategy


def _origin(strategy: type[Strategy]) -> tuple[str, str]:
    return strategy.__module__, strategy.__qualname__


def _loaded(point: EntryPoint) -> Any:
    """The class an entry point stands for, if it is a strategy of the entry point's name."""
    whose = f"strategy {point.name!r} of {point.dist.name if point.dist else 'an installed distribution'}"
    try:
        found = point.load()
    except Exception as error:  # another's module may fail in any way when it is imported
        raise ValueError(f"{whose} cannot be loaded from {point.value}: {type(error).__name__}: {error}") from error
    if getattr(found, "name", None) != point.name:
        raise ValueError(f"{whose}: {point.value} is not called so: its `name` is {getattr(found, 'name', None)!r}")
    return found


__all__ = ["GROUP", "STRATEGIES", "StrategyTable", "register"]
