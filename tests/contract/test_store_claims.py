"""What every `Store` promises for parked deliveries: results, claims, what remains."""

from __future__ import annotations

import pytest
from support.stores import (
    Led,
    batch,
    claim,
    due,
    event,
    event_id,
    park,
    resolve,
)

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.memory import Share
from cdc_triggers.core.records import Resolution
from cdc_triggers.postgres import store as postgres_store
from cdc_triggers.testing import store as memory_store

# -- resolutions ----------------------------------------------------------------------------------


def test_a_delivered_one_goes_and_the_next_of_its_key_is_due(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2), park(world, 3))
    assert led.store.write(resolve(world, "delivered", 1)).freed == set()
    assert due(world) == {2: "now", 3: "waits"}
    assert led.store.write(resolve(world, "delivered", 2, 3)).freed == {(1, "[1]")}
    assert world.kept() == {}


def test_a_dead_one_stays_and_the_next_of_its_key_is_due(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2))
    assert claim(led.store) == [1, 2]
    assert led.store.write(resolve(world, "dead", 1)).freed == set()
    first, second = world.kept()[event_id(1)], world.kept()[event_id(2)]
    assert first[1:] == ("dead", "waits", False, 2, "failed", "dead 1")
    assert second.due == "now"
    assert led.store.write(resolve(world, "dead", 2)).freed == {(1, "[1]")}


def test_a_failed_one_is_due_later_and_its_key_waits_until_it_got_through(led: Led) -> None:
    world = led.world
    led.park(park(world, 1, reason="overflow"), park(world, 2, tries=1), park(world, 3))
    claim(led.store)
    assert led.store.write(resolve(world, "retry", 1, delay_s=60.0)).freed == set()
    led.store.write(resolve(world, "release", 2, 3))
    first, second = world.kept()[event_id(1)], world.kept()[event_id(2)]
    assert first[1:] == ("parked", "later", False, 2, "failed", "retry 1")
    assert second[1:] == ("parked", "waits", False, 1, "failed", "HTTP 500")
    assert claim(led.store) == []
    world.pass_time(61)
    assert claim(led.store) == [1], "it will most likely fail again: nobody else is fetched"
    led.store.write(resolve(world, "delivered", 1))
    assert claim(led.store) == [2]
    led.store.write(resolve(world, "delivered", 2))
    assert claim(led.store) == [3]


def test_one_that_fails_behind_another_of_its_key_waits(led: Led) -> None:
    """It was in flight when an earlier one was parked: that one goes first."""
    world = led.world
    led.park(park(world, 5, hold_s=60.0))
    led.park(park(world, 3, delay_s=60.0))
    led.store.write(resolve(world, "retry", 5))
    assert due(world) == {3: "later", 5: "waits"}
    led.store.write(resolve(world, "delivered", 3))
    assert due(world) == {5: "now"}


def test_one_that_was_not_attempted_is_given_back_as_it_was(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2), park(world, 3, "[3]"))
    before = world.kept()
    assert claim(led.store) == [1, 2, 3]
    assert led.store.write(resolve(world, "release", 2, 1, 3)).freed == set()
    assert world.kept() == before
    assert claim(led.store) == [1, 2, 3]


def test_what_is_larger_than_a_claim_may_bring_ends_its_run_and_is_passed_over(led: Led) -> None:
    world = led.world
    second, fifth = (event(world, n, new=b'"%s"' % (b"x" * 5_000)) for n in (2, 5))
    led.park(park(world, 1), park(world, 2, event=second), park(world, 3))
    led.park(park(world, 5, "[5]", event=fifth), park(world, 6, "[5]"), park(world, 7, "[7]"))
    assert claim(led.store, max_row_bytes=4_000) == [1, 7]
    led.store.write(resolve(world, "delivered", 1, 7))
    rows, next_due_s = led.store.claim(1, 100, Share(1_000_000, 4_000))
    assert (list(rows), next_due_s) == ([], 0.0), "they are due, for a claim that may bring them"
    assert claim(led.store) == [2, 3, 5, 6]


