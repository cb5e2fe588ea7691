"""The REST API of a stream that runs, held to its own description."""

from __future__ import annotations

import threading
import urllib.request
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from support import databases
from support.api import Api, serving
from support.live import NAME, Live
from support.waiting import wait_until

from cdc_triggers.console import openapi
from cdc_triggers.http.receiver import Reply
from cdc_triggers.wiring.serving import Backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case
    from support.servers import Pool

    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.postgres.amending import State

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric)"
EVERYTHING = {"insert": {}, "update": {}, "delete": {}, "enable_manual": True}


def decide(body: dict[str, Any], seen: int) -> Reply:
    del seen
    new = body["event"]["data"]["new"] or {}
    return Reply(500 if isinstance(new, dict) and new.get("status") == "refused" else 200)


@pytest.fixture(scope="module")
def running(server_pool: Pool) -> Iterator[tuple[Live, Api]]:
    database = databases.create(server_pool.get("18"))
    with serving(database, ORDERS, decide=decide, definition=EVERYTHING) as found:
        yield found
    database.drop()


@pytest.fixture
def live(running: tuple[Live, Api]) -> Live:
    return running[0]


@pytest.fixture
def api(running: tuple[Live, Api]) -> Api:
    return running[1]


schema = schemathesis.openapi.from_dict(openapi.document(secret=False))

# What is valid in itself may still name a table that is not there, or a day that there never was.
UNTOLD: list[Any] = [positive_data_acceptance]


@schema.parametrize()
@settings(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None)
def test_every_call_answers_as_its_description_says(case: Case[Any], api: Api) -> None:
    case.call_and_validate(base_url=api.base, excluded_checks=UNTOLD, timeout=60)


def test_the_description_that_is_served_is_the_one_that_is_tested(api: Api) -> None:
    assert api.get("/api/openapi.json") == openapi.document(secret=False)


def test_after_all_that_the_stream_still_delivers(live: Live, api: Api) -> None:
    for each in api.get("/api/triggers")["triggers"]:
        if each["name"] != NAME:
            api.call("DELETE", f"/api/triggers/{each['name']}")
    api.call("PUT", f"/api/triggers/{NAME}", spec(live))
    api.call("POST", f"/api/triggers/{NAME}/resume")
    live.run("INSERT INTO orders VALUES (1, 'new', 1)")
    wait_until(lambda: arrived(live, 1), what="the row arrives")
    assert '"error"' not in live.stream.log
    assert "Traceback" not in live.stream.log


def spec(live: Live, **keys: Any) -> dict[str, Any]:
    return {"table": "orders", "webhook": live.endpoint.url, "definition": EVERYTHING, **keys}


def arrived(live: Live, number: int) -> list[dict[str, Any]]:
    def row(body: dict[str, Any]) -> Any:
        return body["event"]["data"]["new"]

    return [b for b in live.endpoint.bodies if isinstance(row(b), dict) and row(b)["id"] == number]


def test_a_trigger_can_be_put_changed_paused_and_removed(live: Live, api: Api) -> None:
    path = "/api/triggers/second"
    own = spec(live, definition={"insert": {"columns": "*"}})
    status, _, value = api.call("PUT", path, own)
    assert (status, value["change"], value["trigger"]["revision"]) == (201, "added", 1)
    assert api.call("PUT", path, {**own, "name": "second"})[2]["change"] == "unchanged"
    status, _, value = api.call("PUT", path, {**own, "max_in_flight": 5})
    assert (status, value["change"], value["trigger"]["revision"]) == (200, "changed", 2)
    assert api.call("POST", f"{path}/pause")[2] == {"paused": True, "changed": True}
    assert api.call("POST", f"{path}/pause")[2] == {"paused": True, "changed": False}
    assert api.get(path)["paused"] is True
    assert api.call("POST", f"{path}/resume")[2] == {"paused": False, "changed": True}
    assert api.call("DELETE", path)[2] == {"name": "second", "change": "removed"}
    assert api.call("DELETE", path)[0] == 404
    assert api.call("GET", path)[0] == 404


def test_a_flat_definition_is_taken_too_and_problems_have_their_place(live: Live, api: Api) -> None:
    flat = {"table": "orders", "webhook": live.endpoint.url, "update": {"columns": []}}
    status, _, value = api.call("PUT", "/api/triggers/second", flat)
    assert (status, value["code"], value["path"]) == (400, "parse-failed", "$.update.columns")
    status, _, value = api.call("PUT", "/api/triggers/second", {**flat, "name": "third"})
    assert (status, value["path"]) == (400, "$.name")


def test_an_invocation_keeps_the_digits_of_its_payload(live: Live, api: Api) -> None:
    status, _, value = api.call("POST", f"/api/triggers/{NAME}/invoke", b'{"id": 2, "n": 1.2300}')
    assert status == 201
    wait_until(lambda: live.endpoint.ids[value["id"], NAME] == 1)
    assert any(b'"n": 1.2300' in raw for raw in live.endpoint.raw)
    assert api.call("POST", f"/api/triggers/{NAME}/invoke")[0] == 201
    for body in (b"{", b"\xff", b"NaN"):
        status, _, value = api.call("POST", f"/api/triggers/{NAME}/invoke", body)
        assert (status, value["code"]) == (400, "invalid-json")


