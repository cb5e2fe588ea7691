"""Adapters for the commands that a person runs.

They are loaded when a command opens one: `--help`, or a usage error, waits for no driver.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdc_triggers.app.admin import Administration
    from cdc_triggers.app.hasura_pending import PendingImport
    from cdc_triggers.core.columns import Holds
    from cdc_triggers.core.dead import DeadAsked
    from cdc_triggers.core.spec import Table
    from cdc_triggers.core.views import Redelivery
    from cdc_triggers.errors import CdcTriggersError
    from cdc_triggers.postgres.capture import Installer
    from cdc_triggers.postgres.past_events import PastEvents


@contextmanager
def open_admin(dsn: str) -> Iterator[Administration]:
    """The operator's use cases on the database of `dsn`; the connection is closed at the end."""
    from cdc_triggers.app.admin import Administration  # noqa: PLC0415 - see the module's text
    from cdc_triggers.postgres.admin import PostgresAdmin  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - as above

    with closing(connect(dsn, application_name="cdc-triggers admin")) as connection:
        yield Administration(PostgresAdmin(connection))


@contextmanager
def open_installer(dsn: str, slot: str, plugin: str) -> Iterator[Installer]:
    """Plans and applies on the database of `dsn`; the connection is closed at the end."""
    from cdc_triggers.postgres.capture import Installer  # noqa: PLC0415 - see the module's text
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - as above

    with closing(connect(dsn, application_name="cdc-triggers apply")) as connection:
        yield Installer(connection, slot=slot, plugin=plugin)


@contextmanager
def open_pending(dsn: str, hasura: str) -> Iterator[PendingImport]:
    """The take-over of what Hasura owes; both connections are closed at the end."""
    from cdc_triggers.app.hasura_pending import PendingImport  # noqa: PLC0415 - see above
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.hasura_log import SETTINGS, PostgresHasuraLog  # noqa: PLC0415

    name = "cdc-triggers import"
    with (
        closing(connect(dsn, application_name=name, options=SETTINGS)) as ours,
        closing(connect(hasura, application_name=name, options=SETTINGS)) as theirs,
    ):
        yield PendingImport(PostgresHasuraLog(ours, theirs))


@contextmanager
def open_past_events(dsn: str) -> Iterator[PastEvents]:
    """Past events, and the trigger that is tried on them; the connection is closed at the end."""
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - see the module's text
    from cdc_triggers.postgres.past_events import PastEvents  # noqa: PLC0415 - as above

    with closing(connect(dsn, application_name="cdc-triggers condition")) as connection:
        yield PastEvents(connection)


def redeliver_dead(dsn: str, asked: DeadAsked, *, dry_run: bool) -> Redelivery:
    """Put dead deliveries back at a pace; Ctrl-C ends it, and what was not put back stays dead."""
    import threading  # noqa: PLC0415 - see the module's text
    import time  # noqa: PLC0415 - as above

    from cdc_triggers.app import redelivery  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.dead_letters import DeadLetters  # noqa: PLC0415 - as above

    with closing(connect(dsn, application_name="cdc-triggers redeliver")) as connection:
        letters = DeadLetters(connection)
        stopped = threading.Event().wait
        return redelivery.redeliver(letters, asked, time.monotonic, stopped, dry_run=dry_run)


def stop_redelivery(dsn: str, number: int) -> bool:
    """Stop one that the console runs; False: it will stop after the step that it is at."""
    import time  # noqa: PLC0415 - see the module's text

    from cdc_triggers.app import redelivery  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.connect import connect  # noqa: PLC0415 - as above
    from cdc_triggers.postgres.dead_letters import DeadLetters  # noqa: PLC0415 - as above

    with closing(connect(dsn, application_name="cdc-triggers redeliver")) as connection:
        return redelivery.stop(DeadLetters(connection), number, time.monotonic, time.sleep)


def sample_rows(dsn: str, table: Table, limit: int) -> Sequence[bytes]:
    """At most `limit` rows of a user's table, as an event would carry them."""
    from cdc_triggers.postgres import sampling  # noqa: PLC0415 - see the module's text

    return sampling.sample_rows(dsn, table, limit)


def holds(dsn: str, table: Table) -> Holds[str]:
    """What the columns of a user's table hold, by name."""
    from cdc_triggers.postgres import sampling  # noqa: PLC0415 - see the module's text

    return sampling.holds(dsn, table)


def known_error(error: BaseException) -> CdcTriggersError | None:
    """A driver's error that nobody translated on its way, in our words; None: it is not one."""
    import psycopg2  # noqa: PLC0415 - see the module's text

    from cdc_triggers.postgres.connect import translate  # noqa: PLC0415 - as above

    return translate(error) if isinstance(error, psycopg2.Error) else None
