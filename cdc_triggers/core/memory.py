"""How many bytes do all triggers hold together, and who may hold more?

A bound that all share must not let one take it from the others. So nobody may hold more than is
still free: n triggers that want everything get 1/(n + 1) of it each, and as much stays free for
whoever comes next (the dynamic threshold of Choudhury and Hahne, 1998, for shared switch buffers).
"""

from __future__ import annotations

MIB = 1024 * 1024

HELD_BYTES = 32 * MIB
"""Deliveries that wait in memory, what is not written yet, and what claims may bring."""

FLIGHT_BYTES = 16 * MIB
"""Deliveries whose attempt runs: each is in memory once more as a body, or twice."""

LARGE_BYTES = 4 * MIB
"""Of larger ones a single one is in flight, whoever it is for: no smaller one waits for it."""

KEYS_BYTES = 16 * MIB
"""Parked keys that are remembered."""

CLAIM_BYTES = 8 * MIB
CLAIM_SHARE = 8
CLAIMS = 4
"""Claims that are under way at once: the store has one thread, and writes wait for it too."""


def is_large(size: int) -> bool:
    """True if a delivery of this size goes alone."""
    return size > LARGE_BYTES


class Memory:
    """Counts bytes as their holders report them.

    Attributes:
        queued: deliveries in lanes and not in flight.
        flying: those in flight but for large ones; `large` counts these.
        unwritten: records that gather or are being written.
        claiming: what the claims under way may bring; `claims` counts them.
        keys: parked keys that are remembered.
    """

    __slots__ = ("claiming", "claims", "flying", "keys", "large", "queued", "unwritten")

    def __init__(self) -> None:
        self.queued = 0
        self.flying = 0
        self.large = 0
        self.unwritten = 0
        self.claiming = 0
        self.claims = 0
        self.keys = 0

    @property
    def free(self) -> int:
        """Bytes that may still be held; below 0 after an event that was larger than the rest."""
        return HELD_BYTES - self.queued - self.unwritten - self.claiming

    @property
    def free_keys(self) -> int:
        """Bytes of keys that may still be remembered."""
        return KEYS_BYTES - self.keys

    def has_room(self, *, large: bool) -> bool:
        """True if a trigger with nothing in flight may start an attempt.

        So that triggers that have everything in flight cannot keep others out, there is as much
        room again for a first attempt of each.
        """
        return not self.large if large else self.flying < 2 * FLIGHT_BYTES

    def may_fly(self, size: int, mine: int) -> bool:
        """True if a trigger with `mine` bytes in flight may have `size` more of them."""
        if is_large(size):
            return self.has_room(large=True)
        return mine + size <= FLIGHT_BYTES - self.flying or (
            not mine and self.has_room(large=False)
        )

    def take_off(self, size: int) -> int:
        """A queued delivery goes into flight; returns what counts as `mine`."""
        self.queued -= size
        if is_large(size):
            self.large += 1
            return 0
        self.flying += size
        return size

    def land(self, size: int) -> int:
        """It is no longer in flight; returns what no longer counts as `mine`."""
        if is_large(size):
            self.large -= 1
            return 0
        self.flying -= size
        return size

    def begin_claim(self) -> int | None:
        """Bytes that a claim may bring, reserved until `end_claim`; None: not now.

        With nothing free it may bring a single row, one claim at a time: what is stuck in the table
        must move even while others fill the memory.
        """
        if self.claims >= CLAIMS or (self.free <= 0 and (self.claims or self.free < -HELD_BYTES)):
            return None
        share = max(1, min(CLAIM_BYTES, self.free // CLAIM_SHARE))
        self.claims += 1
        self.claiming += share
        return share

    def end_claim(self, share: int) -> None:
        """What the claim brought is here, or it brought nothing."""
        self.claims -= 1
        self.claiming -= share
