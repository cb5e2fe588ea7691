"""Which state is a thing in, in one word, and which trigger needs somebody first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console.pages.measured import Figures
from cdc_triggers.console.pages.wording import age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.console.pages.measured import Measured
    from cdc_triggers.core.views import OwedStatus, SlotStatus


STALE_S = 10.0
"""A look takes milliseconds; one that takes so long waits for a database that does not answer."""


class State(NamedTuple):
    """Attributes: `kind` is good, busy, warning, bad or idle: shape and colour; `word` says it."""

    kind: str
    word: str
    detail: str = ""


class TriggerLine(NamedTuple):
    """A trigger with what it does and owes; `owed` is None if that is not known."""

    name: str
    state: State
    owed: OwedStatus | None
    figures: Figures

    @property
    def success(self) -> float | None:
        """Share of the attempts that were answered with 2xx just now."""
        made = self.figures.delivered + self.figures.failed
        return self.figures.delivered / made if made else None


def of_trigger(owed: OwedStatus | None, figures: Figures, *, paused: bool) -> State:
    """Worst first. Nothing owed is one thing, and nothing known of it another."""
    if paused:
        return State("idle", "paused")
    if owed and (owed.parked or owed.dead):
        if figures.failed > figures.delivered:
            return State("bad", "failing")
        return State("bad", "has dead") if owed.dead else State("warning", "retrying")
    if figures.failed:
        return State("warning", "failed lately")
    return State("good", "healthy") if owed else State("idle", "not known")


_ORDER = ("failing", "has dead", "retrying", "failed lately", "not known", "paused", "healthy")


def lines(measured: Measured | None) -> list[TriggerLine]:
    """All triggers by name; none as long as nothing is counted."""
    if measured is None:
        return []
    found = []
    for name, owed in sorted(measured.owed.items()):
        figures = measured.figures.get(name, Figures())
        state = of_trigger(owed, figures, paused=owed.paused)
        found.append(TriggerLine(name, state, owed, figures))
    return found


def by_trouble(measured: Measured | None) -> list[TriggerLine]:
    """Those first that need somebody."""
    return sorted(
        lines(measured),
        key=lambda line: (_ORDER.index(line.state.word), *_most(line.owed)),
    )


def _most(owed: OwedStatus | None) -> tuple[int, int]:
    return (-owed.dead, -owed.parked) if owed else (0, 0)


def of_slot(slot: SlotStatus | None) -> State:
    """Can the slot go on?"""
    if slot is None:
        return State("bad", "missing", "run `cdc-triggers apply`")
    if slot.wal_status == "lost" or slot.invalidation_reason:
        return State("bad", "lost", slot.invalidation_reason or "the WAL it needed is gone")
    if slot.wal_status == "unreserved":
        return State("bad", "about to be lost", "it needs more WAL than may be kept")
    if slot.wal_status == "extended":
        return State("warning", "extended", "more WAL is held than max_wal_size")
    return State("good", slot.wal_status or "reserved")


def headline(measured: Measured | None, now: float) -> State:
    """The state of it all: what stands in the way first."""
    if measured is None:
        return State("idle", "measuring", "the first numbers come within a second")
    if measured.trouble:
        return State("bad", "unavailable", measured.trouble)
    if now - measured.at > STALE_S:
        return State("bad", "no answer", f"the database is silent for {age(now - measured.at)}")
    slot = of_slot(measured.slot)
    if slot.kind == "bad":
        return State("bad", f"slot {slot.word}", slot.detail)
    return _of_stream(measured) or _of_deliveries(measured)


def _of_stream(measured: Measured) -> State | None:
    """What is wrong with the stream, if anything."""
    stream = measured.stream
    if stream is None:
        return State("bad", "no stream", "no stream has used this slot yet")
    if not stream.alive:
        return State("bad", "not streaming", "events wait in the slot: run `cdc-triggers stream`")
    if stream.recovering:
        return State("warning", "recovering", stream.recovery_reason or "")
    return None


def _of_deliveries(measured: Measured) -> State:
    """What becomes of the events; of a count that is old it says how old."""
    if measured.owed_at is None:
        return State(
            "warning", "streaming", "what is parked and dead is not known: counting takes too long"
        )
    state = _of_triggers(lines(measured))
    old = measured.owed_age_s
    return state._replace(detail=f"{state.detail}, as counted {age(old)} ago") if old else state


def _of_triggers(found: Sequence[TriggerLine]) -> State:
    words = [line.state.word for line in found]
    failing = words.count("failing")
    if failing:
        return State("bad", "streaming", f"{failing} trigger{'s' * (failing > 1)} failing")
    if "has dead" in words or "retrying" in words:
        return State("warning", "streaming", "some deliveries are dead or wait for a retry")
    return State("good", "streaming", "all deliveries go through")
