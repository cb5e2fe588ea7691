"""The trap that loses data (docs/adr/0010): a keepalive in the middle of a long transaction.

T3 writes early and stays open; T2 commits and is confirmed; T1 commits and its webhook still runs;
T3 commits. While T3's rows, which have old LSNs, stream in, the server sends a keepalive.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.streaming import apply, trigger
from support.waiting import wait_until

from cdc_triggers.core import lsn as lsns
from cdc_triggers.core.messages import Commit, LogRow
from cdc_triggers.core.pgoutput import PgOutput
from cdc_triggers.core.wal2json import Wal2Json
from cdc_triggers.postgres.connect import connect_replication
from cdc_triggers.postgres.replication import OPTIONS, ReplicationSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extras import LogicalReplicationConnection, ReplicationMessage
    from support.databases import Database

    from cdc_triggers.core.messages import Message

ROWS = 20_000
"""Some 20 MB: more than the sockets hold, so that the server waits in the middle of T3."""


class Story:
    """The three transactions, as far as the writers are concerned."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.execute("CREATE TABLE note (id int PRIMARY KEY, text text)")
        # the server asks for a sign of life after half of this
        database.execute(f"ALTER DATABASE {database.name} SET wal_sender_timeout = '2s'")
        self._long = database.connect()
        self._long.autocommit = False

    def begin_t3(self) -> None:
        with self._long.cursor() as cursor:
            cursor.execute(
                "INSERT INTO note SELECT g, repeat('x', 1000) FROM generate_series(10, %s) g",
                [ROWS + 9],
            )

    def commit(self, key: int) -> None:
        self.database.execute("INSERT INTO note VALUES (%s, 'short')", key)

    def commit_t3(self) -> None:
        self._long.commit()

    def wait_for_keepalive(self) -> None:
        """The server has heard nothing for longer than half of wal_sender_timeout."""
        wait_until(
            lambda: self.database.execute(
                "SELECT 1 FROM pg_stat_replication JOIN pg_replication_slots ON pid = active_pid "
                "WHERE slot_name = %s AND reply_time < clock_timestamp() - interval '1.2 s'",
                self.database.slot,
            ),
            what="the server waits for a reply",
        )

    def confirmed(self) -> int:
        [(text,)] = self.database.execute(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s",
            self.database.slot,
        )
        return int(lsns.parse(text))


class Naive:
    """psycopg2's own cursor, used as its documentation shows."""

    def __init__(self, database: Database, plugin: str) -> None:
        self._connection: LogicalReplicationConnection = connect_replication(database.dsn)
        self._cursor: Any = self._connection.cursor()
        self._decoder = PgOutput() if plugin == "pgoutput" else Wal2Json()
        self._cursor.start_replication(
            slot_name=database.slot, options=dict(OPTIONS[plugin]), decode=False
        )

    def read(self) -> Message | None:
        message: ReplicationMessage | None = self._cursor.read_message()
        return None if message is None else self._decoder.decode(message.payload)

    def confirm(self, lsn: int) -> None:
        self._cursor.send_feedback(flush_lsn=lsn, force=True)

    def close(self) -> None:
        self._connection.close()


class Ours:
    """The product's source, which sends what it is told and nothing else."""

    def __init__(self, database: Database, plugin: str) -> None:
        self._source = ReplicationSource(database.dsn)
        self._source.start(database.slot, plugin, lsns.ZERO)
        self._confirmed = lsns.ZERO

    def read(self) -> Message | None:
        messages = self._source.read(1)
        if self._source.reply_due():
            self._source.confirm(self._confirmed, self._confirmed)
        return messages[0] if messages else None

    def confirm(self, lsn: int) -> None:
        self._confirmed = lsns.Lsn(lsn)
        self._source.confirm(self._confirmed, self._confirmed)

    def close(self) -> None:
        self._source.close()


def transactions(reader: Naive | Ours) -> Iterator[tuple[list[LogRow], Commit | None]]:
    """Rows so far and the commit: yields after every row, and once more with the commit."""
    rows: list[LogRow] = []
    while True:
        message = wait_until(reader.read, what="a message")
        if isinstance(message, LogRow):
            rows.append(message)
            yield rows, None
        elif isinstance(message, Commit):
            yield rows, message
            rows = []


def next_commit(stream: Iterator[tuple[list[LogRow], Commit | None]]) -> Commit:
    return next(commit for rows, commit in stream if commit is not None and rows)


def play(database: Database, plugin: str, kind: type[Naive | Ours]) -> tuple[int, int]:
    """Returns T1's end_lsn and the slot's confirmed LSN when the consumer dies."""
    story = Story(database)
    apply(database, trigger("noted", "note", "http://127.0.0.1:9/"), plugin=plugin)
    with closing(kind(database, plugin)) as reader:
        stream = transactions(reader)
        story.begin_t3()
        story.commit(2)
        reader.confirm(next_commit(stream).end_lsn)
        story.commit(1)
        t1 = next_commit(stream)
        story.commit_t3()
        next(stream)
        story.wait_for_keepalive()
        last = next_commit(stream)
        assert last.end_lsn > t1.end_lsn
        for _ in range(100):
            reader.read()
    return t1.end_lsn, story.confirmed()


@pytest.mark.servers("18")
def test_psycopg2s_own_cursor_confirms_an_event_that_is_still_being_delivered(
    database: Database,
) -> None:
    t1_end, confirmed = play(database, "pgoutput", Naive)
    assert confirmed >= t1_end, "psycopg2 was mended: docs/adr/0010 has lost its reason"


@pytest.mark.servers("18", "16", "system")
def test_a_keepalive_in_a_long_transaction_confirms_nothing(database: Database) -> None:
    t1_end, confirmed = play(database, "pgoutput", Ours)
    assert confirmed < t1_end


@pytest.mark.servers("system")
@pytest.mark.usefixtures("wal2json")
def test_a_keepalive_in_a_long_transaction_confirms_nothing_with_wal2json(
    database: Database,
) -> None:
    t1_end, confirmed = play(database, "wal2json", Ours)
    assert confirmed < t1_end
