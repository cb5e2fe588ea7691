"""What a fault did: nothing lost, what came twice, what broke order, how long all stood still."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg2

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from support.databases import Database
    from support.streaming import Endpoint, StreamProcess

MEMORY_LIMIT = 200 * 1024 * 1024
TRIGGER_BYTES = 20 * 1024
"""Specs, state and the view of the console of one trigger: where there are thousands, it tells."""

STALL_LIMIT_S = 60.0
_SAMPLE_S = 0.2

_HELD = """
SELECT (pg_current_wal_insert_lsn() - restart_lsn)::bigint
  FROM pg_replication_slots WHERE slot_name = %s"""


@dataclass(frozen=True)
class Mode:
    """How the trigger orders, and what decodes the slot."""

    ordering: str = "key"
    plugin: str = "pgoutput"

    def __str__(self) -> str:
        return f"{self.ordering}, {self.plugin}"


@dataclass(frozen=True)
class Verdict:
    """What was seen of one run.

    Attributes:
        duplicated: 2xx answers beyond the first of a delivery.
        stall_s: the longest time that a committed event waited while nothing at all arrived.
        wal_peak: bytes of WAL that the slot held at most.
        memory_peak: bytes resident of the largest stream process.
    """

    events: int
    lost: int
    duplicated: int
    inversions: int
    stall_s: float
    wal_peak: int
    memory_peak: int

    def check(
        self,
        *,
        duplicates: int = 0,
        largest_row: int = 0,
        stall_s: float = STALL_LIMIT_S,
        triggers: int = 0,
    ) -> None:
        """Fail unless the promise was kept; `duplicates` is how many the fault excuses."""
        assert self.events > 0, "nothing was written: the run proves nothing"
        assert self.lost == 0, self
        assert self.inversions == 0, self
        assert self.duplicated <= duplicates, self
        assert self.stall_s < stall_s, self
        memory_limit = MEMORY_LIMIT + 4 * largest_row + triggers * TRIGGER_BYTES
        assert self.memory_peak < memory_limit, self


class Witness:
    """Watches a run from its start to its end: the slot, the streams' memory, the endpoints.

    Streams are asked for their process by `pid` again and again, so they may be killed and started.
    """

    def __init__(
        self, database: Database, endpoints: Collection[Endpoint], *streams: StreamProcess
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._streams = streams
        self._wal_peak = 0
        self._memory_peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(30)
        self._sample()

    def verdict(self, wanted: Collection[str] | None = None, *, ordering: str = "key") -> Verdict:
        """What the endpoints got, once all is settled.

        Args:
            wanted: ids of the events that each endpoint should have; default: the whole log.
            ordering: `none` has no order to break; `total` is compared with the order of capture,
                which is that of commit if one session wrote.
        """
        logged = [
            i
            for (i,) in self._database.execute(
                "SELECT id::text FROM cdc_triggers.event_log ORDER BY seq"
            )
        ]
        dead = {
            i
            for (i,) in self._database.execute(
                "SELECT event_id::text FROM cdc_triggers.delivery WHERE status = 'dead'"
            )
        }
        wanted = set(logged if wanted is None else wanted)
        got = [{i for i, _ in e.answered} for e in self._endpoints]
        return Verdict(
            events=len(wanted),
            lost=sum(len(wanted - ids - dead) for ids in got),
            duplicated=sum(
                n - 1 for endpoint in self._endpoints for n in endpoint.answered.values() if n > 1
            ),
            inversions=self._inversions(logged, ordering),
            stall_s=max((e.longest_stall_s for e in self._endpoints), default=0.0),
            wal_peak=self._wal_peak,
            memory_peak=self._memory_peak,
        )

    def _inversions(self, logged: list[str], ordering: str) -> int:
        if ordering == "none":
            return 0
        if ordering == "key":
            return sum(len(e.inversions) for e in self._endpoints)
        place = {event_id: n for n, event_id in enumerate(logged)}
        count = 0
        for endpoint in self._endpoints:
            highest: Counter[str] = Counter()
            for event_id, name in endpoint.answered:  # in order of the first 2xx
                here = place[event_id]
                count += here + 1 <= highest[name]
                highest[name] = max(highest[name], here + 1)
        return count

    def _watch(self) -> None:
        while not self._end.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        for stream in self._streams:
            self._memory_peak = max(self._memory_peak, stream.memory_peak())
        try:
            rows = self._database.execute(_HELD, self._database.slot)
        except psycopg2.Error:
            return  # PostgreSQL is down: that is what the run is about
        self._wal_peak = max([self._wal_peak, *(held or 0 for (held,) in rows)])


def resident_peak(pid: int) -> int:
    """The most bytes that a process had resident; 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) * 1024 if lines else 0
