"""A running stream and the endpoint that it calls, as a test sees them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cdc_triggers.core.spec import Trigger
from cdc_triggers.http.receiver import Receiver, Reply
from cdc_triggers.postgres.capture import Installer
from cdc_triggers.postgres.connect import connect
from support.waiting import wait_until
from support.witness import resident_peak

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.http.receiver import Received
    from support.databases import Database


_PATHS = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _PATHS))}
"""With it a process finds `support`."""


class Endpoint:
    """An HTTP receiver in a thread that remembers what it got.

    `bodies` has every request in order of arrival; `decide` chooses the answers. `ids` counts
    requests per (event id, trigger), `answered` only those answered with a 2xx. With a column `seq`
    in the row that grows with every change, `inversions` counts breaks of order per `id`.

    Args:
        decide: called with the body, and how often that came before.
        port: 0 takes a free one.
        keep: False: `bodies`, `raw` and `headers` stay empty, where there are too many for that.
    """

    def __init__(
        self,
        decide: Callable[[dict[str, Any], int], Reply] | None = None,
        *,
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self.decide = decide
        self._keep = keep
        self._port = port
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.ids: Counter[tuple[str, str]] = Counter()
        self.answered: Counter[tuple[str, str]] = Counter()
        self.longest_stall_s = 0.0
        self._arrived_at = 0.0
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
        self._note_stall(body["created_at"])
        if reply.status < 300:
            self.answered[place] += 1
        if self._keep:
            self.raw.append(request.body)
            self.headers.append(request.headers)
        if reply.status < 300 and self.answered[place] == 1:
            self._check_order(body)
        if self._keep:
            self.bodies.append(body)
        return reply

    def _note_stall(self, created_at: str) -> None:
        """How long this event waited in which nothing arrived."""
        now = time.time()
        began = max(self._arrived_at, datetime.fromisoformat(created_at).timestamp())
        self.longest_stall_s = max(self.longest_stall_s, now - began)
        self._arrived_at = now

    def _check_order(self, body: dict[str, Any]) -> None:
        """A delivery has its first 2xx."""
        row = body["event"]["data"]["new"] or body["event"]["data"]["old"]
        if "seq" not in row:
            return
        lane = body["trigger"]["name"], row["id"]
        if row["seq"] <= self._highest.get(lane, -1):
            self.inversions.append((row["id"], self._highest[lane], row["seq"]))
        self._highest[lane] = max(row["seq"], self._highest.get(lane, -1))


class StreamProcess:
    """`cdc-triggers stream` as a process of its own."""

    def __init__(
        self,
        database: Database,
        *options: str,
        dsn: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._database = database
        self._options = options
        self._environ = {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"], **(environ or {})}
        self._dsn = dsn or database.dsn
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *, wait: bool = True, failpoint: tuple[str, int] | None = None) -> Self:
        """Start it, and wait until it streams.

        Args:
            wait: False: return at once.
            failpoint: where it kills itself, and the how manieth time (see `support.failpoint`);
                then nothing is waited for.
        """
        line = command(*self._arguments(), failpoint=failpoint)
        # as the environment is now: a test may have changed it since the last start
        environ = {**os.environ, **self._environ}
        self._process = subprocess.Popen(line, stderr=subprocess.PIPE, env=environ)
        self._lines: list[str] = []
        threading.Thread(target=self._collect, args=(self._process,), daemon=True).start()
        if wait and failpoint is None:
            self.wait_ready()
        return self

    def _arguments(self) -> list[str]:
        arguments = ["stream", "--dsn", self._dsn, "--slot", self._database.slot]
        return [*arguments, "--http", f"127.0.0.1:{self._port}", *self._options]

    def wait_ready(self, timeout_s: float = 30) -> None:
        """Until /readyz says 200."""
        wait_until(self.is_ready, timeout_s, "the stream is ready")

    @property
    def readyz(self) -> str:
        """The probe's URL."""
        return f"http://127.0.0.1:{self._port}/readyz"

    def is_ready(self) -> bool:
        """What /readyz says; fails if the process is gone."""
        assert self._process is not None
        assert self._process.poll() is None, f"the stream ended:\n{self.log}"
        try:
            with urllib.request.urlopen(self.readyz, timeout=5) as answer:
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

    def memory_peak(self) -> int:
        """The most bytes that it had resident; 0 if it does not run."""
        return resident_peak(self.pid) if self._process is not None else 0

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

    def wait_killed(self, timeout_s: float = 60) -> None:
        """Until it has killed itself at its failpoint; fails if it ends in another way."""
        wait_until(lambda: not self.running, timeout_s, "the failpoint is reached")
        assert self._process is not None
        assert self._process.returncode == -signal.SIGKILL, f"the stream ended:\n{self.log}"

    @property
    def running(self) -> bool:
        """False before its start and after its end."""
        return self._process is not None and self._process.poll() is None

    def _collect(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._lines.append(line.decode("utf-8", "replace"))


def command(*arguments: str, failpoint: tuple[str, int] | None = None) -> list[str]:
    """A command line of cdc-triggers, or of one that kills itself at a place; needs ENVIRONMENT."""
    if failpoint is None:
        return [sys.executable, "-m", "cdc_triggers", *arguments]
    place, nth = failpoint
    return [sys.executable, "-m", "support.failpoint", place, str(nth), *arguments]


def free_port() -> int:
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


def wait_confirmed(database: Database, timeout_s: float = 30) -> None:
    """Until the slot has confirmed everything that is committed now, parked or not."""
    [(target,)] = database.execute("SELECT pg_current_wal_insert_lsn()::text")
    query = (
        "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    )
    wait_until(
        lambda: database.execute(query, target, database.slot) == [(True,)],
        timeout_s,
        "the slot goes on",
    )


def wait_settled(database: Database, timeout_s: float = 60) -> None:
    """Until the slot has confirmed everything that is committed now, and nothing is parked."""
    # a little WAL may stay unconfirmed for some seconds: so that there is more than a little
    [(target,)] = database.execute(
        "SELECT pg_logical_emit_message(false, 'test', repeat('x', 32768))::text"
    )

    def settled() -> bool:
        [(done,)] = database.execute(
            "SELECT confirmed_flush_lsn >= %s::pg_lsn AND NOT EXISTS (SELECT FROM "
            "cdc_triggers.delivery WHERE status = 'parked') "
            "FROM pg_replication_slots WHERE slot_name = %s",
            *(target, database.slot),
        )
        return bool(done)

    wait_until(settled, timeout_s, "everything is settled")
