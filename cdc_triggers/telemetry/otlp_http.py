"""OTLP over HTTP: batches of spans, to where OTEL_EXPORTER_OTLP_* say."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import httpx

from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry import otlp
from cdc_triggers.telemetry.record_queue import ExportError
from cdc_triggers.telemetry.variables import TIMEOUT_S, number
from cdc_triggers.telemetry.variables import otlp as variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.telemetry.notes import Note
    from cdc_triggers.telemetry.semantics import Semantics

DEFAULT = "http://localhost:4318"
PATH = "/v1/traces"

RETRIED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
FIRST_RETRY_S = 0.5
DIGITS = 7

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
}


class Target(NamedTuple):
    """Where batches go, and how."""

    url: str
    headers: tuple[tuple[str, str], ...]
    timeout_s: float
    compress: Callable[[bytes], bytes]
    context: ssl.SSLContext | None


class _Busy(NamedTuple):
    """A batch was not taken, and may be next time; perhaps in so many seconds."""

    error: str
    asked_s: float | None


def target(environ: Mapping[str, str]) -> Target:
    """What the variables say.

    Raises:
        UsageError: one of them cannot be used.
    """
    url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if not url:
        base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or DEFAULT
        url = base.rstrip("/") + PATH
    if not url.startswith(("http://", "https://")):
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is no http:// or https:// URL",
            hint=f"write it like {DEFAULT}",
        )
    signal = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
    timeout_s = number(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT_S)
    name = variable(environ, "traces", "COMPRESSION").lower() or "none"
    if name not in COMPRESSIONS:
        raise UsageError(
            f"OTEL_EXPORTER_OTLP_COMPRESSION is {name!r}",
            hint=f"set it to one of: {', '.join(COMPRESSIONS)}",
        )
    headers = (("content-type", "application/x-protobuf"), *_headers(environ))
    if name != "none":
        headers = (*headers, ("content-encoding", name))
    context = _context(environ) if url.startswith("https://") else None
    return Target(url, headers, number(environ, signal, timeout_s), COMPRESSIONS[name], context)


def _headers(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """W3C baggage: `name=value,name=value`, percent-encoded.

    Raises:
        UsageError: a part of it has no name.
    """
    found = []
    for part in variable(environ, "traces", "HEADERS").split(","):
        if not part.strip():
            continue
        name, mark, value = part.partition("=")
        if not mark or not name.strip():
            raise UsageError(
                "OTEL_EXPORTER_OTLP_HEADERS has a part without a name",
                hint="write it like api-key=1234,tenant=shop",
            )
        found.append((unquote(name.strip()).lower(), unquote(value.strip())))
    return tuple(found)


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Raises UsageError if a file cannot be used."""
    authority = variable(environ, "traces", "CERTIFICATE") or None
    certificate = variable(environ, "traces", "CLIENT_CERTIFICATE")
    key = variable(environ, "traces", "CLIENT_KEY") or None
    try:
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl's errors are of this kind too
        raise UsageError(
            f"a certificate for OTLP cannot be used: {error.strerror or type(error).__name__}",
            hint="check OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY",
        ) from error
    return context


class OtlpHttpExporter:
    """Implements `record_queue.Exporter`.

    Args:
        semantics: makes the spans.
        resource, scope: as `telemetry.otlp` makes them.
    """

    def __init__(self, target: Target, semantics: Semantics, resource: bytes, scope: bytes) -> None:
        self._target = target
        self._semantics = semantics
        self._resource = resource
        self._scope = scope
        self._cut = threading.Event()
        self._client = httpx.Client(
            # without TLS there is no need for 0.1 s to read the machine's certificates
            verify=target.context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=target.timeout_s,
        )

    def export(self, records: Sequence[Note]) -> None:
        """See `record_queue.Exporter.export`."""
        body = self._target.compress(
            otlp.request(self._semantics.batch(records), self._resource, self._scope)
        )
        until, wait_s = time.monotonic() + self._target.timeout_s, FIRST_RETRY_S
        while (busy := self._post(body, max(0.001, until - time.monotonic()))) is not None:
            wait_s = busy.asked_s or wait_s
            if time.monotonic() + wait_s > until or self._cut.wait(wait_s):
                raise ExportError(busy.error)
            wait_s *= 2

    def _post(self, body: bytes, timeout_s: float) -> _Busy | None:
        """Nothing, if it was taken; else why another attempt makes sense.

        Raises:
            ExportError: none does.
        """
        target = self._target
        try:
            answer = self._client.post(
                target.url, content=body, headers=target.headers, timeout=timeout_s
            )
        except httpx.TimeoutException as error:
            raise ExportError("no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _Busy(type(error).__name__, None)
        if answer.is_success:
            return None
        text = f"HTTP {answer.status_code}"
        if answer.status_code not in RETRIED:
            raise ExportError(text)
        asked = answer.headers.get("retry-after", "")
        return _Busy(text, float(asked) if asked.isdigit() and len(asked) < DIGITS else None)

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        self._cut.set()
