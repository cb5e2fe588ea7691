"""The console's questions about events, on a log that is filled: right, and bounded in rows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.streaming import apply, trigger
from support.waiting import wait_until

from cdc_triggers.app.event_search import EventSearch
from cdc_triggers.app.redelivery import DeadRedelivery, count
from cdc_triggers.core.dead import DeadAsked, DeadWanted
from cdc_triggers.core.event_search import NEWEST, OLDEST, Search, Source, Window
from cdc_triggers.core.views import AuditIntent, Redelivery
from cdc_triggers.errors import NotFoundError
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.console_events import ConsoleEvents
from cdc_triggers.postgres.dead_letters import DeadLetters
from cdc_triggers.postgres.queries import query
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

ROWS = 4_000
TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text);
CREATE TABLE lines (order_id int, part text, PRIMARY KEY (order_id, part));
"""
FILL = """
INSERT INTO cdc_triggers.event_log (bucket, seq, id, table_id, xid, created_at, op, schema_name,
    table_name, old, new)
SELECT cdc_triggers.event_bucket(at), n,
    (left(h, 8) || '-' || right(h, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    c.id, pg_current_xact_id(), at, 'INSERT', 'public', 'orders', NULL,
    json_build_object('id', n, 'status', CASE WHEN n = 77 THEN 'Einmalig' ELSE 'new' END)
FROM (SELECT n, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS h
      FROM (SELECT n, now() - interval '1 hour' + n * interval '100 ms' AS at
            FROM generate_series(1, %s) n) a) b,
    cdc_triggers.captured_table c WHERE c.relid = 'orders'::regclass
"""
DEAD = """
INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, status, reason,
    key, commit_lsn, position, tries, dead_at, last_error, bytes, table_id, xid, created_at, op,
    schema_name, table_name, new)
SELECT t.id, t.name, 1, e.id, 'dead', 'failed', '[' || e.seq || ']', '0/1', e.seq, 3, e.created_at,
    CASE WHEN e.seq %% 2 = 0 THEN 'HTTP 503' ELSE 'row ' || 10000 + e.seq || ' refused' END,
    400, e.table_id, e.xid, e.created_at, e.op, e.schema_name, e.table_name, e.new
FROM cdc_triggers.event_log e JOIN cdc_triggers.trigger t USING (table_id)
WHERE e.seq <= %s AND e.table_name = 'orders'
"""


@pytest.fixture
def filled(database: Database) -> Database:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        apply(
            database,
            *(trigger(name, "orders", "http://127.0.0.1:9") for name in ("one", "two")),
            trigger("lines", "lines", "http://127.0.0.1:9"),
        )
        cursor.execute(FILL, (ROWS,))
        cursor.execute("INSERT INTO lines VALUES (7, 'it''s \"x\"')")
        cursor.execute(DEAD, (400,))
        cursor.execute("ANALYZE")
    return database


@contextmanager
def events(database: Database) -> Iterator[ConsoleEvents]:
    with closing(connect(database.dsn, application_name="test")) as connection:
        yield ConsoleEvents(connection)


def find(database: Database, wanted: Search, limit: int = 50) -> list[str]:
    """Ids of all that is found, page by page."""
    found: list[str] = []
    before = None
    with events(database) as asked:
        while True:
            page = EventSearch(asked, time.monotonic, limit, budget_s=5).run(wanted, before)
            found += dict.fromkeys(line.id for line in page.lines)
            before = page.before
            if before is None or len(found) > 3 * limit:
                return found


def test_events_are_found_by_key_text_time_and_what_became_of_them(filled: Database) -> None:
    [(at,)] = filled.execute("SELECT created_at FROM cdc_triggers.event_log WHERE seq = 77")
    [single] = find(filled, Search(text="einmalig"))
    assert find(filled, Search(key="77")) == [single]
    assert find(filled, Search(key="77", table="orders", schema="public")) == [single]
    assert find(filled, Search(key="77", schema="elsewhere")) == []
    assert find(filled, Search(since=at, until=at + timedelta(microseconds=1))) == [single]
    assert find(filled, Search(status="dead", key="77", trigger="two")) == [single]
    assert find(filled, Search(text="100%")) == []
    assert len(find(filled, Search(key='7,it\'s "x"'))) == 1
    assert len(find(filled, Search(trigger="lines"))) == 1
    assert find(filled, Search(status="parked")) == []
    with events(filled) as asked:
        lines = asked.lines([single])
    assert [(line.trigger, line.status, line.key) for line in lines] == [
        ("one", "dead", "77"),
        ("two", "dead", "77"),
    ]


