"""The one thread in which blocking SQL runs, one call after the other, in the order of asking."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs blocking calls beside the event loop; results come back in order."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._pending: set[Future[Any]] = set()

    @property
    def idle(self) -> bool:
        """True if no call runs or waits."""
        return not self._pending

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one call; cancelling the wait does not stop the call."""
        future = self._executor.submit(call, *args, **kwargs)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return await asyncio.wrap_future(future)

    def close(self, *, wait: bool = True) -> None:
        """Take no more, and let the running call end; without `wait` beside us."""
        self._executor.shutdown(wait=wait, cancel_futures=True)
