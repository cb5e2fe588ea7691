"""One suite for every output plugin: what `ports.ChangeSource` promises, on real servers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.streaming import apply, held_bytes, trigger
from support.waiting import wait_until

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.messages import Begin, Commit, LogRow, Signal
from cdc_triggers.errors import ConnectionLostError, SlotBusyError, SlotError, UsageError
from cdc_triggers.postgres.replication import ReplicationSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.databases import Database
    from support.servers import Server

    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message

pytestmark = pytest.mark.servers("18", "16", "system")

HOOK = "http://127.0.0.1:9/"


@pytest.fixture(params=["pgoutput", "wal2json"])
def plugin(request: pytest.FixtureRequest, server: Server) -> str:
    name = str(request.param)
    if name == "wal2json":
        if server.name != "system":
            pytest.skip("the embedded servers have no wal2json: it is tested on the system's")
        request.getfixturevalue("wal2json")
    return name


@pytest.fixture
def source(database: Database, plugin: str) -> Iterator[ReplicationSource]:
    database.execute("CREATE TABLE orders (id int PRIMARY KEY, note text)")
    apply(database, trigger("ordered", "orders", HOOK), plugin=plugin)
    with closing(ReplicationSource(database.dsn)) as opened:
        opened.start(database.slot, plugin, lsns.ZERO)
        drain(opened)
        yield opened


def drain(source: ReplicationSource) -> None:
    """Read the rest of apply's own transaction."""
    until(source, lambda m: isinstance(m, Signal))
    until(source, lambda m: isinstance(m, Commit))


def restart(source: ReplicationSource, database: Database, plugin: str, begins: Lsn) -> None:
    """As soon as the server has let go of the slot."""

    def restarted() -> bool:
        try:
            source.start(database.slot, plugin, begins)
        except SlotBusyError:
            return False
        return True

    wait_until(restarted)


def until(source: ReplicationSource, last: Callable[[Message], bool]) -> list[Message]:
    """Messages up to and including the first that `last` accepts."""
    found: list[Message] = []

    def step() -> bool:
        for message in source.read(1):
            found.append(message)
            return last(message)
        return False

    wait_until(step, what="the message")
    return found


def transaction(source: ReplicationSource) -> list[Message]:
    while True:
        messages = until(source, lambda m: isinstance(m, Commit))
        if any(isinstance(m, LogRow) for m in messages):
            return messages


def test_a_transaction_is_begin_rows_commit(database: Database, source: ReplicationSource) -> None:
    database.execute("INSERT INTO orders VALUES (1, 'a'), (2, E'b\\t\\n\\\\\"ü')")
    messages = transaction(source)
    begin, commit = messages[0], messages[-1]
    rows = [m for m in messages if isinstance(m, LogRow)]
    assert isinstance(begin, Begin)
    assert isinstance(commit, Commit)
    assert begin.final_lsn == commit.commit_lsn < commit.end_lsn
    assert abs(begin.commit_us - commit.commit_us) < 1_000_000
    assert [row.new for row in rows] == [
        b'{"id":1,"note":"a"}',
        '{"id":2,"note":"b\\t\\n\\\\\\"ü"}'.encode(),
    ]
    assert all(row.old is None and row.op == b"INSERT" for row in rows)


def test_a_rolled_back_savepoint_leaves_nothing(
    database: Database, source: ReplicationSource
) -> None:
    connection = database.connect()
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1, 'kept')")
        cursor.execute("SAVEPOINT s")
        cursor.execute("INSERT INTO orders VALUES (2, 'gone')")
        cursor.execute("ROLLBACK TO s")
        connection.commit()
    rows = [m for m in transaction(source) if isinstance(m, LogRow)]
    assert [row.new for row in rows] == [b'{"id":1,"note":"kept"}']


def first_of_two(database: Database, source: ReplicationSource) -> Commit:
    """Two transactions, each with an order; the commit of the first, which is all that was read."""
    database.execute("INSERT INTO orders VALUES (1, 'first')")
    database.execute("INSERT INTO orders VALUES (2, 'second')")
    first = transaction(source)[-1]
    assert isinstance(first, Commit)
    return first


def test_what_was_confirmed_does_not_come_again_and_the_rest_does(
    database: Database, source: ReplicationSource, plugin: str
) -> None:
    first = first_of_two(database, source)
    source.confirm(first.end_lsn, first.end_lsn)
    wait_until(lambda: confirmed(database) >= first.end_lsn)
    source.close()
    restart(source, database, plugin, lsns.ZERO)
    rows = [m for m in transaction(source) if isinstance(m, LogRow)]
    assert [row.new for row in rows] == [b'{"id":2,"note":"second"}']


def test_it_begins_where_it_is_told_to_though_the_slot_is_behind(
    database: Database, source: ReplicationSource, plugin: str
) -> None:
    first = first_of_two(database, source)
    before = confirmed(database)
    source.close()
    restart(source, database, plugin, first.end_lsn)
    rows = [m for m in transaction(source) if isinstance(m, LogRow)]
    assert [row.new for row in rows] == [b'{"id":2,"note":"second"}']
    assert confirmed(database) == before < first.end_lsn


def test_reading_alone_confirms_nothing(database: Database, source: ReplicationSource) -> None:
    before = confirmed(database)
    for key in range(5):
        database.execute("INSERT INTO orders VALUES (%s, 'x')", key)
        transaction(source)
    assert confirmed(database) == before


def test_an_idle_slot_can_follow_the_server(database: Database, source: ReplicationSource) -> None:
    database.execute("CREATE TABLE other (x text)")
    database.execute("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    [(here,)] = database.execute("SELECT pg_current_wal_lsn()::text")

    def caught_up() -> bool:
        source.read(100)
        lsn = source.server_lsn()
        source.confirm(lsn, lsn, ping=True)
        return lsn >= lsns.parse(here)

    wait_until(caught_up, what="a keepalive beyond the unpublished rows")
    wait_until(lambda: held_bytes(database) < 1_000_000)


def test_a_second_reader_is_told_who_has_the_slot(
    database: Database, source: ReplicationSource, plugin: str
) -> None:
    assert source.fileno() > 0
    with (
        closing(ReplicationSource(database.dsn)) as second,
        pytest.raises(SlotBusyError, match=r"\d+"),
    ):
        second.start(database.slot, plugin, lsns.ZERO)


def test_a_missing_slot_says_so(database: Database, plugin: str) -> None:
    with closing(ReplicationSource(database.dsn)) as source, pytest.raises(SlotError):
        source.start("no_such_slot", plugin, lsns.ZERO)


def test_an_unknown_plugin_is_refused(database: Database) -> None:
    with closing(ReplicationSource(database.dsn)) as source, pytest.raises(UsageError):
        source.start("any", "test_decoding", lsns.ZERO)


def test_a_killed_walsender_is_a_lost_connection(
    database: Database, source: ReplicationSource
) -> None:
    database.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s",
        database.slot,
    )

    def lost() -> bool:
        try:
            source.read(100)
        except ConnectionLostError:
            return True
        return False

    wait_until(lost)


def confirmed(database: Database) -> lsns.Lsn:
    [(text,)] = database.execute(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
        database.slot,
    )
    return lsns.parse(text)


def test_it_knows_for_how_long_the_server_may_say_nothing(database: Database, plugin: str) -> None:
    apply(database, plugin=plugin)
    database.execute(f"ALTER DATABASE {database.name} SET wal_sender_timeout = '5min'")
    with closing(ReplicationSource(database.dsn)) as source:
        source.start(database.slot, plugin, lsns.ZERO)
        assert source.quiet_s == 150
