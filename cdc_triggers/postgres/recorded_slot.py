"""Can the stream go on from its slot? Judged by what the stream's own row says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.errors import SlotError, SlotLostError
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_RECOVERY = "nothing to do: a new slot is made, and what is unsettled is sent from the event log"


def check_slot(cur: cursor, slot: str, plugin: str) -> str:
    """The slot's confirmed LSN, if all that is unsettled will come out of it.

    Raises:
        SlotError: it was never made, or is of another plugin or database.
        SlotLostError: it is gone, invalidated, was moved by somebody else, or may be older than
            what a failover left; or a recovery has not come to its end.
    """
    cur.execute(query("store_slot"), {"slot": slot})
    row = cur.fetchone()
    assert row is not None, "whoever holds the lease has a row"
    confirmed, found, status, invalidation, missing, here, used, moved, failed_over, *rest = row
    restored, *recovery = rest
    if restored:
        raise SlotError(
            "this database was restored from a dump of another cluster: transaction ids in schema "
            "cdc_triggers mean nothing here",
            hint="run `cdc-triggers apply`: triggers count from then on, what is parked or dead is "
            "kept, and what the dump had not delivered stays in cdc_triggers.event_log",
        )
    if missing and not (used or recovery[0]):
        raise SlotError(
            f"replication slot {slot!r} is missing in this database",
            hint="run `cdc-triggers apply`: it makes publication and slot",
        )
    if not missing and not here:
        raise SlotError(
            f"replication slot {slot!r} belongs to another database",
            hint="use another --slot",
        )
    if recovery[0]:
        why = f"a recovery was interrupted ({recovery[1]})"
    elif missing:
        why = "it is gone"
    elif status == "lost" or invalidation is not None:
        why = f"PostgreSQL has invalidated it ({invalidation or 'the WAL it needs is removed'})"
    elif found != plugin:
        raise SlotError(
            f"replication slot {slot!r} is of plugin {found}, not {plugin}",
            hint=f"run with --plugin {found}, or use another --slot",
        )
    elif failed_over:
        why = "the server was promoted or restored since the stream's last write"
    elif moved:
        why = "somebody else has moved it, or made it anew"
    else:
        return str(confirmed)
    raise SlotLostError(f"replication slot {slot!r} has lost events: {why}", hint=_RECOVERY)
