"""What does a lost slot still owe? Pure: rows of the event log in, deliveries to park out.

The log has no commit LSN. A recovered event's place is where the stream had settled, and behind it
the order of capture: within one row of a table that is the order of commit, because the second
writer of a row waits for the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.matching import Matcher
from cdc_triggers.core.records import ParkRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdc_triggers.core.messages import LogRow
    from cdc_triggers.core.records import TriggerRow

_POSITION_BITS = 31
"""`position` is a PostgreSQL integer; what of `seq` does not fit goes to the LSN, in order."""


class OwedRow(NamedTuple):
    """A row of the log that may not be settled, and the ids of the triggers that delivered it."""

    row: LogRow
    delivered: frozenset[int]


class RecoveryPlan:
    """Turns rows into deliveries, by the triggers that are applied now.

    Args:
        settled: all below it was settled when a stream last wrote.
    """

    def __init__(self, triggers: Iterable[TriggerRow], settled: Lsn) -> None:
        self._matcher = Matcher(triggers)
        self._settled = settled
        self._token = 0

    def parks(self, owed: Iterable[OwedRow]) -> Iterator[ParkRow]:
        """The deliveries that are owed for these rows."""
        for row, delivered in owed:
            seq = int(row.seq)
            lsn = Lsn(self._settled + (seq >> _POSITION_BITS))
            event = event_of(row, lsn, seq & ((1 << _POSITION_BITS) - 1))
            for match in self._matcher.match(event):
                if match.trigger.id in delivered:
                    continue
                self._token += 1
                yield ParkRow(
                    token=self._token,
                    trigger_id=match.trigger.id,
                    trigger_name=match.trigger.name,
                    revision=match.revision.number,
                    event=event,
                    status="parked" if match.error is None else "dead",
                    reason="recovered",
                    key=match.key,
                    old_key=match.old_key,
                    tries=0,
                    delay_s=0.0,
                    hold_s=None,
                    last_error=match.error,
                )
