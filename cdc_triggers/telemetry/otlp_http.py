"""OTLP over HTTP."""

from __future__ import annotations

import gzip
import ssl
import time
import zlib
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import httpx

from cdc_triggers.telemetry import tls
from cdc_triggers.telemetry.otlp_export import Busy, TooLarge
from cdc_triggers.telemetry.otlp_target import USER_AGENT
from cdc_triggers.telemetry.record_queue import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.telemetry.otlp_target import Target

RETRIED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
OWN = frozenset({"content-type", "content-encoding", "content-length", "transfer-encoding"})
"""Headers that say what a body is written in: whatever the variables say of it."""

DIGITS = 7
ANSWER_BYTES = 1024 * 1024
"""Of an answer: what is said of a part that was refused is much shorter."""

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
}


class Coding(NamedTuple):
    """What requests and answers are written in.

    Attributes:
        answer: makes protobuf of it; empty if it is none.
    """

    content_type: str
    answer: Callable[[bytes], bytes]


PROTOBUF = Coding("application/x-protobuf", bytes)


class HttpTransport:
    """Implements `otlp_export.Transport`.

    Args:
        coding: that of the requests it is given, and of their answers.
    """

    def __init__(self, target: Target, coding: Coding = PROTOBUF) -> None:
        self._target = target
        self._coding = coding
        self._compress = COMPRESSIONS[target.compression]
        coded = target.compression != "none"
        self._headers = (
            ("user-agent", USER_AGENT),
            *(pair for pair in target.headers if pair[0] not in OWN),
            ("content-type", coding.content_type),
            *((("content-encoding", target.compression),) if coded else ()),
        )
        self._client: httpx.Client | None = None

    def send(self, body: bytes, timeout_s: float) -> bytes | Busy | TooLarge:
        """See `otlp_export.Transport.send`."""
        if self._client is None:
            self._client = self._connect()
        try:
            answer, said = self._post(self._client, self._compress(body), timeout_s)
        except httpx.TimeoutException as error:
            raise ExportError("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._forget()
            if found := tls.trouble(error):
                raise ExportError(found) from error
            return Busy(type(error).__name__)
        if answer.is_success:
            return self._said(answer, said)
        return _refused(answer)

    def close(self) -> None:
        """See `otlp_export.Transport.close`: a request that runs ends by its own timeout."""

    def _post(
        self, client: httpx.Client, body: bytes, timeout_s: float
    ) -> tuple[httpx.Response, bytes]:
        """The answer with its body, to the end: the client's own timeout is for each part of it.

        Raises:
            ExportError: it has no end.
        """
        until, said = time.monotonic() + timeout_s, bytearray()
        with client.stream(
            "POST", self._target.url, content=body, headers=self._headers, timeout=timeout_s
        ) as answer:
            for part in answer.iter_bytes():
                said += part
                if len(said) > ANSWER_BYTES or time.monotonic() > until:
                    raise ExportError("an answer without end")
        return answer, bytes(said)

    def _said(self, answer: httpx.Response, said: bytes) -> bytes:
        expected, decode = self._coding
        found = answer.headers.get("content-type", "").lower()
        return decode(said) if found.startswith(expected) else b""

    def _connect(self) -> httpx.Client:
        target = self._target
        # without TLS there is no need for 0.1 s to read the machine's certificates
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.Client(verify=tls.context(target.files) if target.secure else plain)

    def _forget(self) -> None:
        """With TLS the next connection reads the files again: they may have been renewed."""
        if self._target.secure and self._client is not None:
            self._client.close()
            self._client = None


def _refused(answer: httpx.Response) -> Busy | TooLarge:
    """Raises ExportError if another attempt makes no sense."""
    text = f"HTTP {answer.status_code}"
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge(text)
    if answer.status_code not in RETRIED:
        raise ExportError(text)
    return Busy(text, _asked_s(answer.headers.get("retry-after", ""), time.time()))


def _asked_s(text: str, now: float) -> float | None:
    """Retry-After: seconds, or a date."""
    if text.isascii() and text.isdigit() and len(text) < DIGITS:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now) or None
    except (TypeError, ValueError, OverflowError):
        return None
