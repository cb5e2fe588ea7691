"""How does a request carry its trace? The headers of OTEL_PROPAGATORS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.core.trace import TraceContext

Headers = tuple[tuple[str, str], ...]

DEFAULT = "tracecontext,baggage"

EPOCH_DIGITS = 8
"""X-Ray's ids begin with the seconds of their first request; for who passes them on any will do."""

SHORT_DIGITS = 16
"""OT's ids have 64 bits: the lower ones."""


def _tracecontext(context: TraceContext) -> Headers:
    parent = ("traceparent", context.traceparent)
    return (parent, ("tracestate", context.state)) if context.state else (parent,)


def _b3(context: TraceContext) -> Headers:
    return (("b3", f"{context.trace_id}-{context.span_id}-{int(context.sampled)}"),)


def _b3multi(context: TraceContext) -> Headers:
    return (
        ("x-b3-traceid", context.trace_id),
        ("x-b3-spanid", context.span_id),
        ("x-b3-sampled", str(int(context.sampled))),
    )


def _jaeger(context: TraceContext) -> Headers:
    flags = "01" if context.sampled else "00"
    # the third part, a parent, is deprecated
    return (("uber-trace-id", f"{context.trace_id}:{context.span_id}:0:{flags}"),)


def _xray(context: TraceContext) -> Headers:
    trace = context.trace_id
    root = f"1-{trace[:EPOCH_DIGITS]}-{trace[EPOCH_DIGITS:]}"
    value = f"Root={root};Parent={context.span_id};Sampled={int(context.sampled)}"
    return (("x-amzn-trace-id", value),)


def _ottrace(context: TraceContext) -> Headers:
    trace = context.trace_id[-SHORT_DIGITS:]
    if not trace.strip("0"):
        return ()  # zero is no trace, and a writer may have an id that is zero in its lower half
    return (
        ("ot-tracer-traceid", trace),
        ("ot-tracer-spanid", context.span_id),
        ("ot-tracer-sampled", "true" if context.sampled else "false"),
    )


def _nothing(context: TraceContext) -> Headers:  # noqa: ARG001 - one signature for all
    return ()


PROPAGATORS: dict[str, Callable[[TraceContext], Headers]] = {
    "tracecontext": _tracecontext,
    "baggage": _nothing,  # an event has none
    "b3": _b3,
    "b3multi": _b3multi,
    "jaeger": _jaeger,
    "xray": _xray,
    "ottrace": _ottrace,
    "none": _nothing,
}


def propagators(environ: Mapping[str, str]) -> tuple[Callable[[TraceContext], Headers], ...]:
    """What makes the headers, one after the other.

    Raises:
        UsageError: one of them is not known.
    """
    text = environ.get("OTEL_PROPAGATORS", "").strip() or DEFAULT
    names = dict.fromkeys(part.strip().lower() for part in text.split(","))
    unknown = [name for name in names if name not in PROPAGATORS]
    if unknown:
        raise UsageError(
            f"OTEL_PROPAGATORS has {unknown[0]!r}", hint=f"known are: {', '.join(PROPAGATORS)}"
        )
    return tuple(make for name in names if (make := PROPAGATORS[name]) is not _nothing)
