"""All triggers: state, rate, success, what they owe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.console.pages.measured import Figures
from cdc_triggers.console.pages.trouble import TriggerLine, of_trigger
from cdc_triggers.console.pages.view import Page

if TYPE_CHECKING:
    from cdc_triggers.console.pages.action import Action
    from cdc_triggers.console.pages.site import Context, Visit
    from cdc_triggers.core.views import TriggerView


def fill(visit: Visit) -> Context:
    """The applied triggers of the database, with what was measured of them."""
    with visit.backend.admin() as admin:
        views = admin.triggers()
    return {
        "rows": [(view, line_of(visit, view)) for view in views],
        "history": visit.site.history,
        "latest": visit.site.history.latest,
    }


def line_of(visit: Visit, view: TriggerView) -> TriggerLine:
    """A trigger's line; what it does is nothing, and what it owes not known, until it is seen."""
    latest = visit.site.history.latest
    owed = latest.owed.get(view.name) if latest else None
    figures = latest.figures.get(view.name, Figures()) if latest else Figures()
    return TriggerLine(view.name, of_trigger(owed, figures, paused=view.paused), owed, figures)


PAGES = {
    "/triggers": Page("Triggers", "triggers", "triggers.html", fill, ("_triggers_rows.html",), 5.0)
}
ACTIONS: dict[str, Action] = {}