def test_resolutions_of_one_batch_may_be_of_all_kinds_and_parks_come_before_them(
    led: Led,
) -> None:
    world = led.world
    led.park(*(park(world, n, f"[{n}]") for n in range(1, 5)), park(world, 5), park(world, 6))
    assert claim(led.store) == [1, 2, 3, 4, 5, 6]
    mixed = [
        *resolve(world, "retry", 2, delay_s=60.0).resolutions,
        *resolve(world, "delivered", 1).resolutions,
        *resolve(world, "release", 3, 6).resolutions,
        *resolve(world, "dead", 4).resolutions,
        *resolve(world, "retry", 5, delay_s=60.0).resolutions,
    ]
    result = led.store.write(batch([park(world, 7, "[4]"), park(world, 8, "[2]")], mixed))
    assert result.freed == set()
    expected = {2: "later", 3: "now", 4: "waits", 5: "later", 6: "waits", 7: "now", 8: "waits"}
    assert due(world) == expected


def test_a_row_that_is_gone_is_resolved_without_harm(led: Led) -> None:
    for outcome in ("delivered", "dead", "retry", "release"):
        result = led.store.write(batch(resolutions=[Resolution(10**9, outcome, 1, 0.0, None)]))
        assert not result.row_ids
        assert not result.freed
    assert led.world.kept() == {}


# -- claims ---------------------------------------------------------------------------------------


def test_what_is_claimed_is_not_claimed_again_until_the_claim_runs_out(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2), park(world, 3, "[3]"))
    assert claim(led.store) == [1, 2, 3]
    assert led.store.claim(1, 100, Share(1_000, 1_000)) == ([], None)
    assert memory_store.CLAIM_S == postgres_store.CLAIM_S
    world.pass_time(memory_store.CLAIM_S - 10)
    assert claim(led.store) == []
    world.pass_time(20)
    assert claim(led.store) == [1, 2, 3]


def test_the_limit_is_shared_between_heads_and_their_followers(led: Led) -> None:
    world = led.world
    led.park(*(park(world, n, f"[{n % 2}]") for n in range(1, 11)))
    assert claim(led.store, limit=1) == [1]
    led.store.write(resolve(world, "release", 1))
    assert claim(led.store, limit=6) == [1, 2, 3, 4, 5, 6]
    led.store.write(resolve(world, "delivered", 1, 2))
    assert claim(led.store, limit=4) == []  # the heads now are claimed as followers
    led.store.write(resolve(world, "release", 3, 4, 5, 6))
    assert claim(led.store) == [3, 4, 5, 6, 7, 8, 9, 10]


def test_those_due_for_longest_are_claimed_first(led: Led) -> None:
    world = led.world
    led.park(park(world, 1, "[1]", delay_s=60.0), park(world, 2, "[2]"), park(world, 3, "[3]"))
    world.pass_time(100)
    assert claim(led.store, limit=2) == [2, 3]
    assert claim(led.store, limit=2) == [1]


def test_max_bytes_ends_a_claim_but_one_is_always_given(led: Led) -> None:
    world = led.world
    big = b'"' + b"x" * 10_000 + b'"'
    led.park(*(park(world, n, event=event(world, n, new=big)) for n in range(1, 6)))
    assert claim(led.store, max_bytes=1) == [1]
    led.store.write(resolve(world, "release", 1))
    assert claim(led.store, max_bytes=25_000) == [1, 2, 3]


def test_a_run_ends_before_one_that_stands_in_two_chains(led: Led) -> None:
    world = led.world
    led.park(
        park(world, 1),
        park(world, 2),
        park(world, 3, "[9]", old_key="[1]"),
        park(world, 4),
    )
    assert claim(led.store) == [1, 2]


def test_a_trigger_gets_its_own_and_if_it_is_paused_or_unknown_nothing(led: Led) -> None:
    world = led.world
    led.park(park(world, 1), park(world, 2, None, trigger_id=2), park(world, 3, trigger_id=77))
    world.pause(1)
    rows, next_due_s = led.store.claim(1, 100, Share(1_000, 1_000))
    assert (rows, next_due_s is not None) == ([], True)
    assert led.store.claim(77, 100, Share(1_000, 1_000))[0] == []
    assert claim(led.store, trigger_id=2) == [2]
    world.pause(1, paused=False)
    assert claim(led.store) == [1]