def test_a_window_reads_no_more_than_it_may_whatever_is_looked_for(filled: Database) -> None:
    wanted = Search(text="nowhere", key="none", op="DELETE", since=datetime(2020, 1, 1, tzinfo=UTC))
    for source in (Source.LOG, Source.OWED, Source.DELIVERED):
        args: dict[str, Any] = {**wanted._asdict(), "key_part": "none", "within": True}
        args |= {"from_id": OLDEST, "before": NEWEST, "window": 200, "limit": 50}
        text = f"EXPLAIN (ANALYZE, FORMAT JSON) {query(f'console_find_{source.value}')}"
        with closing(filled.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(text, args)
            [(plan,)] = cursor.fetchall()
        read = sum(
            node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            for node in nodes(plan[0]["Plan"])
            if node.get("Relation Name", "").startswith(("event_log", "delivery", "attempt"))
        )
        assert read <= 220, (source, read)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def test_of_an_event_for_many_triggers_none_is_lost_at_the_edge_of_a_window(
    filled: Database,
) -> None:
    with events(filled) as asked:
        before, found = NEWEST, 0
        while True:
            seen = asked.find(Search(trigger="one"), Window(Source.OWED, OLDEST, before, 3, 50))
            found += len(seen.ids)
            if seen.rows < 3 or seen.lowest is None:
                break
            before = seen.lowest
    assert found == 400


def test_dead_deliveries_of_a_cause_are_listed_counted_and_put_back_once(filled: Database) -> None:
    with closing(connect(filled.dsn, application_name="test")) as connection:
        letters = DeadLetters(connection)
        wanted = DeadWanted("one", "row … refused", None, letters.now())
        assert sum(e.amount for e in letters.causes(None, 100)) == 200
        first = letters.newest("one", 150)
        rest = letters.newest("one", 300, (first[-1].dead_at, first[-1].id))
        assert len({line.id for line in (*first, *rest)}) == 400
        assert count(letters, wanted) == 200
        work = DeadRedelivery(letters, wanted)
        assert work.step(30)
        assert work.done == 30
        [row] = letters.chunk(wanted._replace(trigger="two"), OLDEST, 1)
        assert letters.put_back(wanted, [row.number, row.number]) == 1
        assert letters.put_back(wanted, [row.number]) == 0
        while work.step(1000):
            pass
        assert work.done == 200
        assert count(letters, wanted) == 0
    asked = DeadAsked("one", "HTTP 503", None, 1_000.0)
    assert operating.redeliver_dead(filled.dsn, asked, dry_run=True) == Redelivery(200, 0)
    assert operating.redeliver_dead(filled.dsn, asked, dry_run=False) == Redelivery(200, 0)
    statuses = (
        "SELECT status, count(*) FROM cdc_triggers.delivery WHERE trigger_name = 'one' GROUP BY 1"
    )
    assert dict(filled.execute(statuses)) == {"parked": 400}


INTENT = AuditIntent("s", "127.0.0.1", "test", "dead.redelivery", "one", "{}", "")


def test_a_redelivery_is_seen_to_run_until_its_session_ends(filled: Database) -> None:
    with closing(connect(filled.dsn, application_name="test")) as watching:
        letters = DeadLetters(watching)
        with closing(connect(filled.dsn, application_name="test")) as working:
            number = DeadLetters(working).begin(INTENT)
            assert letters.running() == {number: "one"}
        wait_until(lambda: letters.running() == {}, what="its lock is gone")
        with pytest.raises(NotFoundError, match=f"redelivery {number} does not run"):
            operating.stop_redelivery(filled.dsn, number)


def test_a_redelivery_is_stopped_from_elsewhere_when_it_notes_how_far_it_is(
    filled: Database,
) -> None:
    with closing(connect(filled.dsn, application_name="test")) as connection:
        letters = DeadLetters(connection)
        number = letters.begin(INTENT)
        assert letters.progress(number, "3 of 9 put back")
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(operating.stop_redelivery, filled.dsn, number)
            wait_until(lambda: not letters.progress(number, "4 of 9 put back"), what="the stop")
            assert not stopped.done()
            connection.close()
            assert stopped.result(10)
    [(result, detail)] = filled.execute(
        "SELECT result, detail FROM cdc_triggers.audit WHERE id = %s", number
    )
    assert result == "failed"
    assert detail.endswith(" of 9 put back: stopped by hand: the others stay dead")
