"""Bad endpoints hurt nobody but themselves: not the healthy ones, and not the database's disk."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.misbehaving import Bad, Fault, faults
from support.modes import OTHER_MODES
from support.streaming import (
    Endpoint,
    StreamProcess,
    apply,
    trigger,
    wait_confirmed,
    wait_settled,
)
from support.waiting import wait_until
from support.witness import Mode, Verdict, Witness

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix

GROUP = "Endpoints fail"
USUAL = Mode()
KEYS = 20
EVENTS = 1_000
PER_SECOND = 1_000.0
PATIENT: dict[str, object] = {"num_retries": 100_000, "interval_sec": 1, "jitter": False}
HASTY = {**PATIENT, "timeout_sec": 1}
WAL_LIMIT = 64 * 1024 * 1024

FAULTS = faults()
# One fault of each kind: nothing sent, no answer, a wrong one, none of HTTP.
BY_MODE = [f for f in FAULTS if f.words.startswith(("refuses", "never", "500", "resets"))]


def wait_parked(database: Database, name: str) -> None:
    """Until deliveries of this trigger are parked."""
    query = "SELECT FROM cdc_triggers.delivery WHERE status = 'parked' AND trigger_name = %s"
    wait_until(lambda: database.execute(query, name), 10, f"some of {name} are parked")


def run(
    database: Database,
    matrix: Matrix,
    bads: tuple[Fault, ...],
    words: str,
    *,
    client: str = "httptools",
    mode: Mode = USUAL,
) -> None:
    """A healthy endpoint beside bad ones, under load; then these are mended.

    The healthy one gets everything in order and the slot goes on; of each bad one's events some are
    parked, and all of them arrive when it is mended.
    """
    load = Load(database, EVENTS, keys=KEYS, per_second=PER_SECOND)
    with contextlib.ExitStack() as stack:
        endpoints = [stack.enter_context(Endpoint())]
        healthy = endpoints[0]
        served = [
            (f"bad_{n}", fault, stack.enter_context(fault.serve())) for n, fault in enumerate(bads)
        ]
        urls = {"healthy": healthy.url, **{name: bad.url for name, _, bad in served}}
        put(database, urls, mode)
        stream = StreamProcess(database, "--http-client", client, "--plugin", mode.plugin)
        stack.enter_context(stream)
        with Witness(database, endpoints, stream) as witness:
            with load:
                pass
            wait_until(lambda: len(healthy.answered) == EVENTS, 30, "the healthy one has all")
            assert sum(healthy.answered.values()) == EVENTS
            wait_confirmed(database)
            for name, _, _ in served:
                wait_parked(database, name)
            # a mended endpoint gets time: else a slow machine could miss an answer, and ask again
            put(database, urls, mode, PATIENT)
            mended = {name: mend(stack, fault, bad) for name, fault, bad in served}
            endpoints.extend(mended.values())
            urls |= {name: endpoint.url for name, endpoint in mended.items()}
            put(database, urls, mode, PATIENT)
            wait_settled(database, 60)
    judge(matrix, witness.verdict(ordering=mode.ordering), words, mode, client)


def judge(matrix: Matrix, verdict: Verdict, words: str, mode: Mode, client: str) -> None:
    matrix.add(GROUP, words, mode if client == "httptools" else f"{mode}, {client}", verdict)
    verdict.check()
    assert verdict.events == EVENTS
    assert verdict.wal_peak < WAL_LIMIT


def put(
    database: Database, urls: dict[str, str], mode: Mode, bad: dict[str, object] = HASTY
) -> None:
    """Apply a trigger for each endpoint; `bad` is the retry_conf of all but the healthy one."""
    triggers = [
        trigger(
            *(name, "counter", url),
            ordering=mode.ordering,
            retry_conf=PATIENT if name == "healthy" else bad,
        )
        for name, url in urls.items()
    ]
    apply(database, *triggers, plugin=mode.plugin)


def mend(stack: contextlib.ExitStack, fault: Fault, bad: Bad) -> Endpoint:
    """A good endpoint in its place, or elsewhere if no server can mend it."""
    bad.stop()
    return stack.enter_context(Endpoint(port=bad.port if fault.in_place else 0))


@pytest.mark.timeout(180)
def test_all_kinds_of_bad_endpoints_at_once_hurt_neither_the_healthy_one_nor_the_slot(
    database: Database, matrix: Matrix
) -> None:
    run(database, matrix, FAULTS, f"all {len(FAULTS)} below at once")


@pytest.mark.whole
@pytest.mark.timeout(180)
@pytest.mark.parametrize("client", ["httptools", "httpx"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_bad_endpoint_hurts_nobody_and_gets_everything_in_order_when_it_is_mended(
    database: Database, matrix: Matrix, fault: Fault, client: str
) -> None:
    run(database, matrix, (fault,), str(fault), client=client)


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", OTHER_MODES, ids=str)
@pytest.mark.parametrize("fault", BY_MODE, ids=str)
@pytest.mark.usefixtures("wal2json")
def test_a_bad_endpoint_hurts_nobody_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, fault: Fault, mode: Mode
) -> None:
    run(database, matrix, (fault,), str(fault), mode=mode)
