"""Templates into pages: Jinja2 with escaping everywhere, and the words that all pages use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cdc_triggers.console.pages import charts, wording
from cdc_triggers.console.pages.statics import FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: what this port serves, and nothing that stands in the page itself."""

HEADERS = (
    ("content-security-policy", POLICY),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)


class Renderer:
    """Fills templates. Filters are the functions of `wording`, globals those of `charts`."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("cdc_triggers.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(wording.FILTERS)
        self._environment.globals.update(charts.GLOBALS)
        self._environment.globals["asset"] = _asset

    def prepare(self) -> None:
        """Compile all templates, so that the first page does not wait for it."""
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """One template as HTML."""
        return self._environment.get_template(template).render(context)


def _asset(name: str) -> str:
    """The address of a static file; another content has another address."""
    return f"/console/static/{name}?v={FILES[name].tag}"
