"""One HTTP request made for a delivery, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

RESPONSE_BODY_LIMIT = 64 * 1024
"""Bytes of a response body that are read; what follows is never asked for."""


class FailureKind(StrEnum):
    """Why there was no usable answer. `core.retry` says what follows from each."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    INVALID_REQUEST = "invalid_request"
    TEMPLATE = "template"


class Request(NamedTuple):
    """What goes on the wire: exactly these bytes.

    Attributes:
        url: resolved (may hold secrets: never log it, never store it).
        headers: resolved name and value pairs, content-type included.
        body: the very bytes sent.
        timeout_s: for the whole attempt, from connecting to the last body byte.
        method: POST, unless a transform says otherwise.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_s: float
    method: str = "POST"


class Recorded(NamedTuple):
    """What is kept of an answer's body when a transform makes something else of it.

    Attributes:
        error: why the transform could not be made; `body` is then what came.
    """

    body: bytes
    error: str | None = None


class Response(NamedTuple):
    """The endpoint answered.

    Attributes:
        body: at most `RESPONSE_BODY_LIMIT` bytes; `truncated` says that there was more.
        recorded: what the attempt log has instead of it; None: the body as it came.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    truncated: bool = False
    recorded: Recorded | None = None

    @property
    def ok(self) -> bool:
        """Only 2xx is a success; a redirect is not."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the HTTP success class


class Failure(NamedTuple):
    """No usable answer. `message` names the cause in words; it holds no secrets."""

    kind: FailureKind
    message: str


Outcome = Response | Failure
