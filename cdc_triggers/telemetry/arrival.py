"""Events of a transaction that have arrived, and are told of in one `receive` span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cdc_triggers.core.trace import TraceContext

LINKS: Final = 32


class Arrival:
    """So many of them are sampled.

    Attributes:
        events: how many.
        parent: whose child the span is.
        writers: to which it is linked otherwise, as far as there is room.
    """

    __slots__ = ("events", "parent", "writers")

    def __init__(self, parent: TraceContext | None) -> None:
        self.events = 0
        self.parent = parent
        self.writers: tuple[TraceContext, ...] = ()

    def add(self, writer: TraceContext | None) -> None:
        """One more, of this writer."""
        self.events += 1
        writers = self.writers
        if writer is not None and len(writers) < LINKS and writer not in writers:
            self.writers = (*writers, writer)
