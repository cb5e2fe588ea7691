"""The first page: is it running, how fast, how far behind, what is to be mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.console.pages import checks
from cdc_triggers.console.pages.trouble import by_trouble, headline
from cdc_triggers.console.pages.view import Page

if TYPE_CHECKING:
    from cdc_triggers.console.pages.action import Action
    from cdc_triggers.console.pages.site import Context, Visit


SHOWN = 20
"""Triggers on this page; all of them are on their own."""


def fill(visit: Visit) -> Context:
    """What is known in this process: the database is asked by the sampler, not by the page."""
    history = visit.site.history
    latest = history.latest
    found = by_trouble(latest)
    return {
        "latest": latest,
        "history": history,
        "headline": headline(latest, visit.now.timestamp()),
        "triggers": found[:SHOWN],
        "more": max(0, len(found) - SHOWN),
        "findings": checks.recent(visit),
    }


PAGES = {
    "": Page(
        "Overview",
        "overview",
        "overview.html",
        fill,
        live=(
            "_overview_state.html",
            "_overview_charts.html",
            "_overview_triggers.html",
            "_overview_health.html",
        ),
    )
}
ACTIONS: dict[str, Action] = {}
