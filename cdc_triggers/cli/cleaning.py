"""What `cleanup` does. Apart from its options, because it is slow to load."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers import settings
from cdc_triggers.app.cleanup import Wanted, parse_age
from cdc_triggers.cli import output
from cdc_triggers.errors import UsageError
from cdc_triggers.wiring.cleaning import open_cleanups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.cleanup import CleanupLine


class Asked(NamedTuple):
    """Which triggers, and where they are."""

    names: Sequence[str] | None
    dsn: str | None
    every: bool

    def chosen(self) -> Sequence[str] | None:
        """The names; None: all.

        Raises:
            UsageError: neither names nor --all, or both.
        """
        if bool(self.names) == self.every:
            raise UsageError(
                "it is not said which triggers are meant"
                if self.names is None or not self.names
                else "names and --all say different things",
                hint="name them: `cdc-triggers cleanup run order_changed`, or write --all",
            )
        return self.names or None


class How(NamedTuple):
    """The switches of `cleanup run`."""

    older_than: str | None
    attempts: bool | None
    dry_run: bool


def run(asked: Asked, how: How, *, as_json: bool) -> None:
    """Clean up now, or count.

    Raises:
        UsageError: it is not clear what shall go.
        BlockedError: another clean-up runs.
    """
    older_than = None if how.older_than is None else parse_age(how.older_than)
    wanted = Wanted(asked.chosen(), "command", older_than, how.attempts)
    with open_cleanups(settings.dsn(asked.dsn)) as cleanups:
        cleaned = cleanups.preview(wanted) if how.dry_run else cleanups.run(wanted)
    if as_json:
        output.print_json([{**each._asdict(), "dry_run": how.dry_run} for each in cleaned])
        return
    if not cleaned:
        output.say("no trigger has a cleanup_config: add --older-than 7d to clean up once")
        return
    verb = "would be deleted" if how.dry_run else "deleted"
    output.print_table(("trigger", f"events {verb}", f"attempts {verb}"), cleaned)


def set_paused(asked: Asked, *, paused: bool) -> None:
    """Pause or resume, and say what has changed.

    Raises:
        UsageError: a trigger has no cleanup_config.
    """
    with open_cleanups(settings.dsn(asked.dsn)) as cleanups:
        changed = cleanups.set_paused(asked.chosen(), paused=paused)
        nothing = not any(cleanups.configured().values())
    state = "paused" if paused else "resumed"
    for name in changed:
        output.say(f"clean-ups of trigger {name} are {state}")
    if nothing:
        output.say("nothing to change: no trigger has a cleanup_config")
    elif not changed:
        output.say(f"nothing to change: they are {state} already")


def history(dsn: str | None, trigger: str | None, limit: int, *, as_json: bool) -> None:
    """Print the history."""
    with open_cleanups(settings.dsn(dsn)) as cleanups:
        lines = cleanups.history(trigger, limit)
    if as_json:
        output.print_json(lines)
        return
    output.print_table(
        ("started", "trigger", "by", "status", "events", "attempts", "took", "error"),
        (_row(line) for line in lines),
    )


def _row(line: CleanupLine) -> tuple[object, ...]:
    until = line.ended_at or (datetime.now(UTC) if line.status == "running" else None)
    took = None if until is None else (until - line.started_at).total_seconds()
    return (
        line.started_at,
        line.trigger or "(retention)",
        line.origin,
        line.status,
        line.deleted_events,
        line.deleted_attempts,
        output.show_age(took),
        line.error,
    )
