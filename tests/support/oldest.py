"""A database as version 0.1.0 left it, with events in every state."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cdc_triggers.postgres.migrations import migrations

if TYPE_CHECKING:
    from support.databases import Database

_VERSION_0_1 = Path(__file__).with_name("version_0_1.sql")

# By the row they are of; a second change of every row is still in the slot.
DELIVERED, PARKED, DEAD, ARCHIVED, CLAIMED, FRESH = range(1, 7)

_NEXT = "UPDATE counter SET seq = seq + 1"
_EVENT = (
    "SELECT id::text FROM cdc_triggers.event_log WHERE new ->> 'id' = %s AND new ->> 'seq' = %s"
)
_KEEP = """
INSERT INTO cdc_triggers.delivery
    (trigger_id, trigger_name, revision, event_id, status, reason, key, commit_lsn, position, tries,
     due_at, claimed_until, claimed_by, dead_at, bytes, table_id, xid, created_at, op, schema_name,
     table_name, new)
SELECT %(trigger_id)s, 'counted', 1, id, %(status)s, 'failed', '[' || (new ->> 'id') || ']',
       pg_current_wal_insert_lsn(), (new ->> 'id')::int, 1,
       CASE WHEN %(status)s = 'parked' THEN now() END,
       CASE WHEN %(claimed_by)s IS NOT NULL THEN now() + interval '1 hour' END,
       %(claimed_by)s::uuid, CASE WHEN %(status)s = 'dead' THEN now() END, 400, table_id, xid,
       created_at, op, schema_name, table_name, new
  FROM cdc_triggers.event_log WHERE id = %(id)s"""
_RECORD = """
INSERT INTO cdc_triggers.attempt
    (bucket, event_id, trigger_id, trigger_name, attempt, outcome, started_at, duration_ms, status,
     commit_lsn)
VALUES (cdc_triggers.attempt_bucket(now()), %s, 1, 'counted', 1, 'delivered', now(), 5, 200,
        pg_current_wal_insert_lsn())"""
_LEFT = """
INSERT INTO cdc_triggers.stream (slot_name, generation, holder, started_at, heartbeat_at,
                                 received_lsn, settled_lsn, confirmed_lsn, delivered)
SELECT slot_name, 3, %s, now() - interval '1 hour', now() - interval '1 minute',
       confirmed_flush_lsn, confirmed_flush_lsn, confirmed_flush_lsn, 1
  FROM pg_replication_slots WHERE slot_name = %s"""


def install(database: Database, plugin: str) -> None:
    """Schema, capture, publication and slot; table counter with one row for each state."""
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL, note text)")
    database.execute("CREATE SCHEMA cdc_triggers")
    database.execute(migrations()[0].sql)
    database.execute(_VERSION_0_1.read_text())
    database.execute("SELECT pg_create_logical_replication_slot(%s, %s)", database.slot, plugin)


def event(database: Database, row: int, seq: int) -> str:
    """The id of one change."""
    [(event_id,)] = database.execute(_EVENT, str(row), str(seq))
    return str(event_id)


def fill(database: Database) -> None:
    """Two changes of every row; the stream of then had dealt with the first, then it died."""
    holder = str(uuid.uuid4())
    database.execute(
        "INSERT INTO counter SELECT id, 1 FROM generate_series(%s, %s) id", DELIVERED, FRESH
    )
    database.execute(_RECORD, event(database, DELIVERED, 1))
    _keep(database, PARKED, "parked")
    _keep(database, DEAD, "dead")
    _keep(database, ARCHIVED, "parked", trigger_id=99)
    _keep(database, CLAIMED, "parked", claimed_by=holder)
    database.execute(
        "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", database.slot
    )
    database.execute(_LEFT, holder, database.slot)
    database.execute(_NEXT)
    database.execute(_RECORD, event(database, DELIVERED, 2))  # recorded, not confirmed


def _keep(
    database: Database, row: int, status: str, *, trigger_id: int = 1, claimed_by: str | None = None
) -> None:
    values = {"status": status, "trigger_id": trigger_id, "claimed_by": claimed_by}
    database.execute(_KEEP, {"id": event(database, row, 1), **values})
