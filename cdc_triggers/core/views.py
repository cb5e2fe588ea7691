"""What an operator sees of the durable side: read-only values, one class per thing shown.

Field names are the keys of `--json`: they are a contract, new ones may be added at the end. Times
are timezone-aware; `old`, `new`, `request` and `response` are JSON text exactly as stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class TriggerView(NamedTuple):
    """One applied trigger. `definition` is JSON text: the spec as applied, without secrets."""

    name: str
    schema_name: str
    table_name: str
    revision: int
    paused: bool
    paused_at: datetime | None
    created_at: datetime
    updated_at: datetime
    definition: str


class EventLine(NamedTuple):
    """One event for one trigger, in a list.

    Attributes:
        trigger: None if the event is settled and no trigger wanted it.
        status: pending, parked, dead, delivered, archived or unmatched.
        tries: attempts made, as far as they are still recorded.
    """

    id: str
    created_at: datetime
    op: str
    schema_name: str
    table_name: str
    trigger: str | None
    status: str
    tries: int
    last_error: str | None


class EventView(NamedTuple):
    """One event, from the log or, when the ring has moved on, from a delivery's copy."""

    id: str
    created_at: datetime
    op: str
    schema_name: str
    table_name: str
    xid: str
    trigger_name: str | None
    session: str | None
    trace: str | None
    old: str | None
    new: str | None


class DeliveryView(NamedTuple):
    """What is owed, or was done, for one trigger. Fields of a parked row are None without one."""

    trigger: str | None
    status: str
    reason: str | None
    key: str | None
    tries: int
    due_at: datetime | None
    claimed_until: datetime | None
    parked_at: datetime | None
    dead_at: datetime | None
    commit_lsn: str | None
    last_error: str | None


class AttemptView(NamedTuple):
    """One HTTP request and its answer."""

    trigger: str
    attempt: int
    outcome: str
    started_at: datetime
    duration_ms: float
    status: int | None
    error: str | None
    request: str | None
    response: str | None


class EventDetail(NamedTuple):
    """Everything known about one event."""

    event: EventView
    deliveries: tuple[DeliveryView, ...]
    attempts: tuple[AttemptView, ...]


class EventFilter(NamedTuple):
    """Which events a list has; None is no limit."""

    trigger: str | None
    status: str | None
    since: datetime | None
    limit: int


class SlotStatus(NamedTuple):
    """The replication slot. `lag_bytes` is what is not confirmed, `held_bytes` the WAL it keeps."""

    name: str
    plugin: str | None
    active: bool
    active_pid: int | None
    confirmed_lsn: str | None
    lag_bytes: int | None
    held_bytes: int | None
    wal_status: str | None
    safe_wal_size: int | None
    invalidation_reason: str | None


class StreamStatus(NamedTuple):
    """The stream of the slot, as it last reported. `alive`: held, and its heart beats."""

    alive: bool
    heartbeat_age_s: float
    generation: int
    takeovers: int
    started_at: datetime | None
    received_lsn: str | None
    settled_lsn: str | None
    confirmed_lsn: str | None
    settled_at: datetime | None
    oldest_unsettled_age_s: float | None
    delivered: int


class TriggerStatus(NamedTuple):
    """One trigger's deliveries.

    Attributes:
        delivered: as counted in the attempt log, that is within its retention.
        oldest_unsettled_age_s: age of the oldest parked event; with none parked, that of the
            oldest event that the stream has in hand for any trigger (so: at most this old).
    """

    name: str
    paused: bool
    parked: int
    dead: int
    delivered: int
    oldest_unsettled_age_s: float | None
    last_error: str | None


class Status(NamedTuple):
    """The whole picture. `archived` counts deliveries whose trigger was dropped."""

    slot: SlotStatus | None
    stream: StreamStatus | None
    triggers: tuple[TriggerStatus, ...]
    archived: int


class Redelivery(NamedTuple):
    """What a redelivery did or would do: deliveries put back, and those parked already."""

    redelivered: int
    already_parked: int


class DeadChunk(NamedTuple):
    """A part of one trigger's dead deliveries: ids above `after_id`, dead by `died_by`."""

    trigger: str
    after_id: str
    since: datetime | None
    died_by: datetime
    limit: int


class ChunkResult(NamedTuple):
    """How many were put back, and the last event id among them; None: there were none left."""

    redelivered: int
    last_id: str | None
