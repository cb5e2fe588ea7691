"""SIGKILL in mid clean-up: what was owed is owed, and the next clean-up does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.cleaning import AGE, cleanup_config, wait_forgotten
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from support.databases import Database

ROWS = 60
DEAD = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'dead'"
PARKED = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'parked'"
RUNS = "SELECT status FROM cdc_triggers.cleanup ORDER BY id"


class Doors:
    """Whoever is called `patient` is let in only when it is opened; nobody else ever is."""

    def __init__(self) -> None:
        self.open = False

    def decide(self, body: dict[str, Any], _tries: int) -> Reply:
        return Reply(200 if self.open and body["trigger"]["name"] == "patient" else 503)


def count(database: Database, query: str) -> int:
    return int(database.execute(query)[0][0])


def statuses(database: Database) -> list[str]:
    return [status for (status,) in database.execute(RUNS)]


@pytest.mark.timeout(240)
def test_a_clean_up_that_is_killed_takes_nothing_that_is_owed_and_is_finished_by_the_next(
    database: Database,
) -> None:
    doors = Doors()
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with Endpoint(doors.decide) as endpoint:
        config = cleanup_config(schedule="0 * * * *", clean_invocation_logs=True, batch_size=7)
        mortal = {"retry_conf": {"num_retries": 0}, "cleanup_config": config}
        patient = {"retry_conf": {"num_retries": 1_000, "interval_sec": 1}}
        apply(
            database,
            trigger("mortal", "orders", endpoint.url, **mortal),
            trigger("patient", "orders", endpoint.url, **patient),
        )
        stream = StreamProcess(database)
        with stream.start():
            database.execute(f"INSERT INTO orders SELECT generate_series(1, {ROWS})")
            wait_until(
                lambda: count(database, DEAD) == count(database, PARKED) == ROWS,
                60,
                "half of the deliveries are dead, the others wait",
            )
            wait_forgotten(database)
            stream.kill()
            database.execute(AGE)

            stream.start(failpoint=("cleaning", 3)).wait_killed()
            assert 0 < count(database, DEAD) < ROWS
            assert count(database, PARKED) == ROWS

            database.execute(AGE)
            stream.start()
            wait_until(lambda: count(database, DEAD) == 0, 60, "the dead are cleaned up")
            both = ["interrupted", "completed"]
            wait_until(lambda: statuses(database) == both, 60, "the history says so")
            doors.open = True
            wait_settled(database)
    patients = {event for event, name in endpoint.answered if name == "patient"}
    assert len(patients) == ROWS
