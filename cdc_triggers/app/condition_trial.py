"""What does a trigger's condition say of an event that has been? The stream's own way of asking."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app.preview import past
from cdc_triggers.core.matching import Matcher

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cdc_triggers.core.records import TriggerRow
    from cdc_triggers.core.views import EventView


class Verdict(StrEnum):
    """True: it would be delivered. Error: it would be kept dead. Other: it is never asked."""

    TRUE = "true"
    FALSE = "false"
    ERROR = "error"
    OTHER = "other"


class Trial(NamedTuple):
    """One event. `reason`: why there is an error, or why the condition is not asked."""

    id: str
    created_at: datetime
    op: str
    key: str | None
    verdict: Verdict
    reason: str | None


class Totals(NamedTuple):
    """How many events of each kind."""

    true: int
    false: int
    error: int
    other: int


class ConditionTrial:
    """Trials of one trigger."""

    def __init__(self, row: TriggerRow) -> None:
        revision = row.revisions[0]
        without = revision._replace(spec=revision.spec.model_copy(update={"condition": None}))
        self._asking = Matcher([row])
        self._plain = Matcher([row._replace(revisions=(without,))])

    def of(self, view: EventView) -> Trial:
        """Ask it about one event."""
        event = past(view)
        trial = Trial(view.id, view.created_at, view.op, None, Verdict.OTHER, None)
        if view.op == "MANUAL":
            return trial._replace(reason="made by hand: no condition is asked")
        plain = self._plain.match(event)
        if not plain:
            return trial._replace(reason="not an operation, or not a column, of this trigger")
        trial = trial._replace(key=plain[0].key)
        found = self._asking.match(event)
        if not found:
            return trial._replace(verdict=Verdict.FALSE)
        error = found[0].error
        verdict = Verdict.TRUE if error is None else Verdict.ERROR
        return trial._replace(verdict=verdict, reason=error)


def totals(trials: Iterable[Trial]) -> Totals:
    """Count them."""
    counts = Counter(trial.verdict for trial in trials)
    return Totals(*(counts[verdict] for verdict in Verdict))
