"""A running stream and the endpoint that it calls, as a test sees them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from cdc_triggers.core.spec import Trigger
from cdc_triggers.http.receiver import Receiver, Reply
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.http.receiver import Received
    from support.databases import Database


class Endpoint:
    """An HTTP receiver in a thread that remembers what it got.

    `bodies` has every request in order of arrival; `decide` chooses the answers. With a column
    `seq` in the row that grows with every change, `inversions` counts breaks of order per `id`.
    """

    def __init__(
        self, decide: Callable[[dict[str, Any], int], Reply] | None = None, *, port: int = 0
    ) -> None:
        self.decide = decide
        self._port = port
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.ids: Counter[tuple[str, str]] = Counter()
        self.inversions: list[tuple[object, int, int]] = []
        self._highest: dict[tuple[str, object], int] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._receiver: Receiver | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        assert self._receiver is not None
        return self._receiver.url

    @property
    def delivered(self) -> set[str]:
        """Ids of the events that arrived at least once."""
        return {event_id for event_id, _ in self.ids}

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._receiver = Receiver(port=self._port, handler=self._handle)
        self._loop.run_until_complete(self._receiver.start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._receiver.close())
        self._loop.close()

    def _handle(self, request: Received) -> Reply:
        body = json.loads(request.body)
        place = body["id"], body["trigger"]["name"]
        reply = Reply() if self.decide is None else self.decide(body, self.ids[place])
        self.ids[place] += 1
        self.raw.append(request.body)
        self.headers.append(request.headers)
        self._check_order(body, ok=reply.status < 300, first=self.ids[place] == 1)
        self.bodies.append(body)
        return reply

    def _check_order(self, body: dict[str, Any], *, ok: bool, first: bool) -> None:
        row = body["event"]["data"]["new"] or body["event"]["data"]["old"]
        if "seq" not in row or not ok or not first:
            return
        lane = body["trigger"]["name"], row["id"]
        if row["seq"] <= self._highest.get(lane, -1):
            self.inversions.append((row["id"], self._highest[lane], row["seq"]))
        self._highest[lane] = max(row["seq"], self._highest.get(lane, -1))


class StreamProcess:
    """`cdc-triggers stream` as a process of its own."""

    def __init__(self, database: Database, *options: str, dsn: str | None = None) -> None:
        self._database = database
        self._options = options
        self._dsn = dsn or database.dsn
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *, wait: bool = True) -> Self:
        """Start it, and wait until it streams."""
        command = [sys.executable, "-m", "cdc_triggers", "stream", "--dsn", self._dsn]
        command += ["--slot", self._database.slot, "--http", f"127.0.0.1:{self._port}"]
        self._process = subprocess.Popen([*command, *self._options], stderr=subprocess.PIPE)
        self._lines: list[str] = []
        threading.Thread(target=self._collect, args=(self._process,), daemon=True).start()
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Until /readyz says 200."""
        wait_until(self.is_ready, timeout_s, "the stream is ready")

    def is_ready(self) -> bool:
        """What /readyz says; fails if the process is gone."""
        assert self._process is not None
        assert self._process.poll() is None, f"the stream ended:\n{self.log}"
        try:
            url = f"http://127.0.0.1:{self._port}/readyz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @property
    def log(self) -> str:
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL; idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)

    def terminate(self, timeout_s: float = 40) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout_s)

    def wait(self, timeout_s: float = 30) -> int:
        """The exit code, when it ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def _collect(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._lines.append(line.decode("utf-8", "replace"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def trigger(name: str, table: str, webhook: str, **keys: object) -> Trigger:
    """A trigger for all three operations."""
    everything: dict[str, object] = {"insert": {}, "update": {}, "delete": {}}
    value = {"name": name, "table": table, "definition": everything, "webhook": webhook, **keys}
    return Trigger.model_validate(value)


def apply(database: Database, *triggers: Trigger, plugin: str = "pgoutput") -> None:
    """What `cdc-triggers apply` does, slot and all."""
    with closing(connect(database.dsn, application_name="test apply")) as connection:
        installer = Installer(connection, slot=database.slot, plugin=plugin)
        installer.apply(installer.plan(triggers, {t.name: "test:1" for t in triggers}))


def held_bytes(database: Database) -> int:
    """WAL between the slot's confirmed LSN and the end of the log."""
    [(held,)] = database.execute(
        "SELECT (pg_current_wal_insert_lsn() - confirmed_flush_lsn)::bigint "
        "FROM pg_replication_slots WHERE slot_name = %s",
        database.slot,
    )
    return int(held)


def wait_settled(database: Database, timeout_s: float = 60) -> None:
    """Until the slot has confirmed everything that is committed now, and nothing is parked."""
    [(target,)] = database.execute("SELECT pg_current_wal_insert_lsn()::text")

    def settled() -> bool:
        [(done,)] = database.execute(
            "SELECT confirmed_flush_lsn >= %s::pg_lsn AND NOT EXISTS (SELECT FROM "
            "cdc_triggers.delivery WHERE status = 'parked') "
            "FROM pg_replication_slots WHERE slot_name = %s",
            *(target, database.slot),
        )
        return bool(done)

    wait_until(settled, timeout_s, "everything is settled")
