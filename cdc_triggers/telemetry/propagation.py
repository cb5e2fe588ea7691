"""How does a request carry its trace? The headers of OTEL_PROPAGATORS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.core.trace import TraceContext

Headers = tuple[tuple[str, str], ...]

DEFAULT = "tracecontext,baggage"


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


def _nothing(context: TraceContext) -> Headers:  # noqa: ARG001 - one signature for all
    return ()


PROPAGATORS: dict[str, Callable[[TraceContext], Headers]] = {
    "tracecontext": _tracecontext,
    "baggage": _nothing,  # an event has none
    "b3": _b3,
    "b3multi": _b3multi,
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
