"""Adapters for the HTTP API: a connection per call, never one of the stream's."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdc_triggers.app.admin import Administration
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.amending import Amender
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from cdc_triggers.postgres.event_pages import EventPages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "cdc-triggers api"

_READING = {"statement_timeout": "15s", "lock_timeout": "5s"}
"""A look at the state must not weigh on the database for longer than somebody waits for it."""

_CHANGING = {"lock_timeout": "10s"}


@dataclass(frozen=True)
class Backend:
    """Opens what a call needs; it is closed at the end of the call.

    Args:
        environment: the stream's variables, by which webhooks and headers are filled in.
    """

    dsn: str
    slot: str
    plugin: str
    environment: Mapping[str, str]

    @contextmanager
    def admin(self) -> Iterator[Administration]:
        """The operator's use cases.

        Raises:
            DatabaseError: there is no connection.
        """
        with closing(connect(self.dsn, application_name=NAME, options=_READING)) as connection:
            yield Administration(PostgresAdmin(connection))

    @contextmanager
    def pages(self) -> Iterator[EventPages]:
        """Pages of events and attempts.

        Raises:
            DatabaseError: there is no connection.
        """
        with closing(connect(self.dsn, application_name=NAME, options=_READING)) as connection:
            yield EventPages(connection)

    @contextmanager
    def amender(self) -> Iterator[Amender]:
        """Changes of triggers.

        Raises:
            DatabaseError: there is no connection.
        """
        with closing(connect(self.dsn, application_name=NAME, options=_CHANGING)) as connection:
            yield Amender(connection, Installer(connection, slot=self.slot, plugin=self.plugin))
