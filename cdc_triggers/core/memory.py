"""How many bytes do all triggers hold together, and who may hold more?

A bound that all share must not let one take it from the others. So nobody may hold more than is
still free: n triggers that want everything get 1/(n + 1) of it each, and as much stays free for
whoever comes next (the dynamic threshold of Choudhury and Hahne, 1998, for shared switch buffers).
"""

from __future__ import annotations

from typing import NamedTuple

MIB = 1024 * 1024

HELD_BYTES = 32 * MIB
"""Deliveries that wait in memory, what is not written yet, and what claims may bring."""

FLIGHT_BYTES = 16 * MIB
"""Deliveries whose attempt runs: each is in memory once more as a body, or twice."""

LARGE_BYTES = 4 * MIB
"""Of larger ones a single one is in flight, whoever it is for: no smaller one waits for it. Until
it has a row it is held like what waits, so that no second one comes from the stream; nor does one
from the table for as long as one is in memory."""

ANY_BYTES = 1 << 40
"""More than PostgreSQL lets a row have."""

KEYS_BYTES = 16 * MIB
"""Parked keys that are remembered."""

CLAIM_BYTES = 8 * MIB
CLAIM_SHARE = 8
CLAIMS = 4
"""Claims that are under way at once: the store has one thread, and writes wait for it too."""


class Share(NamedTuple):
    """What a claim may bring.

    Attributes:
        bytes: of all rows but the last.
        row_bytes: the largest row. Larger ones stay for another claim.
    """

    bytes: int
    row_bytes: int


def is_large(size: int) -> bool:
    """True if a delivery of this size goes alone."""
    return size > LARGE_BYTES


class Memory:
    """Counts bytes as their holders report them.

    Attributes:
        queued: deliveries in lanes and not in flight.
        flying: those in flight but for large ones; `large` counts these.
        afloat: a large one in flight, until it has a row.
        unwritten: records that gather or are being written.
        claiming: what the claims under way may bring; `claims` counts them.
        large_queued, large_unwritten, large_claims: how many of them are large, or may be.
        keys: parked keys that are remembered.
    """

    __slots__ = (
        "afloat",
        "claiming",
        "claims",
        "flying",
        "keys",
        "large",
        "large_claims",
        "large_queued",
        "large_unwritten",
        "queued",
        "unwritten",
    )

    def __init__(self) -> None:
        self.queued = 0
        self.large_queued = 0
        self.flying = 0
        self.large = 0
        self.afloat = 0
        self.unwritten = 0
        self.claiming = 0
        self.large_unwritten = 0
        self.claims = 0
        self.large_claims = 0
        self.keys = 0

    @property
    def free(self) -> int:
        """Bytes that may still be held; below 0 after an event that was larger than the rest."""
        return HELD_BYTES - self.queued - self.afloat - self.unwritten - self.claiming

    @property
    def must_wait(self) -> bool:
        """True if nothing should come from the stream for the sake of a large one."""
        return self.large_claims > 0 or (self.afloat > 0 and self.free <= 0)

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

    def queue(self, size: int) -> None:
        """A delivery waits in a lane."""
        self.queued += size
        self.large_queued += is_large(size)

    def unqueue(self, size: int) -> None:
        """It waits no more."""
        self.queued -= size
        self.large_queued -= is_large(size)

    def take_off(self, size: int, *, has_row: bool) -> int:
        """A queued delivery goes into flight; returns what counts as `mine`."""
        self.unqueue(size)
        if is_large(size):
            self.large += 1
            self.afloat += 0 if has_row else size
            return 0
        self.flying += size
        return size

    def land(self, size: int) -> int:
        """It is no longer in flight; returns what no longer counts as `mine`."""
        if is_large(size):
            self.large -= 1
            self.afloat = 0
            return 0
        self.flying -= size
        return size

    def begin_claim(self, *, large: bool) -> Share | None:
        """What a claim may bring, reserved until `end_claim`; None: not now.

        With nothing free it may bring a single row, one claim at a time: what is stuck in the table
        must move even while others fill the memory. A large one if that is asked for, and there is
        none in memory.
        """
        if self.claims >= CLAIMS or (self.free <= 0 and (self.claims or self.free < -HELD_BYTES)):
            return None
        larges = self.large + self.large_queued + self.large_unwritten + self.large_claims
        share = Share(
            max(1, min(CLAIM_BYTES, self.free // CLAIM_SHARE)),
            ANY_BYTES if large and not larges else LARGE_BYTES,
        )
        self.claims += 1
        self.large_claims += share.row_bytes == ANY_BYTES
        self.claiming += share.bytes
        return share

    def end_claim(self, share: Share) -> None:
        """What the claim brought is here, or it brought nothing."""
        self.claims -= 1
        self.large_claims -= share.row_bytes == ANY_BYTES
        self.claiming -= share.bytes
