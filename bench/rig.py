"""What the benchmark runs on: a PostgreSQL, receivers and streams, all gone when it ends."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from cdc_triggers import settings
from cdc_triggers.demo.stage import free_address
from cdc_triggers.errors import CdcTriggersError
from cdc_triggers.postgres import embedded
from cdc_triggers.postgres.connect import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION: Final = 18
TRIGGER_FILE: Final = """\
version: 1
triggers:
  - name: order_added
    table: public.orders
    definition:
      insert: {columns: "*"}
    webhook: "{{BENCH_URL}}/orders"
"""
_READY_S: Final = 30.0
_STOP_S: Final = 30.0
_POLL_S: Final = 0.02
_LOG_BYTES: Final = 2000
_PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")


class BenchError(CdcTriggersError):
    """Something did not run as the benchmark needs it."""


class Receiving:
    """A receiver's process."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "bench.receiver", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def count(self) -> tuple[int, float]:
        """How many requests there were, and when that was."""
        requests, at = self._ask("count")
        return int(requests), float(at)

    def arrivals(self) -> list[tuple[int, float]]:
        """Each request's row and moment; only if it was started with `--timed`."""
        return [(int(row), float(at)) for row, at in self._ask("arrivals")]

    def wait(self, wanted: int, timeout_s: float) -> None:
        """Until there were that many requests.

        Raises:
            BenchError: there were not in time.
        """
        wait_until(lambda: self.count()[0] >= wanted, timeout_s, f"{wanted} requests arrived")

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _ask(self, question: str) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(question + "\n")
        stdin.flush()
        return json.loads(stdout.readline())


class Streaming:
    """`cdc-triggers stream` as a process; `wait_ready` first."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._log = folder / "stream.log"
        self._address = free_address()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "cdc_triggers", "stream", "--http", self._address],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Until /readyz answers 200.

        Raises:
            BenchError: it ended, or was not ready in time.
        """
        wait_until(self._is_ready, _READY_S, "the stream is ready")

    def cpu_s(self) -> float:
        """Processor time that it has used, in all its threads."""
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)

    def peak_mb(self) -> float:
        """The most memory that was resident (VmHWM), in MB of 10^6 bytes."""
        found = _PEAK.search(Path(f"/proc/{self._process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024 / 1e6

    def close(self) -> None:
        """End it as an operator does."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            tail = self._log.read_text(errors="replace")[-_LOG_BYTES:]
            raise BenchError("the stream ended", hint=tail)
        try:
            with urllib.request.urlopen(f"http://{self._address}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


class Rig:
    """A folder and a PostgreSQL with fsync on; `Rig.started` makes it and cleans up."""

    def __init__(self, folder: Path, server: embedded.EmbeddedServer) -> None:
        self.folder = folder
        self.dsn = server.dsn
        self._connection = connect(self.dsn, application_name="bench")

    @classmethod
    @contextlib.contextmanager
    def started(cls) -> Iterator[Rig]:
        """A rig with an empty database.

        Raises:
            CdcTriggersError: PostgreSQL is not installed, or does not start.
        """
        folder = Path(tempfile.mkdtemp(prefix="cdc-triggers-bench-"))
        folder.chmod(0o711)  # the user that PostgreSQL runs as, if root started us, passes through
        os_user = embedded.unprivileged_user()
        bin_dir = embedded.wheel_bin_dir(VERSION, os_user)
        server = embedded.EmbeddedServer(bin_dir, folder / "data", os_user)
        try:
            server.initialize()
            server.start()
            rig = cls(folder, server)
            try:
                yield rig
            finally:
                rig._connection.close()
        finally:
            server.stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def server_version(self) -> str:
        """As people say it: `18.1`."""
        return "{}.{}".format(*divmod(self._connection.server_version, 10_000))

    def execute(self, statement: str, *values: object) -> float:
        """Run SQL; the seconds until the server had committed it."""
        with self._connection.cursor() as cursor:
            began = time.monotonic()
            cursor.execute(statement, values or None)
            return time.monotonic() - began

    def apply(self) -> None:
        """Apply the trigger file.

        Raises:
            BenchError: it was refused.
        """
        (self.folder / "triggers.yaml").write_text(TRIGGER_FILE)
        done = subprocess.run(
            [sys.executable, "-m", "cdc_triggers", "apply", "--yes"],
            check=False,
            cwd=self.folder,
            env=self._environment("http://127.0.0.1:9"),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise BenchError("the trigger file was not applied", hint=done.stderr)

    @contextlib.contextmanager
    def streaming(self, url: str) -> Iterator[Streaming]:
        """A stream that posts to that receiver; it may not be ready yet."""
        with contextlib.closing(Streaming(self._environment(url), self.folder)) as stream:
            yield stream

    def _environment(self, url: str) -> dict[str, str]:
        """The caller's variables without those that lead to another database or into a proxy."""
        kept = {
            name: value
            for name, value in settings.environment().items()
            if not name.startswith(("PG", "CDC_TRIGGERS_")) and not name.lower().endswith("_proxy")
        }
        return {**kept, "CDC_TRIGGERS_DSN": self.dsn, "BENCH_URL": url}


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Ask again and again until it is so.

    Raises:
        BenchError: it is not so in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"in {timeout_s:.0f} s it did not come true that {what}")
        time.sleep(_POLL_S)
