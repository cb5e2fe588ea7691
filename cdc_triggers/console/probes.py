"""`/livez` and `/readyz` for whoever watches the stream from outside: no secret, no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.datastructures import Headers

from cdc_triggers.console.answers import Answer
from cdc_triggers.console.resource import not_allowed, respond

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Readiness = Callable[[], str | None]
"""None if ready, else why not, in words. Called on the loop: it must not block."""

Facts = Callable[[], Mapping[str, int]]
"""What else `/readyz` says when it is asked; under the same rule."""

Metrics = Callable[[str], tuple[str, bytes]]
"""Content type and text for an Accept header; under the same rule."""

_METHODS = ("GET", "HEAD")


class Exposed:
    """An ASGI application that answers with the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del receive
        if scope["method"] not in _METHODS:
            await respond(send, not_allowed(dict.fromkeys(_METHODS)).answer())
            return
        kind, text = self._metrics(Headers(scope=scope).get("accept", ""))
        await respond(send, Answer(HTTPStatus.OK, text, kind))


class Probe:
    """An ASGI application that answers one probe; a connection is closed after it."""

    def __init__(self, state: Callable[[], tuple[int, Mapping[str, str | int]]]) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del receive
        if scope["method"] not in _METHODS:
            await respond(send, not_allowed(dict.fromkeys(_METHODS)).answer())
            return
        status, content = self._state()
        close = (("connection", "close"),)
        await respond(send, Answer(status, orjson.dumps(content), more_headers=close))


def livez() -> Probe:
    """200 while the process runs."""
    return Probe(lambda: (HTTPStatus.OK, {"status": "ok"}))


def readyz(readiness: Readiness, facts: Facts) -> Probe:
    """200 while it streams, else 503 with the reason."""

    def state() -> tuple[int, Mapping[str, str | int]]:
        reason = readiness()
        if reason is None:
            return HTTPStatus.OK, {"status": "ok", **facts()}
        unready: dict[str, str | int] = {"status": "unavailable", "reason": reason}
        return HTTPStatus.SERVICE_UNAVAILABLE, {**unready, **facts()}

    return Probe(state)
