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
HTTP, JSON, GRPC = "http/protobuf", "http/json", "grpc"

SIZES = {"BSP": (32_768, 4_096), "BLRP": (16_384, 2_048)}
"""Queue and batch of spans and log records. More than in the specification: at 5,000 events a
second its queue of 2,048 spans is full after 0.1 s."""

MOST = 1_000_000_000
"""Of a time in seconds or milliseconds. No thread waits for more than 9 times as many seconds."""

DIGITS = 18
"""Of a whole number at most: nothing here counts so far, and Python refuses thousands of them."""

DELAY_S, METRICS_S, TIMEOUT_S, EXPORT_S = 5.0, 60.0, 10.0, 30.0

FILTERS = ("trace_based", "always_on", "always_off")
HISTOGRAMS = ("explicit_bucket_histogram", "base2_exponential_bucket_histogram")
TEMPORALITIES = ("cumulative", "delta", "lowmemory")


class Batching(NamedTuple):
    """How records wait for their exporter."""

    queue: int
    batch: int
    delay_s: float


def disabled(environ: Mapping[str, str]) -> bool:
    """All signals are off, whatever else is set."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporters(environ: Mapping[str, str], signal: str) -> tuple[str, ...]:
    """Names of the exporters of a signal, each once; none if it is off.

    It is off unless an endpoint is set, or an exporter by name.
    """
    if disabled(environ):
        return ()
    named = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not named:
        ends = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
        named = "otlp" if any(environ.get(end, "").strip() for end in ends) else "none"
    names = dict.fromkeys(name for part in named.split(",") if (name := part.strip()))
    return tuple(name for name in names if name.lower() != "none")


def protocol(environ: Mapping[str, str], signal: str) -> str:
    """The protocol of OTLP: HTTP, JSON or GRPC.

    Raises:
        UsageError: it is another.
    """
    found = otlp(environ, signal, "PROTOCOL") or HTTP
    if found not in {HTTP, JSON, GRPC}:
        named = otlp_name(environ, signal, "PROTOCOL")
        raise UsageError(f"{named} is {found!r}", hint=f"set it to {HTTP}, {JSON} or {GRPC}")
    return found


def otlp(environ: Mapping[str, str], signal: str, name: str) -> str:
    """The value of OTEL_EXPORTER_OTLP_<signal>_<name>, else of OTEL_EXPORTER_OTLP_<name>."""
    return environ.get(otlp_name(environ, signal, name), "").strip()


def otlp_name(environ: Mapping[str, str], signal: str, name: str) -> str:
    """Which of the two it is: that of the signal if it is set, else that of all signals."""
    special = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}"
    return special if environ.get(special, "").strip() else f"OTEL_EXPORTER_OTLP_{name}"


def batching(environ: Mapping[str, str], prefix: str) -> Batching:
    """What OTEL_BSP_* (spans) or OTEL_BLRP_* (log records) say.

    Raises:
        UsageError: one of them is no positive number, or a size is no whole one.
    """
    queue, batch = SIZES[prefix]
    queue = _size(environ, f"OTEL_{prefix}_MAX_QUEUE_SIZE", queue)
    batch = _size(environ, f"OTEL_{prefix}_MAX_EXPORT_BATCH_SIZE", batch)
    delay_s = number(environ, f"OTEL_{prefix}_SCHEDULE_DELAY", DELAY_S * 1000) / 1000
    return Batching(queue, min(batch, queue), delay_s)


def export_s(environ: Mapping[str, str], signal: str) -> float | None:
    """How long an export may take, whatever the exporter's own timeout is; None: no other.

    Raises:
        UsageError: the variable is no natural number.
    """
    name = {"traces": "OTEL_BSP", "logs": "OTEL_BLRP", "metrics": "OTEL_METRIC"}[signal]
    found = natural(environ, f"{name}_EXPORT_TIMEOUT")
    if found == 0:
        return None
    return EXPORT_S if found is None else found / 1000


def choice(environ: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """One of these; the first is the default.

    Raises:
        UsageError: it is another.
    """
    found = environ.get(name, "").strip().lower() or known[0]
    if found not in known:
        raise UsageError(f"{name} is {found!r}", hint=f"set it to one of: {', '.join(known)}")
    return found


def natural(environ: Mapping[str, str], name: str) -> int | None:
    """A natural number; None: it is not set.

    Raises:
        UsageError: it is none.
    """
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise UsageError(f"{name} is {text!r}", hint="set it to 0 or a positive whole number")
    return int(text)


def _size(environ: Mapping[str, str], name: str, default: int) -> int:
    """A positive whole number: of 0 records nothing would ever be sent."""
    found = natural(environ, name)
    if found == 0:
        raise UsageError(f"{name} is 0", hint="set it to a positive whole number")
    return default if found is None else found


def number(environ: Mapping[str, str], name: str, default: float) -> float:
    """A positive number, of a size that timers take.

    Raises:
        UsageError: it is none.
    """
    text = environ.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value <= MOST:
        raise UsageError(
            f"{name} is {text!r}", hint=f"set it to a positive number, {MOST:,} at the most"
        )
    return value
