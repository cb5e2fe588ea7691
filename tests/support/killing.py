"""What a SIGKILL may cost, from the product's own limits."""

from __future__ import annotations

from cdc_triggers.app.tenure import GATHER_RECORDS
from support.streaming import trigger

IN_FLIGHT = trigger("any", "any", "http://any").max_in_flight
PER_KILL = IN_FLIGHT + 3 * GATHER_RECORDS
"""Deliveries that a kill repeats at most: all in flight, one batch that is being written, and those
that end meanwhile: two batches at 20,000 a second and with a disk that takes a tenth of one."""


def times(count: int) -> str:
    """How often, for people."""
    return "once" if count == 1 else f"{count} times"
