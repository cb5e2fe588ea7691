"""A stream over TLS: what OpenSSL holds makes no socket readable."""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trustme
from support import databases
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MakeServer
    from support.databases import Database
    from support.servers import Server

MIB = 1 << 20
KEEPALIVE_S = 10.0
"""With nothing else to send, the server says something after half of wal_sender_timeout or when the
stream asks: what waits for that has taken this long."""


@pytest.fixture
def database(make_server: MakeServer) -> Iterator[Database]:
    # the embedded servers are built without TLS
    server = make_server("system")
    _give_certificate(server)
    server.configure(ssl="on")
    fresh = databases.create(server)
    yield fresh
    fresh.drop()


def _give_certificate(server: Server) -> None:
    """Put one where the server looks for it, readable by nobody else: it insists on that."""
    made = trustme.CA().issue_cert("127.0.0.1")
    made.private_key_pem.write_to_path(str(server.data_dir / "server.key"))
    made.cert_chain_pems[0].write_to_path(str(server.data_dir / "server.crt"))
    owner = (server.data_dir / "PG_VERSION").owner()
    for name in ("server.key", "server.crt"):
        shutil.chown(server.data_dir / name, owner)
        (server.data_dir / name).chmod(0o600)


def _has(endpoint: Endpoint, count: int) -> bool:
    return len(endpoint.bodies) >= count


def test_an_event_of_many_megabytes_over_tls_waits_for_nothing_that_follows(
    database: Database,
) -> None:
    database.execute("CREATE TABLE papers (id int PRIMARY KEY, text text)")
    with Endpoint() as endpoint:
        apply(database, trigger("papers", "papers", endpoint.url))
        with StreamProcess(database, dsn=f"{database.dsn}?sslmode=require"):
            [(encrypted,)] = database.execute(
                "SELECT bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
            )
            assert encrypted
            for number, size in enumerate((10, 16_300, 16_384, MIB, 3 * MIB + 1, 17 * MIB, 20)):
                began = time.monotonic()
                row = "INSERT INTO papers VALUES (%s, repeat('x', %s))"
                database.execute(row, number, size)
                wait_until(partial(_has, endpoint, number + 1), what="it arrives")
                assert time.monotonic() - began < KEEPALIVE_S / 2
            wait_settled(database)
    assert [len(body["event"]["data"]["new"]["text"]) for body in endpoint.bodies][-2] == 17 * MIB
