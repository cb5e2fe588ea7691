"""One HTTP request made for a delivery, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

RESPONSE_BODY_LIMIT = 64 * 1024
"""Bytes of a response body that are read; what follows is never asked for."""


class FailureKind(StrEnum):
    """Why there was no usable answer. One table in `core.retry` says what follows from each."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    INVALID_REQUEST = "invalid_request"


class Request(NamedTuple):
    """What goes on the wire: a POST of exactly these bytes.

    Attributes:
        url: resolved (may hold secrets: never log it, never store it).
        headers: resolved name and value pairs, content-type included.
        body: the very bytes sent.
        timeout_s: for the whole attempt, from connecting to the last body byte.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_s: float


class Response(NamedTuple):
    """The endpoint answered.

    Attributes:
        body: at most `RESPONSE_BODY_LIMIT` bytes; `truncated` says that there was more.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Only 2xx is a success; a redirect is not."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP success class


class Failure(NamedTuple):
    """No usable answer. `message` names the cause in words; it holds no secrets."""

    kind: FailureKind
    message: str


Outcome = Response | Failure
