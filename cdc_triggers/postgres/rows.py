"""Records as rows of SQL, and rows of SQL as records."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.event import Event, iso_utc
from cdc_triggers.core.records import Claimed
from cdc_triggers.postgres.copying import field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.core.records import Batch, ParkRow
    from cdc_triggers.postgres.copying import Value

PARK_COLUMNS = (
    *("token", "trigger_id", "trigger_name", "revision", "event_id", "status", "reason", "key"),
    *("old_key", "commit_lsn", "position", "tries", "delay_s", "hold_s", "last_error", "bytes"),
    *("table_id", "xid", "created_at", "op", "schema_name", "table_name", "old", "new"),
    *("session", "trace"),
)
ATTEMPT_COLUMNS = (
    *("bucket", "event_id", "trigger_id", "trigger_name", "attempt", "outcome", "started_at"),
    *("duration_ms", "status", "error", "request", "response", "commit_lsn"),
)


def attempt_lines(batch: Batch, bucket: int) -> Iterator[bytes]:
    """Attempts as lines of COPY, in the order of ATTEMPT_COLUMNS: one is written for every event.

    In one go it takes a third of the time of a row and its fields.
    """
    for row in batch.attempts:
        event_id, trigger_id, name, tries, outcome, at, ms, code, error, request, answer, lsn = row
        second = int(at)
        yield b"%d\t%b\t%d\t%b\t%d\t%b\t%b.%06d+00\t%.3f\t%b\t%b\t%b\t%b\t%X/%X\n" % (
            bucket,
            event_id.encode(),
            trigger_id,
            field(name),
            tries,
            outcome.encode(),
            _second(second),
            (at - second) * 1e6,
            ms,
            field(code),
            field(error),
            field(request),
            field(answer),
            lsn >> 32,
            lsn & 0xFFFFFFFF,
        )


@lru_cache(maxsize=16)
def _second(whole: int) -> bytes:
    """Attempts of one second share all but the fraction."""
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%d %H:%M:%S").encode()


def park_row(row: ParkRow) -> tuple[Value, ...]:
    """A delivery to park, in the order of PARK_COLUMNS."""
    event = row.event
    return (
        *(row.token, row.trigger_id, row.trigger_name, row.revision, event.id, row.status),
        *(row.reason, row.key, row.old_key, lsns.show(event.commit_lsn), event.position),
        *(row.tries, row.delay_s, row.hold_s, row.last_error, min(event.size, 2**31 - 1)),
        *(event.table_id, event.xid, event.created_at, event.op, event.schema_name),
        *(event.table_name, event.old, event.new, event.session, event.trace),
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def claimed_of(trigger_id: int, row: tuple[Any, ...]) -> Claimed:
    """A row that `store_claim.sql` returned."""
    event = Event(
        id=row[5],
        table_id=row[6],
        schema_name=row[7],
        table_name=row[8],
        op=row[9],
        created_at=iso_utc(row[10]),
        xid=int(row[11]),
        old=_bytes(row[12]),
        new=_bytes(row[13]),
        session=_bytes(row[14]),
        trace=_bytes(row[15]),
        trigger_name=row[16],
        commit_lsn=lsns.parse(row[17]),
        position=row[18],
    )
    return Claimed(row[0], trigger_id, row[1], row[2], row[3], row[4], event)
