"""Dead deliveries: what they died of, and a redelivery of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime


class DeadError(NamedTuple):
    """How many deliveries of a trigger died with one error, among those that were looked at."""

    trigger: str
    error: str
    amount: int
    first_at: datetime | None
    last_at: datetime | None


class DeadLine(NamedTuple):
    """One dead delivery in a list."""

    id: str
    created_at: datetime
    op: str
    schema_name: str
    table_name: str
    key: str | None
    tries: int
    dead_at: datetime
    last_error: str | None


class DeadRow(NamedTuple):
    """A dead delivery that may be put back: its number, its event and its error."""

    number: int
    event_id: str
    error: str


class DeadWanted(NamedTuple):
    """Which dead deliveries of a trigger are to be put back.

    Attributes:
        cause: only of those that died of it, see `core.cause`; None: of all.
        since: only events made then or later.
        died_by: what dies later, perhaps by this very redelivery, is left alone.
    """

    trigger: str
    cause: str | None
    since: datetime | None
    died_by: datetime


class DeadAsked(NamedTuple):
    """The same as somebody asks for it, and how many a second; None: as fast as it goes."""

    trigger: str
    cause: str | None
    since: datetime | None
    rate: float | None
