"""What is said of a collector: that it fails, and that it works again, each once."""

from __future__ import annotations

from cdc_triggers.telemetry.exports import QUIET_S, Exports
from cdc_triggers.testing import ManualClock


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name.removeprefix("telemetry."), keys.get("dropped")))


def test_a_collector_that_refuses_every_other_batch_is_said_once_a_minute() -> None:
    facts, clock = Facts(), ManualClock()
    exports = Exports("traces", facts, None, clock.monotonic)
    for _ in range(100):
        exports.failed("the collector refused a part", 10, 3)
        exports.succeeded(10)
        clock.advance(QUIET_S / 50)
    again = [("failing", None), ("recovered", 3), ("failing", None), ("recovered", 50 * 3)]
    assert facts.said == again
    assert (exports.sent, exports.dropped, exports.failures) == (100 * 17, 100 * 3, 100)


def test_a_collector_that_stays_away_is_said_to_fail_however_soon_it_failed_before() -> None:
    facts, clock = Facts(), ManualClock()
    exports = Exports("traces", facts, None, clock.monotonic)
    exports.failed("gRPC UNAVAILABLE", 10)
    exports.succeeded(10)
    for _ in range(3):
        clock.advance(QUIET_S / 2)
        exports.failed("gRPC UNAVAILABLE", 10)
    exports.succeeded(10)
    assert facts.said == [
        ("failing", None),
        ("recovered", 10),
        ("failing", None),
        ("recovered", 30),
    ]
