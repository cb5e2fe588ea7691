"""One path of the port: which methods it has, and who runs them."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from cdc_triggers.console.answers import ApiError, translate
from cdc_triggers.errors import CdcTriggersError, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from cdc_triggers.console.answers import Answer
    from cdc_triggers.console.auth import Access
    from cdc_triggers.console.calls import Lane
    from cdc_triggers.ports import Telemetry
    from cdc_triggers.wiring.serving import Backend

BODY_LIMIT = 4 * 1024 * 1024


class Desk(NamedTuple):
    """What all calls share.

    Attributes:
        source: what Hasura's API calls this database.
        reading, changing: a call that takes long holds up only those of its kind.
    """

    backend: Backend
    access: Access
    telemetry: Telemetry
    source: str
    reading: Lane
    changing: Lane


class Incoming(NamedTuple):
    """A request with its whole body."""

    path: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


class Method(Protocol):
    """What answers one method of a path."""

    async def __call__(self, desk: Desk, incoming: Incoming) -> tuple[str, Answer]:
        """The answer, and the name of what changed anything; empty: nothing did."""
        ...


class Resource:
    """An ASGI application for one path; HEAD is GET without the body."""

    def __init__(self, desk: Desk, methods: Mapping[str, Method]) -> None:
        self._desk = desk
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; whatever goes wrong stays in here, and none of it ends the stream."""
        began = time.monotonic()
        try:
            answer = await self._answer(scope, receive, began)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - a call must not end the stream; it is logged
            self._failed(scope, error)
            unexpected = ApiError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", "internal error: see the log"
            )
            answer = unexpected.answer()
        await respond(send, answer)

    async def _answer(self, scope: Scope, receive: Receive, began: float) -> Answer:
        headers = Headers(scope=scope)
        try:
            self._desk.access.check(headers)
            method = self._method(str(scope["method"]))
            incoming = Incoming(
                scope.get("path_params", {}),
                tuple(Request(scope).query_params.multi_items()),
                headers,
                await read_body(Request(scope, receive), headers),
            )
            changed, answer = await method(self._desk, incoming)
        except ApiError as error:
            return self._refused(scope, error)
        except CdcTriggersError as error:
            return self._refused(scope, translate(error))
        if changed:
            took_ms = round((time.monotonic() - began) * 1000)
            self._desk.telemetry.fact("info", "api.changed", call=changed, duration_ms=took_ms)
        return answer

    def _method(self, name: str) -> Method:
        found = self._methods.get("GET" if name == "HEAD" else name)
        if found is None:
            raise not_allowed(self._methods)
        return found

    def _refused(self, scope: Scope, error: ApiError) -> Answer:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._failed(scope, error)
        return error.answer()

    def _failed(self, scope: Scope, error: Exception) -> None:
        place = getattr(scope.get("route"), "path", scope["path"])
        call = f"{scope['method']} {place}"
        text = error.message if isinstance(error, ApiError) else place_of(error)
        self._desk.telemetry.fact("error", "api.failed", call=call, error=text)


def not_allowed(methods: Mapping[str, object]) -> ApiError:
    """405, with the methods that there are."""
    error = ApiError(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "method not allowed")
    allowed = {*methods, *({"HEAD"} if "GET" in methods else ())}
    error.headers = (("allow", ", ".join(sorted(allowed))),)
    return error


async def respond(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})


async def read_body(request: Request, headers: Mapping[str, str]) -> bytes:
    """The whole body.

    Raises:
        ApiError: it is too large; the rest is not read.
    """
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > BODY_LIMIT:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> ApiError:
    error = ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "bad-request",
        f"the body has more than {BODY_LIMIT >> 20} MiB",
    )
    error.headers = (("connection", "close"),)
    return error
