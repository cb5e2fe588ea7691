"""When is a trigger's log cleaned, and of what; and how long is kept what nobody is owed?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from cdc_triggers.core.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELDS: Final = 5
"""Of a schedule: minute, hour, day of the month, month, day of the week."""

FOREVER: Final = "forever"

KEPT_BUCKETS: Final = 6
"""Of a ring's eight: the current one and the one before the oldest are not counted."""

_ANY_TIME: Final = datetime(2024, 1, 1, tzinfo=UTC)


class CleanupConfig(Model):
    """As in Hasura: events older than `clear_older_than` hours go, whenever `schedule` says.

    Attributes:
        schedule: cron, in UTC.
        batch_size: rows deleted in one transaction at most.
        timeout: seconds that one batch may take.
        clean_invocation_logs: delete attempts too.
    """

    schedule: str
    clear_older_than: Annotated[int, Field(ge=1, le=1_000_000)]
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    timeout: Annotated[int, Field(ge=1, le=86_400)] = 60
    clean_invocation_logs: bool = False
    paused: bool = False

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != FIELDS:
            raise ValueError(
                f"{value!r} has {len(fields)} fields, not {FIELDS}: minute, hour, day of the "
                'month, month, day of the week; write schedule: "0 3 * * *" for 03:00 UTC every day'
            )
        try:
            next(CronSim(value, _ANY_TIME))
        except CronSimError as error:
            what = str(error).removeprefix("Bad ")
            raise ValueError(
                f'{value!r} is no schedule, its {what} makes no sense: write schedule: "0 3 * * *" '
                "for 03:00 UTC every day"
            ) from error
        except StopIteration as error:
            raise ValueError(f"{value!r} never comes: write a day that there is") from error
        return value


class Retention(Model):
    """How long is kept what nobody is owed, whatever the trigger. Whole days.

    Attributes:
        log_days: events and attempts, at least; they go a bucket at a time, a sixth later at most.
        dead_days: dead deliveries since their death, archived ones since their trigger went.
    """

    log_days: Annotated[int, Field(ge=1, le=365)] = KEPT_BUCKETS
    dead_days: Annotated[int, Field(ge=1, le=36_500)] | Literal["forever"] = 30

    @property
    def period(self) -> timedelta:
        """Of one bucket of a ring."""
        return timedelta(days=self.log_days) / KEPT_BUCKETS

    @property
    def dead(self) -> timedelta | None:
        """How long dead deliveries are kept; None: for ever."""
        return None if isinstance(self.dead_days, str) else timedelta(days=self.dead_days)


class Terms(NamedTuple):
    """How one clean-up is carried out.

    Attributes:
        older_than: what it takes.
        attempts: delete attempts too.
    """

    older_than: timedelta
    attempts: bool = False
    batch_size: int = 10_000
    timeout_s: int = 60


class Cleaner(NamedTuple):
    """A trigger as its clean-up sees it.

    Attributes:
        config: None: it has none, and its events stay until the retention takes them.
        paused: as said by hand, or else by its config.
        since: when its schedule was last seen to: it was changed then, or run for that time.
    """

    id: int
    name: str
    table_id: int
    config: CleanupConfig | None
    paused: bool
    since: datetime

    @property
    def terms(self) -> Terms | None:
        """As its config says."""
        if self.config is None:
            return None
        config = self.config
        older_than = timedelta(hours=config.clear_older_than)
        return Terms(older_than, config.clean_invocation_logs, config.batch_size, config.timeout)


class Target(NamedTuple):
    """What one clean-up takes away.

    Attributes:
        before: dead deliveries and attempts from before it go.
        log_before: events from before it are held by no trigger of the table; None: all are.
    """

    trigger_id: int
    trigger_name: str
    table_id: int
    before: datetime
    log_before: datetime | None
    terms: Terms


class Deleted(NamedTuple):
    """What one batch took, and how long it took."""

    events: int
    attempts: int
    seconds: float = 0.0


class CleanupLine(NamedTuple):
    """One clean-up in the history; field names are the keys of `--json`.

    Attributes:
        trigger: None: the retention, for all triggers.
        origin: schedule, command, api or retention.
        status: running, completed, paused, failed or interrupted.
        deleted_events: dead and archived deliveries, and events of the log.
    """

    id: int
    trigger: str | None
    origin: str
    scheduled_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    status: str
    deleted_events: int
    deleted_attempts: int
    error: str | None


def due(cleaner: Cleaner, now: datetime) -> datetime | None:
    """The newest time of its schedule that has come and was not seen to; None: there is none."""
    if cleaner.config is None or cleaner.paused:
        return None
    # of several that were missed the last one counts: one run does the work of all
    after = now.replace(microsecond=0) + timedelta(seconds=1)
    latest = next(CronSim(cleaner.config.schedule, after, reverse=True), None)
    return latest if latest is not None and latest > cleaner.since else None


def target(
    cleaner: Cleaner, terms: Terms, others: Iterable[timedelta | None], now: datetime
) -> Target:
    """What a clean-up of one trigger takes, now.

    An event is one row of the log, whatever the number of triggers that want it: it goes when the
    last trigger of its table lets it go.

    Args:
        cleaner: whose clean-up.
        terms: of it.
        others: how long each other trigger of the table keeps events; None: for the retention.
        now: the server's time.
    """
    kept = [terms.older_than, *others]
    known = [each for each in kept if each is not None]
    log_before = now - max(known) if len(known) == len(kept) else None
    before = now - terms.older_than
    return Target(cleaner.id, cleaner.name, cleaner.table_id, before, log_before, terms)


def keeps(cleaner: Cleaner) -> timedelta | None:
    """How long a trigger's own clean-up keeps events; None: it has none that runs."""
    terms = cleaner.terms
    return None if terms is None or cleaner.paused else terms.older_than
