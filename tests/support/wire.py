"""An endpoint that takes any request, not only bodies of events, and remembers all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.http.receiver import Received, Reply
from support.streaming import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable


class Seen(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Wire(Endpoint):
    """Answers with `reply`; `seen` has every request in order of arrival."""

    def __init__(self, reply: Callable[[Received], Reply] = lambda _: Reply()) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self._reply = reply

    def _handle(self, request: Received) -> Reply:
        self.seen.append(Seen(*request))
        return self._reply(request)
