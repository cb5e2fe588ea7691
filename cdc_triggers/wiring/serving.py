"""Adapters for the HTTP API: no connection is one of the stream's, and each serves one call."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cdc_triggers.app.admin import Administration
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.amending import Amender
from cdc_triggers.postgres.audit import Audit
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.console import ConsoleDatabase
from cdc_triggers.postgres.console_events import ConsoleEvents
from cdc_triggers.postgres.dead_letters import DeadLetters
from cdc_triggers.postgres.doctor import Wanted, examine
from cdc_triggers.postgres.event_pages import EventPages
from cdc_triggers.postgres.idle import Idle
from cdc_triggers.postgres.past_events import PastEvents
from cdc_triggers.wiring.cleaning import open_cleanups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg2.extensions import connection

    from cdc_triggers.app.cleanup import CleanUps
    from cdc_triggers.core.finding import Finding

NAME = "cdc-triggers api"

_READING = {"statement_timeout": "15s", "lock_timeout": "5s", "jit": "off"}
"""A look at the state must not weigh on the database for longer than somebody waits for it.

Compiling a statement (JIT) takes 0.2 to 2 s; none of these runs for long enough to gain by that.
"""

_CHANGING = {"lock_timeout": "10s"}

_KEEPING = {**_CHANGING, "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5"}
_KEEPING |= {"tcp_keepalives_count": "3"}
"""A session that works for long: the server ends it within half a minute of its machine's end."""

_SEARCHING = {"statement_timeout": "400ms", "lock_timeout": "200ms", "jit": "off"}
"""A search goes on with a smaller window: no single one may take long."""


@dataclass(frozen=True)
class Backend:
    """Opens what a call needs, until its end. Connections that only read are kept for the next.

    Args:
        environment: the stream's variables, by which webhooks and headers are filled in.
    """

    dsn: str
    slot: str
    plugin: str
    environment: Mapping[str, str]
    idle: Idle = field(default_factory=Idle, repr=False, compare=False)

    @contextmanager
    def admin(self) -> Iterator[Administration]:
        """The operator's use cases.

        Raises:
            DatabaseError: there is no connection.
        """
        with self.idle.use(self.dsn, NAME, _READING) as connection:
            yield Administration(PostgresAdmin(connection))

    @contextmanager
    def cleanups(self) -> Iterator[CleanUps]:
        """Clean-ups of triggers.

        Raises:
            DatabaseError: there is no connection.
        """
        with open_cleanups(self.dsn) as cleanups:
            yield cleanups

    @contextmanager
    def pages(self) -> Iterator[EventPages]:
        """Pages of events and attempts.

        Raises:
            DatabaseError: there is no connection.
        """
        with self.idle.use(self.dsn, NAME, _READING) as connection:
            yield EventPages(connection)

    @contextmanager
    def events(self) -> Iterator[ConsoleEvents]:
        """Searches among events; a statement that takes long is given up.

        Raises:
            DatabaseError: there is no connection.
        """
        with self.idle.use(self.dsn, NAME, _SEARCHING) as connection:
            yield ConsoleEvents(connection)

    @contextmanager
    def past_events(self) -> Iterator[PastEvents]:
        """Past events, and a trigger that is tried on them.

        Raises:
            DatabaseError: there is no connection.
        """
        with self.idle.use(self.dsn, NAME, _READING) as connection:
            yield PastEvents(connection)

    @contextmanager
    def dead_letters(self, *, changing: bool = False) -> Iterator[DeadLetters]:
        """Dead deliveries: to look at them, or to put them back.

        Raises:
            DatabaseError: there is no connection.
        """
        if changing:
            with self._connected(_KEEPING) as connection:
                yield DeadLetters(connection)
        else:
            with self.idle.use(self.dsn, NAME, _READING) as connection:
                yield DeadLetters(connection)

    def findings(self) -> Sequence[Finding]:
        """What the doctor says about this database.

        Raises:
            DatabaseError: it cannot be asked.
        """
        return examine(self.dsn, Wanted(slot=self.slot, plugin=self.plugin))

    def watching(self) -> ConsoleDatabase:
        """What is asked every second, on a connection that is kept; the caller closes it."""
        return ConsoleDatabase(self.dsn, self.slot)

    @contextmanager
    def audit(self) -> Iterator[Audit]:
        """What people do on the console.

        Raises:
            DatabaseError: there is no connection.
        """
        with self._connected(_CHANGING) as connection:
            yield Audit(connection)

    @contextmanager
    def amender(self) -> Iterator[Amender]:
        """Changes of triggers.

        Raises:
            DatabaseError: there is no connection.
        """
        with self._connected(_CHANGING) as connection:
            yield Amender(connection, Installer(connection, slot=self.slot, plugin=self.plugin))

    def _connected(self, options: Mapping[str, str]) -> closing[connection]:
        """A connection for one use.

        Raises:
            DatabaseError: there is none.
        """
        return closing(connect(self.dsn, application_name=NAME, options=options))
