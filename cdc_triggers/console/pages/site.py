"""What all pages share, and what one request for a page brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cdc_triggers.console.pages.form import Form, whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cdc_triggers.console.calls import Lane
    from cdc_triggers.console.pages.causes import Causes
    from cdc_triggers.console.pages.checks import Checks
    from cdc_triggers.console.pages.gate import Gate
    from cdc_triggers.console.pages.history import History
    from cdc_triggers.console.pages.live import Seats
    from cdc_triggers.console.pages.rendering import Renderer
    from cdc_triggers.console.pages.session import Session
    from cdc_triggers.console.redelivering import Redeliveries
    from cdc_triggers.core.views import AuditLine
    from cdc_triggers.ports import Telemetry
    from cdc_triggers.wiring.serving import Backend


@dataclass(frozen=True)
class Site:
    """What all pages share.

    Attributes:
        reading, changing: threads for what blocks, apart from those of the API.
        history: what was measured until now; checks: what the doctor found.
        causes: of what deliveries died.
        redeliveries: those that run in this process.
        seats: of the pages that are live.
    """

    backend: Backend
    gate: Gate
    telemetry: Telemetry
    renderer: Renderer
    history: History
    checks: Checks
    causes: Causes
    reading: Lane
    changing: Lane
    redeliveries: Redeliveries
    seats: Seats

    def notice(self, visit: Visit) -> AuditLine | None:
        """What was done just now: after an action the address says its number in the audit."""
        number = whole(visit.query.get("done"))
        if number is None:
            return None
        with self.backend.audit() as audit:
            return audit.line(number)


class Browser(NamedTuple):
    """Where a request comes from, as the audit says it."""

    address: str
    user_agent: str


class Visit(NamedTuple):
    """One request for a page, by somebody who may see it.

    Attributes:
        path: the parts of the path that vary.
        here: the path itself.
        query: of the address.
        form: of a POST; empty for a GET.
        now: in UTC.
        theme: `light`, `dark`, or `auto`: as the system says.
    """

    site: Site
    session: Session
    browser: Browser
    here: str
    path: Mapping[str, str]
    query: Form
    now: datetime
    form: Form = Form()
    theme: str = "auto"

    @property
    def backend(self) -> Backend:
        """The database."""
        return self.site.backend

    @property
    def live(self) -> bool:
        """True if the page is open already, and asks again for the parts of it that change."""
        return self.here.startswith("/console/live/")


Context = dict[str, Any]
"""What a template is filled with."""
