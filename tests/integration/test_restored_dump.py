"""A dump of another cluster: its transaction ids mean nothing here, and nothing is lost for it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.databases import Database
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.servers import Server

OLDER = "DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"


def copy(source: Database, server: Server) -> Database:
    """The database as a dump brings it to another server."""
    target = Database(server, source.name)
    create = [
        str(server.bin_dir / "psql"),
        "-qd",
        server.dsn,
        "-c",
        f"CREATE DATABASE {target.name}",
    ]
    subprocess.run(create, check=True)
    dump = [str(source.server.bin_dir / "pg_dump"), "--no-owner", source.dsn]
    restore = [str(server.bin_dir / "psql"), "-q", "-v", "ON_ERROR_STOP=1", target.dsn]
    text = subprocess.run(dump, capture_output=True, check=True).stdout
    subprocess.run(restore, input=text, capture_output=True, check=True)
    return target


def test_a_stream_refuses_a_restored_dump_until_apply_has_run_and_then_misses_nothing(
    database: Database, make_server: Callable[..., Server]
) -> None:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    database.execute(OLDER)
    with Endpoint(lambda *_: Reply(status=503)) as down, Endpoint() as up:
        patient = {"num_retries": 100, "interval_sec": 1}
        apply(database, trigger("all", "orders", down.url, retry_conf=patient))
        with StreamProcess(database):
            database.execute("INSERT INTO orders VALUES (1)")
            wait_until(lambda: database.execute("SELECT FROM cdc_triggers.delivery"))
        database.execute("INSERT INTO orders VALUES (2)")
        here = copy(database, make_server("18"))
        with StreamProcess(here).start(wait=False) as stream:
            assert stream.wait() == 1
            assert "restored from a dump of another cluster" in stream.log
        apply(here, trigger("all", "orders", up.url, retry_conf=patient))
        with StreamProcess(here):
            here.execute("INSERT INTO orders VALUES (3)")
            wait_settled(here)
    arrived = [b["event"]["data"]["new"]["id"] for b in up.bodies]
    assert sorted(arrived) == [1, 3], "what was parked, and what is new"


def test_a_row_of_a_cluster_that_was_further_passes_no_event_over(database: Database) -> None:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    patient = {"num_retries": 100, "interval_sec": 1}
    with Endpoint(lambda *_: Reply(status=503)) as down, Endpoint() as up:
        apply(database, trigger("all", "orders", down.url, retry_conf=patient))
        with StreamProcess(database):
            database.execute("INSERT INTO orders VALUES (1)")
            wait_until(lambda: database.execute("SELECT FROM cdc_triggers.delivery"))
        # as a dump brings it to a cluster that has used more transactions and less WAL
        database.execute("UPDATE cdc_triggers.stream SET settled_lsn = 'FFFFFF/0'")
        database.execute("UPDATE cdc_triggers.delivery SET commit_lsn = 'FFFFFF/0'")
        with StreamProcess(database).start(wait=False) as stream:
            assert stream.wait() == 1
            assert "restored from a dump of another cluster" in stream.log
        apply(database, trigger("all", "orders", up.url, retry_conf=patient))
        assert database.execute(
            "SELECT FROM cdc_triggers.delivery WHERE commit_lsn < pg_current_wal_insert_lsn()"
        ), "what is parked stands before what is new"
        with StreamProcess(database):
            database.execute("INSERT INTO orders VALUES (2)")
            wait_settled(database)
    assert {body["event"]["data"]["new"]["id"] for body in up.bodies} == {1, 2}
