"""A sender whose endpoints fail as you wish."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from cdc_triggers.core.attempt import Outcome, Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

Decide = Callable[[Request], "Outcome | Awaitable[Outcome]"]

OK = Response(200, (), b"")
"""What an endpoint answers if nothing else is asked for."""


class FaultySender:
    """Implements `ports.Sender` without a network.

    Args:
        outcomes: the outcomes of the first requests, in the order in which they are sent, then 200
            for ever; or a callable that decides about every request. It may return an awaitable:
            so an endpoint can be slow, or hang until it is cancelled.

    Attributes:
        sent: every request, in the order in which they were sent.
        answered: every request whose outcome was given back.
        closed: `close` was called.
    """

    def __init__(self, outcomes: Iterable[Outcome] | Decide = ()) -> None:
        self.sent: list[Request] = []
        self.answered: list[Request] = []
        self.closed = False
        if callable(outcomes):
            self._decide: Decide = outcomes
        else:
            script = deque(outcomes)
            self._decide = lambda _: script.popleft() if script else OK

    async def send(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        """See `ports.Sender.send`."""
        return [await self._send(request) for request in requests]

    async def close(self) -> None:
        """See `ports.Sender.close`."""
        self.closed = True

    async def _send(self, request: Request) -> Outcome:
        self.sent.append(request)
        decided = self._decide(request)
        outcome = await decided if isinstance(decided, Awaitable) else decided
        self.answered.append(request)
        return outcome
