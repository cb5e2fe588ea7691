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
    """Which events a list has; None is no limit. `before`: only ids below this one."""

    trigger: str | None
    status: str | None
    since: datetime | None
    limit: int
    before: str | None = None


class EventPayload(NamedTuple):
    """An event as a list shows it, with what is owed of it to one trigger.

    Attributes:
        claimed_until: None: no stream works on it, or it is not parked.
        due_at: when a parked one may be attempted.
    """

    event: EventView
    claimed_until: datetime | None
    due_at: datetime | None


class Invocation(NamedTuple):
    """An attempt in a list of one trigger's, and the event that it was made for."""

    event_id: str
    attempt: AttemptView


class SlotStatus(NamedTuple):
    """The replication slot.

    Attributes:
        lag_bytes: what is not confirmed; `held_bytes` the WAL that the server keeps for the slot.
        safe_wal_size: WAL that may still be written before the slot is lost; None: no limit.
        wal_bytes_per_s: how fast WAL is written just now; None where there is no limit.
        seconds_to_loss: until the slot is lost, if it stood still and WAL were written as fast as
            just now; None: never.
    """

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
    wal_bytes_per_s: float | None = None
    seconds_to_loss: float | None = None


class StreamStatus(NamedTuple):
    """The stream of the slot, as it last reported.

    Attributes:
        alive: held, and its heart beats.
        recoveries: lost slots that were recovered from; `recovered` deliveries were found owed.
        recovering: it is at it now; `recovery_reason` says why the last one was begun.
    """

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
    recoveries: int
    recovered: int
    recovering: bool
    recovery_reason: str | None


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


class RetentionStatus(NamedTuple):
    """How long things are kept, and how much they take now.

    Attributes:
        log_days: events and attempts, at least; `log_bytes` and `attempt_bytes` with their indexes.
        dead_days: dead and archived deliveries; None: for ever.
        delivery_bytes: parked, dead and archived deliveries.
    """

    log_days: float
    dead_days: float | None
    log_bytes: int
    attempt_bytes: int
    delivery_bytes: int


class Status(NamedTuple):
    """The whole picture.

    Attributes:
        archived: deliveries whose trigger was dropped.
        parked, dead: of all triggers together.
        oldest_unsettled_age_s: of whatever is in hand or parked; None: nothing is owed.
    """

    slot: SlotStatus | None
    stream: StreamStatus | None
    triggers: tuple[TriggerStatus, ...]
    archived: int
    parked: int
    dead: int
    oldest_unsettled_age_s: float | None
    retention: RetentionStatus | None = None


class Redelivery(NamedTuple):
    """What a redelivery did or would do: deliveries put back, and those parked already."""

    redelivered: int
    already_parked: int


class HasuraOwed(NamedTuple):
    """What Hasura's event log still owes for one trigger.

    Attributes:
        events: not delivered, not in error, not archived.
        locked: of these, taken up by a Hasura that runs, or did when it ended.
    """

    trigger: str
    events: int
    locked: int


class TakenOver(NamedTuple):
    """A part of Hasura's log that was read.

    Attributes:
        imported: deliveries parked.
        known: rows that had been imported before.
        unordered: imported without an ordering key, because their payload does not hold it.
        unreadable: rows whose id is no UUID or whose operation is none; they stay where they are.
        last: where to go on; None: there were no more rows.
    """

    imported: int
    known: int
    unordered: int
    unreadable: int
    last: tuple[str, ...] | None


class AuditIntent(NamedTuple):
    """What is about to be done, and by whom. `arguments` is JSON text, without row values."""

    session: str
    address: str
    user_agent: str
    action: str
    target: str
    arguments: str
    command: str


class AuditLine(NamedTuple):
    """Something that was done on the console.

    Attributes:
        session: a digest of the session's id.
        arguments: JSON text of an object.
        command: the command line that does the same.
        result: begun, done or failed; `detail` says what came of it.
    """

    id: int
    at: datetime
    session: str
    address: str
    user_agent: str
    action: str
    target: str
    arguments: str
    command: str
    result: str
    detail: str
    ended_at: datetime | None


class OwedStatus(NamedTuple):
    """What one trigger owes; amounts above the limit of the question say that there are more."""

    name: str
    paused: bool
    parked: int
    dead: int
    oldest_at: datetime | None
    last_error: str | None


class RecentAttempt(NamedTuple):
    """One attempt for a recent event; the latency is from the event to the attempt."""

    event_id: str
    trigger_name: str
    attempt: int
    outcome: str
    latency_s: float
