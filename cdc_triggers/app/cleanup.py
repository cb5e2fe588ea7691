"""What is cleaned, when and by whom: the clean-ups of triggers, and the retention of all.

One at a time on a database, whoever asks: the schedule of a stream, a command, the API. A clean-up
is a row of batches; whoever runs it waits after each four times as long as it has taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cdc_triggers.app import admin
from cdc_triggers.app.admin import unknown_trigger
from cdc_triggers.core.cleanup import Deleted, Terms, due, keeps, target
from cdc_triggers.errors import BlockedError, CdcTriggersError, DatabaseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from cdc_triggers.core.cleanup import Cleaner, CleanupLine, Target

LEAST_PAUSE_S = 0.02
MOST_PAUSE_S = 2.0
MOST_DAYS = 36_500


class Cleaning(Protocol):
    """The database of clean-ups. Blocking calls, one thread.

    Every method raises DatabaseError if PostgreSQL refuses, and ConnectionLostError if it is gone.
    """

    def installed(self) -> bool:
        """True if the database has the tables of clean-ups."""
        ...

    def turn_rings(self) -> Sequence[str]:
        """Truncate buckets of the logs that are past their retention; their names."""
        ...

    def cleaners(self) -> tuple[datetime, tuple[Cleaner, ...]]:
        """The server's time, and all applied triggers by name."""
        ...

    def lock(self) -> bool:
        """Become the only one that cleans, and mark what was interrupted; False: another cleans."""
        ...

    def unlock(self) -> None:
        """Let the next one begin."""
        ...

    def begin(self, target: Target | None, origin: str, scheduled_at: datetime | None) -> int:
        """Note durably that a clean-up runs; its id."""
        ...

    def note(self, run_id: int, deleted: Deleted) -> bool:
        """Count what was deleted; False: its trigger's clean-ups are paused."""
        ...

    def end(self, run_id: int, status: str, error: str | None = None) -> None:
        """Note that it is over."""
        ...

    def clean(self, target: Target) -> Iterator[Deleted]:
        """Delete one batch with each step; never what is owed, or what a stream may need."""
        ...

    def count(self, target: Target) -> Deleted:
        """What `clean` would delete."""
        ...

    def retain(self) -> Iterator[Deleted]:
        """Delete what the retention does not keep, one batch with each step."""
        ...

    def set_paused(self, ids: Sequence[int], *, paused: bool) -> None:
        """Pause or resume the clean-ups of these triggers."""
        ...

    def history(self, trigger: str | None, limit: int) -> Sequence[CleanupLine]:
        """Clean-ups, newest first."""
        ...

    @property
    def hung_up(self) -> bool:
        """True after `hang_up`."""
        ...

    def hang_up(self) -> None:
        """Cut the connection; from any thread, also under a batch, which is taken back then."""
        ...

    def close(self) -> None:
        """Close the connection; idempotent."""
        ...


class Wanted(NamedTuple):
    """What somebody asks for. None: as the triggers' own cleanup_config says.

    Attributes:
        names: None: all triggers that have a clean-up; with `older_than` all triggers.
        origin: command or api.
    """

    names: Sequence[str] | None
    origin: str
    older_than: timedelta | None = None
    attempts: bool | None = None
    batch_size: int | None = None
    timeout_s: int | None = None


class Cleaned(NamedTuple):
    """What came of one clean-up; field names are the keys of `--json`."""

    trigger: str
    deleted_events: int
    deleted_attempts: int


class Step(NamedTuple):
    """One batch of a clean-up that is under way.

    Attributes:
        trigger: None: the retention.
    """

    trigger: str | None
    deleted: Deleted

    @property
    def pause_s(self) -> float:
        """How long others shall have PostgreSQL for themselves now."""
        return min(MOST_PAUSE_S, max(LEAST_PAUSE_S, 4 * self.deleted.seconds))


def parse_age(text: str) -> timedelta:
    """How old is too old: `90m`, `12h`, `7d`, `1w`.

    Raises:
        UsageError: it is no age, or longer than there are logs.
    """
    try:
        age = admin.parse_age(text)
    except OverflowError:
        age = None
    if age is None or age.days > MOST_DAYS:
        raise UsageError(
            f"--older-than {text!r} is not an age", hint="write for example 90m, 12h, 7d or 1w"
        )
    return age


