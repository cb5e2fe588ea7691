"""How long things are kept, in the database: compared with what is wanted, and set.

The buckets of both logs may get another size at any time. A row stays in the bucket in which it is,
and a bucket is emptied when all in it are old enough: so what two sizes put into one bucket waits
for the younger of them, and nothing else comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.cleanup import FOREVER, KEPT_BUCKETS, Retention
from cdc_triggers.core.plan import Statement
from cdc_triggers.postgres.capture_sql import checksum, functions_sql
from cdc_triggers.postgres.queries import has_table, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor

_DAY_S = 86_400


class _Setting(NamedTuple):
    """One of the two, as it is and as it is wanted."""

    key: str
    before: object
    after: object
    query: str
    arguments: dict[str, object]

    @property
    def resizes(self) -> bool:
        """True: buckets get another size, and the capture functions have it baked in."""
        return self.key == "log_days"


def statements(cur: cursor, wanted: Retention | None) -> Iterator[Statement]:
    """What `write` would do, for people; None: the retention stays as it is."""
    for each in _changes(cur, wanted):
        text = cur.mogrify(query(each.query), each.arguments).decode()
        also = ", and the size of buckets in the capture functions" if each.resizes else ""
        yield Statement(text, "", f"retention: {each.key} from {each.before} to {each.after}{also}")


def write(cur: cursor, wanted: Retention | None) -> None:
    """Set what is wanted, in the caller's transaction."""
    changes = _changes(cur, wanted)
    for each in changes:
        cur.execute(query(each.query), each.arguments)
    if any(each.resizes for each in changes):
        text = functions_sql(cur, cur.connection.server_version)
        cur.execute(text)
        cur.execute(query("apply_set_installed"), {"checksum": checksum(text)})


def _changes(cur: cursor, wanted: Retention | None) -> list[_Setting]:
    if wanted is None:
        return []
    now = current(cur)
    dead = None if wanted.dead is None else wanted.dead.total_seconds()
    settings = [
        _Setting(
            *("log_days", now.log_days, wanted.log_days, "retention_ring"),
            {"period_s": wanted.period.total_seconds()},
        ),
        _Setting(
            *("dead_days", now.dead_days, wanted.dead_days, "retention_dead"), {"dead_s": dead}
        ),
    ]
    return [each for each in settings if each.before != each.after]


class Kept(NamedTuple):
    """How long things are kept, in days; a database may say fractions, a trigger file does not."""

    log_days: float
    dead_days: float | str


def current(cur: cursor) -> Kept:
    """What the database says; that of a new one if there is nothing yet."""
    if not has_table(cur, "retention"):
        default = Retention()
        return Kept(default.log_days, default.dead_days)
    cur.execute(query("retention_current"))
    period_s, dead_s = cur.fetchone() or (0, None)
    dead = FOREVER if dead_s is None else _whole(dead_s / _DAY_S)
    return Kept(_whole(period_s * KEPT_BUCKETS / _DAY_S), dead)


def _whole(days: float) -> float:
    return int(days) if days == int(days) else days
