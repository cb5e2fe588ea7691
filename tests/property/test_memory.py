"""What all triggers hold together has a bound, and the bound takes nothing from who is innocent."""

from __future__ import annotations

import random
import tracemalloc
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stream import OK, trigger_row

from cdc_triggers.core import memory, payload
from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, Response
from cdc_triggers.core.attempt_log import Times
from cdc_triggers.core.done import Done
from cdc_triggers.core.engine import Engine
from cdc_triggers.core.event import event_of
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.memory import ANY_BYTES, FLIGHT_BYTES, HELD_BYTES, LARGE_BYTES, MIB, Memory
from cdc_triggers.core.outbox import ANSWERS_BYTES
from cdc_triggers.core.parking import OUTBOX_BYTES, OUTBOX_RECORDS
from cdc_triggers.core.records import BatchResult, StartState
from cdc_triggers.postgres.copying import CHUNK, _Lines, field, line
from cdc_triggers.testing import log_row, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.delivery import Delivery
    from cdc_triggers.core.messages import Message

TICK_S = 0.1
COPIES = 2
"""A body is in memory as bytes, and once more in the client."""


# ---- the rule


def fly(shared: Memory, size: int, *, has_row: bool = False) -> int:
    """Queue it and take it off."""
    shared.queue(size)
    return shared.take_off(size, has_row=has_row)


