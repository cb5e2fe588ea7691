"""Two streams on one slot, `one` and `two`, and who of them leads."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.streaming import apply, trigger
from support.visits import HEADERS, stream_named
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.databases import Database
    from support.matrix import Matrix
    from support.proxy import Proxy
    from support.streaming import StreamProcess
    from support.visits import Visited
    from support.witness import Mode, Verdict, Witness

GROUP = "Two streams"
KEYS = 20
IN_FLIGHT = 64
UNRECORDED = 1_000
"""What one batch of attempts holds at most."""

LEASE_S = 10.0
TAKE_OVER_S = 30.0
"""A lease, the second in which the next one looks, and a slow machine."""

_LEADER = """
SELECT s.generation, s.holder, r.active_pid
  FROM cdc_triggers.stream s JOIN pg_replication_slots r USING (slot_name) WHERE slot_name = %s"""


@dataclass(frozen=True)
class Pair:
    """`one` was started first and leads; `two` stands by."""

    database: Database
    one: StreamProcess
    two: StreamProcess

    def leadership(self) -> tuple[object, ...]:
        """Generation, holder, and the walsender: whoever has that is the only one to confirm."""
        [found] = self.database.execute(_LEADER, self.database.slot)
        return found

    def wait_taken_over(self) -> None:
        """Until `two` streams."""
        wait_until(self.two.is_ready, TAKE_OVER_S, "the standby leads")

    def wait_replaced(self) -> None:
        """Until `one` has found out that it leads no more."""
        wait_until(lambda: "stream.interrupted" in self.one.log, TAKE_OVER_S, "the old one notices")
        wait_until(lambda: "stream.standby" in self.one.log, TAKE_OVER_S, "it stands by")


@contextmanager
def pair(
    database: Database, endpoint: Visited, mode: Mode, *, proxy: Proxy | None = None
) -> Iterator[Pair]:
    """Apply a trigger on `counter` and start both; `one` behind the proxy if there is one."""
    spec = trigger(*("counted", "counter", endpoint.url), ordering=mode.ordering, headers=HEADERS)
    apply(database, spec, plugin=mode.plugin)
    plugin = ("--plugin", mode.plugin)
    dsn = None
    if proxy is not None:
        dsn = database.dsn.replace(f":{proxy.target[1]}/", f":{proxy.port}/")
        assert dsn != database.dsn, database.dsn
    with stream_named("one", database, *plugin, dsn=dsn) as one:
        two = stream_named("two", database, *plugin).start(wait=False)
        with two:
            wait_until(lambda: "stream.standby" in two.log, what="the second one stands by")
            yield Pair(database, one, two)


@contextmanager
def frozen(stream: StreamProcess) -> Iterator[None]:
    """Stopped by SIGSTOP; woken at the end."""
    os.kill(stream.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(stream.pid, signal.SIGCONT)


def judge(matrix: Matrix, fault: str, mode: Mode, witness: Witness, endpoint: Visited) -> Verdict:
    """Note the verdict, and see that the two were never in each other's way."""
    verdict = witness.verdict(ordering=mode.ordering)
    matrix.add(GROUP, fault, mode, verdict)
    if mode.ordering != "none":  # without an order one key may have two in flight
        assert not endpoint.overlaps()
    assert not endpoint.returns()
    return verdict
