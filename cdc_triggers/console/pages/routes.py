"""All addresses of the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from cdc_triggers.console.pages import (
    audit,
    dead,
    edit,
    event,
    events,
    login,
    overview,
    playground,
    slot,
    statics,
    trigger,
    triggers,
)
from cdc_triggers.console.pages.action import Doing
from cdc_triggers.console.pages.live import Live
from cdc_triggers.console.pages.view import Handler, Shown

if TYPE_CHECKING:
    from cdc_triggers.console.pages.site import Site

_MODULES = (overview, triggers, trigger, edit, events, event, dead, playground, slot, audit)
"""Each has PAGES and ACTIONS, by their path below /console. The first that fits is taken."""


def routes(site: Site) -> list[Route]:
    """Pages, their live parts, and actions."""
    pages = [pair for module in _MODULES for pair in module.PAGES.items()]
    actions = [pair for module in _MODULES for pair in module.ACTIONS.items()]
    return [
        Route("/", login.Front()),
        Route("/console/static/{name}", statics.Statics()),
        Route("/console/login", login.Login(site)),
        Route("/console/logout", login.Logout(site)),
        Route("/console/theme", login.Theme(site)),
        *(Route(f"/console/live{path}", Live(site, page)) for path, page in pages if page.live),
        *(_on("POST", path, Doing(site, action)) for path, action in actions),
        *(_on("GET", path, Shown(site, page)) for path, page in pages),
        Route("/console/{rest:path}", login.Missing(site)),
    ]


def _on(method: str, path: str, handler: Handler) -> Route:
    """One method of an address: a form stands where it is sent to."""
    return Route(f"/console{path}", handler, methods=[method])