@given(
    hogs=st.integers(1, 60),
    size=st.integers(50_000, LARGE_BYTES),
    seed=st.integers(0, 2**32),
)
def test_hogs_leave_room_for_the_first_attempt_of_everybody_else(
    hogs: int, size: int, seed: int
) -> None:
    shared, chance = Memory(), random.Random(seed)
    mine = [0] * hogs
    for _ in range(4 * FLIGHT_BYTES // size + hogs):
        hog = chance.randrange(hogs)
        if shared.may_fly(size, mine[hog]):
            mine[hog] += fly(shared, size)
    assert shared.flying <= FLIGHT_BYTES + hogs * size
    assert max(mine) <= max(size, (FLIGHT_BYTES + size) // 2)
    assert shared.may_fly(size, 0) == (shared.flying < 2 * FLIGHT_BYTES)
    assert shared.may_fly(LARGE_BYTES + 1, 0), "a large one waits for large ones only"


def test_a_large_one_in_flight_is_held_until_it_has_a_row() -> None:
    shared = Memory()
    fly(shared, HELD_BYTES + 1)
    assert shared.must_wait
    shared.afloat = 0
    assert not shared.must_wait
    first, second = shared.begin_claim(large=True), shared.begin_claim(large=True)
    assert first is not None
    assert second is not None
    assert (first.row_bytes, second.row_bytes) == (LARGE_BYTES, LARGE_BYTES), "one is in memory"
    shared.land(HELD_BYTES + 1)
    third = shared.begin_claim(large=True)
    assert third is not None
    assert third.row_bytes == ANY_BYTES


@given(st.lists(st.integers(LARGE_BYTES + 1, 100 * MIB), min_size=2, max_size=5))
def test_of_large_deliveries_one_is_in_flight_and_no_small_one_waits_for_it(
    sizes: list[int],
) -> None:
    shared = Memory()
    for size in sizes:
        assert shared.may_fly(size, 0)
        mine = fly(shared, size)
        assert not any(shared.may_fly(other, mine) for other in sizes)
        assert shared.may_fly(LARGE_BYTES, mine)
        shared.land(size)


@given(st.integers(0, 3 * HELD_BYTES), st.integers(1, 20))
def test_claims_share_what_is_free_and_one_is_always_possible_until_twice_the_bound(
    queued: int, wishes: int
) -> None:
    shared = Memory()
    shared.queued = queued
    shares = [share for _ in range(wishes) if (share := shared.begin_claim(large=True)) is not None]
    assert len(shares) <= memory.CLAIMS
    assert bool(shares) == (queued <= 2 * HELD_BYTES)
    assert sum(share.bytes for share in shares) <= max(1, HELD_BYTES - queued)
    assert sum(share.row_bytes == ANY_BYTES for share in shares) == bool(shares)
    for share in shares:
        shared.end_claim(share)
    assert (shared.claims, shared.claiming, shared.queued) == (0, 0, queued)
    assert shared.large_claims == 0


# ---- a thousand triggers


class Crowd:
    """An engine with many triggers on one table, and a store that takes whatever it is given."""

    def __init__(self, triggers: int, hanging: int, ordering: str = "key") -> None:
        rows = [trigger_row(1, ordering, max_in_flight=64)._replace(id=n) for n in range(triggers)]
        self.rows = [row._replace(name=f"t{row.id}") for row in rows]
        self.hanging = frozenset(range(hanging))
        self.now = 1_000.0
        start = StartState(Lsn(0), Done(), {}, frozenset())
        self.engine = Engine(start, self.rows, self.now)
        self.delivered: dict[int, int] = {}
        self.unread: list[Message] = []

    def change(self, numbers: range, width: int) -> None:
        for number in numbers:
            new = b'{"id":%d,"v":"%b"}' % (number, b"x" * width)
            row = log_row(f"e{number}", xid=1_000 + number, new=new)
            self.unread.extend(transaction(1_000 + 100 * number, [row], 1_000 + number))

    def read(self) -> None:
        taken = 0
        for message in self.unread:
            if not self.engine.can_receive:
                break
            self.engine.receive(message, self.now)
            taken += 1
        del self.unread[:taken]

    def send(self) -> None:
        """Healthy endpoints answer at once, the others never."""
        while (delivery := self.engine.take(self.now)) is not None:
            if delivery.trigger_id not in self.hanging:
                times = Times(self.now, self.now, 0.0)
                self.engine.finished(delivery, OK, times)
                self.delivered[delivery.trigger_id] = self.delivered.get(delivery.trigger_id, 0) + 1

    def write(self) -> None:
        outbox = self.engine.take_outbox()
        rows = {row.token: row.token for row in outbox.parks if row.hold_s is not None}
        self.engine.written(outbox, BatchResult(rows, frozenset()), self.now)

    def step(self) -> None:
        self.read()
        self.send()
        self.write()
        self.now += TICK_S
        self.engine.tick(self.now)


@pytest.mark.parametrize("ordering", ["key", "none"])
def test_a_thousand_hanging_triggers_hold_no_more_than_the_bound_and_stop_nobody(
    ordering: str,
) -> None:
    """Queues of a thousand each would be four gigabytes."""
    crowd = Crowd(triggers=1_000, hanging=999, ordering=ordering)
    crowd.change(range(100), width=4_000)
    steps = 0
    while crowd.unread:
        crowd.step()
        steps += 1
        count = crowd.engine._memory
        event = 1_000 * 6_500
        assert count.queued + count.unwritten <= HELD_BYTES + OUTBOX_BYTES + 2 * event
        assert count.flying <= 2 * FLIGHT_BYTES + event
        assert steps * TICK_S < 60, "the reader is stuck"
    crowd.step()
    assert crowd.delivered == {999: 100}


def test_the_bound_is_one_of_real_memory() -> None:
    crowd = Crowd(triggers=300, hanging=300)
    crowd.change(range(150), width=20_000)
    tracemalloc.start()
    try:
        bodies: dict[int, bytes] = {}
        while crowd.unread:
            crowd.read()
            while (delivery := crowd.engine.take(crowd.now)) is not None:
                bodies[delivery.token] = crowd.engine.body(delivery)
            crowd.write()
            crowd.now += TICK_S
            crowd.engine.tick(crowd.now)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    fan_out = 300 * 2_500 + 30_000
    assert peak < HELD_BYTES + 2 * FLIGHT_BYTES * COPIES + 4 * fan_out


def test_a_hundred_hanging_endpoints_leave_a_healthy_one_its_concurrency() -> None:
    crowd = Crowd(triggers=101, hanging=101, ordering="none")
    crowd.change(range(300), width=2_000)
    late: list[Delivery] = []
    while crowd.unread:
        crowd.step()
    healthy = crowd.engine.roster.active[100]
    late.extend(healthy.lanes.in_flight.values())
    for each in crowd.engine.roster.active.values():
        assert len(each.lanes.in_flight) >= 8
    assert len(late) >= 8


def test_queues_that_drain_let_the_reader_go_on_without_writing_anything_down() -> None:
    """A burst over many healthy triggers is held back, not spilled."""
    crowd = Crowd(triggers=200, hanging=0)
    with mock.patch.object(memory, "HELD_BYTES", 2 * MIB):
        crowd.change(range(60), width=1_000)
        while crowd.unread:
            crowd.read()
            for _ in range(400):
                delivery = crowd.engine.take(crowd.now)
                if delivery is None:
                    break
                crowd.engine.finished(delivery, OK, Times(crowd.now, crowd.now, 0.0))
            assert not crowd.engine.unwritten.parks
            crowd.write()
            crowd.now += 0.02
            crowd.engine.tick(crowd.now)


# ---- answers, and what is written


def test_answers_that_wait_to_be_recorded_have_a_bound_of_their_own() -> None:
    """64 KiB of control characters are 384 KiB of JSON; five thousand of them 1.9 GB."""
    crowd = Crowd(triggers=1, hanging=0, ordering="none")
    crowd.change(range(OUTBOX_RECORDS + 100), width=10)
    answer = Response(200, (), b"\1" * RESPONSE_BODY_LIMIT)
    crowd.read()
    while (delivery := crowd.engine.take(crowd.now)) is not None:
        crowd.engine.finished(delivery, answer, Times(crowd.now, crowd.now, 0.0))
        crowd.read()
    rows = crowd.engine.unwritten.attempts
    assert len(rows) == OUTBOX_RECORDS, "sending waits for the store"
    kept = [row for row in rows if row.response is not None]
    assert 10 < len(kept) <= ANSWERS_BYTES // (6 * RESPONSE_BODY_LIMIT)
    assert all(row.status == 200 for row in rows)
    assert crowd.engine.unwritten.size < 2 * ANSWERS_BYTES


values = st.one_of(st.none(), st.integers(), st.text(max_size=30), st.binary(max_size=30))


@given(st.lists(st.lists(values, min_size=1, max_size=4), max_size=6), st.integers(1, 40))
def test_rows_are_copied_in_chunks_even_if_one_is_larger_than_a_chunk(
    rows: list[Sequence[object]], size: int
) -> None:
    whole = b"".join(b"\t".join(map(field, row)) + b"\n" for row in rows)  # type: ignore[arg-type]
    lines = _Lines(map(line, rows))  # type: ignore[arg-type]
    chunks = list(iter(lambda: lines.read(size), b""))
    assert b"".join(chunks) == whole
    assert all(len(chunk) <= 2 * size for chunk in chunks)


def test_neither_all_lines_nor_old_answers_are_kept_in_memory() -> None:
    answers = (f"{number:05}" + "a" * 60_000 for number in range(1_000))
    lines = _Lines(line([answer]) for answer in answers)
    tracemalloc.start()
    try:
        while lines.read(CHUNK):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB


def test_a_large_field_is_copied_once_to_be_written_also_among_small_ones() -> None:
    large = b"a" * (8 * MIB)
    rows = ([b"1", b"small"], [b"2", large, b"trace"], [b"3", b"small"])
    tracemalloc.start()
    try:
        lines = _Lines(map(line, rows))
        size = sum(len(chunk) for chunk in iter(lambda: lines.read(CHUNK), b""))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == len(large) + len("1\tsmall\n2\t\ttrace\n3\tsmall\n")
    assert peak < len(large) + MIB


def test_a_large_row_is_copied_once_to_be_sent() -> None:
    large = b'"%b"' % (b"a" * (8 * MIB))
    event = event_of(log_row("0" * 36, xid=1, new=large), Lsn(1), 0)
    tracemalloc.start()
    try:
        made = payload.body(event, "large", 0, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert large in made
    assert peak < len(large) + MIB


def test_who_was_refused_goes_on_when_others_have_made_room() -> None:
    """Also while its own attempt hangs: the next tick asks again."""
    crowd = Crowd(triggers=2, hanging=2, ordering="none")
    with mock.patch.object(memory, "FLIGHT_BYTES", 30_000):
        crowd.change(range(20), width=1_000)
        crowd.read()
        first = list(iter(lambda: crowd.engine.take(crowd.now), None))
        counts = [sum(d.trigger_id == n for d in first) for n in (0, 1)]
        assert all(1 < count < 10 for count in counts)
        for delivery in first:
            if delivery.trigger_id == 0:
                crowd.engine.finished(delivery, OK, Times(crowd.now, crowd.now, 0.0))
        crowd.engine.roster.rest(crowd.engine.roster.active[0])
        crowd.engine.tick(crowd.now)
        more = crowd.engine.take(crowd.now)
        assert more is not None
        assert more.trigger_id == 1
