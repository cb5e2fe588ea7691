"""What a role or a database sets for its sessions, and what lies in its schemas, is not ours."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.operated import make_shop
from support.streaming import apply, trigger
from support.waiting import wait_until

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.records import Batch, Progress, Resolution
from cdc_triggers.postgres.queries import query
from cdc_triggers.postgres.store import PostgresStore

if TYPE_CHECKING:
    from support.databases import Database

# Both fit the arguments better than PostgreSQL's own do, so they win wherever `public` is searched.
TRAPS = """
CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'trapped %', current_user; END $$;
CREATE FUNCTION public.unnest(bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'trapped %', current_user; END $$"""


WAITS = """
SELECT FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'cdc-triggers stream'
   AND wait_event_type = 'Lock'"""


def store(database: Database) -> PostgresStore:
    return PostgresStore(database.dsn, database.slot, str(uuid.uuid4()))


def batch(resolution: Resolution) -> Batch:
    return Batch((), (), (resolution,), Progress(Lsn(10), Lsn(10), Lsn(10), None, None, 0))


@pytest.mark.servers("18", "16")
def test_a_function_of_somebody_elses_is_never_run_in_place_of_postgresqls_own(
    database: Database,
) -> None:
    other = database.role()
    database.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")  # as it is before PostgreSQL 15
    database.connect(other).cursor().execute(TRAPS)
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    apply(database, trigger("watched", "orders", "http://127.0.0.1:9/"))
    with closing(store(database)) as leader:
        assert leader.take_lease(10.0) is not None
        assert [row.name for row in leader.load_triggers()] == ["watched"]
        leader.write(batch(Resolution(1, "dead", 1, 0.0, "no such row")))
    database.execute(f"DROP OWNED BY {other} CASCADE")


@pytest.mark.servers("18", "16")
def test_a_delivery_that_joins_a_chain_is_promoted_whatever_the_default_isolation(
    database: Database,
) -> None:
    database.execute(
        f"ALTER DATABASE {database.name} SET default_transaction_isolation = 'repeatable read'"
    )
    shop = make_shop(database)
    number = shop.trigger("orders")
    first, second = shop.event(), shop.event()
    shop.owe(first, number, "parked")
    shop.owe(second, number, "dead", place=1)
    ids = dict(database.execute("SELECT event_id::text, id FROM cdc_triggers.delivery"))
    redelivery = database.connect().cursor()
    with closing(store(database)) as leader:
        assert leader.take_lease(10.0) is not None
        redelivery.execute("BEGIN")
        redelivery.execute(query("admin_lock_streams"))
        redelivery.execute(query("admin_put_back"), {"ids": [ids[second]]})
        delivered = batch(Resolution(ids[first], "delivered", 1, 0.0, None))
        writing = threading.Thread(target=leader.write, args=(delivered,))
        writing.start()
        wait_until(lambda: database.execute(WAITS), what="the stream waits for the redelivery")
        redelivery.execute("COMMIT")
        writing.join()
    assert shop.delivery(second)["due_at"] is not None
