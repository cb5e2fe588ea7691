"""How much may a span or a log record hold? The limits of OTEL_*_LIMIT.

Nothing here has as many attributes or links as the specification allows by default. So a limit at
or above its default is none, and what is made is only looked at again where one is set.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.telemetry.variables import natural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT = 128

CUT = 16
"""Spans that are cut between two offers to let other threads run: well below a millisecond."""

WITHOUT_MEANING = (
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
"""Spans have no events here, and links no attributes."""


class Limits(NamedTuple):
    """Of one span or log record; None: no limit.

    Attributes:
        attributes: how many it has.
        length: how many characters a text in one has.
        links: to how many spans it is linked.
    """

    attributes: int | None = None
    length: int | None = None
    links: int | None = None


def span_limits(environ: Mapping[str, str]) -> Limits | None:
    """Those of spans; None: there are none.

    Raises:
        UsageError: a limit is no natural number.
    """
    for name in WITHOUT_MEANING:
        natural(environ, name)
    count, length = _attributes(environ, "SPAN")
    return _some(Limits(count, length, _below(natural(environ, "OTEL_SPAN_LINK_COUNT_LIMIT"))))


def log_limits(environ: Mapping[str, str]) -> Limits | None:
    """Those of log records; None: there are none.

    Raises:
        UsageError: a limit is no natural number.
    """
    return _some(Limits(*_attributes(environ, "LOGRECORD")))


def cut_spans(spans: Sequence[bytes], limits: Limits) -> list[bytes]:
    """The same spans, some in each part, each within the limits: what comes first stays.

    Spans are as `telemetry.otlp` makes them. Other threads have their turns meanwhile: deliveries
    go first.
    """
    found = []
    for start in range(0, len(spans), CUT):
        time.sleep(0)
        found.append(_cut(spans[start : start + CUT], limits))
    return found


def _cut(spans: Sequence[bytes], limits: Limits) -> bytes:
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans  # noqa: PLC0415 - seldom needed

    count, length, links = limits
    found = ScopeSpans.FromString(b"".join(spans))
    for span in found.spans:
        if count is not None and len(span.attributes) > count:
            span.dropped_attributes_count = len(span.attributes) - count
            del span.attributes[count:]
        if links is not None and len(span.links) > links:
            span.dropped_links_count = len(span.links) - links
            del span.links[links:]
        if length is None:
            continue
        for pair in span.attributes:
            if len(pair.value.string_value) > length:
                pair.value.string_value = pair.value.string_value[:length]
    data: bytes = found.SerializeToString()
    return data


def _attributes(environ: Mapping[str, str], kind: str) -> tuple[int | None, int | None]:
    """Count and length; what is said of this kind goes before what is said of all."""
    found = []
    for what in ("COUNT_LIMIT", "VALUE_LENGTH_LIMIT"):
        of_all = natural(environ, f"OTEL_ATTRIBUTE_{what}")
        own = natural(environ, f"OTEL_{kind}_ATTRIBUTE_{what}")
        found.append(of_all if own is None else own)
    count, length = found
    return _below(count), length


def _below(limit: int | None) -> int | None:
    return None if limit is None or limit >= DEFAULT else limit


def _some(limits: Limits) -> Limits | None:
    return None if limits == Limits() else limits
