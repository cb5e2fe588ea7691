"""More than memory should hold: a huge transaction, and an endpoint too slow for what comes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint, StreamProcess, apply, held_bytes, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database

MIB = 1024 * 1024


def peak_bytes(stream: StreamProcess) -> int:
    """The process's largest resident size so far."""
    for line in Path(f"/proc/{stream.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


@pytest.mark.timeout(240)
def test_a_transaction_of_300000_rows_is_delivered_from_its_start_in_bounded_memory(
    database: Database,
) -> None:
    database.execute("CREATE TABLE bulk (id int PRIMARY KEY, text text)")
    with Endpoint() as endpoint:
        apply(database, trigger("bulk", "bulk", endpoint.url))
        database.execute(
            "INSERT INTO bulk SELECT g, repeat('x', 100) FROM generate_series(1, 300000) g"
        )
        with StreamProcess(database) as stream:
            wait_until(lambda: len(endpoint.bodies) >= 5000, 120, "deliveries flow")
            assert peak_bytes(stream) < 200 * MIB
            # nothing of an unfinished transaction may be confirmed
            assert held_bytes(database) > 50 * MIB
            assert stream.terminate() == 0
    [(parked,)] = database.execute("SELECT count(*) FROM cdc_triggers.delivery")
    assert parked <= 70_000, "only what was read is written down"


@pytest.mark.timeout(240)
def test_a_slow_endpoint_lets_the_slot_go_on_and_gets_everything_in_order(
    database: Database,
) -> None:
    database.execute("CREATE TABLE counter (id int PRIMARY KEY, seq int NOT NULL)")
    database.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(1, 500) g")
    slow = True

    def decide(*_: object) -> Reply:
        return Reply(delay_s=0.5) if slow else Reply()

    with Endpoint(decide) as endpoint:
        apply(database, trigger("counted", "counter", endpoint.url, max_in_flight=8))
        with StreamProcess(database) as stream:
            for _ in range(20):
                database.execute("UPDATE counter SET seq = seq + 1")
            wait_until(lambda: held_bytes(database) < 4 * MIB, 60, "the slot goes on")
            [(parked,)] = database.execute("SELECT count(*) FROM cdc_triggers.delivery")
            assert parked > 1000
            slow = False
            wait_settled(database, 120)
            assert peak_bytes(stream) < 200 * MIB
    assert len(endpoint.delivered) == 500 * 20
    assert not endpoint.inversions
    assert set(endpoint.ids.values()) == {1}
