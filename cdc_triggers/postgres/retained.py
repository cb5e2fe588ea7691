"""How long things are kept, and how much they take now: for `status`, which loads no specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.views import RetentionStatus
from cdc_triggers.postgres.queries import has_table, query

if TYPE_CHECKING:
    from psycopg2.extensions import cursor


def status(cur: cursor) -> RetentionStatus:
    """What the database says; one from before there was a retention keeps the dead for ever."""
    dead_days = None
    if has_table(cur, "retention"):
        cur.execute(query("retention_dead_days"))
        (dead_days,) = cur.fetchone() or (None,)
    cur.execute(query("retention_sizes"))
    log_days, log, attempt, delivery = cur.fetchone() or (0.0, 0, 0, 0)
    return RetentionStatus(float(log_days), dead_days, int(log), int(attempt), int(delivery))