def test_events_come_in_pages_that_tear_no_event_apart(live: Live, api: Api) -> None:
    api.call("PUT", "/api/triggers/second", spec(live))
    live.run("INSERT INTO orders SELECT n, 'new', n FROM generate_series(100, 109) n")
    live.bodies()
    whole = api.get("/api/events?limit=500")["events"]
    for limit in (1, 3, 4):
        lines, before = [], ""
        while True:
            page = api.get(f"/api/events?limit={limit}{before}")
            lines += page["events"]
            if page["next"] is None:
                break
            before = f"&before={page['next']}"
        assert lines == whole
    api.call("DELETE", "/api/triggers/second")


def test_dead_deliveries_are_listed_and_sent_again_one_or_all(live: Live, api: Api) -> None:
    live.run("INSERT INTO orders VALUES (201, 'refused', 1), (202, 'refused', 1)")

    def dead() -> list[dict[str, Any]]:
        found = api.get(f"/api/deliveries?status=dead&trigger={NAME}&since=1h")
        return [each for each in found["deliveries"] if each["op"] == "INSERT"]

    wait_until(lambda: len(dead()) == 2, what="both are dead")
    event_id = dead()[0]["id"]
    again = f"/api/events/{event_id}/redeliver"
    assert api.call("POST", f"{again}?dry_run=true")[2]["redelivered"] == 1
    assert live.endpoint.ids[event_id, NAME] == 1
    assert api.call("POST", again)[2] == {
        "redelivered": 1,
        "already_parked": 0,
        "dry_run": False,
    }
    wait_until(lambda: live.endpoint.ids[event_id, NAME] == 2, what="it is sent again")
    wait_until(lambda: len(dead()) == 2, what="it is dead again")
    assert api.call("POST", f"/api/triggers/{NAME}/redeliver?since=1h")[2]["redelivered"] >= 2
    wait_until(lambda: live.endpoint.ids[event_id, NAME] == 3, what="all are sent again")
    wait_until(lambda: len(dead()) == 2, what="they are dead again")


@pytest.mark.parametrize(
    "query",
    [
        "nothing=1",
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1&limit=2",
        "status=lost",
        "since=yesterday",
        "since=2026-13-45",
        "before=x",
        "trigger=a%20b",
    ],
)
def test_a_query_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    status, _, value = api.call("GET", f"/api/events?{query}")
    assert (status, value["code"]) == (400, "validation-failed")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/api/triggers/other", "GET /api/triggers has them all"),
        ("POST", f"/api/triggers/{NAME}/cleanup", "add ?older_than=7d to clean up once"),
        ("POST", f"/api/triggers/{NAME}/cleanup/pause", f"with PUT /api/triggers/{NAME}"),
        ("POST", "/api/triggers/by_hand/invoke", "enable_manual: true in its definition, with PUT"),
    ],
)
def test_an_error_says_what_a_caller_can_do_and_no_command(
    api: Api, method: str, path: str, told: str
) -> None:
    definition = {"table": "orders", "insert": {}, "webhook": "http://127.0.0.1:9/"}
    assert api.call("PUT", "/api/triggers/by_hand", definition)[0] in {200, 201}
    try:
        status, _, value = api.call(method, path)
    finally:
        api.call("DELETE", "/api/triggers/by_hand")
    assert status in {400, 404}
    assert told in value["error"]
    assert "--" not in value["error"]
    assert "`" not in value["error"]


def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    path = "/api/triggers/second"
    assert api.call("PUT", path, b"x", content_type="text/plain")[0] == 415
    assert api.call("PUT", path, b"[]")[0] == 400
    assert api.call("POST", f"/api/triggers/{NAME}/pause", b"{}")[0] == 400


def test_the_page_for_people_loads_nothing_from_elsewhere(api: Api) -> None:
    with urllib.request.urlopen(f"{api.base}/api", timeout=10) as answer:
        page = answer.read().decode()
        policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "<script" not in page
    assert "src=" not in page
    for path in api.get("/api/openapi.json")["paths"]:
        assert path in page


def with_one_more(own: Trigger, state: State) -> list[Trigger]:
    return [*state.triggers.values(), own]


def test_an_apply_beside_a_call_loses_nobodys_trigger(live: Live, api: Api) -> None:
    stop = threading.Event()

    def put() -> None:
        while not stop.is_set():
            api.call("PUT", "/api/triggers/second", spec(live))
            api.call("DELETE", "/api/triggers/second")

    thread = threading.Thread(target=put)
    thread.start()
    try:
        for number in range(5):
            name = f"t{number}"
            backend = Backend(live.database.dsn, live.database.slot, "pgoutput", {})
            with backend.amender() as amender:
                own = live.trigger(name)
                amender.amend(partial(with_one_more, own))
    finally:
        stop.set()
        thread.join()
    names = {each["name"] for each in api.get("/api/triggers")["triggers"]}
    assert names >= {NAME, "t0", "t1", "t2", "t3", "t4"}
    for number in range(5):
        api.call("DELETE", f"/api/triggers/t{number}")
