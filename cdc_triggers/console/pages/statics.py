"""Styles, scripts and the icon: read once, and kept by browsers under an address per content."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console.answers import Answer, not_found
from cdc_triggers.console.resource import not_allowed, respond

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Static(NamedTuple):
    """One file."""

    content: bytes
    type: str
    tag: str


def _read() -> dict[str, Static]:
    found = {}
    for entry in (files("cdc_triggers.console") / "static").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None:
            content = entry.read_bytes()
            found[entry.name] = Static(content, kind, hashlib.sha256(content).hexdigest()[:12])
    return found


FILES = _read()


class Statics:
    """An ASGI application for all of them; they say nothing about this installation."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del receive
        file = FILES.get(scope["path_params"]["name"])
        if scope["method"] not in {"GET", "HEAD"}:
            await respond(send, not_allowed({"GET": None}).answer())
        elif file is None:
            await respond(send, not_found("there is no such file").answer())
        else:
            await respond(send, _Kept(HTTPStatus.OK, file.content, file.type))


class _Kept(Answer):
    """An answer that may be kept: its address changes with its content."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """As those of others, but for how long it may be kept."""
        kept = ("cache-control", "public, max-age=31536000, immutable")
        return [kept if name == "cache-control" else (name, v) for name, v in super().headers]
