"""The parts of a page that change by themselves: server-sent events, ended and begun anew."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from cdc_triggers.console.answers import ApiError
from cdc_triggers.console.pages.view import Guarded, shell
from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.types import Send

    from cdc_triggers.console.answers import Answer
    from cdc_triggers.console.pages.site import Site, Visit
    from cdc_triggers.console.pages.view import Page

LASTS_S = 60.0
"""Then it ends, and the browser comes again: no connection stays for longer than an answer may."""

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"connection", b"close"),
]

AT_ONCE = 24
"""Pages that may be live; of the port's connections most are left to the API and the probes."""


class Seats:
    """How many pages are live."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One more, for as long as this lasts.

        Raises:
            ApiError: there are too many already.
        """
        if self._taken >= AT_ONCE:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many pages are live")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class Live(Guarded):
    """Sends those parts of a page that have changed."""

    methods = ("GET",)

    def __init__(self, site: Site, page: Page) -> None:
        super().__init__(site)
        self._page = page

    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """See `Guarded`.

        Raises:
            ApiError: too many pages are live already.
        """
        with self.site.seats.taken():
            await self._stream(visit, request, send)
        return None

    async def _stream(self, visit: Visit, request: Request, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _send(send, b"retry: 2000\n\n")
        gone = asyncio.ensure_future(_gone(request))
        try:
            async with asyncio.timeout(LASTS_S):
                await self._send_changes(visit, gone, send)
        except (TimeoutError, ApiError, CdcTriggersError):
            pass  # it comes again, and learns from the page itself what is wrong
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _send_changes(self, visit: Visit, gone: asyncio.Future[None], send: Send) -> None:
        """Until the browser is gone."""
        sent: dict[str, str] = {}
        while not gone.done():
            now = visit._replace(now=datetime.now(UTC))
            parts = await self.site.reading.run(partial(self._parts, now))
            changed = {name: html for name, html in parts.items() if sent.get(name) != html}
            sent |= changed
            lines = [f"data: {json.dumps(pair)}\n\n" for pair in changed.items()]
            await _send(send, "".join(lines or [": \n\n"]).encode())
            await asyncio.wait({gone}, timeout=self._page.every_s)

    def _parts(self, visit: Visit) -> dict[str, str]:
        page = self._page
        context = {**shell(visit, page), **page.fill(visit)}
        render = self.site.renderer.render
        return {part_name(each): render(each, context) for each in page.live}


def part_name(template: str) -> str:
    """`_overview_numbers.html` is the part `overview_numbers`."""
    return template.removeprefix("_").removesuffix(".html")


async def _gone(request: Request) -> None:
    """Until the browser has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
