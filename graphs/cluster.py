"""A Ray cluster for the time of a block: one that is there, or one of this process's own.

It connects and says in one line what is wrong. What is done there is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require

CONNECT_S = 10.0
LOCAL = "local"
"""The address of a cluster that begins and ends with the block."""
_LOCAL_ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1"}
"""A cluster of one's own: nobody else reaches it, no token is written into the home folder, nothing is reported."""


@contextlib.asynccontextmanager
async def connected(address: str, workers: int, purpose: str) -> AsyncIterator[Any]:
    """The `ray` module, connected to a cluster.

    Args:
        address: The cluster's; `local` begins one on this machine with a CPU a worker.
        workers: Workers that will be asked for.
        purpose: What needs it, as the beginning of an error's sentence.

    Raises:
        BadInput: The cluster cannot be reached, or this process is connected to one.
        MissingExtra: Ray is not installed.
    """
    if not address.strip():
        raise BadInput("no address of a Ray cluster: give HOST:PORT, auto or local")
    if workers < 1:
        raise BadInput(f"{workers} Ray workers: give at least 1")
    if address != LOCAL:
        await _listens(address)
    with _environment(_LOCAL_ENVIRONMENT if address == LOCAL else {}):
        ray = await asyncio.to_thread(require, "ray", "ray", purpose)
        if ray.is_initialized():
            raise BadInput("this process is connected to Ray already: call ray.shutdown() before")
        try:
            await _connecting(ray, None if address == LOCAL else address, workers)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            said = str(error).strip().partition("\n")[0]
            raise BadInput(f"no Ray cluster at {address} ({said}): check the address, or use local") from error
        try:
            yield ray
        finally:
            await asyncio.to_thread(ray.shutdown)


async def _listens(address: str) -> None:
    """Look whether anybody is there at all: Ray itself tries for minutes.

    Raises:
        BadInput: Nobody is.
    """
    place = re.fullmatch(r"(?:ray://)?\[?([^\]/]+?)\]?:(\d+)", address)
    if place is None:  # `auto` and the like are for Ray to understand
        return
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(place[1], int(place[2]))
    except (OSError, OverflowError, TimeoutError) as error:
        raise BadInput(f"no Ray cluster at {address}: nobody listens there; check the address, or use local") from error
    writer.close()


async def _connecting(ray: Any, address: str | None, workers: int) -> None:
    """Connect; whoever loses patience meanwhile leaves no cluster behind that began without them."""
    work = asyncio.ensure_future(asyncio.to_thread(_connect, ray, address, workers))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])  # Ray cannot be stopped while it begins
        await asyncio.to_thread(ray.shutdown)
        raise


def _connect(ray: Any, address: str | None, workers: int) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        # the package as it is here, wherever this process found it, and where the user's own functions are found
        own = [path for path in sys.path if path and not path.startswith((sys.prefix, sys.base_prefix))]
        paths = os.pathsep.join(dict.fromkeys([str(Path(__file__).parents[2]), *own]))
        options |= {"num_cpus": workers, "include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": paths}}}
    # never `None`: with that Ray looks for a cluster that runs on this machine, or once did
    ray.init(address=address or LOCAL, **options)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs, where they are not set already."""
    ours = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
