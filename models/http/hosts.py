"""Under which names a server may be asked, so that no page of a browser reaches it by rebinding a name of its own.

A page of another site that rebinds its name to 127.0.0.1 still sends that name as `Host`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from reflectree.models.http.limits import is_loopback


@dataclass(frozen=True, slots=True)
class Address:
    """Under which names a server is asked.

    Attributes:
        host: What it listens on.
        names: Further names that clients use.
    """

    host: str
    names: Collection[str] = ()

    def serves(self, authority: str) -> bool:
        """Whether a `Host` header, or the host of an `Origin`, is one of this server's.

        A literal address cannot have been rebound, so a server on a network answers to all of them.
        """
        name = _name(authority)
        if name is None:
            return False
        if is_loopback(name) or name in self.names or name == self.host:
            return True
        return not is_loopback(self.host) and _is_address(name)


def _name(authority: str) -> str | None:
    """The name in `name:port` or `[address]:port`, in lower case; `None` where there is none."""
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in authority or parts.path or parts.query or port == 0:
        return None
    return parts.hostname.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
