"""Adapters for the commands that a person runs.

They are loaded when a command opens one: `--help`, or a usage error, waits for no driver.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdc_triggers.app.admin import Administration
    from cdc_triggers.errors import CdcTriggersError
    from cdc_triggers.postgres.capture import Installer


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


def known_error(error: BaseException) -> CdcTriggersError | None:
    """A driver's error that nobody translated on its way, in our words; None: it is not one."""
    import psycopg2  # noqa: PLC0415 - see the module's text

    from cdc_triggers.postgres.connect import translate  # noqa: PLC0415 - as above

    return translate(error) if isinstance(error, psycopg2.Error) else None
