"""Everything the demo runs on, and the promise that nothing of it is left afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from http.client import HTTPConnection, HTTPException
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from cdc_triggers import settings
from cdc_triggers.demo.endpoints import Endpoints
from cdc_triggers.demo.shop import Shop
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.postgres import embedded
from cdc_triggers.telemetry.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

VERSION: Final = 18
TRIGGER_FILE: Final = "triggers.yaml"
FOREVER: Final = sys.maxsize

_READY_S: Final = 15.0
_STOP_S: Final = 15.0
_LOG_LINES: Final = 15
_DATABASE: Final = "postgres"


class DemoError(CdcTriggersError):
    """Something that the demo promises did not happen."""


class Stage:
    """A folder, a PostgreSQL, a shop, endpoints and a stream; a context manager that ends them all.

    What it starts is known to it before it runs, so an interruption at any moment is cleaned up.
    """

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.folder = Path(tempfile.mkdtemp(prefix="cdc-triggers-demo-"))
        self.endpoints = Endpoints(self.clock, {"/bank": 2, "/carrier": FOREVER})
        self.server: embedded.EmbeddedServer
        self.shop: Shop
        self.address = ""
        self.stream: subprocess.Popen[bytes] | None = None
        self._ends = contextlib.ExitStack()
        self._ends.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A second Ctrl-C must not cut the cleaning up short.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._ends.close()
        _end_children()

    @property
    def dsn(self) -> str:
        """Of the shop's database."""
        return self.server.dsn_of(_DATABASE)

    @property
    def console(self) -> str:
        """Where a browser sees what the stream does."""
        return f"http://{self.address}/console"

    @property
    def stream_log(self) -> Path:
        """What the stream writes."""
        return self.folder / "stream.log"

    @property
    def streaming(self) -> bool:
        """True while the stream's process runs."""
        return self.stream is not None and self.stream.poll() is None

    @property
    def trigger_file(self) -> Path:
        """What is applied."""
        return self.folder / TRIGGER_FILE

    def start_server(self) -> None:
        """A PostgreSQL with the shop's tables, and a connection to it.

        Raises:
            CdcTriggersError: it is not installed, or does not start.
        """
        # The user that PostgreSQL runs as, if root started us, must pass through.
        self.folder.chmod(0o711)
        os_user = embedded.unprivileged_user()
        bin_dir = embedded.wheel_bin_dir(VERSION, os_user)
        self.server = embedded.EmbeddedServer(bin_dir, self.folder / "data", os_user)
        # Its data is thrown away, so there is nothing to write down at the end.
        self._ends.callback(self.server.stop, "immediate")
        self.server.initialize()
        self.server.start()
        self.shop = Shop(self.dsn, self.clock)
        self._ends.callback(self.shop.close)
        self.shop.create_tables()

    def start_endpoints(self) -> None:
        """Listen for webhooks.

        Raises:
            CdcTriggersError: loopback cannot be listened on.
        """
        self._ends.callback(self.endpoints.close)
        self.endpoints.start()

    def write_trigger_file(self) -> None:
        """Put the trigger file where the commands find it."""
        self.trigger_file.write_bytes((files("cdc_triggers.demo") / TRIGGER_FILE).read_bytes())

    def run(self, *arguments: str) -> str:
        """Run a command of cdc-triggers to its end; what it wrote to stdout.

        Raises:
            DemoError: it failed; what it said is in the message.
        """
        done = subprocess.run(  # noqa: S603  (our own program, no shell)
            [sys.executable, "-m", "cdc_triggers", *arguments],
            check=False,
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            command = " ".join(("cdc-triggers", *arguments))
            raise DemoError(f"`{command}` ended with exit code {done.returncode}:\n{said}")
        return done.stdout.strip()

    def start_stream(self, address: str) -> None:
        """Start `cdc-triggers stream` and wait until it says that it is ready.

        Raises:
            DemoError: it ended, or was not ready in time.
        """
        self.address = address
        with self.stream_log.open("wb") as log:
            self.stream = subprocess.Popen(  # noqa: S603  (our own program, no shell)
                [sys.executable, "-m", "cdc_triggers", "stream", "--http", address],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this process, which then stops the stream in its turn.
                start_new_session=True,
            )
        self._ends.callback(self._end_stream)
        deadline = self.clock.monotonic() + _READY_S
        while not _is_ready(address):
            if self.stream.poll() is not None or self.clock.monotonic() > deadline:
                raise DemoError("the stream did not become ready", hint=self.stream_tail())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stream.wait(0.02)

    def stop_stream(self) -> None:
        """Stop the stream as an operator does.

        Raises:
            DemoError: it did not end by itself with exit code 0.
        """
        assert self.stream is not None
        self.stream.terminate()
        try:
            code = self.stream.wait(_STOP_S)
        except subprocess.TimeoutExpired as error:
            raise DemoError(
                f"the stream did not end within {_STOP_S:.0f} s", hint=self.stream_tail()
            ) from error
        if code != 0:
            raise DemoError(f"the stream ended with exit code {code}", hint=self.stream_tail())

    def stream_tail(self) -> str:
        """The end of the stream's log, and whether it still runs."""
        code = None if self.stream is None else self.stream.poll()
        state = "the stream runs" if code is None else f"the stream has ended with exit code {code}"
        lines = self.stream_log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n     ".join((f"{state}; the end of its log:", *lines))

    def _end_stream(self) -> None:
        """Whatever state it is in, it is gone afterwards."""
        if self.stream is None or not self.streaming:
            return
        self.stream.terminate()
        try:
            self.stream.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.stream.kill()
            self.stream.wait()

    def _environment(self) -> Mapping[str, str]:
        """The caller's variables without those that lead to another database or into a proxy."""
        kept = {
            name: value
            for name, value in settings.environment().items()
            if not name.startswith(("PG", "CDC_TRIGGERS_")) and not name.lower().endswith("_proxy")
        }
        return {
            **kept,
            "CDC_TRIGGERS_DSN": self.dsn,
            "SHOP_URL": self.endpoints.url,
            "SHOP_KEY": "not-a-secret",
        }


def _end_children() -> None:
    """A signal that comes while a program is being started leaves one that nobody knows."""
    for listed in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, listed.read_text().split()):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def free_address() -> str:
    """HOST:PORT on loopback that nobody listens on now."""
    return f"{embedded.HOST}:{embedded.free_port(1)}"


def _is_ready(address: str) -> bool:
    host, _colon, port = address.partition(":")
    connection = HTTPConnection(host, int(port), timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
