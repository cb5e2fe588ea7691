"""A page: an address, a template, and what fills it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request

from cdc_triggers.console.answers import Answer, ApiError, translate
from cdc_triggers.console.pages.form import Form
from cdc_triggers.console.pages.rendering import HEADERS
from cdc_triggers.console.pages.site import Browser, Visit
from cdc_triggers.console.resource import not_allowed, read_body, respond
from cdc_triggers.errors import CdcTriggersError, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from cdc_triggers.console.pages.session import Session
    from cdc_triggers.console.pages.site import Context, Site

HTML = "text/html; charset=utf-8"
THEMES = ("auto", "light", "dark")
_AGENT_LIMIT = 200


class Page(NamedTuple):
    """A page that is read.

    Attributes:
        title: of the browser's window.
        nav: which entry of the menu is current.
        template: extends `base.html`.
        fill: blocking; what the template needs.
        live: templates of the parts that change by themselves; `_a.html` is the part `a`.
        every_s: how often they are made anew.
    """

    title: str
    nav: str
    template: str
    fill: Callable[[Visit], Context]
    live: tuple[str, ...] = ()
    every_s: float = 2.0


def shell(visit: Visit, page: Page) -> Context:
    """What `base.html` needs, whatever the page."""
    return {
        "visit": visit,
        "page": page,
        "nav": page.nav or visit.here.removeprefix("/console/").partition("/")[0],
        "token": visit.site.gate.sessions.token(visit.session),
        "may_leave": visit.site.gate.access.secret is not None,
        "slot": visit.backend.slot,
        "now": visit.now,
        "theme": visit.theme,
        "themes": THEMES,
        "notice": visit.site.notice(visit),
    }


class Handler(ABC):
    """An ASGI application for one address: answers, and says on a page what went wrong."""

    methods: tuple[str, ...] = ("GET", "HEAD")

    def __init__(self, site: Site) -> None:
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; whatever goes wrong stays in here."""
        request = Request(scope, receive)
        try:
            self._check_method(request)
            await self.handle(request, send)
        except ClientDisconnect:
            return
        except CdcTriggersError as error:
            await self._fail(scope, send, translate(error, error.hint))
        except ApiError as error:
            await self._fail(scope, send, error)
        except Exception as error:  # noqa: BLE001 - a page must not end the stream; it is logged
            text = ApiError(500, "unexpected", "something unexpected went wrong: see the log")
            text.internal = place_of(error)
            await self._fail(scope, send, text)

    @abstractmethod
    async def handle(self, request: Request, send: Send) -> None:
        """Answer, whoever asks.

        Raises:
            ApiError: it was refused, or failed.
        """

    def html(
        self, template: str, context: Mapping[str, object], status: int = HTTPStatus.OK
    ) -> Answer:
        """A template as an answer."""
        text = self.site.renderer.render(template, context)
        return Answer(status, text.encode("utf-8", "replace"), HTML, HEADERS)

    def _check_method(self, request: Request) -> None:
        if request.method not in self.methods:
            raise not_allowed(dict.fromkeys(self.methods))

    async def _fail(self, scope: Scope, send: Send, error: ApiError) -> None:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            place = getattr(scope.get("route"), "path", scope["path"])
            text = error.internal if error.code == "unexpected" else error.message
            call = f"{scope['method']} {place}"
            self.site.telemetry.fact("error", "console.failed", call=call, error=text)
        request = Request(scope)
        context = {"error": error, "theme": theme(request.cookies)}
        answer = self.html("error.html", context, error.status)
        await respond(send, answer._replace(more_headers=(*HEADERS, *error.headers)))


class Guarded(Handler):
    """An address for whoever may see the console; all others are sent to sign in."""

    async def handle(self, request: Request, send: Send) -> None:
        """Admit whoever asks, and answer.

        Raises:
            ApiError: it was refused, or failed.
        """
        changes = request.method == "POST"
        self.site.gate.check_origin(request.headers, changes=changes)
        admitted = self.site.gate.admit(request.headers, request.cookies, time.time())
        if admitted.session is None:
            await respond(send, self._sign_in(request))
            return
        visit = await self._visit(request, admitted.session, changes=changes)
        answer = await self.answer(visit, request, send)
        if answer is None:
            return
        if admitted.fresh:
            cookie = self.site.gate.cookie(admitted.session, request.headers, time.time())
            answer = answer._replace(more_headers=(*answer.more_headers, cookie))
        await respond(send, answer)

    @abstractmethod
    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """The answer; None: it was sent already.

        Raises:
            ApiError: it was refused, or failed.
        """

    def _sign_in(self, request: Request) -> Answer:
        """For whoever is not signed in: the way there, and back here afterwards.

        A cookie that is SameSite=Strict does not come with a link that was followed from elsewhere:
        then the browser is made to ask again by itself.
        """
        elsewhere = request.headers.get("sec-fetch-site", "").lower() in {"cross-site", "same-site"}
        if elsewhere and request.method == "GET":
            return self.html("again.html", {"theme": theme(request.cookies)})
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        to = "/console/login"
        if request.method == "GET" and target != "/console":
            to += f"?to={quote(target, safe='')}"
        return redirect(to)

    async def _visit(self, request: Request, session: Session, *, changes: bool) -> Visit:
        form = Form()
        if changes:
            body = await read_body(request, request.headers)
            form = Form.parse(body.decode("utf-8", "replace"))
            self.site.gate.check_token(session, form.get("token"))
        return Visit(
            self.site,
            session,
            browser(request),
            request.url.path,
            request.path_params,
            Form.parse(request.url.query),
            datetime.now(UTC),
            form,
            theme(request.cookies),
        )


class Shown(Guarded):
    """Shows a page."""

    def __init__(self, site: Site, page: Page) -> None:
        super().__init__(site)
        self._page = page

    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """See `Guarded`."""
        del request, send
        return await self.site.reading.run(lambda: self._shown(visit))

    def _shown(self, visit: Visit) -> Answer:
        page = self._page
        with self.site.renderer.first():
            context = page.fill(visit)
            return self.html(page.template, {**shell(visit, page), **context})


def redirect(to: str) -> Answer:
    """See another page; after a POST it is fetched with GET."""
    return Answer(HTTPStatus.SEE_OTHER, b"", HTML, (*HEADERS, ("location", to)))


def theme(cookies: Mapping[str, str]) -> str:
    """Light, dark, or as the system says."""
    chosen = cookies.get("cdc_triggers_theme", "")
    return chosen if chosen in THEMES else "auto"


def browser(request: Request) -> Browser:
    """Where it comes from; a proxy's word for it is kept beside the address that we see."""
    address = request.client.host if request.client else "?"
    told = request.headers.get("x-forwarded-for")
    if told:
        address = f"{address} for {told}"[:_AGENT_LIMIT]
    return Browser(address, request.headers.get("user-agent", "")[:_AGENT_LIMIT])
