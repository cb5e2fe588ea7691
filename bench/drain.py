"""How fast a stream delivers what lies in a slot."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from bench.errors import BenchError
from bench.receiving import receiving
from bench.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.receiving import Sample
    from bench.scene import Scene

_EARLY_POLL_S: Final = 0.005
_POLL_S: Final = 0.02
_STALL_S: Final = 60.0
_SAMPLE_S: Final = 60.0


class Counting(Protocol):
    """A receiver."""

    url: str

    def count(self) -> tuple[int, float]:
        """Requests until now, and when that was (monotonic seconds)."""
        ...


class Drained(NamedTuple):
    """What came of a drain.

    Attributes:
        per_s: deliveries, from the first that arrived to the last.
        cpu_us: processor time of the stream for one, all its threads.
        first: when the first had arrived, monotonic seconds.
    """

    per_s: float
    cpu_us: float
    peak_mb: float
    first: float


def drain(
    scene: Scene,
    receiver: Counting,
    deliveries: int,
    source: str = "",
    environment: Mapping[str, str] | None = None,
) -> Drained:
    """Start a stream on a copy of the slot, and wait for that many deliveries.

    Args:
        scene: with the backlog.
        receiver: it counts.
        deliveries: how many to wait for; there may be more.
        source: the slot that is copied; the scene's if empty.
        environment: more variables of the stream.

    Raises:
        BenchError: the stream ended, or nothing arrived for a minute.
    """
    before = receiver.count()[0]
    with (
        scene.slot_copy(source) as slot,
        scene.stream(receiver.url, slot, environment=environment) as stream,
    ):
        return measured(stream, receiver, before, deliveries)


def measured(stream: Stream, receiver: Counting, before: int, deliveries: int) -> Drained:
    """The same of a stream that runs; `before` requests are not its."""
    count, start = _after(stream, receiver, before, _EARLY_POLL_S)
    early, cpu = count, stream.cpu_s()
    now = start
    while count < before + deliveries:
        count, now = _after(stream, receiver, count, _POLL_S)
    cpu = stream.cpu_s() - cpu
    done = max(1, count - early)
    # with few of them all may have come before the first look
    took = max(now - start, _EARLY_POLL_S)
    return Drained(done / took, cpu / done * 1e6, stream.peak_mb(), start)


def _after(stream: Stream, receiver: Counting, before: int, poll_s: float) -> tuple[int, float]:
    """The next count that is higher."""
    deadline = time.monotonic() + _STALL_S
    while True:
        count, now = receiver.count()
        if count > before:
            return count, now
        stream.check()
        if now > deadline:
            raise BenchError(
                f"nothing was delivered for {_STALL_S:.0f} s", hint=stream.log_text()[-1000:]
            )
        time.sleep(poll_s)


def sample(scene: Scene) -> Sample:
    """A request as the stream makes it of the first event in the slot; warms up both of them."""
    with (
        receiving() as receiver,
        scene.slot_copy() as slot,
        scene.stream(receiver.url, slot),
    ):
        receiver.wait(1, _SAMPLE_S)
        return receiver.last()


def variant(scene: Scene, url: str, events: int, *options: str) -> float:
    """Events per second of `bench.variant` or `bench.decoding` on a copy of the slot.

    Args:
        scene: with the backlog.
        url: where a variant that sends, sends to.
        events: how many.
        *options: the module's name, and its options.
    """
    with scene.slot_copy() as slot:
        command = (sys.executable, "-m", *options, "--slot", slot, "--events", str(events))
        process = Stream(command, scene.environment(url), scene.folder / "variant.log")
        with contextlib.closing(process):
            said = process.wait(1800)
    return float(json.loads(said.strip().splitlines()[-1])["per_s"])
