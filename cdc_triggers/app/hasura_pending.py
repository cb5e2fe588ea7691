"""Take over, once, what Hasura has captured and not delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.errors import BlockedError, CdcTriggersError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.core.views import HasuraOwed
    from cdc_triggers.ports import HasuraLog


class PendingReport(NamedTuple):
    """What was taken over, or would be.

    Attributes:
        owed: by trigger, what the log held when it was counted.
        not_applied: of these, triggers that are not applied here: their rows stay where they are.
        imported: parked now; `known` were imported before.
        unordered, unreadable: see `views.TakenOver`.
        paused: triggers whose deliveries wait for `triggers resume`.
        capturing: triggers for which Hasura goes on writing its log.
    """

    dry_run: bool
    owed: tuple[HasuraOwed, ...]
    not_applied: tuple[str, ...]
    imported: int
    known: int
    unordered: int
    unreadable: int
    paused: tuple[str, ...]
    capturing: tuple[str, ...]


@dataclass
class PendingImport:
    """One import from one log. `imported` counts what is in, also if it ends with an error."""

    log: HasuraLog
    imported: int = 0
    known: int = 0
    unordered: int = 0
    unreadable: int = 0

    def run(self, *, dry_run: bool) -> PendingReport:
        """Take over all rows of applied triggers; of a dry run only the counts.

        While it runs its triggers are paused, so that nothing new overtakes what is not in yet.

        Raises:
            UsageError: there is no event log of Hasura.
            BlockedError: Hasura captures for these triggers too: changes would be sent twice.
            DatabaseError: it did not come to its end; run it again.
        """
        if not dry_run and not self.log.installed():
            raise DatabaseError(
                "cdc-triggers is not installed in this database",
                hint="run `cdc-triggers apply` first: events are taken over for its triggers",
            )
        owed = tuple(self.log.owed())
        paused = self.log.paused()
        names = [each.trigger for each in owed if each.trigger in paused]
        capturing = tuple(sorted(self.log.capturing() & paused.keys()))
        if not dry_run:
            if capturing and self.log.same_database:
                raise _captured_twice(capturing)
            if names:
                self._take_over(names)
        return self._report(owed, paused, capturing, dry_run=dry_run)

    def _take_over(self, names: Sequence[str]) -> None:
        paused: tuple[str, ...] = ()
        try:
            paused = self.log.pause(names)
            after: tuple[str, ...] | None = None
            while True:
                part = self.log.take(names, after)
                self.imported += part.imported
                self.known += part.known
                self.unordered += part.unordered
                self.unreadable += part.unreadable
                if part.last is None:
                    break
                after = part.last
            self.log.resume(paused)
        except CdcTriggersError as error:
            listed = ", ".join(names)
            raise DatabaseError(
                f"{error.message}; {self.imported} are imported, and {listed} may still be paused",
                hint="import again: it goes on where it ended; then `cdc-triggers triggers resume`",
            ) from error

    def _report(
        self,
        owed: tuple[HasuraOwed, ...],
        paused: Mapping[str, bool],
        capturing: tuple[str, ...],
        *,
        dry_run: bool,
    ) -> PendingReport:
        names = [each.trigger for each in owed]
        return PendingReport(
            dry_run=dry_run,
            owed=owed,
            not_applied=tuple(name for name in names if name not in paused),
            imported=self.imported,
            known=self.known,
            unordered=self.unordered,
            unreadable=self.unreadable,
            paused=tuple(name for name in names if paused.get(name)),
            capturing=capturing,
        )


def _captured_twice(names: Sequence[str]) -> BlockedError:
    return BlockedError(
        f"Hasura still captures changes for {', '.join(names)}: they are in both logs, "
        "and would be sent twice",
        hint="turn its capture off with `cdc-triggers apply --replace-hasura`, then import",
    )
