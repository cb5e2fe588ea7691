"""OTLP: batches of one signal to a collector, by whichever transport, again while it is busy."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from cdc_triggers.telemetry.record_queue import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

FIRST_RETRY_S = 0.5
SAID = 500
"""Characters of what a collector says of a part that it refused: they go into the log."""

LEAST_S = 0.001
LEAST_BYTES = 64 * 1024
"""A collector that calls this too large takes nothing: smaller requests are not tried."""


class Busy(NamedTuple):
    """A batch was not taken, and may be next time; perhaps in so many seconds."""

    error: str
    asked_s: float | None = None


class TooLarge(NamedTuple):
    """A batch was not taken for its size: parts of it may be."""

    error: str


class Transport(Protocol):
    """Sends requests that are encoded. Called from one thread."""

    def send(self, body: bytes, timeout_s: float) -> bytes | Busy | TooLarge:
        """Send one, for no longer than that.

        Returns:
            What the collector says to what it has taken; or why another attempt makes sense, as it
            is or in parts.

        Raises:
            ExportError: none does.
        """
        ...

    def close(self) -> None:
        """Give up what it holds; from any thread, idempotent."""
        ...


class OtlpExporter(Generic[T]):
    """Implements `record_queue.Exporter`.

    Args:
        encode: makes a request of records.
        timeout_s: of a batch, with all its attempts.
    """

    def __init__(
        self, encode: Callable[[Sequence[T]], bytes], transport: Transport, timeout_s: float
    ) -> None:
        self._encode = encode
        self._transport = transport
        self._timeout_s = timeout_s
        self._most = float("inf")
        self._cut = threading.Event()

    def export(self, records: Sequence[T]) -> None:
        """See `record_queue.Exporter.export`."""
        self._export(records, time.monotonic() + self._timeout_s)

    def _export(self, records: Sequence[T], until: float) -> None:
        """In one request, or in as many as the collector's limit asks for.

        Collectors take 4 MiB over gRPC by default, nginx before one takes 1 MiB: what was too large
        once is not sent again in one.
        """
        try:
            body = self._encode(records)
        except Exception as error:  # what cannot be encoded is lost, the next batch is not
            raise ExportError(f"not encoded: {type(error).__name__}") from error
        if len(body) <= self._most or len(records) == 1:
            answer = self._ask(body, until)
            if not isinstance(answer, TooLarge):
                if answer:
                    _check(answer)
                return
            if len(body) <= LEAST_BYTES or len(records) == 1:
                raise ExportError(answer.error)
            self._most = len(body) * 3 // 4  # a half, with what each request has besides, fits
        self._export_halves(records, until)

    def _export_halves(self, records: Sequence[T], until: float) -> None:
        middle, refused, found = len(records) // 2, 0, None
        for half in (records[:middle], records[middle:]):
            try:
                if self._cut.is_set() or time.monotonic() > until:
                    raise ExportError("no time for all parts of a batch")  # noqa: TRY301 - as below
                self._export(half, until)
            except ExportError as error:
                refused += len(half) if error.refused is None else error.refused
                found = error
        if found is not None:
            raise ExportError(str(found), refused=refused)

    def _ask(self, body: bytes, until: float) -> bytes | TooLarge:
        wait_s = FIRST_RETRY_S
        while isinstance(answer := self._send(body, until - time.monotonic()), Busy):
            wait_s = max(wait_s, answer.asked_s or 0.0)  # one that asks for less is not flooded
            if time.monotonic() + wait_s > until or self._cut.wait(wait_s):
                raise ExportError(answer.error)
            wait_s *= 2
        return answer

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        self._cut.set()
        self._transport.close()

    def _send(self, body: bytes, timeout_s: float) -> bytes | Busy | TooLarge:
        try:
            return self._transport.send(body, max(LEAST_S, timeout_s))
        except ExportError:
            raise
        except Exception as error:  # a header that no protocol takes: the next batch is tried too
            raise ExportError(type(error).__name__) from error


def _check(answer: bytes) -> None:
    """Was all of it taken? The answers to all signals are of one shape.

    Raises:
        ExportError: no.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - seldom needed
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceResponse,
    )

    try:
        partly = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:
        return  # it was taken, whatever else is said
    if partly.rejected_spans > 0:
        why = f": {partly.error_message[:SAID]}" if partly.error_message else ""
        raise ExportError(f"the collector refused a part{why}", refused=partly.rejected_spans)
