"""The `Sender` for the hot path: pyreqwest (reqwest, hyper and rustls, on a thread of its own).

What the client does by itself: a request whose kept-alive connection turns out closed before a
byte of it was written goes out once more on a new one. If anything was written, it does not: that
is a Failure, because the endpoint may have acted on it. To make that rare, idle connections are
given up sooner than most servers do.

What it does not do: abort. A cancelled or closed request goes on inside the client, its answer is
thrown away and its connection dropped at the request's own deadline, or when the process ends. The
deadline is therefore always given to the client itself.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from pyreqwest import exceptions
from pyreqwest.client import ClientBuilder
from pyreqwest.request import RequestBody, StreamRequest

from cdc_triggers import __version__
from cdc_triggers.core.attempt import (
    RESPONSE_BODY_LIMIT,
    Failure,
    FailureKind,
    Outcome,
    Request,
    Response,
)
from cdc_triggers.core.web import FRAMING
from cdc_triggers.errors import UsageError
from cdc_triggers.http.failures import failure, invalid_header, timed_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyreqwest.client import Client
    from pyreqwest.http import HeaderMap

IDLE_S = 4.0
"""Idle connections live this long: Node.js and uvicorn close theirs after 5 s."""

MAX_IDLE_PER_HOST = 1024

LENGTH_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
"""Methods for which servers may refuse a request that says nothing of its length (RFC 9110 8.6)."""

TEMPLATES = 256
"""Requests that are kept built but for their body: a trigger's requests differ in nothing else."""

ONE_MORE = RESPONSE_BODY_LIMIT + 1
"""Reading one byte more than is kept tells whether there was more."""

_KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (
    (exceptions.BuilderError, FailureKind.INVALID_REQUEST),
    (exceptions.NetworkError, FailureKind.CONNECT),
    (exceptions.ClientClosedError, FailureKind.CONNECT),
    (exceptions.PyreqwestError, FailureKind.PROTOCOL),
    (ValueError, FailureKind.INVALID_REQUEST),
)


Headers = tuple[tuple[str, str], ...]

TRACE_HEADERS = frozenset(
    {"traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}
)
"""They differ for every request: in a template they would make one of a kind of each."""


class PyreqwestSender:
    """Implements `ports.Sender`. Belongs to the event loop that first uses it.

    No proxy is used, no redirect followed, nothing decompressed, no cookie kept. There is no
    limit over all endpoints: one that hangs cannot starve another. Callers bound what is in flight.

    Args:
        ca_pem: certificates to trust besides the system's (or those of SSL_CERT_FILE).

    Raises:
        UsageError: `ca_pem` holds no certificate.
    """

    def __init__(
        self,
        *,
        ca_pem: bytes | None = None,
        idle_s: float = IDLE_S,
        max_idle_per_host: int = MAX_IDLE_PER_HOST,
    ) -> None:
        client = _build(ca_pem, idle_s, max_idle_per_host)
        self._client: Client | None = client
        self._template = lru_cache(maxsize=TEMPLATES)(partial(_template, client))

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """One outcome per request, in their order; never raises for what an endpoint does.

        A cancelled send ends at once; its connections are dropped by their deadline at the latest
        and are not used for other requests before they are answered.
        """
        if len(requests) == 1:
            return (await self._attempt(requests[0]),)
        return await asyncio.gather(*map(self._attempt, requests))

    async def close(self) -> None:
        """Drop idle connections; idempotent. Call it before the loop ends."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _attempt(self, request: Request) -> Outcome:
        if self._client is None:
            return Failure(FailureKind.CONNECT, "the sender is closed")
        url, headers, body, timeout_s, method = request
        try:
            says_empty = not body and method in LENGTH_EXPECTED
            same, own = _split(headers)
            template = self._template(method, url, same, timeout_s, says_empty)
            if isinstance(template, Failure):
                return template
            prepared = StreamRequest.from_request_and_body(template, RequestBody.from_bytes(body))
            for name, value in own:
                prepared.headers.append(name, value)
            return await _exchange(prepared)
        except exceptions.RequestTimeoutError:
            return timed_out(timeout_s)
        except (exceptions.PyreqwestError, ValueError) as error:
            kind = next(kind for type_, kind in _KINDS if isinstance(error, type_))
            return failure(error, kind, _texts(error))


def _build(ca_pem: bytes | None, idle_s: float, max_idle_per_host: int) -> Client:
    builder = (
        ClientBuilder()
        .no_proxy()
        .follow_redirects(enable=False)
        .referer(enable=False)
        .gzip(enable=False)
        .brotli(enable=False)
        .zstd(enable=False)
        .deflate(enable=False)
        .user_agent(f"cdc-triggers/{__version__}")
        .pool_idle_timeout(timedelta(seconds=idle_s))
        .pool_max_idle_per_host(max_idle_per_host)
    )
    if ca_pem is not None:
        # The client takes a bundle without any certificate in silence: ask OpenSSL first.
        try:
            ssl.create_default_context(cadata=ca_pem.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise UsageError("no PEM certificate in the CA bundle given") from error
        builder = builder.add_root_certificate_pem(ca_pem)
    return builder.build()


def _split(headers: Headers) -> tuple[Headers, Headers]:
    """Headers that requests have in common, and those at the end that each has for itself."""
    count = len(headers)
    while count and headers[count - 1][0] in TRACE_HEADERS:
        count -= 1
    return (headers, ()) if count == len(headers) else (headers[:count], headers[count:])


def _template(  # noqa: PLR0917 - each is a part of the cache's key
    client: Client,
    method: str,
    url: str,
    headers: tuple[tuple[str, str], ...],
    timeout_s: float,
    says_empty: bool,  # noqa: FBT001 - as above
) -> StreamRequest | Failure:
    """The request without its body; never sent itself, only copied."""
    builder = client.request(method, url)
    for name, value in headers:
        if name.lower() in FRAMING:
            return invalid_header(name)
        builder = builder.header(name, value)
    if says_empty:  # the client itself is silent about a body that is empty
        builder = builder.header("content-length", "0")
    # The client reads as much as the buffer holds before it hands the response over, so a small
    # answer costs no second switch between threads.
    return (
        builder.timeout(timedelta(seconds=timeout_s))
        .streamed_read_buffer_limit(ONE_MORE)
        .build_streamed()
    )


async def _exchange(prepared: StreamRequest) -> Response:
    async with prepared as response:
        read = await response.body_reader.read(ONE_MORE)
        body = b"" if read is None else read.to_bytes()
        return Response(
            response.status,
            _headers(response.headers),
            body[:RESPONSE_BODY_LIMIT],
            len(body) > RESPONSE_BODY_LIMIT,
        )


def _headers(headers: HeaderMap) -> tuple[tuple[str, str], ...]:
    """Names in lower case. A value that is not ASCII cannot be read from this client: left out."""
    try:
        return tuple(headers.items())
    except ValueError:
        return tuple(_readable(headers))


def _readable(headers: HeaderMap) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(headers):
        try:
            yield from ((name, value) for value in headers.getall(name))
        except ValueError:
            continue


def _texts(error: BaseException) -> Iterator[str]:
    if isinstance(error, exceptions.DetailedPyreqwestError):
        yield from (cause["message"] for cause in error.details["causes"] or ())
