"""The console as a whole: what its pages share, begun and ended with the port."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cdc_triggers.console.calls import Lane
from cdc_triggers.console.pages import routes
from cdc_triggers.console.pages.causes import Causes
from cdc_triggers.console.pages.checks import Checks
from cdc_triggers.console.pages.gate import Gate
from cdc_triggers.console.pages.history import History
from cdc_triggers.console.pages.live import Seats
from cdc_triggers.console.pages.rendering import Renderer
from cdc_triggers.console.pages.sampler import Sampler
from cdc_triggers.console.pages.session import Sessions
from cdc_triggers.console.pages.site import Site
from cdc_triggers.console.redelivering import Redeliveries

if TYPE_CHECKING:
    from starlette.routing import Route

    from cdc_triggers.console.auth import Access
    from cdc_triggers.core.meter import Meter
    from cdc_triggers.wiring.serving import Backend
    from cdc_triggers.wiring.streaming import Watched

_WAITING = 64


class Console:
    """Pages of one database.

    Args:
        backend: where.
        watched: the stream of this process, or what stands for it.
    """

    def __init__(self, backend: Backend, watched: Watched) -> None:
        self._backend = backend
        self._watched = watched
        self._history = History()
        self._lanes = (
            Lane("console reading", _WAITING),
            Lane("console changing", _WAITING),
        )
        self._sampler: Sampler | None = None
        self._redeliveries = Redeliveries(backend)

    def routes(self, access: Access) -> list[Route]:
        """Begin to measure, and answer at these addresses."""
        self._sampler = Sampler(
            self._backend.watching(), self._history, self._meter, self._watched.telemetry
        )
        renderer = Renderer()
        threading.Thread(target=renderer.prepare, name="console templates", daemon=True).start()
        site = Site(
            self._backend,
            Gate(access, Sessions(access.secret)),
            self._watched.telemetry,
            renderer,
            self._history,
            Checks(),
            Causes(),
            *self._lanes,
            self._redeliveries,
            Seats(),
        )
        return routes.routes(site)

    def _meter(self) -> Meter | None:
        """What this process has counted, while it streams; a standby takes what is recorded."""
        return self._watched.meter if self._watched.readiness() is None else None

    def close(self) -> None:
        """End it; idempotent."""
        if self._sampler is not None:
            self._sampler.close()
        for lane in self._lanes:
            lane.close()
        self._redeliveries.close()
        self._backend.idle.close()
