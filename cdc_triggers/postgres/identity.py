"""Buckets of the logs that a publication of the user's covers, such as one FOR ALL TABLES.

PostgreSQL lets nobody update or delete rows of a published table that does not say which rows are
meant. The logs have no key, so all of a row says it. That makes clean-ups write more WAL, and
nothing else: so it is done only where there is such a publication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg2 import sql

from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2 import extensions

LOCK: Final = "ACCESS EXCLUSIVE on buckets of cdc_triggers' logs: writers of captured tables wait"


def identities(cursor: extensions.cursor, own: str) -> Sequence[sql.Composed]:
    """The statements that are lacking; none if no publication but `own` covers the logs."""
    cursor.execute(query("apply_published"), {"own": own})
    alter = sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL")
    return [alter.format(sql.Identifier("cdc_triggers", bucket)) for (bucket,) in cursor.fetchall()]
