"""The paths of the port, put together."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.datastructures import Headers
from starlette.routing import Route, Router

from cdc_triggers.console import openapi, page, probes, rest
from cdc_triggers.console.answers import Answer, ApiError, not_found
from cdc_triggers.console.metadata import MetadataMethod
from cdc_triggers.console.resource import Resource, not_allowed, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from cdc_triggers.console.auth import Access
    from cdc_triggers.console.probes import Facts, Metrics, Readiness
    from cdc_triggers.console.resource import Desk

HTML = "text/html; charset=utf-8"


class Published:
    """An ASGI application for a document that says nothing about this installation."""

    def __init__(self, access: Access, make: Callable[[], Answer]) -> None:
        self._access = access
        self._make = make
        self._made: Answer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; it is made when it is first asked for."""
        del receive
        try:
            self._access.check_origin(Headers(scope=scope))
            if scope["method"] not in {"GET", "HEAD"}:
                raise not_allowed({"GET": None})
        except ApiError as error:
            await respond(send, error.answer())
            return
        if self._made is None:
            self._made = self._make()
        await respond(send, self._made)


def build(
    desk: Desk,
    readiness: Readiness,
    facts: Facts,
    metrics: Metrics | None = None,
    pages: Sequence[Route] = (),
) -> Router:
    """The application; `pages` are the console's."""
    described = partial(
        openapi.document, secret=desk.access.secret is not None, metrics=metrics is not None
    )

    def document() -> Answer:
        return Answer(HTTPStatus.OK, orjson.dumps(described()))

    def people() -> Answer:
        text = page.html(described())
        policy = (("content-security-policy", page.POLICY),)
        return Answer(HTTPStatus.OK, text.encode(), HTML, policy)

    routes = [
        Route("/livez", probes.livez()),
        Route("/readyz", probes.readyz(readiness, facts)),
        Route("/v1/metadata", Resource(desk, {"POST": MetadataMethod()})),
        Route(openapi.PATH, Published(desk.access, document)),
        Route(openapi.PAGE, Published(desk.access, people)),
        *pages,
        *(Route(path, Resource(desk, dict(calls))) for path, calls in rest.by_path().items()),
    ]
    if metrics is not None:
        routes.append(Route("/metrics", probes.Exposed(metrics)))
    return Router(routes, redirect_slashes=False, default=_nowhere)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Any other path."""
    del receive
    if scope["type"] == "http":
        await respond(send, not_found("there is no such path; GET /api describes them").answer())