def test_an_empty_claim_says_when_to_look_again(led: Led) -> None:
    world = led.world
    assert led.store.claim(1, 100, Share(1_000, 1_000)) == ([], None)
    led.park(park(world, 1, "[1]", delay_s=500.0), park(world, 2, "[2]", delay_s=100.0))
    led.park(park(world, 3, "[2]"), park(world, 4, "[4]", status="dead"))
    rows, next_due_s = led.store.claim(1, 100, Share(1_000, 1_000))
    assert rows == []
    assert next_due_s == pytest.approx(100.0, abs=20.0)
    world.pass_time(200)
    rows, next_due_s = led.store.claim(1, 100, Share(10_000, 10_000))
    assert ([row.row_id for row in rows], next_due_s) == (
        [world.kept()[event_id(n)].row_id for n in (2, 3)],
        None,
    )
    assert led.store.claim(1, 100, Share(1_000, 1_000))[1] == pytest.approx(300.0, abs=20.0)


STRANGE = (
    b'{"t":"tab\\t line\\n back\\\\slash \\u0000 \\"q\\"",'
    b' "raw":"gr\xc3\xbcn \xe6\x97\xa5 \xf0\x9f\x98\x80",'
    b'\n\t "n":1.10000000000000000001,  "dup":1,"dup":2 , "end":"\\\\."}\r\n'
)


def test_events_come_back_byte_for_byte(led: Led) -> None:
    world = led.world
    session = b'{"x-hasura-role":"a\\tb"}\t\n\r\\N \\. \xc3\xa4 \x08\x0b\x7f'
    sent = [
        event(world, 1, old=STRANGE, new=b"null", session=session, trace=b""),
        event(world, 2, op="DELETE", old=b'"\\\\N"', new=None),
        event(world, 3, op="INSERT", schema_name='S"c.\th\\N', table_name="tä\n%s", new=b"[ ]"),
        event(world, 4, op="MANUAL", created_at="1999-12-31T23:59:59.000001Z", xid=2**63),
        event(world, 5, created_at="2026-01-02T03:04:05.000000Z", position=2**31 - 1),
        event(world, 6, commit_lsn=Lsn(2**64 - 1)),
    ]
    keys = ("[1]", '["a\\t\\\\ä",null]', "[3]\t\\N\n", "\\N", "", "[6]")
    led.park(*(park(world, 1, k, event=e) for e, k in zip(sent, keys, strict=True)))
    rows, _ = led.store.claim(1, 100, Share(1_000_000, 1_000_000))
    assert [row.event for row in rows] == [e._replace(trigger_name="t-key") for e in sent]
    assert [row.key for row in rows] == list(keys)
    assert {(row.trigger_id, row.revision, row.old_key, row.tries) for row in rows} == {
        (1, 1, None, 0)
    }


# -- what remains ---------------------------------------------------------------------------------


def test_remaining_names_the_keys_of_what_is_parked(led: Led) -> None:
    world = led.world
    assert led.store.remaining(1) == frozenset()
    led.park(
        park(world, 1, "[1]"),
        park(world, 2, "[2]", old_key="[3]"),
        park(world, 3, "[4]", status="dead"),
        park(world, 4, "[5]", trigger_id=2),
        park(world, 5, None),
    )
    assert led.store.remaining(1) == frozenset({"[1]", "[2]", "[3]"})


def test_remaining_does_not_count_beyond_what_is_worth_remembering(led: Led) -> None:
    world = led.world
    led.park(*(park(world, n) for n in range(1_000)))
    assert led.store.remaining(1) == frozenset({"[1]"})
    led.park(park(world, 1_000))
    assert led.store.remaining(1) is None
    assert led.store.load_start("pgoutput").parked_keys[1] == frozenset({"[1]"})
