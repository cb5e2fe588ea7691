"""Signing in and out, and light or dark."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from cdc_triggers.console.answers import not_found
from cdc_triggers.console.pages.form import Form
from cdc_triggers.console.pages.view import THEMES, Guarded, Handler, browser, redirect, theme
from cdc_triggers.console.resource import read_body, respond

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from cdc_triggers.console.answers import Answer
    from cdc_triggers.console.pages.site import Visit

HOME = "/console"


class Login(Handler):
    """Takes the admin secret and hands out a session."""

    methods = ("GET", "HEAD", "POST")

    async def handle(self, request: Request, send: Send) -> None:
        """See `Handler`; here nobody has a session yet."""
        gate = self.site.gate
        gate.check_origin(request.headers, changes=request.method == "POST")
        if gate.access.secret is None:
            await respond(send, redirect(HOME))
        elif request.method == "POST":
            await respond(send, await self._given(request))
        else:
            to = target(Form.parse(request.url.query).get("to"))
            await respond(send, self._ask(request, to))

    async def _given(self, request: Request) -> Answer:
        gate, now = self.site.gate, time.time()
        body = await read_body(request, request.headers)
        form = Form.parse(body.decode("utf-8", "replace"))
        to = target(form.get("to"))
        address = browser(request).address
        if not gate.sessions.may_sign_in(form.get("secret")):
            self.site.telemetry.fact("warning", "console.sign_in_refused", address=address)
            return self._ask(request, to, wrong=True)
        session = gate.sessions.begin(now)
        self.site.telemetry.fact(
            "info", "console.signed_in", address=address, session=session.short_id
        )
        answer = redirect(to)
        cookie = gate.cookie(session, request.headers, now)
        return answer._replace(more_headers=(*answer.more_headers, cookie))

    def _ask(self, request: Request, to: str, *, wrong: bool = False) -> Answer:
        status = HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.OK
        context = {"to": to, "wrong": wrong, "theme": theme(request.cookies)}
        return self.html("login.html", context, status)


class Logout(Handler):
    """Takes the session back."""

    methods = ("POST",)

    async def handle(self, request: Request, send: Send) -> None:
        """See `Handler`; a session that is over may be given back too."""
        self.site.gate.check_origin(request.headers, changes=True)
        answer = redirect("/console/login")
        cookie = self.site.gate.no_cookie(request.headers)
        await respond(send, answer._replace(more_headers=(*answer.more_headers, cookie)))


class Theme(Guarded):
    """Remembers light or dark in a cookie of its own, and goes back to the page."""

    methods = ("POST",)

    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """See `Guarded`."""
        del request, send
        chosen = visit.form.get("theme")
        answer = redirect(target(visit.form.get("to")))
        if chosen not in THEMES:
            return answer
        year = 365 * 24 * 3600
        value = f"cdc_triggers_theme={chosen}; Max-Age={year}; Path=/; HttpOnly; SameSite=Lax"
        return answer._replace(more_headers=(*answer.more_headers, ("set-cookie", value)))


class Front:
    """An ASGI application: the console is the front page of the port."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go there."""
        del scope, receive
        await respond(send, redirect(HOME))


class Missing(Guarded):
    """Any other address below /console."""

    methods = ("GET", "HEAD", "POST")

    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """See `Guarded`.

        Raises:
            ApiError: always.
        """
        del request, send
        raise not_found(f"there is no page {visit.here}")


def target(path: str) -> str:
    """A page of ours to go to; anything else leads to the first one."""
    inside = path == HOME or path.startswith(("/console/", "/console?"))
    return path if inside and "\\" not in path and path.isprintable() and path.isascii() else HOME
