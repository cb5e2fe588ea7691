"""`cdc-triggers stream` as a process, seen from outside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from bench.errors import BenchError
from bench.programs import end, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

_READY_S: Final = 60.0
_LOG_BYTES: Final = 2000
_PEAK: Final = re.compile(r"VmHWM:\s+(\d+) kB")
_STARTED: Final = "stream.started"


class Stream:
    """A running one, or a variant of it (`bench.variant`)."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Until it streams.

        Raises:
            BenchError: it ended, or did not in time.
        """
        wait_until(lambda: _STARTED in self.said(), _READY_S, "the stream has started")

    def check(self) -> None:
        """Nothing, if it runs.

        Raises:
            BenchError: it ended.
        """
        if self._process.poll() is not None:
            raise BenchError("the stream ended", hint=self.log_text()[-_LOG_BYTES:])

    def said(self) -> str:
        """All that it has written; for a stream that must not end.

        Raises:
            BenchError: it ended.
        """
        self.check()
        return self.log_text()

    def wait(self, timeout_s: float) -> str:
        """What it has written when it has ended by itself.

        Raises:
            BenchError: it failed, or did not end.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BenchError("it did not end", hint=self.log_text()[-_LOG_BYTES:]) from error
        if code:
            raise BenchError("it failed", hint=self.log_text()[-_LOG_BYTES:])
        return self.log_text()

    def log_text(self) -> str:
        """All that it has written."""
        return self._log.read_text(errors="replace")

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
        if self._process.poll() is None:
            end(self._process)
