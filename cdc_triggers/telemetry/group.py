"""Events of one transaction, at most a thousand, that are in one trace."""

from __future__ import annotations


class Group:
    """Where their spans belong.

    Attributes:
        trace_id: their trace, 16 bytes.
        span_id: their `receive` span, 8 bytes.
        lsn: where their transaction committed, as part of a span.
    """

    __slots__ = ("lsn", "span_id", "trace_id")

    def __init__(self, trace_id: bytes, span_id: bytes, lsn: bytes) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.lsn = lsn
