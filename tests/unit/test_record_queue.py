"""What waits for a collector is bounded, and counted once, whatever becomes of it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.waiting import wait_until

from cdc_triggers.telemetry.exports import Exports
from cdc_triggers.telemetry.record_queue import ROOM_BYTES, RecordQueue
from cdc_triggers.telemetry.variables import Batching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


class Taken:
    """Takes what comes, once it `may`."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.asked = threading.Event()

    def export(self, records: Sequence[bytes]) -> None:  # noqa: ARG002 - the port
        self.asked.set()
        self.may.wait()

    def cut(self) -> None:
        self.may.set()


LARGE = bytes(9 * ROOM_BYTES)
"""As of 32 links that have a long tracestate each."""

FIT = 100 // 9 + 1
"""So many of them are held, where there may be a hundred spans."""


def joined(name: str) -> None:
    """Return when the thread of a queue has ended."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10.0)


def test_spans_are_bounded_in_bytes_with_those_that_are_on_their_way() -> None:
    taken, exports = Taken(), Exports("traces", Facts())
    queue = RecordQueue(taken, Batching(100, 10, 60.0), exports)
    for _ in range(10):
        queue.put(LARGE)
    assert taken.asked.wait(10.0)
    for _ in range(90):
        queue.put(LARGE)
    assert exports.dropped == 100 - FIT
    taken.may.set()
    wait_until(lambda: exports.sent == 10, what="the first batch is sent")
    queue.put(LARGE)
    queue.close(10.0)
    assert (exports.sent, exports.dropped) == (FIT + 1, 100 - FIT)


def test_large_spans_are_sent_before_there_is_no_room_for_more() -> None:
    taken, exports = Taken(), Exports("traces", Facts())
    queue = RecordQueue(taken, Batching(100, 100, 60.0), exports)
    for _ in range(FIT // 2):
        queue.put(LARGE)
    assert taken.asked.wait(10.0), "half of the room, and no batch"
    for _ in range(FIT // 2):
        queue.put(LARGE)
    taken.may.set()
    wait_until(lambda: exports.sent == 2 * (FIT // 2), what="what came meanwhile is sent too")
    queue.close(10.0)


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads have their turns after as few steps as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_at_the_end_no_record_is_counted_twice_or_not_at_all() -> None:
    for number in range(100):
        exports = Exports(f"end {number}", Facts())
        taken = Taken()
        taken.may.set()
        queue = RecordQueue(taken, Batching(8_192, 4_096, 60.0), exports)
        for _ in range(4_500):
            queue.put(b"span")
        queue.close(0.0)
        joined(exports.signal)
        assert exports.sent + exports.dropped == 4_500
