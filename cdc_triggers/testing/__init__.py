"""Stand-ins for the world, for tests of this package and of what is built on it.

A `MemoryDatabase` and a `Slot` outlive their users: give both to a new `MemoryStore` and a new
`ScriptedSource`, and you have a process that was restarted.
"""

from cdc_triggers.testing.clock import ManualClock
from cdc_triggers.testing.database import DeliveryRow, MemoryDatabase
from cdc_triggers.testing.recovery import MemoryRecovery
from cdc_triggers.testing.sender import FaultySender
from cdc_triggers.testing.source import ScriptedSource, Slot, log_row, transaction
from cdc_triggers.testing.store import MemoryStore

__all__ = [
    "DeliveryRow",
    "FaultySender",
    "ManualClock",
    "MemoryDatabase",
    "MemoryRecovery",
    "MemoryStore",
    "ScriptedSource",
    "Slot",
    "log_row",
    "transaction",
]
