"""What crosses the store: rows to write, rows read back. Plain values, no behaviour."""

from __future__ import annotations

from typing import NamedTuple

from cdc_triggers.core.columns import NOTHING, Holds
from cdc_triggers.core.done import Done
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger


class Revision(NamedTuple):
    """A spec and since when it is in force.

    Attributes:
        attnums: attribute number of every column that the spec names.
        applied: transactions visible here committed before the spec was applied.
    """

    number: int
    spec: Trigger
    attnums: dict[str, int]
    applied: Snapshot


class TriggerRow(NamedTuple):
    """One applied trigger.

    Attributes:
        revisions: newest first, at least one.
        ordering_attnums: attribute numbers of the ordering key; empty for none and total.
        columns: the table's columns now, attribute number and name, in table order.
        holds: what they hold.
    """

    id: int
    name: str
    table_id: int
    paused: bool
    ordering_attnums: tuple[int, ...]
    columns: tuple[tuple[int, str], ...]
    revisions: tuple[Revision, ...]
    holds: Holds[int] = NOTHING


class AttemptRow(NamedTuple):
    """One attempt for the log. Times in seconds since 1970 and milliseconds."""

    event_id: str
    trigger_id: int
    trigger_name: str
    attempt: int
    outcome: str
    started_at: float
    duration_ms: float
    status: int | None
    error: str | None
    request: str | None
    response: str | None
    commit_lsn: Lsn


class ParkRow(NamedTuple):
    """A delivery to be parked or to be kept dead.

    Attributes:
        token: the caller's handle for this delivery; comes back with the row's id.
        delay_s: seconds until it may be attempted, if it is the first of its key.
        hold_s: seconds for which the caller goes on working on it (an attempt in flight).
    """

    token: int
    trigger_id: int
    trigger_name: str
    revision: int
    event: Event
    status: str
    reason: str
    key: str | None
    old_key: str | None
    tries: int
    delay_s: float
    hold_s: float | None
    last_error: str | None


class Resolution(NamedTuple):
    """What became of a delivery that has a row.

    Attributes:
        outcome: delivered (row goes), retry, dead, or release (untouched, claim given back).
    """

    row_id: int
    outcome: str
    tries: int
    delay_s: float
    last_error: str | None


class Progress(NamedTuple):
    """How far the stream is; written with every batch."""

    received_lsn: Lsn
    settled_lsn: Lsn
    confirmed_lsn: Lsn
    oldest_unsettled_at: float | None
    settled_at: float | None
    delivered: int


class Batch(NamedTuple):
    """One transaction's worth of records. Parks are applied before resolutions."""

    attempts: tuple[AttemptRow, ...]
    parks: tuple[ParkRow, ...]
    resolutions: tuple[Resolution, ...]
    progress: Progress


class BatchResult(NamedTuple):
    """What the transaction found.

    Attributes:
        row_ids: token to row id, for the parks whose attempt is still running.
        freed: (trigger id, key) of which nothing is parked any more.
    """

    row_ids: dict[int, int]
    freed: frozenset[tuple[int, str]]


class Claimed(NamedTuple):
    """A parked delivery that this stream may attempt now."""

    row_id: int
    trigger_id: int
    revision: int
    key: str | None
    old_key: str | None
    tries: int
    event: Event


class Lease(NamedTuple):
    """A stream's right to lead, and what all streams of its slot have done so far.

    Attributes:
        delivered: deliveries that reached a 2xx.
        recoveries: how often the slot was lost and made anew.
        recovered: deliveries that recoveries found in the log and parked.
    """

    delivered: int
    recoveries: int
    recovered: int


class StartState(NamedTuple):
    """What a starting stream must know.

    Attributes:
        begins: where to go on (`ports.Store.check_slot`); it counts as confirmed.
        done: (event id, trigger id) above it that were delivered, parked or are dead already.
        parked_keys: keys with parked deliveries by trigger; None: too many to hold.
        parked_triggers: triggers with anything parked.
    """

    begins: Lsn
    done: Done
    parked_keys: dict[int, frozenset[str] | None]
    parked_triggers: frozenset[int]
