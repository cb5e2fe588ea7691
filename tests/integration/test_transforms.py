"""Transforms on a real stream: what goes over the wire, what is recorded, what fails."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.operated import open_admin
from support.streaming import StreamProcess, apply, trigger, wait_confirmed, wait_settled
from support.waiting import wait_until
from support.wire import Wire

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database

TABLE = "CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text)"
SECRET = "s3cr3t-of-the-environment"
NEW = "$body.event.data.new"

PUT_ORDER: dict[str, Any] = {
    "version": 2,
    "method": "PUT",
    "url": f"{{{{$base_url}}}}/orders/{{{{ {NEW}.id }}}}",
    "query_params": {
        "op": "{{ $body.event.op }}",
        "note": f"{{{{ {NEW}.note }}}}",
        "role": "{{ $session_variables?['x-hasura-role'] }}",
    },
    "request_headers": {
        "add_headers": {"X-Total": f"{{{{ {NEW}.total }}}}", "X-Old": "new"},
        "remove_headers": ["x-gone"],
    },
    "body": {
        "action": "transform",
        "template": f'{{"total": {{{{ {NEW}.total }}}}, "text": "no. {{{{ {NEW}.id }}}}"}}',
    },
}


class Shop:
    """A table, a trigger `watched` on it, an endpoint and a stream."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self.database = database
        self.wire = wire

    def apply(self, **keys: Any) -> None:
        webhook = keys.pop("webhook", f"{self.wire.url}/hook?key=1")
        apply(self.database, trigger("watched", "orders", webhook, **keys))

    def attempts(self) -> list[dict[str, Any]]:
        return [
            row[0]
            for row in self.database.execute(
                "SELECT to_jsonb(a) FROM cdc_triggers.attempt a ORDER BY started_at"
            )
        ]

    def deliveries(self) -> list[dict[str, Any]]:
        return [
            row[0]
            for row in self.database.execute(
                "SELECT to_jsonb(d) FROM cdc_triggers.delivery d ORDER BY id"
            )
        ]


@contextmanager
def shop(database: Database, wire: Wire, **keys: Any) -> Iterator[Shop]:
    database.execute(TABLE)
    with wire:
        made = Shop(database, wire)
        made.apply(**keys)
        environ = {"SHOP_SECRET": SECRET, "SHOP_URL": wire.url}
        with StreamProcess(database, environ=environ):
            yield made


@pytest.mark.parametrize("client", ["httptools", "httpx"])
def test_a_transformed_request_goes_over_the_wire(database: Database, client: str) -> None:
    headers = [{"name": "X-Old", "value": "old"}, {"name": "X-Gone", "value": "x"}]
    database.execute(TABLE)
    with Wire() as wire:
        made = Shop(database, wire)
        webhook = f"{wire.url}/hook"
        made.apply(webhook=webhook, request_transform=PUT_ORDER, headers=headers)
        with StreamProcess(database, "--http-client", client):
            database.execute("INSERT INTO orders VALUES (7, 1.10, 'a&b ü')")
            wait_settled(database)
    (seen,) = wire.seen
    assert seen.method == "PUT"
    assert seen.path == "/hook/orders/7?op=INSERT&note=a%26b%20%C3%BC"
    assert seen.body == b'{"total":1.10,"text":"no. 7"}'
    assert (seen.headers["x-total"], seen.headers["x-old"]) == ("1.10", "new")
    assert seen.headers["content-type"] == "application/json"
    assert "x-gone" not in seen.headers


def test_a_form_and_a_removed_body_go_over_the_wire(database: Database) -> None:
    form = {
        "version": 2,
        "body": {
            "action": "x_www_form_urlencoded",
            "form_template": {"id": f"{{{{ {NEW}.id }}}}", "note": f"{{{{ {NEW}.note }}}}"},
        },
    }
    with shop(database, Wire(), request_transform=form) as made:
        database.execute("INSERT INTO orders VALUES (1, 1, 'a b')")
        wait_settled(database)
        made.apply(request_transform={"version": 2, "method": "GET", "body": {"action": "remove"}})
        database.execute("INSERT INTO orders VALUES (2, 1, 'a b')")
        wait_settled(database)
        posted, got = made.wire.seen
    assert (posted.method, posted.body) == ("POST", b"id=1&note=a%20b")
    assert posted.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (got.method, got.path, got.body) == ("GET", "/hook?key=1", b"")


