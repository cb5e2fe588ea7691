"""Reading shares the loop: however much there is to read, the others get their turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from cdc_triggers.app.intake import READ_MESSAGES, SLICE_S, Intake
from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.messages import Other

if TYPE_CHECKING:
    from cdc_triggers.app.adapters import Adapters
    from cdc_triggers.core.engine import Engine


class Flood:
    """A source with so many batches of messages, and an engine that takes its time for each."""

    can_receive = True
    quiet_s = 30.0

    def __init__(self, batches: int, seconds: float) -> None:
        self.batches = batches
        self.seconds = seconds
        self.now = 0.0
        self.taken = 0

    def monotonic(self) -> float:
        return self.now

    def read(self, limit: int) -> list[tuple[int, Any]]:
        self.batches -= 1
        return [] if self.batches < 0 else [(ZERO, Other("type"))] * limit

    def receive(self, _message: object, _now: float) -> bool:
        self.now += self.seconds
        self.taken += 1
        return True

    def reply_due(self) -> bool:
        return False

    def server_lsn(self) -> int:
        return ZERO

    def idle(self, _lsn: int) -> None:
        pass

    def received(self, *_: object) -> None:
        pass


def intake(flood: Flood) -> Intake:
    adapters = SimpleNamespace(source=flood, watch=flood, clock=flood)
    return Intake(cast("Engine", flood), cast("Adapters", adapters), lambda: None)


def test_a_turn_ends_after_a_moment_however_slow_the_messages_are() -> None:
    for microseconds in (1, 100, 10_000):
        flood = Flood(batches=10_000, seconds=microseconds / 1e6)
        assert intake(flood).take(), "there is more"
        assert flood.now <= SLICE_S + flood.seconds + 1e-9


def test_all_is_taken_where_there_is_time() -> None:
    flood = Flood(batches=20, seconds=0.0)
    assert not intake(flood).take()
    assert flood.taken == 20 * READ_MESSAGES


def test_nothing_is_read_while_the_engine_must_wait() -> None:
    flood = Flood(batches=20, seconds=0.0)
    flood.can_receive = False
    assert not intake(flood).take()
    assert (flood.taken, flood.batches) == (0, 20)


def test_a_server_that_is_at_work_may_be_silent_for_longer() -> None:
    flood = Flood(batches=1, seconds=0.0)
    reader = intake(flood)
    flood.now = 100.0
    reader.take()
    assert reader.overdue_s(145.0) == 15.0
