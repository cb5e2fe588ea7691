"""What somebody looks for among events, and what was found: values that search and pages share."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

NEWEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
OLDEST = "00000000-0000-0000-0000-000000000000"


class Source(StrEnum):
    """Where events stand: in the log, among what is owed, among what went through."""

    LOG = "log"
    OWED = "owed"
    DELIVERED = "delivered"


class Search(NamedTuple):
    """What is looked for; None is no limit.

    Attributes:
        key: values of the primary key as text, with a comma between them.
        text: what stands somewhere in the JSON of a row, in whatever case.
        since, until: of the event's time, the second one excluded.
    """

    trigger: str | None = None
    status: str | None = None
    op: str | None = None
    schema: str | None = None
    table: str | None = None
    key: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Window(NamedTuple):
    """A part of a source: ids from `from_id` on and below `before`, the newest `rows` of them.

    Attributes:
        limit: so many that fit are enough.
    """

    source: Source
    from_id: str
    before: str
    rows: int
    limit: int


class Seen(NamedTuple):
    """What a window held.

    Attributes:
        rows: how many were looked at; `lowest` is the id of the last one.
        ids: of those that fit, newest first.
    """

    rows: int
    lowest: str | None
    ids: tuple[str, ...]


class FoundLine(NamedTuple):
    """One event for one trigger; see `views.EventLine`.

    Attributes:
        key: of its table's primary key, None if there is none or the row is large.
    """

    id: str
    created_at: datetime
    op: str
    schema_name: str
    table_name: str
    key: str | None
    trigger: str | None
    status: str
    tries: int
    last_error: str | None


class Found(NamedTuple):
    """A page of what was found, newest first.

    Attributes:
        before: where to go on; None: there is no more.
        rows: how many were looked at.
        cut: it was the time that ended the search, not the page that was full.
    """

    lines: tuple[FoundLine, ...]
    before: str | None
    rows: int
    cut: bool