def test_a_template_that_fails_is_an_attempt_with_its_place_dead_at_once_and_can_be_redriven(
    database: Database,
) -> None:
    broken = {"body": f'{{\n  "note": {{{{ toUpper({NEW}.note) }}}}\n}}'}
    retries = {"num_retries": 5, "interval_sec": 1}
    with shop(database, Wire(), request_transform=broken, retry_conf=retries) as made:
        database.execute("INSERT INTO orders VALUES (1, 1, NULL)")
        database.execute("INSERT INTO orders VALUES (2, 1, 'fine')")
        wait_confirmed(database)
        wait_until(lambda: len(made.attempts()) == 2, what="both are recorded")
        wait_until(lambda: len(made.deliveries()) == 1, what="one is dead")
        failed = next(a for a in made.attempts() if a["outcome"] == "dead")
        assert failed["attempt"] == 1
        assert failed["status"] is None
        expected = (
            "template: request_transform.body.template, line 2, column 14: "
            "toUpper takes a string, not null"
        )
        assert failed["error"] == expected
        (dead,) = made.deliveries()
        assert (dead["status"], dead["event_id"]) == ("dead", failed["event_id"])
        assert dead["last_error"] == expected
        assert [seen.body for seen in made.wire.seen] == [b'{"note":"FINE"}']

        made.apply(request_transform={"body": f"{{{{ {NEW}.note ?? $body.id }}}}"})
        redeliver(made, dead["event_id"])
        wait_until(lambda: len(made.wire.seen) == 2, what="it is sent again")
        assert json.loads(made.wire.seen[1].body) == dead["event_id"]
        wait_settled(database)


def redeliver(made: Shop, event_id: str) -> None:
    with open_admin(made.database.dsn) as admin:
        assert admin.redeliver([event_id], dry_run=False) == (1, 0)


def test_a_template_that_never_ends_holds_up_nobody_else(database: Database) -> None:
    loop = "$body.event.data"
    for name in "abcdefgh":
        loop = f"{{{{ range _, {name} := [1, 2, 3, 4, 5, 6, 7, 8] }}}} {loop} {{{{ end }}}}"
    with shop(database, Wire(), request_transform={"body": loop}) as made:
        webhook = f"{made.wire.url}/other"
        endless = trigger("watched", "orders", webhook, request_transform={"body": loop})
        apply(database, endless, trigger("other", "orders", webhook))
        for number in range(20):
            database.execute("INSERT INTO orders VALUES (%s, 1, 'x')", number)
        wait_until(
            lambda: len(made.wire.seen) == 20, what="the other trigger has all of its events"
        )
        wait_until(lambda: len(made.deliveries()) == 20, what="those of the endless one are dead")
        (error,) = {row["last_error"] for row in made.deliveries()}
        assert "takes more than 100000 steps" in error
        wait_confirmed(database)


def test_a_response_template_changes_the_record_and_nothing_else(database: Database) -> None:
    answers = [Reply(500, (), b'{"code": 1.50}'), Reply(200, (), b"not json")]
    transform = {"body": '{"code": {{ $body.code }}, "of": {{ $response.status }}}'}
    with shop(
        database,
        Wire(lambda _: answers.pop(0)),
        response_transform=transform,
        retry_conf={"num_retries": 3, "interval_sec": 0},
    ) as made:
        database.execute("INSERT INTO orders VALUES (1, 1, 'x')")
        wait_settled(database)
        first, second = (attempt["response"] for attempt in made.attempts())
    assert first["status"] == 500
    assert first["body"] == '{"code":1.50,"of":500}'
    assert second["body"] == "not json"
    assert "line 1, column 18: $body is null, not an object" in second["transform_error"]


def test_no_environment_value_gets_into_the_database_by_a_transform(database: Database) -> None:
    leaky = {"version": 2, "url": "{{$base_url}}/{{ $body.event.op }}", "method": "PUT"}
    response = {"body": "[{{ $base_url }}, {{ $request.url }}, {{ $request.query_params }}]"}
    with shop(
        database,
        Wire(),
        webhook="{{SHOP_URL}}/{{SHOP_SECRET}}",
        headers=[{"name": "X-Secret", "value_from_env": "SHOP_SECRET"}],
        request_transform=leaky,
        response_transform=response,
    ) as made:
        database.execute("INSERT INTO orders VALUES (1, 1, 'x')")
        wait_settled(database)
        (seen,) = made.wire.seen
        assert seen.path == f"/{SECRET}/INSERT"
        (attempt,) = made.attempts()
        assert SECRET not in json.dumps(attempt)
        assert attempt["request"]["url"] == "{{$base_url}}/{{ $body.event.op }}"
        assert json.loads(attempt["response"]["body"])[0] == "{{SHOP_URL}}/{{SHOP_SECRET}}"
        [(definition,)] = database.execute("SELECT definition::text FROM cdc_triggers.trigger")
        assert SECRET not in definition
