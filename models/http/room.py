"""How many connections a server holds: where there is no room for another, the one that was idle longest makes it.

So whoever opens connections and asks nothing cannot keep others out, and what files and models need to be opened for
stays free. What is spoken on a connection is not known here.
"""

from __future__ import annotations

import logging
from typing import Protocol

from reflectree.rlm_ops.errors import BadInput

logger = logging.getLogger(__name__)

MOST = 10_000
"""Connections that are enough for one process."""

_OTHERS = 64
"""Files that a server has open beside connections, at least."""


class Connection(Protocol):
    """What a server holds open."""

    def leave(self) -> None:
        """Close it, once what was sent is taken."""
        ...


class Room:
    """The connections of one server, in one event loop.

    Args:
        most: How many there may be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """Those that nothing was asked on and not answered, the longest so first."""
        self._full = False

    @property
    def held(self) -> int:
        """How many there are."""
        return len(self._open)

    def enter(self, connection: Connection) -> bool:
        """Take a new connection in, which is idle; says whether there is room for it."""
        while len(self._open) >= self.most and self._idle:
            longest = next(iter(self._idle))
            self.left(longest)
            longest.leave()
        if len(self._open) >= self.most:
            if not self._full:
                logger.warning("%d connections are busy, the most there may be: others are refused", self.most)
            self._full = True
            return False
        self._full = False
        self._open.add(connection)
        self._idle[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        """Something was asked on it."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """All that was asked on it is answered."""
        if connection in self._open:
            self._idle[connection] = None

    def left(self, connection: Connection) -> None:
        """It is closed."""
        self._open.discard(connection)
        self._idle.pop(connection, None)


def room(most: int | None = None) -> Room:
    """Room for so many connections, or for as many as this process has descriptors for beside its other work.

    Raises:
        BadInput: The process may not have so many files open.
    """
    files = _descriptors()
    if files is not None and most is not None and most + _OTHERS > files:
        raise BadInput(f"{most:,} connections are more than the {files:,} open files allowed here: see ulimit -n")
    return Room(most or (MOST if files is None else min(MOST, max(1, files // 2))))


def open_more() -> None:
    """Let this process have as many files open as it may: the usual limit is for programs that are no servers."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MOST if hard == resource.RLIM_INFINITY else min(hard, 4 * MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _descriptors() -> int | None:
    """How many files this process may have open; `None` where that is not limited, or not known."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
