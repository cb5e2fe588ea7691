"""Tables, an endpoint and a running stream in one: tests write rows and look at arrivals."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cdc_triggers.app.admin import Administration
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.connect import connect
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdc_triggers.http.receiver import Reply
    from support.databases import Database

NAME = "watched"
"""The trigger's name."""


@dataclass
class Live:
    """One trigger on one table, its endpoint, and the stream between them."""

    database: Database
    endpoint: Endpoint
    stream: StreamProcess
    connection: Any

    def run(self, *statements: str) -> None:
        """Run them on one connection, each in a transaction of its own unless one is begun."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def bodies(self) -> list[dict[str, Any]]:
        """All that has arrived once everything committed until now is settled."""
        wait_settled(self.database)
        return self.endpoint.bodies

    def changes(self) -> list[tuple[str, Any, Any]]:
        """The same as (op, old, new), in order of arrival."""
        return [change(body) for body in self.bodies()]

    def trigger(self, name: str = NAME, table: str = "orders", **keys: object) -> Any:
        """A spec that calls this endpoint."""
        return trigger(name, table, self.endpoint.url, **keys)

    def apply(self, *triggers: Any) -> None:
        """Apply these and no others."""
        apply(self.database, *triggers)

    def pause(self, *, paused: bool) -> None:
        """Pause the trigger, or resume it, as the command does."""
        with self.administration() as admin:
            admin.set_paused(NAME, paused=paused)

    @contextmanager
    def administration(self) -> Iterator[Administration]:
        """What the operator's commands use."""
        with closing(connect(self.database.dsn, application_name="test admin")) as connection:
            yield Administration(PostgresAdmin(connection))

    def parked(self) -> int:
        """How many deliveries are parked, archived ones too."""
        query = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'parked'"
        return int(self.database.execute(query)[0][0])

    def wait_parked(self, count: int) -> None:
        """Until that many are parked."""
        wait_until(lambda: self.parked() == count, what=f"{count} deliveries are parked")


def change(body: dict[str, Any]) -> tuple[str, Any, Any]:
    """Op, old and new of a body."""
    data = body["event"]["data"]
    return body["event"]["op"], data["old"], data["new"]


@contextmanager
def streaming(
    database: Database,
    tables: str,
    *options: str,
    decide: Callable[[dict[str, Any], int], Reply] | None = None,
    **keys: Any,
) -> Iterator[Live]:
    """Make the tables, apply one trigger with total order, and stream.

    Args:
        database: where.
        tables: SQL that makes the tables.
        *options: of `cdc-triggers stream`.
        decide: the endpoint's answers.
        **keys: of the trigger; `table` is `orders` if not said otherwise.
    """
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute(tables)
    plugin = "wal2json" if "wal2json" in options else "pgoutput"
    with Endpoint(decide) as endpoint:
        spec = trigger(
            NAME, keys.pop("table", "orders"), endpoint.url, **{"ordering": "total", **keys}
        )
        apply(database, spec, plugin=plugin)
        with StreamProcess(database, *options) as stream:
            yield Live(database, endpoint, stream, connection)
