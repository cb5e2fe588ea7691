"""Lines to a descriptor that may be slow, stuck, full or closed: whoever says one never waits."""

from __future__ import annotations

import os
import select
import threading
from collections import deque

QUEUE_LINES = 1_000
"""Held for a reader that is slow; what comes on top is dropped and counted."""

CLOSE_S = 1.0
"""How long the end waits for the last lines."""

_POLL_MS = 1_000


class LineWriter:
    """Writes lines in order, from a thread of its own, so that a pipe nobody reads stops only that.

    It writes to the descriptor itself: what a Python file object holds back, a full disk would make
    the interpreter complain about at its end, and a stuck thread would abort it there.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> bool:
        """Queue a line without its end; False: no room, it is dropped and counted."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._changed:
            if len(self._lines) >= QUEUE_LINES:
                self._dropped += 1
                return False
            self._lines.append(data)
            self._changed.notify()
            return True

    def take_dropped(self) -> int:
        """How many lines were dropped since this was last asked, once there is room again."""
        with self._changed:
            if len(self._lines) >= QUEUE_LINES:
                return 0
            dropped, self._dropped = self._dropped, 0
            return dropped

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what is queued, for no longer than that; idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing)
                if not self._lines:
                    return
                line = self._lines.popleft()
            self._write(line)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody who shares it made it non-blocking
                _wait_writable(self._fd)
            except OSError:
                return  # full, closed, nobody listens: deliveries matter more than their log


def _wait_writable(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(_POLL_MS)
