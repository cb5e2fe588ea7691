"""What the console asks of a database again and again, on real tables."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from support.streaming import apply, trigger

from cdc_triggers.app.admin import lowest_id
from cdc_triggers.console.pages.sampler import AttemptCounter
from cdc_triggers.core.views import AuditIntent
from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.audit import Audit
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.console import MOST_OWED, ConsoleDatabase
from cdc_triggers.postgres.idle import Idle
from cdc_triggers.wiring.serving import Backend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg2.extensions import connection
    from support.databases import Database

TABLE = "CREATE TABLE orders (id int PRIMARY KEY)"
OWED = """
INSERT INTO cdc_triggers.delivery (trigger_id, trigger_name, revision, event_id, status, reason,
    key, commit_lsn, position, tries, due_at, dead_at, last_error, bytes, table_id, xid,
    created_at, op, schema_name, table_name)
SELECT t.id, t.name, 1, gen_random_uuid(), %(status)s, 'failed', %(key)s, '0/1', n, 1,
    %(due)s, %(died)s, 'HTTP 503', 1, 1, '5', '2026-11-24 10:00Z', 'INSERT', 'public', 'orders'
FROM cdc_triggers.trigger t, generate_series(1, %(amount)s) n WHERE t.name = %(trigger)s
"""


@contextmanager
def watching(database: Database) -> Iterator[ConsoleDatabase]:
    found = ConsoleDatabase(database.dsn, database.slot)
    yield found
    found.close()


def owe(database: Database, name: str, amount: int, status: str, **more: object) -> None:
    values = {"key": None, "due": None, "died": None, **more}
    database.execute(OWED, {"trigger": name, "amount": amount, "status": status, **values})


def test_what_is_owed_is_counted_up_to_a_limit_however_much_there_is(database: Database) -> None:
    database.execute(TABLE)
    apply(database, *(trigger(name, "orders", "http://x/") for name in ("few", "many", "none")))
    later = "2036-01-01Z"
    owe(database, "few", 3, "parked", key='["1"]', due=later)  # the first of a key
    owe(database, "few", 4, "parked", key='["1"]')  # those behind it
    owe(database, "few", 5, "parked", due=later)  # without an order
    owe(database, "few", 6, "dead", died="2026-11-24 11:00Z")
    owe(database, "many", 3 * MOST_OWED, "parked", key='["2"]', due=later)
    owe(database, "many", 3 * MOST_OWED, "dead", died="2026-11-24 11:00Z")
    with watching(database) as console:
        owed = {each.name: each for each in console.owed()}
        assert (owed["few"].parked, owed["few"].dead, owed["few"].last_error) == (12, 6, "HTTP 503")
        assert (owed["many"].parked, owed["many"].dead) == (MOST_OWED + 1, MOST_OWED + 1)
        assert (owed["none"].parked, owed["none"].dead, owed["none"].oldest_at) == (0, 0, None)
        began = time.monotonic()
        console.owed()
        assert time.monotonic() - began < 1.0


def test_a_look_tells_slot_and_wal_and_comes_back_after_a_lost_connection(
    database: Database,
) -> None:
    with watching(database) as console:
        with pytest.raises(DatabaseError, match="not installed"):
            console.look()
        database.execute(TABLE)
        apply(database, trigger("t", "orders", "http://x/"))
        before = console.look()
        assert before.slot is not None
        assert before.slot.wal_status == "reserved"
        assert before.stream is None
        database.execute("INSERT INTO orders SELECT generate_series(1, 1000)")
        assert console.look().wal > before.wal
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'cdc-triggers console' AND datname = current_database()"
        )
        with pytest.raises(DatabaseError):
            console.look()
        assert console.look().slot is not None


def test_attempts_are_counted_once_and_only_those_that_come_after_the_first_look(
    database: Database,
) -> None:
    database.execute(TABLE)
    apply(database, trigger("t", "orders", "http://x/"))
    attempt = """
        INSERT INTO cdc_triggers.attempt (bucket, event_id, trigger_id, trigger_name, attempt,
            outcome, started_at, duration_ms, commit_lsn)
        SELECT 0, %s::uuid, 1, 't', %s, %s, clock_timestamp(), 1, '0/1'
    """
    now = time.time()
    stamps = [f"{int(now * 1000) + n:012x}" for n in range(3)]
    ids = [f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000" for stamp in stamps]
    with watching(database) as console:
        counter = AttemptCounter(console)
        database.execute(attempt, ids[0], 1, "delivered")
        counter.look(now)
        database.execute(attempt, ids[1], 1, "delivered")
        database.execute(attempt, ids[2], 1, "retry")
        database.execute(attempt, lowest_id(None), 1, "delivered")  # of an event of long ago
        for _ in range(2):
            counter.look(now)
        found = counter.meter.of("t")
        assert (found.delivered, found.attempts) == (1, {"2xx": 1, "failed": 1})
        assert found.first_attempt.count == 2


INTENT = AuditIntent(
    "s", "127.0.0.1", "Browser", "trigger.pause", "t", '{"a": 1}', "cdc-triggers …"
)


def test_the_audit_is_written_before_and_completed_after(database: Database) -> None:
    with closing(connect(database.dsn, application_name="test")) as connection:
        audit = Audit(connection)
        with pytest.raises(DatabaseError, match="nothing is done that is not audited"):
            audit.begin(INTENT)
        database.execute(TABLE)
        apply(database, trigger("t", "orders", "http://x/"))
        first, second = audit.begin(INTENT), audit.begin(INTENT._replace(target="other"))
        line = audit.line(first)
        assert line is not None
        assert (line.result, line.ended_at, line.arguments) == ("begun", None, '{"a": 1}')
        audit.end(first, "done", "Trigger t is paused.")
        assert [each.id for each in audit.lines(10)] == [second, first]
        assert [each.result for each in audit.lines(10, target="t")] == ["done"]
        assert [each.id for each in audit.lines(1, before=second)] == [first]
        assert audit.line(4711) is None


class Asked(Idle):
    """Asks every session that is used whether it compiles statements."""

    def __init__(self) -> None:
        super().__init__()
        self.jit: list[str] = []

    @contextmanager
    def use(self, dsn: str, name: str, options: Mapping[str, str]) -> Iterator[connection]:
        with super().use(dsn, name, options) as found, found.cursor() as cursor:
            cursor.execute("SHOW jit")
            self.jit += [str(value) for (value,) in cursor.fetchall()]
            yield found


def test_no_page_waits_for_the_server_to_compile_its_statements(database: Database) -> None:
    database.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = on', current_database()); END $$"
    )
    asked = Asked()
    backend = Backend(database.dsn, database.slot, "pgoutput", {}, asked)
    with closing(asked):
        for opened in (backend.admin, backend.pages, backend.events, backend.past_events):
            with opened():
                pass
        with backend.dead_letters():
            pass
    assert asked.jit == ["off"] * 5
