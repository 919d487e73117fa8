"""One HTTP exchange: bytes out, status and bytes back, or a typed error.

It keeps one aiohttp session an event loop (kept-alive connections, one TLS context) and enforces the time-out over the
whole exchange. It knows nothing of models, retries or JSON.
"""

from __future__ import annotations

import asyncio
import re
import urllib.request
import weakref
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from reflectree.models.faults import scrub
from reflectree.rlm_ops.errors import BadInput, ModelTimeout, ModelUnreachable, TransientModelError

# Below the 5 s after which uvicorn (vLLM, SGLang, most proxies) closes an idle connection: a request that goes out on a
# connection the server is just closing fails without need.
KEEP_ALIVE_S = 4.0

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent: its status, its headers (lower-case lookup works) and its whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_LOGIN = re.compile(r"(?<=://)[^/?#]*@")


def without_login(address: str) -> str:
    """An address, or a model's name that holds one, without user and password: names stand in traces and lists."""
    return _LOGIN.sub("", address)


class Transport:
    """Exchanges with one endpoint, from any number of event loops."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        """Check the address.

        Args:
            base_url: Root of the endpoint, for example `http://localhost:8000/v1`.
            headers: Sent with each request; their values never appear in an error.

        Raises:
            BadInput: It is not an http or https address.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{scrub(base_url)!r} is no http(s) address: give base_url like http://localhost:8000/v1")
        self.where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._root = base_url.rstrip("/")
        self._headers = dict(headers)
        self._proxy = _proxy_for(parts.scheme, parts.hostname)
        self._urls: dict[str, URL] = {}
        self._scopes: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession, None]]
        ] = weakref.WeakKeyDictionary()
        self._closed = False

    async def exchange(self, method: str, path: str, timeout: float, body: bytes | None = None) -> Answer:  # noqa: ASYNC109
        """Send one request and read the whole answer, whatever its status.

        Raises:
            ModelTimeout: Headers or body were not complete after `timeout` seconds.
            ModelUnreachable: There is no connection, or it was lost before the answer.
            TransientModelError: The answer broke off or is no HTTP.
        """
        session = await self._session()
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self._root + path))
        try:
            async with (
                asyncio.timeout(timeout),
                session.request(method, url, data=body, allow_redirects=False, proxy=self._proxy) as response,
            ):
                return Answer(response.status, response.headers, await response.read())
        except TimeoutError:
            raise ModelTimeout(f"{self.where} gave no whole answer within {timeout:g} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            # `from None` throughout: these exceptions carry the request's headers, and with them the key.
            raise TransientModelError(f"{self.where} sent a broken answer ({type(error).__name__})") from None
        except (aiohttp.ClientError, OSError) as error:
            reason = scrub(str(error), self._headers.values()) or type(error).__name__
            raise ModelUnreachable(f"{self.where} cannot be reached ({reason}): is the server running there?") from None

    async def aclose(self) -> None:
        """Close this event loop's connections; those of other loops close with their loops."""
        self._closed = True
        scope = self._scopes.pop(asyncio.get_running_loop(), None)
        if scope is not None:
            await scope[1].aclose()

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        scope = self._scopes.get(loop)
        if scope is None:
            if self._closed:
                raise BadInput(f"the client for {self.where} was closed: build a new one")
            generator = _open_session(self._headers)
            scope = (await anext(generator), generator)
            self._scopes[loop] = scope
        return scope[0]


async def _open_session(headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """A session that lives as long as its event loop.

    An event loop closes the asynchronous generators that are still open before it ends (`asyncio.run` and every runner
    do); a session opened inside one is thereby closed in its own loop, whoever forgot to.
    """
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=KEEP_ALIVE_S)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_NO_TIMEOUT,
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **headers},
    )
    try:
        yield session
    finally:
        await session.close()


def _proxy_for(scheme: str, host: str) -> str | None:
    """The proxy the environment asks for, looked up once instead of for each request."""
    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)
