"""When was each event committed? Read from a slot after the fact, so that nobody is disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import sample
from cdc_triggers.core.messages import Commit, LogRow
from cdc_triggers.core.pgoutput import PgOutput
from cdc_triggers.postgres.replication import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.scene import Scene

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def commit_times(scene: Scene, slot: str) -> dict[str, float]:
    """By event, seconds since 1970; PostgreSQL takes that time before it waits for the disk."""
    options = [text for pair in OPTIONS["pgoutput"].items() for text in pair]
    marks = ", ".join(["%s"] * len(options))
    peek = f"SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, {marks})"  # noqa: S608 - marks
    decoder = PgOutput()
    found: dict[str, float] = {}
    pending: list[str] = []
    for (data,) in scene.rows(peek, slot, *options):
        message = decoder.decode(bytes(data))
        if isinstance(message, LogRow):
            pending.append(message.id.decode())
        elif isinstance(message, Commit):
            at = message.commit_us / 1e6
            found.update((event, at) for event in pending)
            pending.clear()
    return found


def waits_ms(committed: Mapping[str, float], arrived: Mapping[str, float]) -> list[float]:
    """From commit to arrival, of the events whose commit is known.

    Raises:
        KeyError: an event did not arrive.
    """
    return [(arrived[event] - at) * 1000 for event, at in committed.items()]


def percentiles(waits: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and max."""
    ordered = list(waits)
    return {name: sample.percentile(ordered, share) for name, share in SHARES.items()}
