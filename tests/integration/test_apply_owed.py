"""What is owed may be millions of rows: apply does not read them for nothing, nor each for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.capturing import capture, run
from support.specs import trigger

from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from support.databases import Database

ROWS = 1_000

FILL = f"""
    INSERT INTO cdc_triggers.delivery
           (trigger_id, trigger_name, revision, event_id, status, reason, commit_lsn, position,
            bytes, table_id, xid, created_at, op, schema_name, table_name)
    SELECT t.id, t.name, 1, gen_random_uuid(), 'dead', 'failed', pg_current_wal_lsn() - i, 0,
           1, t.table_id, '1', now(), 'INSERT', 'public', 'orders'
      FROM cdc_triggers.trigger t, generate_series(1, {ROWS}) i"""

READ = """
    SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
     WHERE relid = 'cdc_triggers.delivery'::regclass"""


@pytest.mark.servers("18", "16")
def test_what_is_owed_is_read_only_where_it_came_with_a_dump_and_then_a_few_times(
    database: Database,
) -> None:
    it = capture(database, trigger(), tables="CREATE TABLE orders (id int)")
    run(it, "ALTER TABLE cdc_triggers.delivery SET (autovacuum_enabled = off)")
    for statement in (
        FILL,
        "DELETE FROM cdc_triggers.delivery",
        "ANALYZE cdc_triggers.delivery",
        FILL,
    ):
        run(it, statement)  # the statistics say that it has pages, and no row
    before = run(it, "SELECT id FROM cdc_triggers.delivery ORDER BY commit_lsn")
    run(it, "BEGIN")
    [(read,)] = run(it, READ)
    assert run(it, query("apply_restored")) == [(False,)]
    assert run(it, READ) == [(read,)]
    run(it, query("apply_restored_owed"))
    assert run(it, READ)[0][0] - read <= 4 * ROWS
    run(it, "COMMIT")
    assert run(it, "SELECT id FROM cdc_triggers.delivery ORDER BY commit_lsn") == before
    assert run(it, "SELECT max(commit_lsn)::text FROM cdc_triggers.delivery") == [("0/3E8",)]
