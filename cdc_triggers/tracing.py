"""The port of tracing, beside those in `ports`: `telemetry` implements it, `app` calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.attempt_log import Times
    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.spec import Trigger


class Span(Protocol):
    """A running attempt in its trace.

    Attributes:
        trace_id, span_id: W3C's, in hex.
        process_id: of the span above it, which is there also if there was no request.
        sampled: False: it is carried on in the headers, and not exported.
        headers: what tells the endpoint of it.
    """

    @property
    def trace_id(self) -> str: ...  # noqa: D102 - see the class
    @property
    def span_id(self) -> str: ...  # noqa: D102
    @property
    def process_id(self) -> str: ...  # noqa: D102
    @property
    def sampled(self) -> bool: ...  # noqa: D102
    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102


class Tracing(Protocol):
    """Makes spans of what happens to events. No call waits, and none fails.

    `at` is seconds since 1970.
    """

    def received(self, message: Message, at: float) -> None:
        """The engine has taken a message of the stream."""
        ...

    def begin(self, delivery: Delivery, spec: Trigger) -> Span:
        """An attempt begins; nothing of it is exported before `ended`."""
        ...

    def ended(
        self, span: Span, request: Request | None, outcome: Outcome, times: Times, follows: str
    ) -> None:
        """It ended at `times`; `follows` is delivered, retry or dead."""
        ...

    def confirmed(self, lsn: Lsn, at: float) -> None:
        """All that was committed before `lsn` is confirmed to the slot."""
        ...
