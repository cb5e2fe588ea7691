"""A receiver's process, as the benchmark sees it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sample(NamedTuple):
    """A request as it was received. Header names are in lower case."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Receiving:
    """See `bench.receiver` for what it does and for its options."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-m", "bench.receiver", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def count(self) -> tuple[int, float]:
        """How many requests there were, and when that was (monotonic seconds)."""
        requests, at = self._ask("count")
        return int(requests), float(at)

    def arrivals(self) -> dict[str, float]:
        """Each event's last arrival by the wall clock; only with `--timed`."""
        return dict(self._ask("arrivals"))

    def last(self) -> Sample:
        """The last request."""
        head, body = self._ask("last")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        return Sample(first.split()[1], headers, body.encode())

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


@contextlib.contextmanager
def receiving(*options: str) -> Iterator[Receiving]:
    """Start one, and end it."""
    with contextlib.closing(Receiving(*options)) as receiver:
        yield receiver
