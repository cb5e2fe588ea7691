"""What a restarted stream must not send again: (event id, trigger id), as few bytes as may be.

A transaction of a million rows is settled as a whole. If a stream dies in the middle of it, half a
million pairs may be done: as a set of tuples they took 240 bytes each, here it is 36.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDTH = 36
"""Bytes of a UUID in text."""


class Done:
    """An immutable set of pairs; cheapest to make from pairs sorted by trigger and event id."""

    __slots__ = ("_by_trigger",)

    def __init__(self, pairs: Iterable[tuple[str, int]] = ()) -> None:
        found: dict[int, bytearray] = {}
        for event_id, trigger_id in pairs:
            found.setdefault(trigger_id, bytearray()).extend(_key(event_id))
        self._by_trigger = {trigger_id: _in_order(ids) for trigger_id, ids in found.items()}

    def __len__(self) -> int:
        return sum(len(ids) // WIDTH for ids in self._by_trigger.values())

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for trigger_id, ids in self._by_trigger.items():
            for at in range(0, len(ids), WIDTH):
                yield ids[at : at + WIDTH].rstrip(b"\0").decode(), trigger_id

    def __contains__(self, pair: tuple[str, int]) -> bool:
        event_id, trigger_id = pair
        ids = self._by_trigger.get(trigger_id)
        if ids is None:
            return False
        wanted, low, high = _key(event_id), 0, len(ids) // WIDTH
        while low < high:
            middle = (low + high) // 2
            here = ids[middle * WIDTH : middle * WIDTH + WIDTH]
            if here == wanted:
                return True
            if here < wanted:
                low = middle + 1
            else:
                high = middle
        return False


def _key(event_id: str) -> bytes:
    key = event_id.encode().ljust(WIDTH, b"\0")
    assert len(key) == WIDTH, "an event id is a UUID"
    return key


def _in_order(ids: bytearray) -> bytes | bytearray:
    if _sorted(ids):
        return ids  # a copy would be as large
    return b"".join(sorted(bytes(ids[at : at + WIDTH]) for at in range(0, len(ids), WIDTH)))


def _sorted(ids: bytearray) -> bool:
    return all(ids[at - WIDTH : at] <= ids[at : at + WIDTH] for at in range(WIDTH, len(ids), WIDTH))
