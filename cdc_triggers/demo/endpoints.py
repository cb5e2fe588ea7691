"""The webhooks' other end: a receiver on its own thread, some of whose paths fail for a while."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import uvloop

from cdc_triggers.http.receiver import Receiver, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.http.receiver import Received
    from cdc_triggers.ports import Clock

OK = 200
_FAILURE = 503
_NOT_OURS = 400


class Arrival(NamedTuple):
    """One request as it came in, and what it was answered.

    Attributes:
        at: when the request was there as a whole, on the monotonic clock.
        row: the new row, or the old one of a DELETE; empty if the payload is no row at all.
        retry: 0 for the first attempt.
    """

    at: float
    trigger: str
    event_id: str
    op: str
    row: Mapping[str, Any]
    retry: int
    status: int

    @property
    def ok(self) -> bool:
        """True if it was answered with 2xx."""
        return self.status == OK

    @property
    def row_id(self) -> int | None:
        """The changed row's `id`."""
        return self.row.get("id")


class Endpoints:
    """Listens on loopback, keeps every arrival in order, and fails on demand.

    Args:
        failures: path to how many requests it is to answer with 503 before it works.
    """

    def __init__(self, clock: Clock, failures: Mapping[str, int]) -> None:
        self._clock = clock
        self._failures = dict(failures)
        self._arrivals: list[Arrival] = []
        self._news = threading.Condition()
        self._receiver = Receiver(handler=self._handle)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        return self._receiver.url

    @property
    def arrivals(self) -> Sequence[Arrival]:
        """All so far."""
        with self._news:
            return tuple(self._arrivals)

    def start(self) -> None:
        """Listen.

        Raises:
            CdcTriggersError: loopback cannot be listened on.
        """
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._receiver.start(), self._loop).result()

    def mend(self, path: str) -> None:
        """From now on the path answers 200."""
        self._failures[path] = 0

    def wait(
        self, wanted: Callable[[Sequence[Arrival]], bool], timeout_s: float
    ) -> Sequence[Arrival] | None:
        """All arrivals, as soon as they are as wanted; None if they are not so in time."""
        with self._news:
            done = self._news.wait_for(lambda: wanted(self._arrivals), timeout_s)
            return tuple(self._arrivals) if done else None

    def wait_for_more(self, than: int, timeout_s: float) -> None:
        """Return when there are more arrivals than that, or the time is over."""
        self.wait(lambda arrivals: len(arrivals) > than, timeout_s)

    def close(self) -> None:
        """Stop listening; idempotent."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._receiver.close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _handle(self, request: Received) -> Reply:
        at = self._clock.monotonic()
        try:
            arrival = _parse(at, request.body)
        except (ValueError, KeyError, TypeError):
            return Reply(_NOT_OURS)
        left = self._failures.get(request.path, 0)
        if left:
            self._failures[request.path] = left - 1
        status = _FAILURE if left else OK
        with self._news:
            self._arrivals.append(arrival._replace(status=status))
            self._news.notify_all()
        return Reply(status)


def _parse(at: float, body: bytes) -> Arrival:
    """Read a webhook's body.

    Raises:
        ValueError, KeyError, TypeError: it is not one of ours.
    """
    told = orjson.loads(body)
    event = told["event"]
    row = event["data"]["new"] or event["data"]["old"]
    return Arrival(
        at=at,
        trigger=told["trigger"]["name"],
        event_id=told["id"],
        op=event["op"],
        row=row if isinstance(row, dict) else {},
        retry=told["delivery_info"]["current_retry"],
        status=OK,
    )
