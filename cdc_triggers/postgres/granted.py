"""Rights that a role lacks, said as the grants that it needs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg2

from cdc_triggers.errors import DatabaseError
from cdc_triggers.postgres.connect import translate

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATOR: Final = (
    "GRANT USAGE ON SCHEMA cdc_triggers TO <role>; "
    "GRANT SELECT ON ALL TABLES IN SCHEMA cdc_triggers TO <role>; "
    "to change things also UPDATE ON cdc_triggers.trigger "
    "and INSERT, UPDATE ON cdc_triggers.delivery and UPDATE ON cdc_triggers.stream"
)
"""What whoever looks after streams needs."""


@contextmanager
def naming(grants: str) -> Iterator[None]:
    """Errors of the driver come out translated.

    Raises:
        DatabaseError: PostgreSQL refused; for a right that is missing the hint is `grants`.
    """
    try:
        yield
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"this role lacks a right: {error.diag.message_primary}", hint=grants
        ) from error
    except psycopg2.Error as error:
        raise translate(error) from error
