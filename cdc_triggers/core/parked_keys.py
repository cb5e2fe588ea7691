"""Which keys of a trigger are parked? A later delivery of one of them must not overtake."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.core.memory import Memory

KEY_BYTES = 150
"""What a key costs besides its text."""


class ParkedKeys:
    """Keys, each with how many parks of it are not written yet.

    Attributes:
        size: bytes that they roughly hold.
    """

    def __init__(self, memory: Memory) -> None:
        self.size = 0
        self.counts: dict[str, int] = {}
        self._memory = memory

    def __len__(self) -> int:
        return len(self.counts)

    def __contains__(self, key: str) -> bool:
        return key in self.counts

    def park(self, key: str) -> None:
        """A park of it is about to be written."""
        self._add(key)
        self.counts[key] += 1

    def written(self, key: str) -> int:
        """One park of it was written; returns how many are not."""
        self._add(key)
        self.counts[key] = max(0, self.counts[key] - 1)
        return self.counts[key]

    def remember(self, keys: Iterable[str]) -> None:
        """The table holds something of these."""
        for key in keys:
            self._add(key)

    def forget(self, key: str) -> None:
        """The table has nothing of it, or is asked itself; what is unwritten stays parked."""
        if self.counts.get(key) == 0:
            del self.counts[key]
            self._count(-KEY_BYTES - len(key))

    def forget_written(self) -> None:
        """Keep only keys with parks that are not written."""
        for key in [key for key, unwritten in self.counts.items() if not unwritten]:
            self.forget(key)

    def clear(self) -> None:
        """Forget all: nobody will ask."""
        self.counts.clear()
        self._count(-self.size)

    def _add(self, key: str) -> None:
        if key not in self.counts:
            self.counts[key] = 0
            self._count(KEY_BYTES + len(key))

    def _count(self, size: int) -> None:
        self.size += size
        self._memory.keys += size
