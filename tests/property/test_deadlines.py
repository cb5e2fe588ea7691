"""An exchange ends with its answer or at its deadline, whichever comes first, beside any others."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.attempt import Failure, FailureKind, Outcome, Response
from cdc_triggers.http.connection import Connection
from cdc_triggers.http.deadlines import Deadlines

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
MS = 0.001

# when it begins, its time limit, and how long its answer takes; some never come
EXCHANGE = st.tuples(
    st.integers(0, 500), st.integers(1, 500), st.one_of(st.none(), st.integers(0, 600))
)


class Selector(selectors.SelectSelector):
    """Waits for nothing: time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen"
        self.now += max(timeout, 0.0)
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is its selector's."""

    def __init__(self) -> None:
        self.selector = Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


class Transport(asyncio.Transport):
    """To an endpoint that answers after so many milliseconds, or never."""

    def __init__(self, connection: Connection, answers_ms: int | None) -> None:
        super().__init__()
        self._connection = connection
        self._answers_ms = answers_ms
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "socket" else default

    def fileno(self) -> int:
        return 0

    def write(self, _data: bytes | bytearray | memoryview) -> None:
        if self._answers_ms is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._answers_ms * MS, self._connection.data_received, ANSWER)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


async def exchange(
    deadlines: Deadlines, begins: int, limit: int, answers: int | None
) -> tuple[Outcome, float, bool]:
    """The outcome, how many milliseconds it took, and whether the connection was dropped."""
    await asyncio.sleep(begins * MS)
    loop = asyncio.get_running_loop()
    connection = Connection(lambda _: None, deadlines)
    transport = Transport(connection, answers)
    connection.connection_made(transport)
    began = loop.time()
    outcome = await connection.exchange(b"", b"", began + limit * MS, limit * MS)
    return outcome, (loop.time() - began) / MS, transport.aborted


@given(st.lists(EXCHANGE, min_size=1, max_size=12))
def test_an_exchange_ends_with_its_answer_or_at_its_deadline(
    exchanges: list[tuple[int, int, int | None]],
) -> None:
    async def run() -> list[tuple[Outcome, float, bool]]:
        deadlines = Deadlines()
        return await asyncio.gather(*(exchange(deadlines, *each) for each in exchanges))

    loop = Loop()
    try:
        ended = loop.run_until_complete(run())
    finally:
        loop.close()
    for (_, limit, answers), (outcome, took_ms, dropped) in zip(exchanges, ended, strict=True):
        late = answers is None or answers > limit
        if answers != limit:  # else either may come first
            assert dropped == late
            if late:
                assert isinstance(outcome, Failure)
                assert outcome.kind is FailureKind.TIMEOUT
            else:
                assert isinstance(outcome, Response)
        assert abs(took_ms - (limit if late else answers or 0)) < 1e-3
