"""What the application needs from the world. Adapters implement these; `wiring` chooses them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cdc_triggers.core.attempt import Outcome, Request
    from cdc_triggers.core.lsn import Lsn
    from cdc_triggers.core.messages import Message
    from cdc_triggers.core.records import Batch, BatchResult, Claimed, StartState, TriggerRow


class Clock(Protocol):
    """Two clocks: one that only moves forward, one that people read."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back."""
        ...

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class ChangeSource(Protocol):
    """The decoded stream of one replication slot. One thread, one connection."""

    def fileno(self) -> int:
        """The socket to wait on."""
        ...

    def start(self, slot: str, plugin: str) -> None:
        """Begin streaming from the slot's confirmed LSN.

        Raises:
            SlotError: missing, lost or of another plugin.
            SlotBusyError: another process reads it.
            ConnectionLostError: the server is not reachable.
        """
        ...

    def read(self, limit: int) -> Sequence[tuple[Lsn, Message]]:
        """Messages that are there already, at most `limit`, each with its data_start; never blocks.

        Raises:
            ConnectionLostError: the connection broke or the server ended the stream.
            DecodeError: the stream is not what the protocol promises.
        """
        ...

    def server_lsn(self) -> Lsn:
        """The server's position as of the last message or keepalive, all before it was received."""
        ...

    def confirm(self, received: Lsn, confirmed: Lsn) -> None:
        """Tell the server what may be forgotten; also the answer to keepalives."""
        ...

    def reply_due(self) -> bool:
        """True if the server asked for an answer."""
        ...

    def close(self) -> None:
        """Release the slot and the connection; idempotent."""
        ...


class Sender(Protocol):
    """Makes HTTP attempts. Never raises for what an endpoint does: that is an Outcome."""

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """One outcome per request, in their order. Bounded by each request's `timeout_s`."""
        ...

    async def close(self) -> None:
        """Drop connections; idempotent. Call it before the loop ends."""
        ...


class Store(Protocol):
    """The durable side: specs, parked deliveries, attempts, the lease. Blocking calls."""

    def take_lease(self, slot: str, holder: str, lease_s: float) -> bool:
        """Become the slot's only stream, or say that another holds it."""
        ...

    def load_start(self, slot: str) -> StartState:
        """What is known above the slot's confirmed LSN, and which keys are parked."""
        ...

    def load_triggers(self) -> Sequence[TriggerRow]:
        """All applied triggers with their revisions."""
        ...

    def write(self, batch: Batch) -> BatchResult:
        """Record attempts, parks, resolutions and the heartbeat in one transaction.

        Raises:
            FencedError: another stream has taken over; nothing was written.
            ConnectionLostError: nothing is known; write the same batch again after reconnecting.
        """
        ...

    def claim(self, trigger_ids: Iterable[int], limit: int, max_bytes: int) -> Sequence[Claimed]:
        """Due parked deliveries, chain heads first, claimed for this stream."""
        ...

    def close(self) -> None:
        """Give up the lease and the connection; idempotent."""
        ...


class Telemetry(Protocol):
    """Where facts go: structured logs now, spans and metrics beside them."""

    def fact(self, level: str, name: str, /, **keys: object) -> None:
        """One line per fact, with stable keys; never row values, bodies or secrets."""
        ...
