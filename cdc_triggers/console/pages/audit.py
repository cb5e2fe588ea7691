"""What was done on the console, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.console.pages.action import invalid
from cdc_triggers.console.pages.form import whole
from cdc_triggers.console.pages.view import Page

if TYPE_CHECKING:
    from cdc_triggers.console.pages.action import Action
    from cdc_triggers.console.pages.site import Context, Visit

LINES = 50


def fill(visit: Visit) -> Context:
    """A page of lines, and where the next one begins."""
    text = visit.query.get("before")
    before = whole(text)
    if text and before is None:
        raise invalid("before is the number of a line")
    target = visit.query.get("target") or None
    with visit.backend.audit() as audit:
        lines = audit.lines(LINES + 1, before, target=target)
    shown = lines[:LINES]
    return {
        "lines": shown,
        "target": target,
        "next": shown[-1].id if len(lines) > LINES else None,
        "paged": before is not None,
    }


PAGES = {"/audit": Page("Audit", "audit", "audit.html", fill)}
ACTIONS: dict[str, Action] = {}
