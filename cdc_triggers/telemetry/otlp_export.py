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
LEAST_S = 0.001


class Busy(NamedTuple):
    """A batch was not taken, and may be next time; perhaps in so many seconds."""

    error: str
    asked_s: float | None = None


class Transport(Protocol):
    """Sends requests that are encoded. Called from one thread."""

    def send(self, body: bytes, timeout_s: float) -> bytes | Busy:
        """Send one, for no longer than that.

        Returns:
            What the collector says to what it has taken; or why another attempt makes sense.

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
        self._cut = threading.Event()

    def export(self, records: Sequence[T]) -> None:
        """See `record_queue.Exporter.export`."""
        try:
            body = self._encode(records)
        except Exception as error:  # what cannot be encoded is lost, the next batch is not
            raise ExportError(f"not encoded: {type(error).__name__}") from error
        until, wait_s = time.monotonic() + self._timeout_s, FIRST_RETRY_S
        while isinstance(answer := self._send(body, until - time.monotonic()), Busy):
            wait_s = answer.asked_s or wait_s
            if time.monotonic() + wait_s > until or self._cut.wait(wait_s):
                raise ExportError(answer.error)
            wait_s *= 2
        if answer:
            _check(answer)

    def cut(self) -> None:
        """See `record_queue.Exporter.cut`."""
        self._cut.set()
        self._transport.close()

    def _send(self, body: bytes, timeout_s: float) -> bytes | Busy:
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
        why = f": {partly.error_message}" if partly.error_message else ""
        raise ExportError(f"the collector refused a part{why}", refused=partly.rejected_spans)
