"""What may be sent now? One trigger's deliveries: in order per key, bounded in flight.

A lane is the queue of one key. Its head is ready or in flight, the rest waits. A delivery with two
keys (an UPDATE that changed its key) stands in both lanes and goes when it heads both. A delivery
without a key has no lane. Lanes exist only while something is in them.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from cdc_triggers.core.delivery import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.memory import Memory


class Lanes:
    """Offer deliveries in stream order, take what may be sent, say how each ended.

    Attributes:
        size: bytes of all that is here.
        queued_size: bytes of what is not in flight.
        flying: bytes of what is in flight, but for large ones.
    """

    def __init__(self, max_in_flight: int, memory: Memory) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight: dict[int, Delivery] = {}
        self.size = 0
        self.queued_size = 0
        self.flying = 0
        self._memory = memory
        # not a dict: its first entry is looked for among all that were taken before it
        self._ready: deque[Delivery] = deque()
        self._passed_over: list[Delivery] = []  # as ready, but too large for now
        self._waiting: dict[int, Delivery] = {}
        self._lanes: dict[str, deque[Delivery]] = {}

    @property
    def queued(self) -> int:
        """Deliveries that are here and not in flight."""
        return len(self._ready) + len(self._passed_over) + len(self._waiting)

    @property
    def count(self) -> int:
        """Keys with deliveries here."""
        return len(self._lanes)

    @property
    def head(self) -> Delivery:
        """What `take` would give; only if it `can_take`."""
        return self._ready[0]

    @property
    def can_take(self) -> bool:
        """True if `take` would give one."""
        return bool(self._ready) and len(self.in_flight) < self.max_in_flight

    @property
    def hungry(self) -> bool:
        """True if there is room for another attempt, and nothing here that may be sent."""
        return not self._ready and len(self.in_flight) < self.max_in_flight

    @property
    def waits_since(self) -> float:
        """When one of the first in the queues was queued; infinity if all are empty.

        Whatever waits was queued no longer ago than twice the time since then.
        """
        queues = (self._ready, self._passed_over, self._waiting.values())
        firsts = (next(iter(queue), None) for queue in queues)
        return min((d.started for d in firsts if d is not None), default=inf)

    def offer(self, delivery: Delivery) -> None:
        """Queue a delivery behind the earlier ones of its keys."""
        self.size += delivery.size
        self.queued_size += delivery.size
        self._memory.queue(delivery.size)
        heads = True
        for key in delivery.keys:
            lane = self._lanes.get(key)
            if lane is None:
                self._lanes[key] = deque((delivery,))
            else:
                lane.append(delivery)
                heads = False
        if heads:
            self._ready.append(delivery)
        else:
            self._waiting[delivery.token] = delivery

    def take(self) -> Delivery | None:
        """The next delivery to send, now in flight; None if nothing is ready or all are busy."""
        if not self.can_take:
            return None
        delivery = self._ready.popleft()
        self.in_flight[delivery.token] = delivery
        self.queued_size -= delivery.size
        self.flying += self._memory.take_off(delivery.size, has_row=delivery.row is not Row.ABSENT)
        return delivery

    def pass_over(self) -> None:
        """There is no room for the head: those behind it, of other keys, need not wait for it."""
        self._passed_over.append(self._ready.popleft())

    def bring_back(self) -> None:
        """There may be room now: what was passed over comes first again."""
        self._ready.extendleft(reversed(self._passed_over))
        self._passed_over.clear()

    def release(self, delivery: Delivery) -> None:
        """The delivery in flight is over and holds nobody back: its followers may go."""
        del self.in_flight[delivery.token]
        self.size -= delivery.size
        self.flying -= self._memory.land(delivery.size)
        for key in delivery.keys:
            lane = self._lanes[key]
            head = lane.popleft()
            assert head is delivery, "a lane sends its head"
            if not lane:
                del self._lanes[key]
                continue
            follower = lane[0]
            if all(self._lanes[k][0] is follower for k in follower.keys):
                self._ready.append(self._waiting.pop(follower.token))

    def followers(self, delivery: Delivery) -> list[Delivery]:
        """Take out all that must not overtake this delivery, in stream order; itself stays."""
        held: dict[int, Delivery] = {delivery.token: delivery}
        todo = [delivery]
        while todo:
            current = todo.pop()
            for key in current.keys:
                behind = False
                for other in self._lanes[key]:
                    if behind and other.token not in held:
                        held[other.token] = other
                        todo.append(other)
                    behind = behind or other is current
        del held[delivery.token]
        return self._remove(held.values())

    def unwritten(self, delivery: Delivery) -> bool:
        """True if something of its keys is here that has no row: the head tells for its lane."""
        lanes = (self._lanes.get(key) for key in delivery.keys)
        return any(lane is not None and lane[0].row is Row.ABSENT for lane in lanes)

    def evict(self) -> list[Delivery]:
        """Take out all that is not in flight, in stream order."""
        self.bring_back()
        ready, self._ready = self._ready, deque()
        return self._remove([*ready, *self._waiting.values()])

    def _remove(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        gone = sorted(deliveries, key=lambda d: d.place)
        tokens = {d.token for d in gone}
        for key in {k for d in gone for k in d.keys}:
            kept = deque(d for d in self._lanes[key] if d.token not in tokens)
            if kept:
                self._lanes[key] = kept
            else:
                del self._lanes[key]
        for delivery in gone:
            self.size -= delivery.size
            self.queued_size -= delivery.size
            self._memory.unqueue(delivery.size)
            self._waiting.pop(delivery.token, None)  # what follows another is never ready
        return gone
