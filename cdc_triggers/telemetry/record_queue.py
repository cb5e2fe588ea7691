"""Records on their way to a collector, which may be slow, deaf or dead: nobody waits for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.telemetry.exports import Exports
    from cdc_triggers.telemetry.variables import Batching

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

CLOSE_S = 1.5
"""How long the end waits for the last batches."""

ROOM_BYTES: Final = 2_048
"""For each span of the queue, on average: several times what most have. One with 32 links that have
a long tracestate each takes 18 KB, and 32,768 of those took 590 MB."""


class ExportError(Exception):
    """A batch was not taken; the text says why, without a URL.

    Attributes:
        refused: so many of its records were not; None: none was taken.
    """

    def __init__(self, text: str, *, refused: int | None = None) -> None:
        super().__init__(text)
        self.refused = refused


class Exporter(Protocol[T_contra]):
    """Sends batches. Called from one thread."""

    def export(self, records: Sequence[T_contra]) -> None:
        """Send them, for no longer than the exporter's own timeout.

        Raises:
            ExportError: they were not taken.
        """
        ...

    def cut(self) -> None:
        """Make an export that runs end soon; from any thread, idempotent."""
        ...


class RecordQueue(Generic[T]):
    """Bounded; what does not fit is dropped and counted, and so is a batch that nobody took.

    Spans are bounded in bytes too, those of a batch that is on its way among them: one thread puts
    them. Log records, which are few, any thread does.
    """

    def __init__(
        self,
        exporter: Exporter[T],
        batching: Batching,
        exports: Exports,
    ) -> None:
        self._exporter = exporter
        self._limit, self._batch, self._delay_s = batching
        self._most = self._limit * ROOM_BYTES
        self._half = self._most // 2
        self._exports = exports
        self._queue: deque[T] = deque()
        self._come = self._gone = 0  # bytes so far, each counted by one thread
        self._wake = threading.Event()
        self._until: float | None = None
        self._sending = 0
        self._taking = threading.Lock()  # what the end finds, the other thread does not take too
        self._worker = threading.Thread(target=self._run, name=exports.signal, daemon=True)
        self._worker.start()

    def put(self, record: T) -> None:
        """Queue a record; never waits."""
        queue = self._queue
        size, held = len(queue), self._come - self._gone
        if size >= self._limit or held >= self._most:
            # the other thread adds too: nothing may be called between reading and writing
            self._exports.dropped += 1
            return
        queue.append(record)
        added = len(record) if isinstance(record, bytes) else 0
        self._come += added
        if size + 1 == self._batch or held < self._half <= held + added:
            self._wake.set()

    def lose(self) -> None:
        """Count a record that could not be made."""
        self._exports.dropped += 1

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Send what is queued, for no longer than that; idempotent."""
        self._until = time.monotonic() + timeout_s
        self._wake.set()
        self._worker.join(timeout_s)
        self._exporter.cut()
        with self._taking:
            self._limit = 0  # what comes now is dropped
            lost = len(self._queue) + self._sending
            self._queue.clear()
            self._sending = 0
            self._exports.dropped += lost

    def _run(self) -> None:
        while self._until is None:
            self._wake.wait(self._delay_s)
            self._wake.clear()
            self._send()
        self._send()

    def _send(self) -> None:
        """All that there is now: what comes meanwhile wakes this thread again."""
        for _ in range(0, len(self._queue), self._batch):
            if self._until is not None and time.monotonic() > self._until:
                return
            queue = self._queue
            with self._taking:
                records = [queue.popleft() for _ in range(min(self._batch, len(queue)))]
                self._sending = len(records)
            if records:
                self._export(records)
                self._gone += sum(len(each) for each in records if isinstance(each, bytes))
        if len(self._queue) >= self._batch or self._come - self._gone >= self._half:
            self._wake.set()

    def _export(self, records: list[T]) -> None:
        failed: ExportError | None = None
        try:
            self._exporter.export(records)
        except ExportError as error:
            failed = error
        with self._taking:
            weight, self._sending = self._sending, 0
        if not weight:
            return  # the end has come meanwhile, and has counted them
        if failed is None:
            self._exports.succeeded(weight)
        else:
            self._exports.failed(str(failed), weight, failed.refused)
