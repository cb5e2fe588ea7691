"""The shop that the demo writes to: its tables, and one transaction per change."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from cdc_triggers.ports import Clock


class Written(NamedTuple):
    """One committed transaction.

    Attributes:
        at: just before COMMIT was sent, on the monotonic clock.
        ids: of the rows that were written.
    """

    at: float
    ids: tuple[int, ...]


class Shop:
    """The shop's database, through one connection.

    Raises (every method):
        psycopg2.Error: PostgreSQL refused.
    """

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._connection = connect(
            dsn, application_name="shop", options={"search_path": '"$user", public'}
        )
        self._clock = clock
        self.rows_written = 0

    @property
    def server_version(self) -> str:
        """As people say it: `18.1`."""
        return "{}.{}".format(*divmod(self._connection.server_version, 10_000))

    def create_tables(self) -> None:
        """Make the shop's tables, empty."""
        with self._connection.cursor() as cursor:
            cursor.execute(_statement("shop"))

    def write(self, statement: str, **values: object) -> Written:
        """Run one of `sql/demo/*.sql` in a transaction of its own."""
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(_statement(statement), values)
            ids = tuple(number for (number,) in cursor)
            at = self._clock.monotonic()
            cursor.execute("COMMIT")
        self.rows_written += len(ids)
        return Written(at, ids)

    def captured(self) -> int:
        """How many row changes the capture triggers have logged."""
        with self._connection.cursor() as cursor:
            cursor.execute(_statement("captured"))
            return sum(number for (number,) in cursor)

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._connection.close()


def _statement(name: str) -> str:
    return (files("cdc_triggers") / "sql" / "demo" / f"{name}.sql").read_text("utf-8")
