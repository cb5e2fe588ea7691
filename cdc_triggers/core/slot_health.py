"""Is the replication slot in order, and is its publication there in time? Pure judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.finding import Finding, blocker, ok, warning
from cdc_triggers.core.units import scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLUGINS: Final = ("pgoutput", "wal2json")

_HELD_LIMIT: Final = 1024**3


@dataclass(frozen=True)
class SlotFacts:
    """One row of pg_replication_slots, sizes in bytes; None where the server has no such column.

    Attributes:
        held_bytes: WAL that the server keeps for the slot.
        lag_bytes: WAL that the consumer has not confirmed.
        safe_bytes: WAL that may still be written before the slot is lost; None: no limit.
        invalidation: why the slot was invalidated, from PostgreSQL 17 on.
    """

    name: str
    plugin: str | None
    database: str | None
    here: bool
    active_pid: int | None
    wal_status: str | None
    held_bytes: int | None
    lag_bytes: int | None
    safe_bytes: int | None
    invalidation: str | None


@dataclass(frozen=True)
class PublicationFacts:
    """The publication of the log.

    Attributes:
        late: it is younger than the oldest transaction that the slot may still decode.
    """

    name: str
    exists: bool
    late: bool


def examine_slot(slot: SlotFacts | None, name: str, plugin: str) -> Iterator[Finding]:
    """Judge the slot that the stream would read with this plugin."""
    if slot is None:
        yield ok("slot", f"{name} is not there yet; `cdc-triggers apply` makes it")
        return
    drop = f"SELECT pg_drop_replication_slot('{name}'), then `cdc-triggers apply`"
    if slot.wal_status == "lost" or slot.invalidation:
        why = slot.invalidation or "the WAL it needs has been removed"
        lost = f"{name} is lost: {why}. What it still owes is in cdc_triggers.event_log"
        mend = "start the stream: it makes the slot anew and sends that; then see why it was lost"
        yield warning("slot", lost, mend)
        return
    if not slot.here:
        other = slot.database or "no database: it is physical"
        yield blocker("slot", f"{name} belongs to {other}", "choose another name with --slot")
        return
    if slot.plugin != plugin:
        known = slot.plugin in PLUGINS
        use = (
            f"use --plugin {slot.plugin}, or " if known else "choose another name with --slot, or "
        )
        yield blocker("slot", f"{name} was made for {slot.plugin}, not for {plugin}", use + drop)
        return
    reader = f"read by pid {slot.active_pid}" if slot.active_pid else "nobody reads it"
    held = slot.held_bytes or 0
    state = f"{name}: {reader}, {_size(slot.lag_bytes or 0)} to confirm, {_size(held)} of WAL held"
    yield _wal(slot, held, state)


def examine_others(slots: Iterable[SlotFacts]) -> Iterator[Finding]:
    """A slot of ours that no stream reads keeps WAL for nothing."""
    for slot in slots:
        if slot.active_pid is not None:
            continue
        held = _size(slot.held_bytes or 0)
        detail = f"{slot.name} is ours, and nobody reads it: {held} of WAL held"
        drop = f"SELECT pg_drop_replication_slot('{slot.name}')"
        yield warning("other slot", detail, f"{drop}, or start a stream with --slot {slot.name}")


def _wal(slot: SlotFacts, held: int, state: str) -> Finding:
    start = "start the stream" if slot.active_pid is None else "see why the stream does not keep up"
    if slot.wal_status == "unreserved":
        detail = f"{state}; it is lost at the next checkpoint"
        return warning("slot", detail, f"{start} at once, and raise max_slot_wal_keep_size")
    if slot.safe_bytes is not None and slot.safe_bytes < held:
        detail = f"{state}; it is lost after another {_size(slot.safe_bytes)}"
        return warning("slot", detail, f"{start}, and raise max_slot_wal_keep_size")
    if held > _HELD_LIMIT:
        return warning("slot", f"{state}; the disk may fill", start)
    return ok("slot", state)


def examine_publication(publication: PublicationFacts, slot: SlotFacts | None) -> Iterator[Finding]:
    """A slot cannot decode, for pgoutput, what was written before its publication was made."""
    name = publication.name
    if slot is None or not slot.here or slot.plugin != "pgoutput":
        there = "is there" if publication.exists else "is not there yet; apply makes it first"
        yield ok("publication", f"{name} {there}")
        return
    again = f"SELECT pg_drop_replication_slot('{slot.name}'), then `cdc-triggers apply`"
    if not publication.exists:
        detail = f"{name} is missing, and the slot {slot.name} needs it"
        yield blocker("publication", detail, f"{again}: it makes the publication first")
    elif publication.late:
        detail = f"{name} may be younger than the slot {slot.name}"
        fix = f'if the stream says "publication does not exist": {again}'
        yield warning("publication", detail, fix)
    else:
        yield ok("publication", f"{name} was there before the slot")


def _size(count: int) -> str:
    amount, unit = scaled(count)
    return f"{amount:.0f} bytes" if unit == "B" else f"{amount:.1f} {unit}"
