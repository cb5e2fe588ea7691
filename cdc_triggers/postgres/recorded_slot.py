"""Can the stream go on from its slot? Judged by what the stream's own row says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.errors import SlotError, SlotLostError
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

BY_PUBLICATION: Final = {"pgoutput"}
"""Plugins that send what a publication has; wal2json is told the table."""

_RECOVERY = "nothing to do: a new slot is made, and what is unsettled is sent from the event log"


class _Found(NamedTuple):
    """A row of `store_slot.sql`: the slot beside what the stream's row says of it.

    Attributes:
        begins: the slot's confirmed LSN, or what the row says is settled if that is further on and
            was written in this cluster.
        plugin, status, here: of the slot; None if it is `missing`.
        unpublished: the log is not in the publication; `published_anew`: its entry was another one.
    """

    begins: str | None
    plugin: str | None
    status: str | None
    invalidation: str | None
    missing: bool
    here: bool | None
    used: bool
    moved: bool
    failed_over: bool
    restored: bool
    unpublished: bool
    published_anew: bool | None
    recovering: bool
    recovery: str | None


def check_slot(cur: cursor, slot: str, plugin: str, cluster: int | None) -> str:
    """Where to go on: all below is settled, and what is not will come out of the slot.

    Raises:
        SlotError: it was never made, or is of another plugin or database; or the log is not in the
            publication.
        SlotLostError: it is gone, invalidated, was moved by somebody else, or may be older than
            what a failover left; or the log was out of the publication for a while; or a recovery
            has not come to its end.
    """
    cur.execute(query("store_slot"), {"slot": slot, "cluster": cluster})
    row = cur.fetchone()
    assert row is not None, "whoever holds the lease has a row"
    found = _Found(*row)
    _check_place(found, slot)
    why = _lost(found)
    if why is None and found.plugin != plugin:
        raise SlotError(
            f"replication slot {slot!r} is of plugin {found.plugin}, not {plugin}",
            hint=f"run with --plugin {found.plugin}, or use another --slot",
        )
    if found.unpublished and plugin in BY_PUBLICATION:
        raise SlotError(
            "publication cdc_triggers is missing, or cdc_triggers.event_log is not in it",
            hint="if it is missing, run `cdc-triggers apply`, else ALTER PUBLICATION cdc_triggers "
            "ADD TABLE cdc_triggers.event_log: what commits until then is sent from the log",
        )
    why = why or _behind(found, plugin)
    if why is None:
        return str(found.begins)
    raise SlotLostError(f"replication slot {slot!r} has lost events: {why}", hint=_RECOVERY)


def _check_place(found: _Found, slot: str) -> None:
    """Raises SlotError if this database has no such slot, and never had, or is a copy."""
    if found.restored:
        raise SlotError(
            "this database was restored from a dump of another cluster: transaction ids in schema "
            "cdc_triggers mean nothing here",
            hint="run `cdc-triggers apply`: triggers count from then on, what is parked or dead is "
            "kept, and what the dump had not delivered stays in cdc_triggers.event_log",
        )
    if found.missing and not (found.used or found.recovering):
        raise SlotError(
            f"replication slot {slot!r} is missing in this database",
            hint="run `cdc-triggers apply`: it makes publication and slot",
        )
    if not found.missing and not found.here:
        raise SlotError(
            f"replication slot {slot!r} belongs to another database",
            hint="use another --slot",
        )


def _lost(found: _Found) -> str | None:
    """Why nothing more will come out of it; None: something will."""
    if found.recovering:
        return f"a recovery was interrupted ({found.recovery})"
    if found.missing:
        return "it is gone"
    if found.status == "lost" or found.invalidation is not None:
        why = found.invalidation or "the WAL it needs is removed"
        return f"PostgreSQL has invalidated it ({why})"
    return None


def _behind(found: _Found, plugin: str) -> str | None:
    """Why what comes out of it may not be all; None: it is."""
    if found.failed_over:
        return "the server was promoted or restored since the stream's last write"
    if found.published_anew and plugin in BY_PUBLICATION:
        return "publication cdc_triggers was altered, or made anew"
    return "somebody else has moved it, or made it anew" if found.moved else None
