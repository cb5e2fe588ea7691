"""Retention: truncates the buckets of both rings in which everything is too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2 import errors, sql

from cdc_triggers.postgres.locking import set_timeout
from cdc_triggers.postgres.queries import query

if TYPE_CHECKING:
    from psycopg2 import extensions


def truncate_oldest(connection: extensions.connection, lock_timeout_ms: int) -> tuple[str, ...]:
    """Truncate what is older than the retention; the names of the partitions that are empty now.

    A bucket that is locked for longer than `lock_timeout_ms` is left for the next call, and so are
    all if one cannot even be looked at. Nothing is locked while a bucket is looked through; under
    the lock that is done again.

    Args:
        connection: an autocommit connection of a role that may truncate the log, with a
            lock_timeout. It may take long: not the one that keeps a lease.
        lock_timeout_ms: as short as writers may be made to wait.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(query("ring_stale"))
            stale = cursor.fetchall()
    except errors.LockNotAvailable:
        return ()
    return tuple(
        name
        for ring, bucket, name in stale
        if _truncate(connection, ring, bucket, name, lock_timeout_ms)
    )


def _truncate(
    connection: extensions.connection, ring: str, bucket: int, name: str, lock_timeout_ms: int
) -> bool:
    table = sql.Identifier("cdc_triggers", name)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            set_timeout(cursor, lock_timeout_ms)
            cursor.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(table))
            cursor.execute(query("ring_is_stale"), {"ring": ring, "bucket": bucket})
            stale = cursor.fetchone() == (True,)
            if stale:
                cursor.execute(sql.SQL("TRUNCATE TABLE ONLY {}").format(table))
            cursor.execute("COMMIT")
        except errors.LockNotAvailable:
            cursor.execute("ROLLBACK")
            return False
        except BaseException:
            if not connection.closed:
                cursor.execute("ROLLBACK")
            raise
    return stale
