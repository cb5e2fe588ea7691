"""What `PostgresStore` promises where memory has nothing to compare: slots, locks, visibility."""

from __future__ import annotations

import random
import string
from typing import TYPE_CHECKING

import pytest
from support.stores import attempt, batch, claim, event_id, park, resolve

from cdc_triggers.core.matching import KEY_BYTES
from cdc_triggers.core.memory import Share
from cdc_triggers.core.parking import HOLD_MARGIN_S
from cdc_triggers.core.records import Lease
from cdc_triggers.core.retry import JITTER
from cdc_triggers.core.spec import LONGEST_S
from cdc_triggers.errors import SlotError
from cdc_triggers.postgres.cleaning import PostgresCleaning

if TYPE_CHECKING:
    from support.stores import PostgresWorld


def test_a_missing_slot_is_refused_with_the_remedy(postgres_world: PostgresWorld) -> None:
    store = postgres_world.store("nowhere")
    assert store.take_lease(10.0) == Lease(0, 0, 0)
    with pytest.raises(SlotError, match="'nowhere' is missing") as caught:
        store.load_start("pgoutput")
    assert "cdc-triggers apply" in caught.value.hint


def test_streams_of_two_slots_do_not_shut_each_other_out(postgres_world: PostgresWorld) -> None:
    assert postgres_world.store("one").take_lease(10.0) == Lease(0, 0, 0)
    assert postgres_world.store("two").take_lease(10.0) == Lease(0, 0, 0)


def test_a_trigger_that_another_session_has_locked_is_not_claimed_and_not_waited_for(
    postgres_world: PostgresWorld,
) -> None:
    store = postgres_world.leader()
    store.write(batch([park(postgres_world, 1)]))
    other = postgres_world.database.connect()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE cdc_triggers.trigger SET updated_at = now() WHERE id = 1")
        rows, next_due_s = store.claim(1, 10, Share(1_000, 1_000))
        assert (list(rows), next_due_s is not None) == ([], True)
        cursor.execute("ROLLBACK")
    assert claim(store) == [1]


def test_the_longest_waits_that_a_spec_may_have_can_be_written_and_read(
    postgres_world: PostgresWorld,
) -> None:
    store = postgres_world.leader()
    longest = LONGEST_S * (1 + JITTER)
    held = park(postgres_world, 1, key=None, hold_s=LONGEST_S + HOLD_MARGIN_S)
    store.write(batch([held, park(postgres_world, 2, key=None, delay_s=longest)]))
    store.write(resolve(postgres_world, "retry", 1, delay_s=longest))
    rows, next_due_s = store.claim(1, 10, Share(1_000, 1_000))
    assert not rows
    assert next_due_s == pytest.approx(longest, rel=0.01)
    with postgres_world.database.connect().cursor() as cursor:
        cursor.execute("SELECT max(due_at) FROM cdc_triggers.delivery")
        assert cursor.fetchone() is not None


def test_the_longest_keys_fit_into_the_indexes(postgres_world: PostgresWorld) -> None:
    store = postgres_world.leader()
    chance = random.Random(1)
    key, old_key = ("".join(chance.choices(string.printable, k=KEY_BYTES)) for _ in range(2))
    store.write(batch([park(postgres_world, 1, key=key, old_key=old_key)]))
    assert claim(store) == [1]


def test_a_transaction_is_not_seen_before_it_is_over(postgres_world: PostgresWorld) -> None:
    store = postgres_world.leader()
    other = postgres_world.database.connect()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE cdc_triggers.trigger SET paused = true WHERE id = 1")
        cursor.execute("SELECT pg_current_xact_id()::text::bigint & 4294967295")
        ((xid,),) = cursor.fetchall()
        assert not store.sees(xid)
        cursor.execute("COMMIT")
    assert store.sees(xid)
    assert [row.paused for row in store.load_triggers()] == [True, False]


def test_a_bucket_past_its_retention_is_truncated_and_its_name_returned(
    postgres_world: PostgresWorld,
) -> None:
    store = postgres_world.leader()
    store.write(batch(attempts=[attempt(postgres_world, 1)]))
    postgres_world.run(
        "UPDATE cdc_triggers.attempt SET started_at = now() - interval '7 days',"
        " bucket = cdc_triggers.attempt_bucket(now() - interval '7 days')"
    )
    store.write(batch(attempts=[attempt(postgres_world, 2)]))
    cleaning = PostgresCleaning(postgres_world.connection)
    (name,) = cleaning.turn_rings()
    assert name.startswith("attempt")
    assert [found for found, _, _ in postgres_world.attempts()] == [event_id(2)]
    assert list(cleaning.turn_rings()) == []


def test_the_stream_row_says_how_far_it_is(postgres_world: PostgresWorld) -> None:
    store = postgres_world.leader()
    store.write(batch(delivered=5))
    assert postgres_world.run(
        "SELECT received_lsn::text, settled_lsn::text, confirmed_lsn::text, delivered, generation,"
        " extract(epoch FROM oldest_unsettled_at)::int, settled_at FROM cdc_triggers.stream"
    ) == [("1E/0", "14/0", "0/A", 5, 1, 1_700_000_000, None)]
