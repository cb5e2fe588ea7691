"""What the role of whoever operates a stream needs, said where it lacks some of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.connect import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

GRANTS = (
    "GRANT USAGE ON SCHEMA cdc_triggers TO <role>; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA cdc_triggers TO <role>; "
    "to change things also UPDATE ON cdc_triggers.trigger "
    "and INSERT, UPDATE ON cdc_triggers.delivery and UPDATE ON cdc_triggers.stream"
)


@contextmanager
def as_operator() -> Iterator[None]:
    """Errors of the driver come out translated.

    Raises:
        DatabaseError: PostgreSQL refused; a missing right names the grants that are needed.
    """
    try:
        yield
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"this role lacks a right: {error.diag.message_primary}", hint=GRANTS
        ) from error
    except psycopg2.Error as error:
        raise translate(error) from error
