"""Clean-ups on a stream that runs: by schedule, by command, by call; and deliveries go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import databases
from support.api import Api, api_of
from support.cleaning import AGE, cleanup_config, wait_forgotten
from support.live import NAME, Live, streaming
from support.streaming import wait_settled
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers import Pool

ORDERS = "CREATE TABLE orders (id int PRIMARY KEY, status text)"
SUCCESS = {"message": "success"}


def decide(body: dict[str, Any], seen: int) -> Reply:
    del seen
    new = body["event"]["data"]["new"] or {}
    return Reply(500 if new.get("status") == "refused" else 200)


@pytest.fixture(scope="module")
def live(server_pool: Pool) -> Iterator[Live]:
    database = databases.create(server_pool.get("18"))
    config = cleanup_config(schedule="* * * * *", clean_invocation_logs=True, batch_size=7)
    with streaming(database, ORDERS, decide=decide, cleanup_config=config) as found:
        yield found
    database.drop()


@pytest.fixture
def api(live: Live) -> Api:
    return api_of(live)


def insert(live: Live, first: int) -> None:
    """Twenty rows, of which ten die; nothing of them is needed any more when this returns."""
    live.run(
        f"INSERT INTO orders SELECT n, CASE WHEN n % 2 = 0 THEN 'refused' END "
        f"FROM generate_series({first}, {first + 19}) n"
    )
    wait_settled(live.database)
    wait_forgotten(live.database)


def counts(live: Live) -> tuple[int, ...]:
    """Rows of the log, dead deliveries and attempts."""
    return live.database.execute(
        "SELECT (SELECT count(*) FROM cdc_triggers.event_log), "
        "(SELECT count(*) FROM cdc_triggers.delivery), (SELECT count(*) FROM cdc_triggers.attempt)"
    )[0]


def cli(live: Live, *args: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CDC_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "cdc_triggers", "cleanup", *args],
        check=False,
        env={**kept, "CDC_TRIGGERS_DSN": live.database.dsn},
        capture_output=True,
        text=True,
        timeout=100,
    )


def answer(live: Live, *args: str) -> Any:
    done = cli(live, *args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_leader_runs_what_was_missed_once_and_delivers_on(live: Live, api: Api) -> None:
    insert(live, 1)
    assert counts(live) == (20, 10, 20)
    live.stream.terminate()
    # of a minute that began while the stream ran
    [(last,)] = live.database.execute("SELECT coalesce(max(id), 0) FROM cdc_triggers.cleanup")
    live.run(*AGE.strip().split("\n"))
    live.stream.start()
    wait_until(lambda: counts(live) == (0, 0, 0), 60, "the clean-up that was missed has run")
    live.run("INSERT INTO orders VALUES (100, 'new')")
    wait_settled(live.database)
    assert live.endpoint.bodies[-1]["event"]["data"]["new"]["id"] == 100
    wait_until(lambda: "cleanup.done" in live.stream.log, what="it is logged")
    lines = [line for line in api.get("/api/cleanups")["cleanups"] if line["deleted_events"]]
    (line,) = lines
    assert line["trigger"] == NAME
    assert (line["origin"], line["status"]) == ("schedule", "completed")
    assert (line["deleted_events"], line["deleted_attempts"]) == (30, 20)
    assert live.database.execute(
        "SELECT count(*) FROM cdc_triggers.cleanup "
        "WHERE id > %s AND scheduled_at < now() - interval '5 min'",
        last,
    ) == [(0,)]


def test_a_person_pauses_runs_and_looks_from_the_command_line(live: Live) -> None:
    paused = cli(live, "pause", "--all")
    assert (paused.returncode, paused.stderr) == (0, f"clean-ups of trigger {NAME} are paused\n")
    assert "already" in cli(live, "pause", NAME).stderr
    insert(live, 200)
    live.run(*AGE.strip().split("\n"))
    before = counts(live)
    ((events, attempts),) = [
        (line["deleted_events"], line["deleted_attempts"])
        for line in answer(live, "run", NAME, "--dry-run")
    ]
    assert (events, attempts) == (31, 21), "and what the test before has left"
    assert counts(live) == before
    assert answer(live, "run", NAME, "--older-than", "3d")[0]["deleted_events"] == 0
    assert answer(live, "run", "--all", "--no-attempts") == [
        {"trigger": NAME, "deleted_events": 31, "deleted_attempts": 0, "dry_run": False}
    ]
    table = cli(live, "run", NAME, "--older-than", "1d", "--attempts").stdout.splitlines()
    assert table[0].split("  ")[0] == "TRIGGER"
    assert table[1].split() == [NAME, "0", "21"]
    history = answer(live, "history", "--trigger", NAME, "--limit", "2")
    assert [line["origin"] for line in history] == ["command", "command"]
    assert "completed" in cli(live, "history").stdout
    assert cli(live, "resume", NAME).returncode == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("run",), "not said which triggers"),
        (("run", "--all", NAME), "different things"),
        (("run", "wathced"), "did you mean watched?"),
        (("run", NAME, "--older-than", "soon"), "'soon' is not an age"),
        (("pause",), "not said which triggers"),
    ],
)
def test_what_is_not_clear_is_refused_with_exit_code_2(
    live: Live, args: tuple[str, ...], said: str
) -> None:
    done = cli(live, *args)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_hasuras_calls_clean_pause_and_resume(live: Live, api: Api) -> None:
    sources = {"event_triggers": {"sources": "*"}}
    named = {"event_triggers": [{"source_name": "default", "event_triggers": [NAME]}]}
    for prefix in ("", "pg_"):
        assert api.done(f"{prefix}pause_event_trigger_cleanups", sources) == SUCCESS
        assert api.done(f"{prefix}resume_event_trigger_cleanups", named) == SUCCESS
    assert api.done("pause_event_trigger_cleanups", named) == SUCCESS
    query = "SELECT cleanup_paused FROM cdc_triggers.trigger"
    assert live.database.execute(query) == [(True,)]
    insert(live, 300)
    live.run(*AGE.strip().split("\n"))
    args = {"event_trigger_name": NAME, "clear_older_than": 24, "clean_invocation_logs": True}
    done = api.done("pg_cleanup_event_trigger_logs", {**args, "source": "default"})
    assert done == {
        **SUCCESS,
        "deleted_event_logs": 30,
        "deleted_event_invocation_logs": 20,
    }
    refused = api.refused("cleanup_event_trigger_logs", {**args, "event_trigger_name": "none"})
    assert refused[:2] == ("not-exists", "$.args")
    assert api.refused("cleanup_event_trigger_logs", {"event_trigger_name": NAME})[0] == (
        "parse-failed"
    )
    elsewhere = {"event_triggers": {"sources": ["elsewhere"]}}
    assert api.refused("pause_event_trigger_cleanups", elsewhere)[0] == "not-exists"
    missing = {"event_triggers": [{"source_name": "default", "event_triggers": ["none"]}]}
    assert api.refused("resume_event_trigger_cleanups", missing)[0] == "not-exists"


def test_rest_does_the_same(live: Live, api: Api) -> None:
    path = f"/api/triggers/{NAME}/cleanup"
    api.call("POST", f"{path}/resume")
    assert api.call("POST", f"{path}/pause")[2] == {"paused": True, "changed": True}
    assert api.call("POST", f"{path}/pause")[2] == {"paused": True, "changed": False}
    status, _, value = api.call("POST", f"{path}?dry_run=true&older_than=1h&attempts=true")
    assert (status, value["trigger"], value["dry_run"]) == (200, NAME, True)
    assert api.call("POST", path)[0] == 200
    assert api.call("POST", "/api/triggers/none/cleanup")[0] == 404
    assert api.call("POST", f"{path}?older_than=999999999w")[0] == 400
    lines = api.get("/api/cleanups?limit=1")["cleanups"]
    assert [line["origin"] for line in lines] == ["api"]


def test_what_was_said_by_hand_holds_until_the_config_changes(live: Live, api: Api) -> None:
    query = "SELECT cleanup_paused FROM cdc_triggers.trigger"
    api.call("POST", f"/api/triggers/{NAME}/cleanup/pause")
    config = cleanup_config(schedule="* * * * *", clean_invocation_logs=True, batch_size=7)
    live.apply(live.trigger(ordering="total", comment="other", cleanup_config=config))
    assert live.database.execute(query) == [(True,)]
    live.apply(live.trigger(ordering="total", cleanup_config={**config, "batch_size": 8}))
    assert live.database.execute(query) == [(None,)]
    exported = api.done("export_metadata")["sources"][0]["tables"][0]["event_triggers"][0]
    assert exported["cleanup_config"]["batch_size"] == 8
    assert exported["cleanup_config"]["schedule"] == "* * * * *"
