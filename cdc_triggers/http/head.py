"""The head of an HTTP/1.1 request: where it goes, and its bytes but for what differs each time."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import httpx

from cdc_triggers import __version__
from cdc_triggers.core.attempt import Failure, FailureKind
from cdc_triggers.core.web import FRAMING, HEADER_NAME, LAST_PORT, header_problem
from cdc_triggers.http.failures import invalid_header

Headers = tuple[tuple[str, str], ...]

NAMES: Final = 256
"""Names of headers that are looked at once: a stream has few, in every request."""

LENGTH_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
"""Methods for which servers may refuse a request that says nothing of its length (RFC 9110 8.6)."""

INVALID = Failure(FailureKind.INVALID_REQUEST, "the URL or a header is not valid")

_NAME = re.compile(HEADER_NAME)
_PORTS = {"http": 80, "https": 443}
_DEFAULTS = {"accept": "*/*", "user-agent": f"cdc-triggers/{__version__}"}


class Origin(NamedTuple):
    """A server that is called; connections to the same are interchangeable."""

    tls: bool
    host: str
    port: int


class Head(NamedTuple):
    """All of a request but its own headers and its body.

    Attributes:
        start: request line and headers, each with its line end.
        says_length: it has a content-length even if the body is empty.
    """

    origin: Origin
    start: bytes
    says_length: bool

    def bytes_for(self, body: bytes, own: bytes = b"") -> bytes:
        """The head of one request, `own` being its further header lines."""
        if body or self.says_length:
            return b"%bcontent-length: %d\r\n%b\r\n" % (self.start, len(body), own)
        return b"%b%b\r\n" % (self.start, own)


def head_of(method: str, url: str, headers: Headers) -> Head | Failure:
    """The head of a request; a Failure says that there can be none."""
    try:
        parsed = httpx.URL(url)
        # not `host`, which refuses names that are in use: whether there is one, DNS will say
        host, netloc = parsed.raw_host.decode("ascii"), parsed.netloc.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return INVALID
    port = _PORTS.get(parsed.scheme, 0) if parsed.port is None else parsed.port
    if parsed.scheme not in _PORTS or not host or not 0 < port <= LAST_PORT:
        return INVALID
    given = {name.lower() for name, _ in headers}
    if framing := FRAMING & given:
        return invalid_header(next(n for n, _ in headers if n.lower() in framing))
    ours = (("host", netloc), *_DEFAULTS.items(), *_user(parsed))
    lines = lines_of((*(pair for pair in ours if pair[0] not in given), *headers))
    if isinstance(lines, Failure):
        return lines
    first = b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), parsed.raw_path)
    origin = Origin(parsed.scheme == "https", host, port)
    return Head(origin, first + lines, method in LENGTH_EXPECTED)


def lines_of(headers: Headers) -> bytes | Failure:
    """Header lines as they go out; a Failure if one cannot."""
    lines = []
    for name, value in headers:
        start = _start(name)
        if start is None or header_problem(value):
            return INVALID
        try:
            lines.append(start + value.encode() + b"\r\n")
        except UnicodeEncodeError:  # half of a surrogate pair
            return INVALID
    return b"".join(lines)


@lru_cache(maxsize=NAMES)
def _start(name: str) -> bytes | None:
    """What a header line begins with; None: no header has this name."""
    return b"%b: " % name.encode("ascii") if _NAME.fullmatch(name) else None


def _user(url: httpx.URL) -> Headers:
    """Name and password in the URL go into a header, as every client does it."""
    if not url.userinfo:
        return ()
    name, _, password = url.userinfo.partition(b":")
    pair = b"%b:%b" % (unquote_to_bytes(name), unquote_to_bytes(password))
    return (("authorization", f"Basic {base64.b64encode(pair).decode()}"),)
