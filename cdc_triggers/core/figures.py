"""What only the database knows of a stream, in numbers."""

from __future__ import annotations

from typing import NamedTuple

WAL_STATUSES = ("reserved", "extended", "unreserved", "lost")


class SlotFigures(NamedTuple):
    """Slot and stream; None: there is no slot of this name, or no limit. Sizes in bytes."""

    active: bool | None
    lag: int | None
    held: int | None
    safe: int | None
    status: str | None
    takeovers: int
    recoveries: int
    recovered: int
    heartbeat_age_s: float | None


class TriggerFigures(NamedTuple):
    """What the table has of one trigger."""

    name: str
    paused: bool
    parked: int
    dead: int
    oldest_age_s: float


class DatabaseFigures(NamedTuple):
    """All of it, and when it was read (monotonic seconds)."""

    at: float
    slot: SlotFigures | None
    triggers: tuple[TriggerFigures, ...]
