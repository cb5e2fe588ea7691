"""`cdc-triggers status`: is it running, how far behind, what is stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cdc_triggers import settings
from cdc_triggers.cli import output
from cdc_triggers.cli.options import (
    DEFAULT_SLOT,
    Dsn,
    Json,
    Slot,
)
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from cdc_triggers.core.views import RetentionStatus, SlotStatus, Status, StreamStatus


def status(*, slot: Slot = DEFAULT_SLOT, dsn: Dsn = None, as_json: Json = False) -> None:
    """Show the slot, the stream, and what each trigger has parked, dead and delivered."""
    with operating.open_admin(settings.dsn(dsn)) as admin:
        found = admin.status(slot)
    if as_json:
        output.print_json(found)
    else:
        _print_status(found, slot)


def _print_status(found: Status, slot: str) -> None:
    if found.slot is None:
        output.say(
            f"this database has no replication slot {slot!r}: run `cdc-triggers apply`, "
            "or name another one with --slot"
        )
    else:
        _print_slot(found.slot)
    if found.stream is None:
        output.say("no stream has used this slot yet: run `cdc-triggers stream`")
    else:
        _print_stream(found.stream)
    output.print_fields(
        (
            ("parked", found.parked),
            ("dead", found.dead),
            ("oldest unsettled", output.show_age(found.oldest_unsettled_age_s)),
            *_retention(found.retention),
        )
    )
    typer.echo("")
    output.print_table(
        ("trigger", "state", "parked", "dead", "delivered", "oldest unsettled", "last error"),
        (
            (
                t.name,
                "paused" if t.paused else "active",
                t.parked,
                t.dead,
                t.delivered,
                output.show_age(t.oldest_unsettled_age_s),
                t.last_error,
            )
            for t in found.triggers
        ),
    )
    if found.archived:
        output.say(f"{found.archived} archived deliveries of dropped triggers are kept")


def _print_slot(slot: SlotStatus) -> None:
    output.print_fields(
        (
            ("slot", slot.name),
            ("plugin", slot.plugin),
            ("active", f"yes, pid {slot.active_pid}" if slot.active else "no"),
            ("confirmed", slot.confirmed_lsn),
            ("lag", output.show_bytes(slot.lag_bytes)),
            ("WAL held", output.show_bytes(slot.held_bytes)),
            ("WAL status", slot.invalidation_reason or slot.wal_status),
            ("WAL left", _left(slot)),
        )
    )


def _retention(kept: RetentionStatus | None) -> list[tuple[str, str]]:
    """How long things are kept, and how much that is now."""
    if kept is None:
        return []
    logs = output.show_bytes(kept.log_bytes + kept.attempt_bytes)
    dead = "for ever" if kept.dead_days is None else f"{kept.dead_days:g} days"
    return [
        ("logs kept", f"{kept.log_days:g} days, {logs}"),
        ("dead kept", f"{dead}, {output.show_bytes(kept.delivery_bytes)} with what is parked"),
    ]


def _left(slot: SlotStatus) -> str:
    """Bytes that may be written before PostgreSQL gives the slot up."""
    if slot.safe_wal_size is None:
        return "-" if slot.wal_status == "lost" else "no limit: max_slot_wal_keep_size is not set"
    left = output.show_bytes(slot.safe_wal_size)
    if slot.seconds_to_loss is None:
        return f"{left}, and nothing is written just now"
    rate = output.show_bytes(round(slot.wal_bytes_per_s or 0))
    return f"{left}, enough for {output.show_age(slot.seconds_to_loss)} at {rate}/s"


def _print_stream(stream: StreamStatus) -> None:
    beat = f"heartbeat {output.show_age(stream.heartbeat_age_s)} ago"
    output.print_fields(
        (
            ("stream", f"alive, {beat}" if stream.alive else f"not running, {beat}"),
            ("generation", f"{stream.generation} ({stream.takeovers} take-overs)"),
            ("received", stream.received_lsn),
            ("settled", stream.settled_lsn),
            ("confirmed", stream.confirmed_lsn),
            *_recoveries(stream),
        )
    )


def _recoveries(stream: StreamStatus) -> list[tuple[str, str]]:
    """Said only if there is something to say."""
    lines = []
    if stream.recovering:
        lines.append(("recovering", "the slot was lost, its events are being parked from the log"))
    if stream.recoveries:
        lines.append(("recoveries", f"{stream.recoveries}, {stream.recovered} deliveries found"))
    if lines and stream.recovery_reason:
        lines.append(("last recovery", stream.recovery_reason))
    return lines
