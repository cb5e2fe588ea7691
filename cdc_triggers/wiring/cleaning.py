"""Adapters for clean-ups: a connection of their own, for a command, a call, or the stream."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from cdc_triggers.app.cleanup import CleanUps
from cdc_triggers.app.housekeeper import Housekeeper
from cdc_triggers.postgres.cleaning import SETTINGS, PostgresCleaning
from cdc_triggers.postgres.connect import connect, lift_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2 import extensions

    from cdc_triggers.ports import Clock, Telemetry

NAME = "cdc-triggers cleanup"


@contextmanager
def open_cleanups(dsn: str) -> Iterator[CleanUps]:
    """The use cases on the database of `dsn`; the connection is closed at the end.

    Raises:
        DatabaseError: there is no connection.
    """
    with closing(_connect(dsn)) as connection:
        yield CleanUps(PostgresCleaning(connection), time.sleep)


def housekeeper(dsn: str, clock: Clock, telemetry: Telemetry) -> Housekeeper:
    """What the leader runs beside its deliveries."""

    def open_store() -> PostgresCleaning:
        return PostgresCleaning(_connect(dsn))

    return Housekeeper(open_store, clock, telemetry)


def _connect(dsn: str) -> extensions.connection:
    """For statements that take long: to look through a bucket of the log is one."""
    found = connect(dsn, application_name=NAME, options=SETTINGS)
    lift_limits(found)
    return found
