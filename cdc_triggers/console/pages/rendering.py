"""Templates into pages: Jinja2 with escaping everywhere, and the words that all pages use."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from cdc_triggers.console.pages import charts, wording
from cdc_triggers.console.pages.statics import FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from jinja2 import Template

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


class Once(BaseLoader):
    """Compiles a template once, whoever asks for it first: all others wait for that.

    Compiling all takes 0.4 s of the processor: two threads that both do it take twice that.
    """

    def __init__(self, source: BaseLoader) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._made: dict[str, Template] = {}

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """See `BaseLoader`."""
        return self._source.get_source(environment, template)

    def list_templates(self) -> list[str]:
        """See `BaseLoader`."""
        return self._source.list_templates()

    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - the name of its base
    ) -> Template:
        """See `BaseLoader`."""
        with self._lock:
            if name not in self._made:
                self._made[name] = super().load(environment, name, globals)
            return self._made[name]


_FRAME = frozenset({"frame.html", "base.html", "_macros.html"})


def by_need(templates: Iterable[str]) -> list[str]:
    """Those first that the first page is made of: the overview, or where one signs in."""
    return sorted(
        templates,
        key=lambda name: (
            name not in _FRAME,
            not name.startswith(("overview", "_overview", "login")),
            name,
        ),
    )


class Renderer:
    """Fills templates. Filters are the functions of `wording`, globals those of `charts`.

    Args:
        source: of the templates; None: those of the console.
    """

    def __init__(self, source: BaseLoader | None = None) -> None:
        self._nobody = threading.Condition()
        self._first = 0
        self._environment = Environment(
            loader=Once(source or PackageLoader("cdc_triggers.console", "templates")),
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
        """Compile all templates, so that no page waits for it; whoever is `first` goes first."""
        for name in by_need(self._environment.list_templates()):
            with self._nobody:
                self._nobody.wait_for(lambda: not self._first)
            self._environment.get_template(name)

    @contextmanager
    def first(self) -> Iterator[None]:
        """While a page is made nothing is prepared.

        A thread that asks a database gives the processor away with every question, and gets it
        back from one that compiles only after 5 ms.
        """
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """One template as HTML."""
        with self.first():
            return self._environment.get_template(template).render(context)

    def _count(self, change: int) -> None:
        with self._nobody:
            self._first += change
            self._nobody.notify_all()


def _asset(name: str) -> str:
    """The address of a static file; another content has another address."""
    return f"/console/static/{name}?v={FILES[name].tag}"
