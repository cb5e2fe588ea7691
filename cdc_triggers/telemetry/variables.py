"""What do the variables of OpenTelemetry say? Those that this package reads itself.

The exporters of the SDK read theirs. An empty variable counts as not set, as the specification has
it; a value that nobody knows is an error with the ones that there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNALS = ("traces", "metrics", "logs")
HTTP, GRPC = "http/protobuf", "grpc"

QUEUE, BATCH = 16_384, 2_048
"""More than in the specification: at 5,000 events a second its queue of 2,048 spans is full after
0.1 s."""

DELAY_S, METRICS_S, TIMEOUT_S = 5.0, 60.0, 10.0


class Batching(NamedTuple):
    """How records wait for their exporter."""

    queue: int
    batch: int
    delay_s: float


def exporters(environ: Mapping[str, str], signal: str) -> tuple[str, ...]:
    """Names of the exporters of a signal; none if it is off.

    It is off unless an endpoint is set, or an exporter by name.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not named:
        ends = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        named = "otlp" if any(environ.get(end) for end in ends) else "none"
    names = tuple(name for part in named.split(",") if (name := part.strip()))
    return tuple(name for name in names if name.lower() != "none")


def protocol(environ: Mapping[str, str], signal: str) -> str:
    """The protocol of OTLP: http/protobuf or grpc.

    Raises:
        UsageError: it is another.
    """
    found = otlp(environ, signal, "PROTOCOL") or HTTP
    if found not in {HTTP, GRPC}:
        raise UsageError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {found!r}", hint=f"set it to {HTTP} or {GRPC}"
        )
    return found


def otlp(environ: Mapping[str, str], signal: str, name: str) -> str:
    """The value of OTEL_EXPORTER_OTLP_<signal>_<name>, else of OTEL_EXPORTER_OTLP_<name>."""
    special = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "").strip()
    return special or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def batching(environ: Mapping[str, str], prefix: str) -> Batching:
    """What OTEL_BSP_* (spans) or OTEL_BLRP_* (log records) say.

    Raises:
        UsageError: one of them is no positive number.
    """
    queue = int(number(environ, f"OTEL_{prefix}_MAX_QUEUE_SIZE", QUEUE))
    batch = int(number(environ, f"OTEL_{prefix}_MAX_EXPORT_BATCH_SIZE", BATCH))
    delay_s = number(environ, f"OTEL_{prefix}_SCHEDULE_DELAY", DELAY_S * 1000) / 1000
    return Batching(queue, min(batch, queue), delay_s)


def number(environ: Mapping[str, str], name: str, default: float) -> float:
    """A positive number.

    Raises:
        UsageError: it is none.
    """
    text = environ.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{name} is {text!r}", hint="set it to a positive number")
    return value
