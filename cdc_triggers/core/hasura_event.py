"""What does an undelivered row of Hasura's event log become? A parked delivery of our trigger.

Its place in the stream is before everything of ours: the lowest LSN there is, and behind it the
order of the log. So events that are captured here wait behind it, key by key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.core import rowjson
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.matching import TOTAL_KEY
from cdc_triggers.core.records import ParkRow
from cdc_triggers.core.spec import Ordering
from cdc_triggers.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cdc_triggers.core.records import TriggerRow

PLACE: Final = Lsn(1)
"""The commit LSN of all that is imported: no transaction of a server ever had it."""

UNKNOWN_XID: Final = 0


class LogRow(NamedTuple):
    """One row of `hdb_catalog.event_log`.

    Attributes:
        id: a UUID in text.
        created_at: ISO 8601, UTC, microseconds, `Z`: when its transaction began.
        delay_s: until Hasura would have tried again; 0: at once.
        old, new: the row as JSON; for MANUAL, new is the payload.
    """

    id: str
    trigger_name: str
    schema_name: str
    table_name: str
    op: str
    created_at: str
    tries: int
    delay_s: float
    old: bytes | None
    new: bytes | None
    session: bytes | None
    trace: bytes | None


def parks(rows: Iterable[LogRow], triggers: Mapping[str, TriggerRow], after: int) -> list[ParkRow]:
    """Deliveries for these rows, in their order.

    Args:
        rows: in the order in which they are to be delivered.
        triggers: the applied triggers by name, at least those of the rows.
        after: `position` of the last one imported before, 0 if there is none.
    """
    return [
        _park(row, triggers[row.trigger_name], position)
        for position, row in enumerate(rows, start=after + 1)
    ]


def _park(row: LogRow, trigger: TriggerRow, position: int) -> ParkRow:
    event = Event(
        id=row.id,
        table_id=trigger.table_id,
        schema_name=row.schema_name,
        table_name=row.table_name,
        op=row.op,
        created_at=row.created_at,
        xid=UNKNOWN_XID,
        old=row.old,
        new=row.new,
        session=row.session,
        trace=row.trace,
        trigger_name=trigger.name,
        commit_lsn=PLACE,
        position=position,
    )
    key, old_key = _keys(row, trigger)
    return ParkRow(
        token=position,
        trigger_id=trigger.id,
        trigger_name=trigger.name,
        revision=trigger.revisions[0].number,
        event=event,
        status="parked",
        reason="imported",
        key=key,
        old_key=old_key,
        tries=row.tries,
        delay_s=row.delay_s,
        hold_s=None,
        last_error=None,
    )


def _keys(row: LogRow, trigger: TriggerRow) -> tuple[str | None, str | None]:
    """Ordering keys as far as the payload has them: Hasura's may leave columns out."""
    ordering = trigger.revisions[0].spec.ordering
    if row.op == "MANUAL" or ordering is Ordering.NONE:
        return None, None
    if ordering is Ordering.TOTAL:
        return TOTAL_KEY, None
    new, old = _key(row.new, trigger), _key(row.old, trigger)
    if new is None or old is None:
        return new or old, None
    return new, (old if old != new else None)


def _key(image: bytes | None, trigger: TriggerRow) -> str | None:
    names = dict(trigger.columns)
    if image is None or not trigger.ordering_attnums:
        return None
    try:
        fields = rowjson.fields(image)
        values = [fields[names[number]] for number in trigger.ordering_attnums]
        return rowjson.key_text(values)
    except (DecodeError, KeyError):
        return None
