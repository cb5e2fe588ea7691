"""However a trigger stops the reader, others lose at most a tenth of their time, and a second."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdc_triggers.core.pressure import BUDGET_S, PATIENCE_S, REFILL, Pressure

pauses = st.floats(0, 30, allow_nan=False)
STEP_S = 0.05


@settings(derandomize=True, deadline=None)
@given(stops=st.lists(st.tuples(pauses, st.floats(0, 3)), max_size=20))
def test_stops_take_at_most_a_tenth_of_the_time_and_one_second_while_others_wait(
    stops: list[tuple[float, float]],
) -> None:
    pressure, now, stopped = Pressure(), 0.0, 0.0
    for pause, wish in stops:
        now += pause
        began = now
        pressure.full(now)
        while now - began < wish and not pressure.exhausted(now, others_wait=True):
            now += STEP_S
        pressure.relieved(now)
        stopped += now - began
        # it is asked at every step, so each stop may be one step too long
        assert stopped <= BUDGET_S + REFILL * now + STEP_S * len(stops) + 1e-6


@settings(derandomize=True, deadline=None)
@given(before=st.lists(st.floats(0, PATIENCE_S), max_size=5), held=st.floats(0, 5))
def test_alone_every_stop_may_last_as_long_as_its_patience_and_no_longer(
    before: list[float], held: float
) -> None:
    pressure, now = Pressure(), 0.0
    for each in before:
        pressure.full(now)
        pressure.relieved(now + each)
        now += each
    pressure.full(now)
    expected = (now + held) - now >= PATIENCE_S
    assert pressure.exhausted(now + held, others_wait=False) == expected


def test_a_stop_that_goes_on_counts_from_its_beginning() -> None:
    pressure = Pressure()
    pressure.full(10.0)
    pressure.full(10.9)
    assert not pressure.exhausted(10.0 + BUDGET_S - 0.01, others_wait=True)
    assert pressure.exhausted(10.0 + BUDGET_S, others_wait=True)
    assert not pressure.exhausted(10.0 + PATIENCE_S - 0.01, others_wait=False)
    assert pressure.exhausted(10.0 + PATIENCE_S, others_wait=False)


@pytest.mark.parametrize("others_wait", [True, False])
def test_who_does_not_stop_the_reader_is_never_exhausted(others_wait: bool) -> None:  # noqa: FBT001 - parametrized
    pressure = Pressure()
    assert not pressure.exhausted(99.0, others_wait=others_wait)
    pressure.full(100.0)
    pressure.relieved(100.5)
    assert not pressure.exhausted(200.0, others_wait=others_wait)
