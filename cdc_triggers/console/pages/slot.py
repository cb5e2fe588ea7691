"""The slot: received, settled, confirmed; how much WAL it holds, and when it would be lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console.pages.trouble import headline, of_slot
from cdc_triggers.console.pages.view import Page
from cdc_triggers.core import lsn

if TYPE_CHECKING:
    from cdc_triggers.console.pages.action import Action
    from cdc_triggers.console.pages.measured import Measured
    from cdc_triggers.console.pages.site import Context, Visit

_AVERAGED = 60


class Mark(NamedTuple):
    """A place in the WAL.

    Attributes:
        behind: bytes behind the end of the WAL.
        x: where it is drawn, from 0 (the oldest that is held) to 100 (the end).
    """

    name: str
    about: str
    lsn: str
    behind: int
    x: float


def fill(visit: Visit) -> Context:
    """From what was measured last."""
    latest = visit.site.history.latest
    wal_s = average(visit)
    return {
        "latest": latest,
        "history": visit.site.history,
        "headline": headline(latest, visit.now.timestamp()),
        "state": of_slot(latest.slot if latest else None),
        "marks": marks(latest),
        "wal_s": wal_s,
        "lost_in_s": lost_in(latest, wal_s),
    }


def average(visit: Visit) -> float | None:
    """Bytes of WAL a second over the last minute."""
    points = visit.site.history.fine("wal")[-_AVERAGED:]
    values = [point.value for point in points if point.value is not None]
    return sum(values) / len(values) if values else None


def lost_in(latest: Measured | None, wal_s: float | None) -> float | None:
    """Seconds until the slot is lost, if it stood still and WAL grew as in the last minute."""
    slot = latest.slot if latest else None
    if slot is None or slot.safe_wal_size is None:
        return None
    if slot.safe_wal_size <= 0:
        return 0.0
    return slot.safe_wal_size / wal_s if wal_s else None


def marks(latest: Measured | None) -> list[Mark]:
    """The places, oldest first, spread over the WAL that is held.

    Near the end they would lie upon each other: a square root gives them room.
    """
    if latest is None or latest.slot is None or latest.slot.confirmed_lsn is None:
        return []
    slot, stream = latest.slot, latest.stream
    confirmed = lsn.parse(latest.slot.confirmed_lsn)
    end = confirmed + (slot.lag_bytes or 0)
    start = end - max(slot.held_bytes or 0, 1)
    places: list[tuple[str, str, int]] = [
        ("held from", "the oldest WAL that the server keeps for the slot", start),
        ("confirmed", "the server may forget what is before", confirmed),
    ]
    if stream is not None and stream.settled_lsn and stream.received_lsn:
        settled = min(lsn.parse(stream.settled_lsn), end)
        received = min(lsn.parse(stream.received_lsn), end)
        places += [
            ("settled", "before it all is delivered, parked or wanted by nobody", settled),
            ("received", "the stream has read up to here", max(settled, received)),
        ]
    places.append(("written", "the end of the WAL", end))
    width = max(1, end - start)
    return [
        Mark(name, about, lsn.show(lsn.Lsn(at)), end - at, _x(end - at, width))
        for name, about, at in places
    ]


def _x(behind: int, width: int) -> float:
    return round(100 * (1 - math.sqrt(max(0, behind) / width)), 2)


PAGES = {"/slot": Page("Slot", "slot", "slot.html", fill, ("_slot_state.html",))}
ACTIONS: dict[str, Action] = {}
