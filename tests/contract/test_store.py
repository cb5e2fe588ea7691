"""What every `Store` promises a starting stream, and how it parks: lease, fence, chains."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.stores import (
    Led,
    PostgresWorld,
    World,
    attempt,
    batch,
    claim,
    due,
    event,
    event_id,
    eventually_leads,
    park,
    resolve,
)

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.records import Lease
from cdc_triggers.errors import ConnectionLostError, FencedError, SlotError

if TYPE_CHECKING:
    from cdc_triggers.ports import Store

# -- the lease and the fence ----------------------------------------------------------------------


def test_only_one_store_has_the_lease(world: World) -> None:
    first, second = world.store(), world.store()
    assert first.take_lease(10.0) == Lease(0, 0, 0)
    assert second.take_lease(10.0) is None
    first.close()
    assert eventually_leads(second) == Lease(0, 0, 0)


def test_a_standby_takes_over_when_the_holder_dies_and_hears_what_it_delivered(
    world: World,
) -> None:
    first, second = world.leader(), world.store()
    first.write(batch(delivered=7))
    assert second.take_lease(10.0) is None
    world.kill(first)
    assert second.take_lease(10.0) == Lease(7, 0, 0)


def test_a_leader_that_may_only_be_cut_off_keeps_the_rest_of_its_lease(world: World) -> None:
    first, second = world.leader(), world.store()
    first.write(batch())
    world.cut(first)
    assert second.take_lease(10.0) is None
    assert second.take_lease(10.0) is None, "and the lock was let go again"
    world.end_lease()
    assert second.take_lease(10.0) == Lease(0, 0, 0)


def test_a_stream_whose_own_connection_broke_goes_on_at_once(world: World) -> None:
    store = world.leader()
    world.cut(store)
    with suppress(ConnectionLostError):
        store.load_triggers()
    assert store.take_lease(10.0) == Lease(0, 0, 0)


def test_a_silent_holder_is_ended_and_the_next_call_takes_over(world: World) -> None:
    first, second = world.leader(), world.store()
    world.pass_time(9)
    assert second.take_lease(10.0) is None
    first.write(batch())  # a sign of life
    world.pass_time(9)
    assert second.take_lease(10.0) is None
    first.write(batch())
    world.pass_time(11)
    assert second.take_lease(10.0) is None
    assert eventually_leads(second) == Lease(0, 0, 0)
    with pytest.raises(ConnectionLostError):
        first.load_triggers()


def test_a_leader_that_said_that_it_writes_for_long_has_the_lease_for_so_much_longer(
    world: World,
) -> None:
    first, second = world.leader(), world.store()
    first.heartbeat(40.0)
    world.pass_time(30)
    assert second.take_lease(10.0) is None
    first.write(batch())  # does not shorten what was said
    world.pass_time(15)
    assert second.take_lease(10.0) is None
    first.load_triggers()
    world.cut(first)
    assert second.take_lease(10.0) is None
    world.end_lease()
    assert second.take_lease(10.0) == Lease(0, 0, 0)


def test_a_store_that_was_replaced_writes_nothing(world: World) -> None:
    first = world.leader()
    first.write(batch([park(world, 1)]))
    world.kill(first)
    second = world.leader()
    before = world.kept()
    with pytest.raises(ConnectionLostError if isinstance(world, PostgresWorld) else FencedError):
        first.write(batch(attempts=[attempt(world, 2)]))
    for outcome in ("delivered", "dead", "retry", "release"):
        with pytest.raises(FencedError):
            first.write(resolve(world, outcome, 1)._replace(attempts=(attempt(world, 2),)))
    with pytest.raises(FencedError):
        first.write(batch([park(world, 3)]))
    assert (world.kept(), world.attempts()) == (before, [])
    second.write(resolve(world, "delivered", 1))


def test_claims_of_a_holder_that_is_gone_are_free_at_once(world: World) -> None:
    first = world.leader()
    first.write(batch([park(world, 1), park(world, 2), park(world, 3, "[3]", hold_s=60.0)]))
    assert claim(first) == [1, 2]
    world.kill(first)
    assert claim(world.leader()) == [1, 2, 3]


def test_close_gives_up_the_lease_and_may_be_called_twice(world: World) -> None:
    first: Store = world.leader()
    first.close()
    first.close()
    assert eventually_leads(world.store()) == Lease(0, 0, 0)


# -- what a start must know -----------------------------------------------------------------------


def test_a_slot_of_another_plugin_is_refused(led: Led) -> None:
    assert led.store.load_start("pgoutput").begins == led.world.base
    with pytest.raises(SlotError, match="of plugin pgoutput, not wal2json"):
        led.store.load_start("wal2json")


def test_a_start_is_where_the_row_says_if_the_slot_has_fallen_behind_it(led: Led) -> None:
    world = led.world
    settled = Lsn(world.base + 500)
    attempts = [attempt(world, 1), attempt(world, 2, commit_lsn=settled)]
    led.store.write(batch(attempts=attempts, settled=settled))
    assert led.store.check_slot("pgoutput") == settled
    start = led.store.load_start("pgoutput")
    assert start.begins == settled
    assert set(start.done) == {(event_id(2), 1)}


def test_done_is_what_was_delivered_or_has_a_row_from_the_start_on(led: Led) -> None:
    world = led.world
    below = Lsn(world.base - 1)
    attempts = [
        attempt(world, 1),
        attempt(world, 2, "retry"),
        attempt(world, 3, commit_lsn=below),
        attempt(world, 0, trigger_id=2),
        attempt(world, 4, "dead"),
    ]
    parks = [
        park(world, 5),
        park(world, 6, status="dead"),
        park(world, 7, event=event(world, 7, commit_lsn=below)),
        park(world, 8, trigger_id=2, key=None),
        park(world, 9, event=event(world, 9, commit_lsn=world.base)),
    ]
    led.store.write(batch(parks, attempts=attempts, settled=world.base))
    expected = {(1, 1), (0, 2), (5, 1), (6, 1), (8, 2), (9, 1)}
    done = led.store.load_start("pgoutput").done
    assert set(done) == {(event_id(n), t) for n, t in expected}


def test_parked_keys_are_those_of_every_trigger_and_not_of_the_dead(led: Led) -> None:
    world = led.world
    led.park(
        park(world, 1, "[1]"),
        park(world, 2, "[2]", old_key="[3]"),
        park(world, 3, "[4]", status="dead"),
        park(world, 4, None, trigger_id=2),
    )
    start = led.store.load_start("pgoutput")
    assert start.parked_keys == {1: {"[1]", "[2]", "[3]"}, 2: frozenset()}
    assert start.parked_triggers == {1, 2}
    led.store.write(resolve(world, "delivered", 1, 2, 4))
    start = led.store.load_start("pgoutput")
    assert start.parked_keys == {1: frozenset(), 2: frozenset()}
    assert not start.parked_triggers


def test_triggers_are_loaded_with_their_revisions_and_columns(led: Led) -> None:
    led.world.pause(2)
    first, second = led.store.load_triggers()
    assert [(t.id, t.name, t.table_id, t.paused) for t in (first, second)] == [
        (1, "t-key", 1, False),
        (2, "t-none", 1, True),
    ]
    assert (first.ordering_attnums, second.ordering_attnums) == ((1,), ())
    assert first.columns == ((1, "id"), (2, "v"))
    assert [r.number for r in first.revisions] == [1]
    assert first.revisions[0].spec.ordering == "key"


# -- parking --------------------------------------------------------------------------------------


def test_an_attempt_is_kept(led: Led) -> None:
    world = led.world
    failed = attempt(world, 2, "retry", status=None, error="timeout: \t\\N\n", response=None)
    led.store.write(batch(attempts=[attempt(world, 1), failed, attempt(world, 3, "dead")]))
    assert world.attempts() == [
        (event_id(1), 1, "delivered"),
        (event_id(2), 1, "retry"),
        (event_id(3), 1, "dead"),
    ]


def test_the_first_of_each_key_is_due_and_the_others_wait(led: Led) -> None:
    world = led.world
    led.park(
        park(world, 2, delay_s=60.0),
        park(world, 1, delay_s=60.0),
        park(world, 3, "[3]"),
        park(world, 4, "[3]"),
        park(world, 5, None, trigger_id=2),
        park(world, 6, None, trigger_id=2),
        park(world, 7, "[1]", trigger_id=2),
    )
    led.park(park(world, 8), park(world, 9, "[9]"))
    expected = {1: "later", 2: "waits", 3: "now", 4: "waits", 5: "now", 6: "now", 7: "now"}
    assert due(world) == {**expected, 8: "waits", 9: "now"}


def test_one_that_comes_before_a_head_takes_its_place(led: Led) -> None:
    world = led.world
    led.park(park(world, 5), park(world, 6, "[6]"))
    led.park(park(world, 3), park(world, 4), park(world, 7))
    assert due(world) == {3: "now", 4: "waits", 5: "waits", 6: "now", 7: "waits"}
    assert claim(led.store) == [3, 4, 5, 6, 7]


def test_position_orders_what_one_transaction_did(led: Led) -> None:
    world = led.world
    for position in (2, 0, 1):
        row = event(world, position, commit_lsn=Lsn(world.base + 7), position=position)
        led.park(park(world, position, event=row))
    assert due(world) == {0: "now", 1: "waits", 2: "waits"}


def test_one_that_changed_its_key_waits_in_both_chains_and_is_waited_for_in_both(
    led: Led,
) -> None:
    world = led.world
    led.park(
        park(world, 1, "[1]"),
        park(world, 2, "[2]"),
        park(world, 3, "[2]", old_key="[1]"),
        park(world, 4, "[1]"),
        park(world, 5, "[2]"),
        park(world, 6, "[2]", old_key="[6]"),
    )
    assert due(world) == {1: "now", 2: "now", 3: "waits", 4: "waits", 5: "waits", 6: "waits"}
    assert claim(led.store) == [1, 2]
    assert led.store.write(resolve(world, "delivered", 2)).freed == set()
    assert due(world)[3] == "waits"
    assert led.store.write(resolve(world, "delivered", 1)).freed == set()
    assert due(world) == {3: "now", 4: "waits", 5: "waits", 6: "waits"}
    assert claim(led.store) == [3]
    led.store.write(resolve(world, "delivered", 3))
    assert due(world) == {4: "now", 5: "now", 6: "waits"}
    assert led.store.write(resolve(world, "delivered", 4)).freed == {(1, "[1]")}
    led.store.write(resolve(world, "delivered", 5))
    assert led.store.write(resolve(world, "delivered", 6)).freed == {(1, "[2]"), (1, "[6]")}


def test_what_is_parked_already_is_left_as_it_is(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2), park(world, 3, "[3]", status="dead"))
    before = world.kept()
    led.park(
        park(world, 1, delay_s=60.0, last_error="other"),
        park(world, 2, status="dead"),
        park(world, 3, "[3]"),
    )
    assert world.kept() == before


def test_one_that_has_a_row_already_disturbs_no_chain(led: Led) -> None:
    world = led.world
    led.park(park(world, 1, status="dead"), park(world, 3))
    led.park(park(world, 1), park(world, 2), park(world, 4))
    assert due(world) == {1: "waits", 2: "now", 3: "waits", 4: "waits"}


def test_a_dead_one_holds_nobody_back_and_is_not_claimed(led: Led) -> None:
    world = led.world
    led.park(park(world, 1, status="dead"), park(world, 2), park(world, 3, status="dead"))
    assert world.kept()[event_id(1)][1:] == ("dead", "waits", False, 0, "failed", "HTTP 500")
    assert due(world)[2] == "now"
    assert claim(led.store) == [2]
    assert led.store.write(resolve(world, "delivered", 2)).freed == {(1, "[1]")}


def test_only_what_is_in_flight_comes_back_with_its_row_and_is_not_claimed(led: Led) -> None:
    world = led.world
    held = [park(world, 1, hold_s=60.0), park(world, 2, "[2]", hold_s=60.0)]
    result = led.store.write(batch([*held, park(world, 3, "[3]"), park(world, 4)]))
    kept = world.kept()
    assert result.row_ids == {1: kept[event_id(1)].row_id, 2: kept[event_id(2)].row_id}
    assert (kept[event_id(1)].claimed, kept[event_id(3)].claimed) == (True, False)
    assert led.store.write(batch([park(world, 5, "[5]")])).row_ids == {}
    assert claim(led.store) == [3, 5]
    world.pass_time(61)
    assert claim(led.store) == [1, 2, 4]
