"""What waits for a collector is bounded, and counted once, whatever becomes of it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cdc_triggers.telemetry.exports import Exports
from cdc_triggers.telemetry.record_queue import RecordQueue
from cdc_triggers.telemetry.variables import Batching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Facts:
    def fact(self, level: str, name: str, /, **keys: object) -> None:
        pass


class Taken:
    """Takes what comes."""

    def export(self, records: Sequence[bytes]) -> None:
        pass

    def cut(self) -> None:
        pass


def joined(name: str) -> None:
    """Return when the thread of a queue has ended."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10.0)


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
        queue = RecordQueue(Taken(), Batching(8_192, 4_096, 60.0), exports)
        for _ in range(4_500):
            queue.put(b"span")
        queue.close(0.0)
        joined(exports.signal)
        assert exports.sent + exports.dropped == 4_500
