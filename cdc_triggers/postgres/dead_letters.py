"""Dead deliveries on one connection: what they died of, and putting them back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from cdc_triggers.core.dead import DeadError, DeadLine, DeadRow
from cdc_triggers.errors import TooSlowError
from cdc_triggers.postgres.granted import OPERATOR, naming
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from psycopg2.extensions import connection, cursor

    from cdc_triggers.core.dead import DeadWanted
    from cdc_triggers.core.views import AuditIntent

_LOCK_CLASS: Final = 0x6364_6374
"""Advisory locks of redeliveries that run: `cdct`, and the number of the audit's line."""


class DeadLetters:
    """Implements `app.redelivery.DeadStore`; the caller closes the connection.

    Every method raises DatabaseError if PostgreSQL refuses or a statement takes too long.
    """

    def __init__(self, connection: connection) -> None:
        # Several statements are one transaction: the signal must commit with the change.
        connection.autocommit = False
        self._connection = connection

    @contextmanager
    def _transaction(self) -> Iterator[cursor]:
        with naming(OPERATOR):
            try:
                with self._connection, self._connection.cursor() as cur:
                    yield cur
            except psycopg2.errors.QueryCanceled as error:
                raise TooSlowError(
                    "the database took too long to answer", hint="try again, or look for less"
                ) from error

    def causes(self, trigger: str | None, window: int) -> list[DeadError]:
        """Errors of the newest dead deliveries, not more than `window` of each trigger."""
        with self._transaction() as cur:
            cur.execute(query("console_dead_causes"), {"trigger": trigger, "window": window})
            return [DeadError(*row) for row in cur.fetchall()]

    def newest(
        self, trigger: str, window: int, after: tuple[datetime, str] | None = None
    ) -> list[DeadLine]:
        """A trigger's dead deliveries, the last to die first, after the place `after`."""
        died_before, before = after or (None, None)
        args = {"trigger": trigger, "died_before": died_before, "before": before, "window": window}
        with self._transaction() as cur:
            cur.execute(query("console_dead_window"), args)
            return [DeadLine(*row) for row in cur.fetchall()]

    def now(self) -> datetime:
        """The server's clock."""
        with self._transaction() as cur:
            cur.execute(query("admin_now"))
            ((at,),) = cur.fetchall()
            found: datetime = at
            return found

    def errors(self, wanted: DeadWanted) -> list[tuple[str, int]]:
        """See `DeadStore`."""
        with self._transaction() as cur:
            cur.execute(query("console_dead_counts"), wanted._asdict())
            return [(error, amount) for error, amount in cur.fetchall()]

    def chunk(self, wanted: DeadWanted, after_id: str, limit: int) -> list[DeadRow]:
        """See `DeadStore`."""
        args = {**wanted._asdict(), "after_id": after_id, "limit": limit}
        with self._transaction() as cur:
            cur.execute(query("redelivery_chunk"), args)
            return [DeadRow(*row) for row in cur.fetchall()]

    def put_back(self, wanted: DeadWanted, numbers: Sequence[int]) -> int:
        """See `DeadStore`."""
        with self._transaction() as cur:
            cur.execute(query("admin_lock_streams"))
            args = {"ids": list(numbers), "died_by": wanted.died_by}
            cur.execute(query("redelivery_lock"), args)
            still: list[Any] = [row[0] for row in cur.fetchall()]
            if not still:
                return 0
            cur.execute(query("admin_put_back"), {"ids": still})
            count = cur.rowcount
            cur.execute(query("admin_signal"), {"content": "retry"})
            return count

    def begin(self, intent: AuditIntent) -> int:
        """Note a redelivery, which runs as long as this connection lives; returns its number."""
        with self._transaction() as cur:
            cur.execute(query("audit_begin"), intent._asdict())
            ((number,),) = cur.fetchall()
            # Before the line can be seen: one without its lock was cut off.
            cur.execute(query("redelivery_hold"), {"class": _LOCK_CLASS, "number": number})
            return int(number)

    def running(self) -> dict[int, str]:
        """The numbers of redeliveries that run, in whatever process, and their triggers."""
        with self._transaction() as cur:
            cur.execute(query("redelivery_running"), {"class": _LOCK_CLASS})
            return dict(cur.fetchall())

    def progress(self, number: int, detail: str) -> bool:
        """Note how far a redelivery is; False: somebody has stopped it."""
        with self._transaction() as cur:
            cur.execute(query("redelivery_progress"), {"number": number, "detail": detail})
            return bool(cur.rowcount)

    def stop(self, number: int, more: str) -> None:
        """Stop a redelivery, in whatever process it runs; `more` is added to what it has noted."""
        with self._transaction() as cur:
            cur.execute(query("redelivery_stop"), {"number": number, "more": more})
