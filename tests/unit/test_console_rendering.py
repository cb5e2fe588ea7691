"""Templates of the console: compiled once, those of the first page first."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from jinja2 import BaseLoader, DictLoader, Environment, TemplateNotFound

from cdc_triggers.console.pages.rendering import Once, Renderer, by_need

THREADS = 8


class Source(BaseLoader):
    """Counts who asks; the first one is kept until `go`."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.begun = threading.Event()
        self.go = threading.Event()

    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:
        del environment
        self.asked[template] += 1
        self.begun.set()
        assert self.go.wait(30)
        if template == "missing.html":
            raise TemplateNotFound(template)
        return f"{template} {{{{ value }}}}", None, None


def test_a_template_that_many_ask_for_at_once_is_compiled_once() -> None:
    source = Source()
    environment = Environment(loader=Once(source), autoescape=True)

    def render(value: int) -> str:
        return environment.get_template("page.html").render(value=value)

    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(render, value) for value in range(THREADS)]
        assert source.begun.wait(30)
        source.go.set()
        assert [each.result() for each in asked] == [f"page.html {n}" for n in range(THREADS)]
    assert source.asked == {"page.html": 1}


def test_a_template_that_is_not_there_keeps_nobody_waiting() -> None:
    source = Source()
    source.go.set()
    environment = Environment(loader=Once(source), autoescape=True)
    for _ in range(2):
        with pytest.raises(TemplateNotFound):
            environment.get_template("missing.html")
    assert environment.get_template("page.html").render(value=1) == "page.html 1"


def test_what_the_first_page_is_made_of_is_compiled_first() -> None:
    names = ("_macros.html", "audit.html", "base.html", "_overview_state.html", "frame.html")
    assert by_need((*names, "login.html", "overview.html")) == [
        *("_macros.html", "base.html", "frame.html"),
        *("_overview_state.html", "login.html", "overview.html", "audit.html"),
    ]


def test_the_rest_is_not_compiled_while_a_page_is_made() -> None:
    renderer = Renderer(DictLoader({"page.html": "{{ wait() }}", "rest.html": "rest"}))
    made, end = threading.Event(), threading.Event()

    def wait() -> str:
        made.set()
        return "made" if end.wait(30) else "late"

    with ThreadPoolExecutor(2) as threads:
        page = threads.submit(renderer.render, "page.html", {"wait": wait})
        assert made.wait(30)
        rest = threads.submit(renderer.prepare)
        with pytest.raises(TimeoutError):
            rest.result(0.2)
        end.set()
        assert page.result(30) == "made"
        rest.result(30)
