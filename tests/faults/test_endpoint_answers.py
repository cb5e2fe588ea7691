"""Endpoints that answer, but not as one would wish: too much, now so and now so, or never yes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.load import Load
from support.misbehaving import MEGABYTES_10, Refusing
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_confirmed, wait_settled
from support.witness import Mode, Verdict, Witness

from cdc_triggers.app.admin import Administration
from cdc_triggers.core.dead import DeadAsked
from cdc_triggers.core.views import EventFilter
from cdc_triggers.http.receiver import Reply
from cdc_triggers.postgres.admin import PostgresAdmin
from cdc_triggers.postgres.connect import connect
from cdc_triggers.wiring.operating import redeliver_dead

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.databases import Database
    from support.matrix import Matrix

GROUP = "Endpoints fail"
KEYS = 20
PATIENT = {"num_retries": 100_000, "interval_sec": 0, "timeout_sec": 1, "jitter": False}
ONCE = {"num_retries": 0}
HTTPX = pytest.param("httpx", marks=pytest.mark.whole)


class Flipping:
    """Every third answer is a 500."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _body: dict[str, Any], _tries: int) -> Reply:
        self.asked += 1
        return Reply(status=200 if self.asked % 3 else 500)


def run(
    database: Database,
    events: int,
    decide: Callable[[dict[str, Any], int], Reply],
    *,
    client: str = "httptools",
    retry_conf: dict[str, Any] = PATIENT,
    mode: Mode | None = None,
) -> tuple[Endpoint, Verdict]:
    """One trigger, its endpoint that answers so, and a load until all is settled."""
    mode = mode or Mode()
    load = Load(database, events, keys=KEYS)
    with Endpoint(decide) as endpoint:
        spec = trigger(
            *("counted", "counter", endpoint.url), retry_conf=retry_conf, ordering=mode.ordering
        )
        apply(database, spec, plugin=mode.plugin)
        stream = StreamProcess(database, "--http-client", client, "--plugin", mode.plugin)
        with stream, Witness(database, [endpoint], stream) as witness:
            with load:
                pass
            wait_settled(database)
    return endpoint, witness.verdict(ordering=mode.ordering)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("client", ["httptools", HTTPX])
def test_an_endpoint_that_answers_ten_megabytes_is_read_to_the_limit_and_counts_as_answered(
    database: Database, matrix: Matrix, client: str
) -> None:
    huge = Reply(body=b"y" * MEGABYTES_10)
    _, verdict = run(database, 2 * KEYS, lambda *_: huge, client=client)
    matrix.add(GROUP, "200 with 10 MB", f"{Mode()}, {client}", verdict)
    verdict.check()
    [(attempts, longest)] = database.execute(
        "SELECT count(*), max(length(response ->> 'body')) FROM cdc_triggers.attempt "
        "WHERE outcome = 'delivered' AND status = 200"
    )
    assert attempts == 2 * KEYS
    assert longest is None or longest <= 64 * 1024


@pytest.mark.timeout(120)
@pytest.mark.parametrize("client", ["httptools", HTTPX])
def test_an_endpoint_that_flips_between_200_and_500_gets_everything_in_order(
    database: Database, matrix: Matrix, client: str
) -> None:
    events = matrix.scale(300, 2_000)
    _, verdict = run(database, events, Flipping(), client=client)
    matrix.add(GROUP, "flips between 200 and 500", f"{Mode()}, {client}", verdict)
    verdict.check()


@pytest.mark.whole
@pytest.mark.servers("system")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("plugin", ["pgoutput", "wal2json"])
@pytest.mark.parametrize("ordering", ["none", "total"])
@pytest.mark.usefixtures("wal2json")
def test_an_endpoint_that_flips_gets_everything_whatever_the_order_and_the_plugin(
    database: Database, matrix: Matrix, ordering: str, plugin: str
) -> None:
    mode = Mode(ordering, plugin)
    _, verdict = run(database, 500, Flipping(), mode=mode)
    matrix.add(GROUP, "flips between 200 and 500", mode, verdict)
    verdict.check()


@pytest.mark.timeout(120)
def test_an_endpoint_that_refuses_one_for_good_has_it_dead_and_gets_the_rest_of_its_key(
    database: Database, matrix: Matrix
) -> None:
    def refuse_one(body: dict[str, Any], _tries: int) -> Reply:
        new = body["event"]["data"]["new"]
        return Reply(status=410 if (new["id"], new["seq"]) == (1, 3) else 200)

    conf = {"num_retries": 2, "interval_sec": 0}
    endpoint, verdict = run(database, 10 * KEYS, refuse_one, retry_conf=conf)
    matrix.add(GROUP, "410 for one event, for good", Mode(), verdict)
    verdict.check()
    dead = database.execute("SELECT tries, (new ->> 'seq')::int FROM cdc_triggers.delivery")
    assert dead == [(3, 3)]
    assert len(endpoint.answered) == 10 * KEYS - 1
    assert sum(endpoint.ids.values()) == 10 * KEYS + 2


@pytest.mark.timeout(120)
def test_without_retries_a_dead_endpoints_events_are_dead_and_seen_and_can_be_sent_again(
    database: Database, matrix: Matrix
) -> None:
    events = 10 * KEYS
    load = Load(database, events, keys=KEYS)
    refusing = Refusing()
    with Endpoint() as healthy:
        apply(
            database,
            trigger("healthy", "counter", healthy.url),
            trigger("dead", "counter", refusing.url, retry_conf=ONCE),
        )
        endpoints = [healthy]
        with StreamProcess(database) as stream, Witness(database, endpoints, stream) as witness:
            with load:
                pass
            wait_settled(database)
            wait_confirmed(database)
            with closing(connect(database.dsn, application_name="test admin")) as connection:
                operator = Administration(PostgresAdmin(connection))
                shown = operator.events(EventFilter("dead", "dead", None, events + 1))
                assert len(shown) == events
                with Endpoint(port=refusing.port) as mended:
                    endpoints.append(mended)
                    done = redeliver_dead(
                        database.dsn, DeadAsked("dead", None, None, None), dry_run=False
                    )
                    assert done.redelivered == events
                    wait_settled(database)
    verdict = witness.verdict()
    matrix.add(GROUP, "refuses, no retries; redelivered", Mode(), verdict)
    verdict.check()
    assert not database.execute("SELECT FROM cdc_triggers.delivery")
