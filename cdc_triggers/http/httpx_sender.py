"""The `Sender` for special cases: httpx, which knows proxies and can be mocked. Much slower.

What the client does by itself: before it reuses a kept-alive connection it looks whether the server
has closed it, and opens a new one if so. Once it has begun to write, a closed connection is a
Failure, because the endpoint may have acted on the request.
"""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from cdc_triggers import __version__
from cdc_triggers.core.attempt import (
    RESPONSE_BODY_LIMIT,
    Failure,
    FailureKind,
    Outcome,
    Request,
    Response,
)
from cdc_triggers.core.web import FRAMING, LAST_PORT
from cdc_triggers.http.failures import chain, failure, invalid_header, timed_out
from cdc_triggers.http.trust import add_authorities

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

IDLE_S = 4.0
"""Idle connections live this long: Node.js and uvicorn close theirs after 5 s."""

MAX_IDLE = 1024

_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (httpx.InvalidURL, FailureKind.INVALID_REQUEST),
    (httpx.UnsupportedProtocol, FailureKind.INVALID_REQUEST),
    (httpx.LocalProtocolError, FailureKind.INVALID_REQUEST),
    (httpx.NetworkError, FailureKind.CONNECT),
    (httpx.ProxyError, FailureKind.CONNECT),
    (httpx.HTTPError, FailureKind.PROTOCOL),
    (OSError, FailureKind.CONNECT),
    (ValueError, FailureKind.INVALID_REQUEST),
)


class HttpxSender:
    """Implements `ports.Sender`. Belongs to the event loop that first uses it.

    No redirect is followed, nothing decompressed, no cookie kept. There is no limit over all
    endpoints: one that hangs cannot starve another. Callers bound what is in flight.

    Args:
        ca_pem: certificates to trust besides the usual ones (certifi's, or SSL_CERT_FILE).
        trust_env: use HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

    Raises:
        UsageError: `ca_pem` holds no certificate.
    """

    def __init__(self, *, ca_pem: bytes | None = None, trust_env: bool = True) -> None:
        self._client = httpx.AsyncClient(
            verify=_context(ca_pem),
            timeout=None,  # noqa: S113 - the deadline is over the whole attempt: asyncio.timeout
            follow_redirects=False,
            trust_env=trust_env,
            # Endpoints must not fill our memory with cookies, nor see each other's.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=MAX_IDLE, keepalive_expiry=IDLE_S
            ),
        )

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """One outcome per request, in their order; never raises for what an endpoint does.

        A cancelled send drops the connections of the requests that are not answered yet.
        """
        if len(requests) == 1:
            return (await self._attempt(requests[0]),)
        return await asyncio.gather(*map(self._attempt, requests))

    async def close(self) -> None:
        """Drop connections; idempotent. Call it before the loop ends."""
        await self._client.aclose()

    async def _attempt(self, request: Request) -> Outcome:
        if self._client.is_closed:
            return Failure(FailureKind.CONNECT, "the sender is closed")
        for name, _value in request.headers:
            if name.lower() in FRAMING:
                return invalid_header(name)
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._exchange(_prepare(request))
        except TimeoutError:
            return timed_out(request.timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            kind = next(kind for type_, kind in _KINDS if isinstance(error, type_))
            return failure(error, kind, (str(one) for one in chain(error)))

    async def _exchange(self, prepared: httpx.Request) -> Response:
        response = await self._client.send(prepared, stream=True)
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > RESPONSE_BODY_LIMIT:
                    break
        finally:
            await response.aclose()
        return Response(
            response.status_code,
            tuple(_headers(response)),
            bytes(body[:RESPONSE_BODY_LIMIT]),
            len(body) > RESPONSE_BODY_LIMIT,
        )


def _context(ca_pem: bytes | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_pem is not None:
        add_authorities(context, ca_pem)
    return context


def _prepare(request: Request) -> httpx.Request:
    """Build it without the client's defaults: no accept-encoding, so nothing comes compressed."""
    headers = [(name.encode(), value.encode()) for name, value in request.headers]
    given = {name.lower() for name, _value in headers}
    defaults = ((b"accept", b"*/*"), (b"user-agent", f"cdc-triggers/{__version__}".encode()))
    headers += [(name, value) for name, value in defaults if name not in given]
    prepared = httpx.Request(request.method, request.url, headers=headers, content=request.body)
    if not prepared.url.host or (prepared.url.port or 0) > LAST_PORT:
        raise httpx.InvalidURL("no host, or no such port")  # else it is found out by connecting
    return prepared


def _headers(response: httpx.Response) -> Iterator[tuple[str, str]]:
    for name, value in response.headers.raw:
        yield name.decode("latin-1").lower(), value.decode("utf-8", "replace")
