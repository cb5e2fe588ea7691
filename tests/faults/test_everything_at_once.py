"""A million rows while all that has a test of its own fails by turns, in one run."""

from __future__ import annotations

import random
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from support.killing import PER_KILL, times
from support.load import Load
from support.scene import PATIENT, UNRECORDED, modes, private
from support.streaming import Endpoint, StreamProcess, apply, trigger, wait_settled
from support.waiting import wait_until
from support.witness import Mode, Witness

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeServer
    from support.databases import Database
    from support.matrix import Matrix

GROUP = "Everything at once"
KEYS = 1_000
SEED = 20_261_201
REQUESTS = {"key": 200, "none": 200, "total": 5}
"""So many in a row are refused, or hang; with `total` each of them holds up all that follow."""

TIMEOUT_S = 1


class Trouble:
    """Breaks one thing after the other, and counts what that may repeat.

    Attributes:
        excused: deliveries that may come twice for what was done so far.
    """

    def __init__(self, database: Database, stream: StreamProcess, requests: int) -> None:
        self._database = database
        self._stream = stream
        self._requests = requests
        self._refusing = self._hanging = 0
        self.excused = 0

    def answer(self, _body: dict[str, Any], _tries: int) -> Reply:
        """What the endpoint says now."""
        if self._refusing:
            self._refusing -= 1
            return Reply(status=503)
        if self._hanging:
            self._hanging -= 1
            return Reply(delay_s=TIMEOUT_S * 3)
        return Reply()

    def kill_the_stream(self) -> None:
        self._stream.kill()
        self._stream.start(wait=False)
        self.excused += PER_KILL

    def crash_postgres(self) -> None:
        self._database.server.restart("immediate")
        self.excused += UNRECORDED

    def kill_both(self) -> None:
        self._stream.kill()
        self.crash_postgres()
        self._stream.start(wait=False)
        self.excused += PER_KILL

    def refuse(self) -> None:
        self._refusing = self._requests

    def hang(self) -> None:
        self._hanging = self._requests
        self.excused += self._requests  # they were answered with 2xx, too late

    @property
    def steps(self) -> tuple[Callable[[], None], ...]:
        return self.kill_the_stream, self.refuse, self.crash_postgres, self.hang, self.kill_both


@pytest.mark.timeout(3_000)
@modes
def test_nothing_is_lost_and_order_holds_while_everything_fails_by_turns(
    make_server: MakeServer, matrix: Matrix, mode: Mode
) -> None:
    # a million takes ten minutes: once is enough
    events = matrix.scale(6_000, 1_000_000 if mode == Mode() else 100_000)
    faults = matrix.scale(5, 50)
    database = private(make_server, mode)
    load = Load(database, events, keys=KEYS, sessions=1 if mode.ordering == "total" else 4)
    stream = StreamProcess(database, "--plugin", mode.plugin)
    trouble = Trouble(database, stream, REQUESTS[mode.ordering])
    chance = random.Random(SEED)
    moments = sorted(chance.uniform(0, events * 0.95) for _ in range(faults))
    with Endpoint(trouble.answer, keep=False) as endpoint:
        conf = PATIENT | {"timeout_sec": TIMEOUT_S}
        spec = trigger("counted", "counter", endpoint.url, ordering=mode.ordering, retry_conf=conf)
        apply(database, spec, plugin=mode.plugin)
        with Witness(database, [endpoint], stream) as witness, stream, load:
            for moment, step in zip(moments, cycle(trouble.steps), strict=False):
                wait_until(lambda: len(endpoint.answered) >= moment, 300, "it goes on")  # noqa: B023
                step()
            load.join()
            wait_settled(database, 900)
        verdict = witness.verdict(ordering=mode.ordering)
    words = "stream killed, endpoint refuses, PostgreSQL crashes, endpoint hangs, both killed"
    matrix.add(GROUP, f"{words}; {times(faults)} by turns", mode, verdict)
    assert verdict.events == load.events
    verdict.check(duplicates=trouble.excused)