@dataclass(frozen=True)
class CleanUps:
    """The use cases on one database.

    Args:
        store: the database.
        pause: waits so many seconds.
    """

    store: Cleaning
    pause: Callable[[float], None]

    def run(self, wanted: Wanted) -> list[Cleaned]:
        """Clean up now, and say what was deleted.

        Raises:
            NotFoundError: there is no such trigger.
            UsageError: one has no cleanup_config, and it was not said how old is too old.
            BlockedError: another clean-up runs.
            DatabaseError: a batch took too long; what was deleted before stays deleted.
        """
        targets = self._targets(wanted)
        if not self.store.lock():
            raise BlockedError(
                "another clean-up is running",
                hint="`cdc-triggers cleanup history` shows which; run this again when it is over",
            )
        try:
            return [self._run(each, wanted.origin) for each in targets]
        finally:
            self.store.unlock()

    def _run(self, target: Target, origin: str) -> Cleaned:
        events = attempts = 0
        for step in self.steps(target, origin):
            events += step.deleted.events
            attempts += step.deleted.attempts
            self.pause(step.pause_s)
        return Cleaned(target.trigger_name, events, attempts)

    def preview(self, wanted: Wanted) -> list[Cleaned]:
        """What `run` would delete now.

        Raises:
            NotFoundError, UsageError: as `run`.
        """
        found = []
        for each in self._targets(wanted):
            events, attempts, _ = self.store.count(each)
            found.append(Cleaned(each.trigger_name, events, attempts))
        return found

    def steps(
        self, target: Target, origin: str, scheduled_at: datetime | None = None
    ) -> Iterator[Step]:
        """Clean up, a batch with each step; under the lock.

        Raises:
            DatabaseError: it has failed, and the history says so.
        """
        run_id = self.store.begin(target, origin, scheduled_at)
        try:
            for deleted in self.store.clean(target):
                goes_on = self.store.note(run_id, deleted)
                yield Step(target.trigger_name, deleted)
                if scheduled_at is not None and not goes_on:
                    self.store.end(run_id, "paused")
                    return
        except CdcTriggersError as error:
            if not self.store.hung_up:
                self.store.end(run_id, "failed", error.message)
            raise
        self.store.end(run_id, "completed")

    def due(self) -> list[tuple[Target, datetime]]:
        """Which clean-ups their schedules want now, and for which time; under the lock."""
        now, cleaners = self.store.cleaners()
        found = []
        for each in cleaners:
            if (at := due(each, now)) is not None and each.terms is not None:
                others = [keeps(c) for c in cleaners if _beside(c, each)]
                found.append((target(each, each.terms, others, now), at))
        return found

    def retention(self) -> Iterator[Step]:
        """Delete what the retention does not keep; noted if there was anything. Under the lock.

        Raises:
            DatabaseError: it has failed, and the history says so if anything was deleted.
        """
        run_id: int | None = None
        try:
            for deleted in self.store.retain():
                if deleted.events and run_id is None:
                    run_id = self.store.begin(None, "retention", None)
                if run_id is not None:
                    self.store.note(run_id, deleted)
                yield Step(None, deleted)
        except CdcTriggersError as error:
            if run_id is not None and not self.store.hung_up:
                self.store.end(run_id, "failed", error.message)
            raise
        if run_id is not None:
            self.store.end(run_id, "completed")

    def set_paused(self, names: Sequence[str] | None, *, paused: bool) -> tuple[str, ...]:
        """Pause or resume clean-ups; the names of those for which that is a change.

        Args:
            names: None: all triggers that have a cleanup_config.
            paused: pause, or resume.

        Raises:
            NotFoundError: there is no such trigger.
            UsageError: one has no cleanup_config.
        """
        chosen = self._chosen(names)
        if names is None:
            chosen = [each for each in chosen if each.config is not None]
        for each in chosen:
            if each.config is None:
                raise UsageError(
                    f"trigger {each.name!r} has no cleanup_config: nothing to pause or resume",
                    hint="add a cleanup_config to the trigger file, then `cdc-triggers apply`",
                    call=f"add a cleanup_config to it, with PUT /api/triggers/{each.name}",
                )
        changed = [each for each in chosen if each.paused != paused]
        self.store.set_paused([each.id for each in changed], paused=paused)
        return tuple(each.name for each in changed)

    def configured(self) -> dict[str, bool]:
        """All applied triggers, and whether each has a cleanup_config."""
        return {each.name: each.config is not None for each in self._ready().cleaners()[1]}

    def history(self, trigger: str | None = None, limit: int = 50) -> Sequence[CleanupLine]:
        """Clean-ups, newest first; of a trigger that is gone too."""
        self._ready()
        return self.store.history(trigger, limit)

    def _targets(self, wanted: Wanted) -> list[Target]:
        now, cleaners = self._ready().cleaners()
        chosen = _named(cleaners, wanted.names)
        if wanted.names is None and wanted.older_than is None:
            chosen = [each for each in chosen if each.config is not None]
        terms = {each.id: _terms(each, wanted) for each in chosen}
        kept = {
            each.id: terms[each.id].older_than if each.id in terms else keeps(each)
            for each in cleaners
        }
        return [
            target(each, terms[each.id], [kept[c.id] for c in cleaners if _beside(c, each)], now)
            for each in chosen
        ]

    def _chosen(self, names: Sequence[str] | None) -> list[Cleaner]:
        return _named(self._ready().cleaners()[1], names)

    def _ready(self) -> Cleaning:
        if not self.store.installed():
            raise DatabaseError(
                "cdc-triggers is not installed in this database, or is of an older version",
                hint="run `cdc-triggers apply`, or check that --dsn names the right database",
                call="`cdc-triggers apply` installs it: run it, or serve the right database",
            )
        return self.store


def _named(cleaners: Sequence[Cleaner], names: Sequence[str] | None) -> list[Cleaner]:
    if names is None:
        return list(cleaners)
    known = {each.name: each for each in cleaners}
    for name in names:
        if name not in known:
            raise unknown_trigger(name, known)
    return [known[name] for name in dict.fromkeys(names)]


def _beside(other: Cleaner, cleaner: Cleaner) -> bool:
    return other.id != cleaner.id and other.table_id == cleaner.table_id


def _terms(cleaner: Cleaner, wanted: Wanted) -> Terms:
    """The trigger's own terms, but for what somebody wants otherwise."""
    terms = cleaner.terms
    if terms is None:
        if wanted.older_than is None:
            raise UsageError(
                f"trigger {cleaner.name!r} has no cleanup_config: "
                "it is not said how old is too old",
                hint="add --older-than 7d to clean up once, or a cleanup_config to the "
                "trigger file",
                call="add ?older_than=7d to clean up once, or a cleanup_config to the trigger, "
                f"with PUT /api/triggers/{cleaner.name}",
            )
        terms = Terms(wanted.older_than)
    return Terms(
        terms.older_than if wanted.older_than is None else wanted.older_than,
        terms.attempts if wanted.attempts is None else wanted.attempts,
        wanted.batch_size or terms.batch_size,
        wanted.timeout_s or terms.timeout_s,
    )
