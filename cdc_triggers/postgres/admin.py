"""The operator's queries on one connection; SQL is in `sql/queries/admin_*.sql`."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from cdc_triggers.core.views import (
    AttemptView,
    DeliveryView,
    EventDetail,
    EventLine,
    EventView,
    Redelivery,
    SlotStatus,
    Status,
    StreamStatus,
    TriggerStatus,
    TriggerView,
)
from cdc_triggers.postgres import retained
from cdc_triggers.postgres.granted import OPERATOR, naming
from cdc_triggers.postgres.queries import query, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.views import EventFilter

_Row = TypeVar("_Row")

RATE_S = 1.0
"""Between two looks at the WAL."""


def _sql(name: str) -> str:
    """The text of one of the operator's named queries."""
    return query(f"admin_{name}")


class PostgresAdmin:
    """Implements `ports.Admin` on a psycopg2 connection, which the caller closes."""

    def __init__(self, connection: connection) -> None:
        # Several statements are one transaction here: the signal must commit with the change.
        connection.autocommit = False
        self._connection = connection

    @contextmanager
    def _transaction(self) -> Iterator[cursor]:
        """One transaction; driver errors come out translated.

        Raises:
            DatabaseError: PostgreSQL refused; a missing right names the grants that are needed.
        """
        with naming(OPERATOR), self._connection, self._connection.cursor() as cur:
            yield cur

    def _rows(self, kind: Callable[..., _Row], name: str, /, **args: object) -> list[_Row]:
        with self._transaction() as cur:
            return _fetch(cur, kind, name, **args)

    def _value(self, name: str, /, **args: object) -> Any:
        with self._transaction() as cur:
            return value(cur, f"admin_{name}", **args)

    def installed(self) -> bool:
        """See `ports.Admin`."""
        return bool(self._value("installed"))

    def triggers(self) -> Sequence[TriggerView]:
        """See `ports.Admin`."""
        return self._rows(TriggerView, "triggers")

    def archived_names(self) -> frozenset[str]:
        """See `ports.Admin`."""
        with self._transaction() as cur:
            cur.execute(_sql("archived_names"))
            return frozenset(row[0] for row in cur.fetchall())

    def set_paused(self, name: str, *, paused: bool) -> bool:
        """See `ports.Admin`."""
        with self._transaction() as cur:
            cur.execute(_sql("pause"), {"name": name, "paused": paused})
            changed = cur.fetchone() is not None
            if changed:
                cur.execute(_sql("signal"), {"content": "reload"})
            return changed

    def invoke(self, name: str, payload: str, session: str | None = None) -> str:
        """See `ports.Admin`."""
        with self._transaction() as cur:
            if session is not None:
                cur.execute(_sql("set_session"), {"session": session})
            return str(value(cur, "admin_invoke", name=name, payload=payload))

    def events(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """See `ports.Admin`."""
        return self._rows(EventLine, "events", from_id=from_id, **wanted._asdict())

    def deliveries(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """See `ports.Admin`."""
        return self._rows(EventLine, "deliveries", from_id=from_id, **wanted._asdict())

    def delivered(self, wanted: EventFilter, from_id: str) -> Sequence[EventLine]:
        """See `ports.Admin`."""
        return self._rows(EventLine, "delivered", from_id=from_id, **wanted._asdict())

    def settled_at(self) -> datetime | None:
        """See `ports.Admin`."""
        at: datetime | None = self._value("settled_at")
        return at

    def event(self, event_id: str) -> EventDetail | None:
        """See `ports.Admin`."""
        with self._transaction() as cur:
            found = _fetch(cur, EventView, "event", id=event_id)
            if not found:
                return None
            return EventDetail(
                found[0],
                tuple(_fetch(cur, DeliveryView, "event_deliveries", id=event_id)),
                tuple(_fetch(cur, AttemptView, "event_attempts", id=event_id)),
            )

    def redeliver_event(self, event_id: str, trigger: str | None, *, dry_run: bool) -> Redelivery:
        """See `ports.Admin`. A dry run does it and rolls back, so that it counts the very same."""
        with self._transaction() as cur:
            args = {"id": event_id, "trigger": trigger}
            parked = int(value(cur, "admin_count_parked_of_event", **args))
            cur.execute(_sql("lock_streams"))
            cur.execute(_sql("dead_of_event"), args)
            back = _put_back(cur, [row[0] for row in cur.fetchall()])
            if not back and not parked:
                cur.execute(_sql("redeliver_delivered"), args)
                back = cur.rowcount
            if dry_run:
                self._connection.rollback()
            elif back:
                cur.execute(_sql("signal"), {"content": "retry"})
            return Redelivery(back, parked)

    def status(self, slot: str) -> Status:
        """See `ports.Admin`."""
        with self._transaction() as cur:
            slots = _fetch(cur, SlotStatus, "slot", slot=slot)
            streams = _fetch(cur, StreamStatus, "stream", slot=slot)
            triggers = _fetch(cur, TriggerStatus, "trigger_status", slot=slot)
            archived = int(value(cur, "admin_count_archived"))
            kept = retained.status(cur)
        stream = streams[0] if streams else None
        ages = [t.oldest_unsettled_age_s for t in triggers]
        ages += [s.oldest_unsettled_age_s for s in streams]
        return Status(
            self._with_rate(slots[0]) if slots else None,
            stream,
            tuple(triggers),
            archived,
            parked=sum(each.parked for each in triggers),
            dead=sum(each.dead for each in triggers),
            oldest_unsettled_age_s=max((age for age in ages if age is not None), default=None),
            retention=kept,
        )

    def _with_rate(self, slot: SlotStatus) -> SlotStatus:
        """How long the slot will last; only a server with a limit is watched for it."""
        if slot.safe_wal_size is None:
            return slot
        before, began = self._wal()
        time.sleep(RATE_S)
        after, ended = self._wal()
        rate = (after - before) / (ended - began)
        seconds = None if rate <= 0 else slot.safe_wal_size / rate
        if slot.safe_wal_size <= 0:
            seconds = 0.0
        return slot._replace(wal_bytes_per_s=rate, seconds_to_loss=seconds)

    def _wal(self) -> tuple[int, float]:
        with self._transaction() as cur:
            cur.execute(_sql("wal"))
            written, at = cur.fetchone() or (0, 0.0)
            return int(written), float(at)


def _fetch(cur: cursor, kind: Callable[..., _Row], name: str, /, **args: object) -> list[_Row]:
    """Run a named query whose columns are the fields of `kind`."""
    cur.execute(_sql(name), args)
    names = [column.name for column in cur.description or ()]
    return [kind(**dict(zip(names, row, strict=True))) for row in cur.fetchall()]


def _put_back(cur: cursor, ids: Sequence[int]) -> int:
    """Owe these dead deliveries again; returns how many."""
    if not ids:
        return 0
    cur.execute(_sql("put_back"), {"ids": list(ids)})
    return cur.rowcount
