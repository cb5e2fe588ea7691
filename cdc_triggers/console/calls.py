"""Runs the blocking part of a call beside the loop: bounded in number and in waiting.

The threads are daemons: a call that is still at work does not hold up the end of the stream.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from cdc_triggers.console.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WAITING = 16
"""Calls that may wait for their turn or be at work, of each kind."""

TIMEOUT_S = 60.0
"""How long a caller is made to wait, its turn included."""

_Job = tuple["Future[Any]", "Callable[[], Any]"]


class Lane:
    """One thread: one call after the other, in the order of asking."""

    def __init__(self, name: str, waiting: int = WAITING, timeout_s: float = TIMEOUT_S) -> None:
        self._waiting = waiting
        self._timeout_s = timeout_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiters: set[asyncio.Future[Any]] = set()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """The result of the call, in its turn.

        Raises:
            ApiError: too many wait, or this one has waited for too long; its call goes on.
        """
        if len(self._waiters) >= self._waiting:
            busy = ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many calls at once: try again"
            )
            busy.headers = (("retry-after", "1"),)
            raise busy
        future: Future[T] = Future()
        waiter = asyncio.wrap_future(future)
        self._waiters.add(waiter)
        waiter.add_done_callback(self._ended)
        self._jobs.put((future, call))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(waiter)
        except TimeoutError as error:
            raise ApiError(
                HTTPStatus.GATEWAY_TIMEOUT,
                "timeout",
                f"not done after {self._timeout_s:g} s: it goes on, look at the state later",
            ) from error

    def close(self) -> None:
        """Take no more; what runs is left to itself, and nobody waits for it."""
        for waiter in list(self._waiters):
            waiter.cancel()
        self._jobs.put(None)

    def _ended(self, waiter: asyncio.Future[Any]) -> None:
        self._waiters.discard(waiter)
        if not waiter.cancelled():
            waiter.exception()  # whoever asked may have gone: then nobody else looks at it

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is the caller's, not this thread's
                future.set_exception(error)
