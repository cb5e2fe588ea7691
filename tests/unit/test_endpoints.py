"""An endpoint that fails is said once, and once more when it works again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from support.stream import trigger_row

from cdc_triggers.app.endpoints import QUIET_S, Endpoints
from cdc_triggers.core.attempt import Response
from cdc_triggers.core.delivery import Delivery
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.testing import log_row

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD = Response(503, (), b"")


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name, keys))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.said]


class Traced(NamedTuple):
    """The span of an attempt, as far as facts tell of it."""

    sampled: bool
    trace_id: str = "0af7"
    span_id: str = "1111"
    process_id: str = "2222"
    headers: tuple[tuple[str, str], ...] = ()


def delivery() -> Delivery:
    made = Delivery(
        1, 1, trigger_row(1, "key").revisions[0], event_of(log_row("e"), Lsn(0x100000002), 0)
    )
    made.tries = 3
    return made


def test_failing_endpoint_is_said_once_with_the_event_and_its_trace() -> None:
    facts = Facts()
    endpoints = Endpoints(facts)
    for second in range(100):
        endpoints.failed("a", delivery(), BAD, Traced(sampled=True), float(second))
    keys = {"trigger": "a", "event_id": "e", "attempt": 3, "lsn": "1/2", "error": "HTTP 503"}
    traced = {"trace_id": "0af7", "span_id": "2222"}
    assert facts.said == [("endpoint.failing", keys | traced)]
    assert endpoints.failing == {"a"}


def test_span_that_is_not_exported_is_not_named() -> None:
    found = []
    for span in (None, Traced(sampled=False)):
        facts = Facts()
        Endpoints(facts).failed("a", delivery(), BAD, span, 0.0)
        [(_, keys)] = facts.said
        found.append((keys["trace_id"], keys["span_id"]))
    assert found == [("", ""), ("0af7", "")]


def test_it_has_recovered_when_it_answers_and_nothing_failed_for_a_while() -> None:
    facts = Facts()
    endpoints = Endpoints(facts)
    endpoints.failed("a", delivery(), BAD, None, 0.0)
    endpoints.failed("a", delivery(), BAD, None, 8.0)
    endpoints.died("a")
    endpoints.tick(8.0 + 2 * QUIET_S)  # silence is no answer
    endpoints.delivered("b", 9.0)
    assert facts.names == ["endpoint.failing"]
    endpoints.delivered("a", 8.0 + 2 * QUIET_S)
    keys = {"trigger": "a", "failures": 2, "dead": 1, "failing_s": 8.0}
    assert facts.said[1:] == [("endpoint.recovered", keys)]
    assert not endpoints.failing


def test_triggers_that_are_gone_are_forgotten() -> None:
    endpoints = Endpoints(Facts())
    endpoints.failed("a", delivery(), BAD, None, 0.0)
    endpoints.keep(frozenset({"b"}))
    assert not endpoints.failing


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=200))
def test_however_attempts_end_there_are_two_lines_in_half_a_minute_at_most(
    attempts: Sequence[tuple[float, bool]],
) -> None:
    facts = Facts()
    endpoints = Endpoints(facts)
    now = 0.0
    for pause, works in attempts:
        now += pause
        if works:
            endpoints.delivered("a", now)
        else:
            endpoints.failed("a", delivery(), BAD, None, now)
        endpoints.tick(now)
    expected = ["endpoint.failing", "endpoint.recovered"] * 200
    assert facts.names == expected[: len(facts.names)]
    assert len(facts.names) <= 2 + 2 * now / QUIET_S
